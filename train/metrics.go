package train

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// Metrics is what is known about one step: one line of metrics.jsonl.
type Metrics struct {
	Step         int     `json:"step"`  // from 0
	Epoch        int     `json:"epoch"` // from 0
	Loss         float32 `json:"loss"`
	LearningRate float64 `json:"learning_rate"`
	// Accuracy is the share of views whose nearest view of the other kind is that of
	// the same image; left out where the batch is too large for it to be cheap.
	Accuracy *float64 `json:"contrastive_accuracy,omitempty"`
	GradNorm float64  `json:"gradient_norm"` // ‖g‖₂ over all parameters, without weight decay

	ImagesPerSecond float64 `json:"images_per_second"` // both views counted
	Time            float64 `json:"time"`              // seconds that the step took, data included
	Wait            float64 `json:"wait"`              // seconds of them spent waiting for data

	Skipped int `json:"skipped_images,omitempty"` // of the batch, that could not be read and were replaced
}

// metricsFile appends to a metrics.jsonl.
type metricsFile struct{ f *os.File }

// openMetrics opens the file for step steps and all that follow: lines of later
// steps, or of a step that was cut short, are dropped. It returns the number of
// lines kept, which is less than steps only if lines were lost.
func openMetrics(path string, steps int) (*metricsFile, int, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, 0, err
	}
	kept, size, err := prefix(f, steps)
	if err == nil {
		err = f.Truncate(size)
	}
	if err == nil {
		_, err = f.Seek(size, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	return &metricsFile{f}, kept, nil
}

// prefix returns how many whole lines from the start have a step below steps, and
// where they end.
func prefix(r io.Reader, steps int) (lines int, size int64, err error) {
	b := bufio.NewReader(r)
	for {
		line, err := b.ReadBytes('\n')
		if err == io.EOF {
			return lines, size, nil
		}
		if err != nil {
			return 0, 0, err
		}
		var m struct{ Step *int }
		if json.Unmarshal(line, &m) != nil || m.Step == nil || *m.Step >= steps {
			return lines, size, nil
		}
		lines, size = lines+1, size+int64(len(line))
	}
}

// append writes the line of a step and returns it.
func (m *metricsFile) append(v Metrics) ([]byte, error) {
	line, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	line = append(line, '\n')
	_, err = m.f.Write(line)
	return line, err
}

func (m *metricsFile) sync() error  { return m.f.Sync() }
func (m *metricsFile) close() error { return m.f.Close() }

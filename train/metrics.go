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

	Monitor *Monitor `json:"monitor,omitempty"` // after the step, where the monitor looked
}

// lineFile appends lines to a file.
type lineFile struct {
	f    *os.File
	last []byte // nil before the first
}

// openLines opens the file for appending after those lines, from the start on, that are
// whole and that keep says yes to; what follows is dropped.
func openLines(path string, keep func(line []byte) bool) (*lineFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	l := &lineFile{f: f}
	size, err := prefix(f, func(line []byte) bool {
		if !keep(line) {
			return false
		}
		l.last = line
		return true
	})
	if err == nil {
		err = f.Truncate(size)
	}
	if err == nil {
		_, err = f.Seek(size, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

// prefix returns where the lines that are kept end.
func prefix(r io.Reader, keep func(line []byte) bool) (size int64, err error) {
	b := bufio.NewReader(r)
	for {
		line, err := b.ReadBytes('\n')
		if err == io.EOF {
			return size, nil
		}
		if err != nil {
			return 0, err
		}
		if !keep(line) {
			return size, nil
		}
		size += int64(len(line))
	}
}

// append writes v as a line of JSON and returns the line.
func (l *lineFile) append(v any) ([]byte, error) {
	line, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	l.last = append(line, '\n')
	_, err = l.f.Write(l.last)
	return l.last, err
}

// amend writes v over the last line.
func (l *lineFile) amend(v any) ([]byte, error) {
	start, err := l.f.Seek(-int64(len(l.last)), io.SeekEnd)
	if err != nil {
		return nil, err
	}
	line, err := l.append(v)
	if err != nil {
		return nil, err
	}
	return line, l.f.Truncate(start + int64(len(line)))
}

func (l *lineFile) sync() error  { return l.f.Sync() }
func (l *lineFile) close() error { return l.f.Close() }

// openMetrics opens a metrics.jsonl for step steps and all that follow: lines of later
// steps, or of a step that was cut short, are dropped. It returns the number of lines
// kept, which is less than steps only if lines were lost.
func openMetrics(path string, steps int) (f *lineFile, kept int, err error) {
	f, err = openLines(path, func(line []byte) bool {
		var m struct{ Step *int }
		if json.Unmarshal(line, &m) != nil || m.Step == nil || *m.Step >= steps {
			return false
		}
		kept++
		return true
	})
	return f, kept, err
}

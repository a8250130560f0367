package train

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/analysis"
	"onnxclr/importer"
	"onnxclr/internal/file"
	"onnxclr/internal/graph"
	"onnxclr/internal/memory"
	"onnxclr/internal/vm"
	"onnxclr/train/augment"
	"onnxclr/train/data"
	probes "onnxclr/train/probe"
)

// Monitor is what held-out images say about a model in training, in evaluation mode:
// the short form, in metrics.jsonl. r is the representation, z what the loss is of.
// Rows are scaled to unit length; a number is missing where it cannot be had.
type Monitor struct {
	RankMeR *float64 `json:"rankme_r,omitempty"`
	RankMeZ *float64 `json:"rankme_z,omitempty"`
	LiveR   *int     `json:"live_r,omitempty"` // dimensions, see analysis.LiveThreshold
	LiveZ   *int     `json:"live_z,omitempty"`
	// KNN and Probe are shares of the held-out images whose class is found: by the
	// nearest training images, and by the online linear probe.
	KNN   *float64 `json:"knn_top1,omitempty"`
	Probe *float64 `json:"probe_top1,omitempty"`
	Time  float64  `json:"time"` // seconds that looking took, not part of the step's
}

// MonitorPoint is one look at the held-out images: a line of monitor.jsonl.
type MonitorPoint struct {
	Steps int                `json:"steps"` // made before; 0 is the model that training began with
	R     *analysis.Spectrum `json:"r,omitempty"`
	Z     *analysis.Spectrum `json:"z,omitempty"`
	KNN   *float64           `json:"knn_top1,omitempty"`
	Probe *float64           `json:"probe_top1,omitempty"`
}

// ReadMonitor returns what the monitor of a run saw, nothing where it was off. A last
// line without its end is not counted.
func ReadMonitor(dir string) ([]MonitorPoint, error) {
	b, err := os.ReadFile(filepath.Join(dir, monitorName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var points []MonitorPoint
	for line := range bytes.Lines(b) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		var p MonitorPoint
		if err := json.Unmarshal(line, &p); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", filepath.Join(dir, monitorName), len(points)+1, err)
		}
		points = append(points, p)
	}
	return points, nil
}

// monitor looks at the model every so many steps. Nothing of what it does reaches the
// training: it has a graph of its own that shares the weights, and draws from no
// stream that training draws from. A nil *monitor does nothing.
type monitor struct {
	every, total int
	held, bank   data.Dataset // bank nil: no kNN
	knn          probes.KNN
	workers      int
	skip         bool // images that cannot be read
	learner      *learner
	program      *graph.Program
	machine      *vm.Machine
	outputs      []*G.Node // r, z
	shape        []int     // of the images of a run
	log          *lineFile
	values       *augment.Normalization
	seen         int // steps at the last point, −1: none yet
	first, last  *MonitorPoint
	close        func() error
	dir          string
	warn         func(string)
}

// monitorBatch is how many images are looked at in one go.
const monitorBatch = 32

// openMonitor prepares to look at a learner's model.
func openMonitor(dir string, r *Recipe, source Source, l *learner, total int, warn func(string)) (m *monitor, err error) {
	if r.MonitorEvery == 0 {
		return nil, nil
	}
	sets, err := openHeldOut(r, source)
	if err != nil {
		return nil, fmt.Errorf("monitor: %w", err)
	}
	for _, w := range sets.notes {
		warn(w)
	}
	_, height, width := source.Size()
	m = &monitor{
		every: r.MonitorEvery, total: total, held: sets.held, bank: sets.bank, workers: r.Workers, values: r.Normalization(), skip: r.Corrupt == "skip", learner: l,
		knn: probes.KNN{K: r.KNNK, Temperature: r.KNNTemp}, dir: dir, warn: warn, close: sets.close, seen: -1,
		shape: []int{min(monitorBatch, sets.held.Len()), 3, height, width},
	}
	if !sets.labelled {
		l.probe = nil
	}
	if err := m.compile(); err != nil {
		return nil, errors.Join(fmt.Errorf("monitor: %w", err), m.end())
	}
	if m.log, err = openLines(filepath.Join(dir, monitorName), func(line []byte) bool {
		var at struct{ Steps *int }
		if json.Unmarshal(line, &at) != nil || at.Steps == nil || *at.Steps > l.step {
			return false
		}
		if m.first == nil {
			var p MonitorPoint
			if json.Unmarshal(line, &p) == nil {
				m.first = &p
			}
		}
		m.seen = *at.Steps
		return true
	}); err != nil {
		return nil, errors.Join(err, m.end())
	}
	return m, nil
}

// compile plans the model in evaluation mode, for fewer images where memory is short.
func (m *monitor) compile() error {
	l := m.learner
	r, err := importer.Representation(l.model.ONNX)
	if err != nil {
		return err
	}
	for ; ; m.shape[0] /= 2 {
		m.program, err = graph.Build(l.model.ONNX, l.weights, graph.Options{
			Batch: m.shape[0], Channels: m.shape[1], Height: m.shape[2], Width: m.shape[3],
			Outputs: []string{r, importer.EmbeddingName},
		})
		if err != nil {
			return err
		}
		m.outputs = []*G.Node{m.program.Outputs[r], m.program.Outputs[importer.EmbeddingName]}
		m.machine, err = vm.Compile(m.program.Graph, vm.Options{Keep: m.outputs, MaxBytes: memory.Available()})
		var big *vm.MemoryError
		if !errors.As(err, &big) || m.shape[0] == 1 {
			return err
		}
	}
}

// due reports whether the monitor looks after this many steps.
func (m *monitor) due(steps int) bool {
	return m != nil && steps != m.seen && (steps%m.every == 0 || steps == m.total)
}

// catchUp looks if that is due before a step is made: at the model that training begins
// with, or at that of a run which was interrupted before it was seen. Then what is seen
// joins the other numbers of the step made last, before it is logged: a run killed on the
// way looks again.
func (m *monitor) catchUp(ctx context.Context, metrics *lineFile, events *events) error {
	if m == nil || !m.due(m.learner.step) {
		return nil
	}
	seen, err := m.look(ctx)
	if err != nil {
		return err
	}
	var last Metrics
	if json.Unmarshal(metrics.last, &last) == nil && last.Step == m.learner.step-1 {
		last.Monitor = seen
		line, err := metrics.amend(last)
		if err != nil {
			return err
		}
		if err := errors.Join(events.monitor(last.Step, line), events.spectra(last.Step, m)); err != nil {
			return err
		}
	}
	return m.record()
}

// look measures the model as it is and returns the short form of what it saw, which
// record logs. If it is interrupted the look stays due.
func (m *monitor) look(ctx context.Context) (*Monitor, error) {
	start := time.Now()
	p := MonitorPoint{Steps: m.learner.step}
	held, err := m.embed(ctx, m.held)
	if err != nil {
		return nil, err
	}
	p.R = m.spectrum("r", held.r, held.dims[0])
	p.Z = m.spectrum("z", held.z, held.dims[1])
	if err := m.classify(ctx, &p, held); err != nil {
		return nil, err
	}
	m.last = &p
	if m.first == nil {
		m.first = &p
	}
	s := &Monitor{KNN: p.KNN, Probe: p.Probe, Time: time.Since(start).Seconds()}
	if p.R != nil {
		s.RankMeR, s.LiveR = &p.R.Metrics.RankMe, &p.R.Metrics.LiveDims
	}
	if p.Z != nil {
		s.RankMeZ, s.LiveZ = &p.Z.Metrics.RankMe, &p.Z.Metrics.LiveDims
	}
	return s, nil
}

// record logs what the last look saw.
func (m *monitor) record() error {
	_, err := m.log.append(m.last)
	m.seen = m.last.Steps
	return err
}

// spectrum is nil, with a warning, where there is none: rows of zeros, for one, are a
// collapse that has no direction.
func (m *monitor) spectrum(name string, rows []float32, dim int) *analysis.Spectrum {
	const normalize, ddof = true, 1 // as the spectrum verb
	moments, err := analysis.NewMoments(dim, normalize)
	if err == nil {
		err = moments.AddFloat32(rows)
	}
	var s *analysis.Spectrum
	if err == nil {
		s, err = moments.Spectrum(name, ddof)
	}
	if err != nil {
		m.warn(fmt.Sprintf("monitor after %d steps: %s has no spectrum: %v", m.learner.step, name, err))
		return nil
	}
	return s
}

// classify fills in the accuracies.
func (m *monitor) classify(ctx context.Context, p *MonitorPoint, held *embedded) error {
	pool, online := m.learner.machine.Pool(), m.learner.probe
	queries := probes.NewFeatures(held.r, held.dims[0], held.labels)
	switch {
	case online == nil || p.Steps == 0: // it has not learnt anything
	case online.broken:
		m.warn(fmt.Sprintf("monitor after %d steps: the online probe has diverged; a lower probe_lr than %g might help", p.Steps, online.sgd.LR))
	default:
		o, err := online.Classify(pool, queries)
		if err != nil {
			return err
		}
		p.Probe = &o.Top1
	}
	if m.bank == nil {
		return nil
	}
	bank, err := m.embed(ctx, m.bank)
	if err != nil {
		return err
	}
	o, err := m.knn.Classify(ctx, pool, probes.NewFeatures(bank.r, bank.dims[0], bank.labels), queries, len(m.held.Classes()), nil)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		m.warn(fmt.Sprintf("monitor after %d steps: no kNN: %v", p.Steps, err))
		return nil
	}
	p.KNN = &o.Top1
	return nil
}

// embedded are rows of r and z.
type embedded struct {
	r, z   []float32
	dims   []int
	labels []int
}

// embed computes the rows of a data set as embed does. Images that are few in the last
// run are followed by leftovers, whose rows are dropped.
func (m *monitor) embed(ctx context.Context, ds data.Dataset) (e *embedded, err error) {
	images, err := data.NewEvaluation(ds, m.shape[0], m.shape[2], m.workers)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, images.Close()) }()
	images.Normalize(m.values)
	if m.skip {
		images.SkipCorrupt()
	}
	e = &embedded{dims: []int{m.outputs[0].Shape()[1], m.outputs[1].Shape()[1]}}
	input := make([]float32, m.shape[0]*m.shape[1]*m.shape[2]*m.shape[3])
	for {
		b, err := images.Next(ctx)
		if err == io.EOF {
			return e, nil
		}
		if err != nil {
			return nil, fmt.Errorf("monitor: %w", err)
		}
		copy(input, b.Images)
		if err := G.Let(m.program.Input, tensor.New(tensor.WithShape(m.shape...), tensor.WithBacking(input))); err != nil {
			return nil, err
		}
		if err := m.machine.RunAll(); err != nil {
			return nil, fmt.Errorf("monitor: %w", err)
		}
		n := b.N()
		e.r = append(e.r, m.machine.Values(m.outputs[0])[:n*e.dims[0]]...)
		e.z = append(e.z, m.machine.Values(m.outputs[1])[:n*e.dims[1]]...)
		e.labels = append(e.labels, b.Labels...)
	}
}

// sync brings the points to the disk.
func (m *monitor) sync() error {
	if m == nil {
		return nil
	}
	return m.log.sync()
}

// picture draws the spectra of the last look beside those of the first; it has no panel
// when there is nothing to draw.
func (m *monitor) picture() analysis.LineChart {
	e := analysis.Evolution{DPI: 100}
	for _, p := range []*MonitorPoint{m.first, m.last} {
		if p != nil && (p.R != nil || p.Z != nil) && (len(e.Points) == 0 || e.Points[0].Steps < p.Steps) {
			e.Points = append(e.Points, analysis.EvolutionPoint{Steps: p.Steps, R: p.R, Z: p.Z})
		}
	}
	if len(e.Points) == 0 {
		return analysis.LineChart{}
	}
	return e.Chart()
}

// chart draws the spectra's evolution into the run directory.
func (m *monitor) chart() error {
	if m == nil {
		return nil
	}
	points, err := ReadMonitor(m.dir)
	if err != nil {
		return err
	}
	var e analysis.Evolution
	for _, p := range points {
		if p.R != nil || p.Z != nil {
			e.Points = append(e.Points, analysis.EvolutionPoint{Steps: p.Steps, R: p.R, Z: p.Z})
		}
	}
	if len(e.Points) == 0 {
		return nil
	}
	return file.Write(filepath.Join(m.dir, spectrumName), func(w io.Writer) error { return e.Chart().Write(w, ".png") })
}

func (m *monitor) end() error {
	if m == nil {
		return nil
	}
	var err error
	if m.log != nil {
		err = m.log.close()
	}
	if m.machine != nil {
		m.machine.Close()
	}
	return errors.Join(err, m.close())
}

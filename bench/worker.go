package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer"
	"onnxclr/internal/graph"
	"onnxclr/internal/kernel"
	"onnxclr/internal/vm"
	"onnxclr/train"
)

// serve answers one case: "ready", then seconds and a value for every "step", at
// the end the peak resident memory.
func serve(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() {
		return fmt.Errorf("no case on standard input")
	}
	var c benchCase
	if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
		return err
	}
	runtime.GOMAXPROCS(c.Threads)
	step, profile, err := prepare(c)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "ready onnxclr")
	for lines.Scan() {
		switch strings.TrimSpace(lines.Text()) {
		case "step":
			start := seconds(c.Clock)
			value, err := step()
			if err != nil {
				return err
			}
			fmt.Fprintln(out, seconds(c.Clock)-start, value)
			continue
		case "profile":
			profile(out)
			continue
		}
		break
	}
	peak, err := peakMemory()
	if err != nil {
		return err
	}
	fmt.Fprintln(out, peak)
	return nil
}

var began = time.Now()

// seconds reads a clock: processor time, or the time since the process began.
func seconds(clock string) float64 {
	if clock == "processor" {
		return processorTime()
	}
	return time.Since(began).Seconds()
}

// prepare returns one step of the case: for training, forward of two views, the
// symmetric InfoNCE of the representation, backward, SGD with momentum and the
// running statistics; for the forward pass, the representation.
func prepare(c benchCase) (step func() (float64, error), profile func(io.Writer), err error) {
	if c.Pass == "pictures" {
		step, err = preparePictures(c)
		return step, func(io.Writer) {}, err
	}
	if c.Pass == "knn" || c.Pass == "linear" {
		step, err = prepareProbe(c)
		return step, func(io.Writer) {}, err
	}
	ckpt, err := importer.OpenCheckpoint(c.Checkpoint)
	if err != nil {
		return nil, nil, err
	}
	m, _, err := importer.Convert(ckpt, importer.ConvertOptions{})
	if err != nil {
		return nil, nil, err
	}
	w, err := graph.NewWeights(m)
	if err != nil {
		return nil, nil, err
	}
	if err := ckpt.Close(); err != nil {
		return nil, nil, err
	}
	training := c.Pass == "train"
	o := graph.Options{Batch: c.Batch, Channels: 3, Height: c.Size, Width: c.Size, Outputs: []string{"representation"}}
	if training {
		o.Batch, o.Views, o.Train = 2*c.Batch, 2, true
	}
	p, err := graph.Build(m, w, o)
	if err != nil {
		return nil, nil, err
	}
	x := images(o.Batch, c.Size)
	if err := G.Let(p.Input, tensor.New(tensor.WithShape(o.Batch, 3, c.Size, c.Size), tensor.WithBacking(x))); err != nil {
		return nil, nil, err
	}
	result := p.Outputs["representation"]
	keep := []*G.Node{result}
	if training {
		if result, err = graph.InfoNCE(result, 0.1); err != nil {
			return nil, nil, err
		}
		if err := p.Differentiate(result); err != nil {
			return nil, nil, err
		}
		keep = []*G.Node{result}
		for _, q := range p.Params {
			keep = append(keep, q.Grad)
		}
		for _, n := range p.Norms {
			keep = append(keep, n.Stats)
		}
	}
	engine := vm.Options{Keep: keep, Workers: c.Threads, Exact: c.Engine == "exact", FixedParameters: !training}
	if c.Engine == "bf16" {
		engine.Precision = kernel.BF16
	}
	machine, err := vm.Compile(p.Graph, engine)
	if err != nil {
		return nil, nil, err
	}
	profile = func(out io.Writer) { writeProfile(out, machine, step) }
	step = func() (float64, error) {
		err := machine.RunAll()
		return mean(machine.Values(result)), err
	}
	if training {
		forwardBackward := step
		update := optimizer(p, machine)
		step = func() (float64, error) {
			loss, err := forwardBackward()
			if err != nil {
				return 0, err
			}
			return loss, update()
		}
	}
	return step, profile, nil
}

// optimizer returns the update after a step: SGD with momentum and the running
// statistics.
func optimizer(p *graph.Program, machine *vm.Machine) func() error {
	sgd := &train.SGD{Momentum: 0.9, Pool: machine.Pool()}
	params, grads := make([]train.Param, len(p.Params)), make([][]float32, len(p.Params))
	for i, q := range p.Params {
		params[i], grads[i] = train.Param{Name: q.Name, Shape: q.Shape, Value: q.Value}, machine.Values(q.Grad)
	}
	return func() error {
		sgd.Step(params, grads, 0.001, 1)
		return p.UpdateRunning(machine.Values)
	}
}

func writeProfile(out io.Writer, machine *vm.Machine, step func() (float64, error)) {
	machine.SetProfile(true)
	defer machine.SetProfile(false)
	const runs = 3
	for range runs {
		if _, err := step(); err != nil {
			fmt.Fprintln(out, err)
			return
		}
	}
	for _, u := range machine.Profile() {
		s := u.Time.Seconds()
		fmt.Fprintf(out, "%-24s %4d calls %8.2f ms %8.1f GFLOP/s %6.1f GB/s\n", u.Name, u.Calls/runs, 1e3*s/runs, float64(u.FLOPs)/s/1e9, float64(u.Bytes)/s/1e9)
	}
}

func mean(v []float32) float64 {
	var sum float64
	for _, x := range v {
		sum += float64(x)
	}
	return sum / float64(len(v))
}

// images are the numbers of torch_worker.py.
func images(n, size int) []float32 {
	x := make([]float32, n*3*size*size)
	for i := range x {
		v := uint32(uint64(i)*2654435761 + 12345)
		v ^= v >> 15
		v *= 2246822519
		v ^= v >> 13
		x[i] = float32(float64(v)/(1<<31) - 1)
	}
	return x
}

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"onnxclr/importer"
)

// plan is what one invocation measures.
type plan struct {
	python                         string
	models, sizes, passes, engines []string
	reps, threads                  int
	clock, report                  string
}

// side is one process that runs the steps of a case.
type side struct {
	name    string
	version string
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	seconds []float64
	value   float64
	peak    int64
}

// tableHead names the columns; chart.go reads the first five.
const tableHead = "| model | pass | batch × size | engine | seconds (min–max) | ours is | peak MB | value |"

func compare(p plan) error {
	dir, err := os.MkdirTemp("", "onnxclr-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if p.clock == "processor" && (p.threads != 1 || slices.ContainsFunc(p.engines, func(e string) bool { return !own(e) })) {
		return fmt.Errorf("the processor's clock is for one thread and our own engines, exact and bf16")
	}
	if p.clock == "processor" && processorTime() == 0 {
		return fmt.Errorf("this system does not tell the processor time")
	}
	if p.clock != "processor" && p.clock != "wall" {
		return fmt.Errorf("clock %q, want wall or processor", p.clock)
	}
	out := io.Writer(os.Stdout)
	if p.report != "" {
		f, err := os.OpenFile(p.report, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		out = io.MultiWriter(out, f)
	}
	fmt.Fprintf(out, "\n%s, %d threads, %s; median of %d interleaved steps, %s clock\n\n", processor(), p.threads, runtime.Version(), p.reps, p.clock)
	fmt.Fprintln(out, tableHead)
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|")
	for _, model := range p.models {
		c := benchCase{Clock: p.clock, Model: model, Threads: p.threads, Checkpoint: filepath.Join(dir, model+".pth"), ONNX: filepath.Join(dir, model+".onnx")}
		if b, err := exec.Command(p.python, "bench/torch_worker.py", "--save", model, c.Checkpoint).CombinedOutput(); err != nil {
			return fmt.Errorf("making the checkpoint of %s: %w\n%s", model, err, b)
		}
		if err := convert(c.Checkpoint, c.ONNX); err != nil {
			return err
		}
		for _, pass := range p.passes {
			for _, size := range p.sizes {
				if _, err := fmt.Sscanf(size, "%dx%d", &c.Batch, &c.Size); err != nil {
					return fmt.Errorf("size %q, want BATCHxPIXELS", size)
				}
				c.Pass = pass
				sides, err := measure(self, p, c)
				if err != nil {
					return err
				}
				write(out, c, sides)
			}
		}
	}
	return nil
}

// own reports whether an engine is ours.
func own(engine string) bool { return engine == "exact" || engine == "bf16" }

func convert(checkpoint, onnx string) error {
	c, err := importer.OpenCheckpoint(checkpoint)
	if err != nil {
		return err
	}
	defer c.Close()
	m, _, err := importer.Convert(c, importer.ConvertOptions{})
	if err != nil {
		return err
	}
	_, err = importer.Export(m, onnx, importer.ExportOptions{Force: true})
	return err
}

// pause is the time between steps: threads that wait for more work by looping, as
// ONNX Runtime's do after a step, must not take the processor from the next side.
const pause = 100 * time.Millisecond

// measure runs one case on every side in turn.
func measure(self string, p plan, c benchCase) ([]*side, error) {
	ours := c
	ours.Engine = "ours"
	s, err := start("onnxclr", ours, self, "--worker")
	if err != nil {
		return nil, err
	}
	sides := []*side{s}
	for _, e := range p.engines {
		theirs := c
		theirs.Engine, theirs.Layout = e, "contiguous"
		if (e == "onnxruntime") && c.Pass == "train" {
			continue
		}
		var s *side
		if own(e) {
			s, err = start(e, theirs, self, "--worker")
		} else {
			if e == "torch-channels-last" {
				theirs.Engine, theirs.Layout = "torch", "channels_last"
			}
			s, err = start(e, theirs, p.python, "bench/torch_worker.py")
		}
		if err != nil {
			return nil, err
		}
		sides = append(sides, s)
	}
	for rep := range p.reps + 1 {
		for _, s := range sides {
			time.Sleep(pause)
			seconds, err := s.step()
			if err != nil {
				return nil, err
			}
			if rep > 0 {
				s.seconds = append(s.seconds, seconds)
			}
		}
	}
	for _, s := range sides {
		if err := s.stop(); err != nil {
			return nil, err
		}
	}
	return sides, nil
}

func start(name string, c benchCase, command string, args ...string) (*side, error) {
	s := &side{name: name, cmd: exec.Command(command, args...)}
	s.cmd.Stderr = os.Stderr
	var err error
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	pipe, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.out = bufio.NewReader(pipe)
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if err := json.NewEncoder(s.in).Encode(c); err != nil {
		return nil, err
	}
	line, err := s.out.ReadString('\n')
	version, ok := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if !ok {
		return nil, fmt.Errorf("%s did not get ready: %q %v", name, line, err)
	}
	s.version = version
	return s, nil
}

func (s *side) step() (float64, error) {
	fmt.Fprintln(s.in, "step")
	line, err := s.out.ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("%s stopped: %w", s.name, err)
	}
	var seconds float64
	_, err = fmt.Sscan(line, &seconds, &s.value)
	return seconds, err
}

func (s *side) stop() error {
	fmt.Fprintln(s.in, "quit")
	s.in.Close()
	line, err := s.out.ReadString('\n')
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if s.peak, err = strconv.ParseInt(strings.TrimSpace(line), 10, 64); err != nil {
		return err
	}
	return s.cmd.Wait()
}

func write(out io.Writer, c benchCase, sides []*side) {
	ours := median(sides[0].seconds)
	for _, s := range sides {
		m := median(s.seconds)
		low, high := s.seconds[0], s.seconds[0]
		for _, v := range s.seconds {
			low, high = min(low, v), max(high, v)
		}
		fmt.Fprintf(out, "| %s | %s | %d × %d² | %s (%s) | %.3f (%.3f–%.3f) | %.2f× | %d | %.6g |\n",
			c.Model, c.Pass, c.Batch, c.Size, s.name, s.version, m, low, high, m/ours, s.peak>>20, s.value)
	}
}

func median(v []float64) float64 {
	s := append([]float64(nil), v...)
	sort.Float64s(s)
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// processor names the CPU where the system tells.
func processor() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for _, line := range strings.Split(string(b), "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

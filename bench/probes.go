package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"onnxclr/importer/weights"
	"onnxclr/internal/npy"
	"onnxclr/internal/stream"
)

// probesHead names the columns of the table of probes.
const probesHead = "| rows | probe | engine | seconds (min–max) | ours is | peak MB | value |"

// probeQueries is how many rows are classified by their neighbours in a step.
const probeQueries = 1000

// compareProbes measures probes on rows [N,D] beside others: the vote of the 200
// nearest of N rows for 1000 queries, beside scikit-learn and faiss, and an epoch of
// the linear probe, batches of 256, to 10 and to 1000 classes, beside PyTorch.
func compareProbes(p plan, shapes []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
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
	fmt.Fprintf(out, "\n%s, %d threads, %s clock; median of %d interleaved\n\n%s\n|---|---|---|---|---|---|---|\n", processor(), p.threads, p.clock, p.reps, probesHead)
	for _, shape := range shapes {
		var n, d int
		if _, err := fmt.Sscanf(shape, "%dx%d", &n, &d); err != nil || n < 1 || d < 1 {
			return fmt.Errorf("probes %q, want ROWSxVALUES", shape)
		}
		if err := probesOn(out, self, p, n, d); err != nil {
			return err
		}
	}
	return nil
}

func probesOn(out io.Writer, self string, p plan, n, d int) error {
	dir, err := os.MkdirTemp("", "onnxclr-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for i, f := range []struct {
		name string
		rows int
	}{{"bank.npy", n}, {"queries.npy", probeQueries}} {
		if err := writeRows(filepath.Join(dir, f.name), uint64(i), f.rows, d); err != nil {
			return err
		}
	}
	for _, c := range []struct {
		pass    string
		classes int
		engines []string
	}{{"knn", 10, []string{"sklearn", "faiss"}}, {"linear", 10, []string{"torch"}}, {"linear", 1000, []string{"torch"}}} {
		bc := benchCase{Pass: c.pass, Model: dir, Size: c.classes, Threads: p.threads, Clock: p.clock, Batch: 256}
		ours, err := start("onnxclr", bc, self, "--worker")
		if err != nil {
			return err
		}
		sides := []*side{ours}
		for _, engine := range c.engines {
			bc.Engine = engine
			s, err := start(engine, bc, p.python, "bench/probes_worker.py")
			if err != nil {
				return err
			}
			sides = append(sides, s)
		}
		for rep := range p.reps + 1 {
			for _, s := range sides {
				seconds, err := s.step()
				if err != nil {
					return err
				}
				if rep > 0 {
					s.seconds = append(s.seconds, seconds)
				}
			}
		}
		for _, s := range sides {
			if err := s.stop(); err != nil {
				return err
			}
			low, high := s.seconds[0], s.seconds[0]
			for _, v := range s.seconds {
				low, high = min(low, v), max(high, v)
			}
			fmt.Fprintf(out, "| %d × %d | %s, %d classes | %s (%s) | %.3f (%.3f–%.3f) | %.2f× | %d | %.6g |\n",
				n, d, c.pass, c.classes, s.name, s.version, median(s.seconds), low, high, median(s.seconds)/median(ours.seconds), s.peak>>20, s.value)
		}
	}
	return nil
}

// writeRows writes rows as representations are: not negative, many of them 0.
func writeRows(path string, seed uint64, n, d int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w, err := npy.NewWriter(f, weights.Float32, []int{n, d})
	if err != nil {
		return err
	}
	r := stream.New(seed, "bench probes")
	row := make([]float32, d)
	for range n {
		for j := range row {
			row[j] = max(0, float32(r.NormFloat64()))
		}
		if err := w.Append(row); err != nil {
			return err
		}
	}
	return w.Close()
}

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"onnxclr/internal/memory"
	"onnxclr/internal/study"
)

// list prints what each cell takes that is not done, as a few steps of each variant and
// a sample of each probe tell, with -v the command lines too. Nothing is left behind.
func (o *ablateOptions) list(ctx context.Context, t *terminal, p *study.Plan, f *footprint, reuse *study.Reuse) error {
	dir, err := os.MkdirTemp("", "onnxclr-ablate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := o.newStopwatch(ctx, t, dir, p, f)
	if err != nil {
		return err
	}
	rows := [][]string{{"variant", "seed", "time", "memory", "disk"}}
	var lines []string
	var total cost
	left := 0                 // cells
	made := map[string]bool{} // files that an earlier cell makes
	for i := range p.Cells {
		c := &p.Cells[i]
		var all cost
		state := ""
		for _, step := range c.Steps {
			_, err := os.Stat(filepath.Join(o.out, step.Done))
			switch {
			case made[step.Done] || o.out != "" && err == nil:
				continue
			case reuse.Has(step):
				state = ", rest taken"
			default:
				of, err := s.step(c, step)
				if err != nil {
					return fmt.Errorf("variant %s: %w", c.Variant, err)
				}
				all.add(of)
			}
			made[step.Done] = true
		}
		took := roughly(all.time) + state
		switch {
		case all.time == 0 && state != "":
			took = "taken"
			left++
		case all.time == 0:
			took = "done"
		default:
			left++
		}
		total.add(all)
		rows = append(rows, []string{c.Label, fmt.Sprint(c.Seed), took, size(all.memory), size(all.disk)})
		lines = append(lines, fmt.Sprintf("%s, seed %d", c.Label, c.Seed))
		for _, step := range c.Steps {
			lines = append(lines, "  onnxclr "+strings.Join(step.In(o.out), " "))
		}
	}
	t.table(rows, 1)
	if t.verbose {
		t.print("\n%s\n", strings.Join(lines, "\n"))
	}
	cells := fmt.Sprintf("%d cells one after the other", left)
	switch {
	case left == 0:
		t.print("\nall %d cells are done\n", len(p.Cells))
		return nil
	case left == 1:
		cells = "1 cell"
	case o.parallel > 1:
		cells = fmt.Sprintf("%d cells %d at a time, which share the processor and save little of that", left, o.parallel)
	}
	t.print("\n%s: about %s, up to %s of memory and %s of disk\n", cells, roughly(total.time), memory.Text(total.memory*int64(min(o.parallel, left))), memory.Text(total.disk))
	return nil
}

// roughly rounds a time to what an estimate is good for.
func roughly(d time.Duration) string {
	switch {
	case d > time.Hour:
		return d.Round(time.Minute).String()
	case d > time.Minute:
		return d.Round(time.Second).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// size is memory.Text, but of nothing.
func size(bytes int64) string {
	if bytes == 0 {
		return "–"
	}
	return memory.Text(bytes)
}

package main

import (
	"fmt"
	"time"

	"onnxclr/internal/kernel"
	"onnxclr/train"
)

// printProfile prints where a step's time went: operators of the graph, the longest
// first, then what lies outside it.
func printProfile(t *terminal, p *train.Profile) {
	if p.Steps == 0 {
		t.print("no profile: the run made %d steps, of which the first %d are warm-up\n", p.WarmUp, p.WarmUp)
		return
	}
	rows := [][]string{{"operator", "calls/step", "ms/step", "share %", "GFLOP/s", "GB/s", "% of peak", "bound by"}}
	add := func(name, calls string, d time.Duration, flops, bytes int64) float64 {
		row := []string{name, calls, fmt.Sprintf("%.2f", 1e3*d.Seconds()), fmt.Sprintf("%.1f", 100*d.Seconds()/p.Step.Seconds()), "", "", "", ""}
		share := 0.0
		if s := d.Seconds(); s > 0 && bytes > 0 {
			least, bound := roofline(p.Peak, flops, bytes)
			share = 100 * least / s
			if flops > 0 {
				row[4] = fmt.Sprintf("%.1f", float64(flops)/s/1e9)
			}
			row[5], row[6], row[7] = fmt.Sprintf("%.1f", float64(bytes)/s/1e9), fmt.Sprintf("%.0f", share), bound
		}
		rows = append(rows, row)
		return share
	}
	above := false
	var calls int
	var flops, bytes int64
	for _, u := range p.Operators {
		above = add(u.Name, fmt.Sprint(u.Calls), u.Time, u.FLOPs, u.Bytes) > 100 || above
		calls, flops, bytes = calls+u.Calls, flops+u.FLOPs, bytes+u.Bytes
	}
	for _, o := range p.Others {
		add(o.Name, "", o.Time, 0, 0)
	}
	add("total", fmt.Sprint(calls), p.Step, flops, bytes)
	t.table(rows, 1)
	t.print("\nmeans of %d steps, after %d of warm-up that are left out; the median step took %.2f ms\n", p.Steps, p.WarmUp, 1e3*p.Median.Seconds())
	t.print("peaks of %d workers with %s kernels, measured before the first step: %.0f GFLOP/s, %.1f GB/s;\n", p.Workers, p.Kernels, p.Peak.FLOPs/1e9, p.Peak.Bytes/1e9)
	t.print("%% of peak is of the one that bounds an operator more\n")
	if above {
		t.print("above 100 %%: Winograd's filtering multiplies less than is counted, bf16 products outrun fp32, or arrays came from the caches\n")
	}
}

// roofline returns the seconds that the work takes at least, and by which peak.
func roofline(peak kernel.Peak, flops, bytes int64) (seconds float64, bound string) {
	compute, memory := float64(flops)/peak.FLOPs, float64(bytes)/peak.Bytes
	if compute > memory {
		return compute, "FLOPs"
	}
	return memory, "bytes"
}

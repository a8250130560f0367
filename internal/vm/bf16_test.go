package vm_test

import (
	"testing"

	"onnxclr/internal/golden"
	"onnxclr/internal/kernel"
	"onnxclr/internal/vm"
)

// TestBF16Network holds loss and gradients of a small network in bf16 against those
// in fp32: as far off as operands of 8 bits explain, and with the same bits for any
// number of workers.
func TestBF16Network(t *testing.T) {
	p, keep := program(t, true, "embedding")
	values := func(o vm.Options) (all []float32) {
		o.Keep = keep
		m := compile(t, p, o)
		run(t, m)
		for _, n := range keep {
			all = append(all, m.Values(n)...)
		}
		return all
	}
	exact := values(vm.Options{Exact: true})
	var first []float32
	for _, workers := range []int{1, 2, 7} {
		got := values(vm.Options{Precision: kernel.BF16, Workers: workers})
		if first == nil {
			first = got
			golden.Check(t, "loss and gradients", golden.BF16Model, got, exact)
			if worst, _ := golden.MaxError(got, exact); worst < 1e-3 {
				t.Errorf("the largest error is %.2g: nothing was rounded", worst)
			}
		}
		golden.Check(t, "another number of workers", golden.Exact, got, first)
	}
}

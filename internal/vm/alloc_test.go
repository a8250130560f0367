package vm_test

import (
	"runtime"
	"testing"

	"onnxclr/internal/vm"
)

// allocated returns the bytes that f allocates on the heap at the least in many calls,
// or until they are few enough: what the runtime allocates meanwhile, to park a
// goroutine or to collect, is not f's.
func allocated(enough uint64, f func()) uint64 {
	least := ^uint64(0)
	var before, after runtime.MemStats
	for k := 0; k < 200 && least > enough; k++ {
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

// TestKernelsAllocateNothing: once a plan has run, its steps allocate nothing, and a
// run next to nothing.
func TestKernelsAllocateNothing(t *testing.T) {
	for name, train := range map[string]bool{"training": true, "inference": false} {
		for _, workers := range []int{1, 2} {
			output := "embedding"
			p, keep := program(t, train, output)
			m := compile(t, p, vm.Options{Keep: keep, Workers: workers, FixedParameters: !train})
			run(t, m)
			if n := allocated(0, m.RunKernels); n != 0 {
				t.Errorf("%s, %d workers: the steps allocate %d bytes", name, workers, n)
			}
			const few = 16 << 10
			if n := allocated(few, func() { run(t, m) }); n > few {
				t.Errorf("%s, %d workers: a run allocates %d bytes", name, workers, n)
			}
		}
	}
}

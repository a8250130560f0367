package train

import (
	"testing"

	"onnxclr/internal/kernel"
)

// BenchmarkOrthogonal is a step of the square projector of a ResNet-50, of which the
// optimizer's part is small.
func BenchmarkOrthogonal(b *testing.B) {
	const d = 2048
	pool := kernel.NewPool(0)
	defer pool.Close()
	p := Param{Name: "projector.0.weight", Shape: []int{d, d}, Value: make([]float32, d*d)}
	g := make([]float32, d*d)
	for i := range g {
		g[i] = float32(i*7919%1013)/512 - 1
	}
	for i := range d {
		p.Value[i*d+i] = 1
	}
	o := &orthogonal{Optimizer: &SGD{Pool: pool, Momentum: 0.9}, pool: pool}
	for b.Loop() {
		o.Step([]Param{p}, [][]float32{g}, 1e-4, 1)
	}
}

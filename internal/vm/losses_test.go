package vm_test

import (
	"testing"

	G "gorgonia.org/gorgonia"

	"onnxclr/internal/golden"
	"onnxclr/internal/graph"
	"onnxclr/internal/graph/graphtest"
	"onnxclr/internal/vm"
)

// TestLosses: every loss behind the residual network gives what Gorgonia's own machine
// finds with the reference kernels, down to the gradient of the first convolution, and
// the same bits whatever the number of workers.
func TestLosses(t *testing.T) {
	for name, loss := range map[string]func(z *G.Node) (*G.Node, error){
		"NT-Xent":      func(z *G.Node) (*G.Node, error) { return graph.NTXent(z, 0.5) },
		"Barlow Twins": func(z *G.Node) (*G.Node, error) { return graph.BarlowTwins(z, 0.0051, 0.5) },
		"VICReg":       func(z *G.Node) (*G.Node, error) { return graph.VICReg(z, 25, 25, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			p, keep := programOf(t, true, "representation", loss)
			want := graphtest.Tape(t, p.Graph, keep...)
			one := compile(t, p, vm.Options{Keep: keep, Workers: 1})
			three := compile(t, p, vm.Options{Keep: keep, Workers: 3})
			run(t, one)
			run(t, three)
			for _, n := range keep {
				golden.Check(t, n.Name()+" "+n.Op().String(), golden.TorchBackward, one.Values(n), want[n])
				golden.Check(t, n.Name()+" "+n.Op().String()+" with three workers", golden.Exact, three.Values(n), one.Values(n))
			}
		})
	}
}

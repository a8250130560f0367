package graphtest

import (
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Tape runs g once on Gorgonia's tape machine, every operator through its own Do, and
// returns what the nodes of keep hold: row-major in the graph's layout, scalars with
// length 1. Inputs are bound by the caller with G.Let.
func Tape(t testing.TB, g *G.ExprGraph, keep ...*G.Node) map[*G.Node][]float32 {
	t.Helper()
	read := make([]G.Value, len(keep))
	for i, n := range keep {
		G.Read(n, &read[i])
	}
	machine := G.NewTapeMachine(g)
	defer machine.Close()
	if err := machine.RunAll(); err != nil {
		t.Fatal(err)
	}
	values := make(map[*G.Node][]float32, len(keep))
	for i, n := range keep {
		switch v := read[i].(type) {
		case *G.F32:
			values[n] = []float32{float32(*v)}
		case *tensor.Dense:
			values[n] = append([]float32(nil), v.Data().([]float32)...)
		default:
			t.Fatalf("node %v holds a %T", n, v)
		}
	}
	return values
}

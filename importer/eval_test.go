package importer

import (
	"testing"

	"onnxclr/importer/onnx"
	"onnxclr/internal/kernel"
	"onnxclr/internal/kernel/reference"
)

// array is a tensor of the evaluator.
type array struct {
	shape []int
	v     []float32
}

// evaluate runs a model node by node on the reference kernels: the operators that
// this package writes, and no others.
func evaluate(t *testing.T, m *onnx.Model, x array) map[string]array {
	t.Helper()
	values := map[string]array{InputName: x}
	for _, init := range m.Graph.Initializers {
		if init.DType.IsFloat() {
			v, err := init.Float32s()
			if err != nil {
				t.Fatal(err)
			}
			values[init.Name] = array{init.Shape, v}
		}
	}
	for _, n := range m.Graph.Nodes {
		var in []array
		for _, name := range n.Inputs {
			in = append(in, values[name])
		}
		values[n.Output(0)] = evaluateNode(t, m, n, in)
	}
	return values
}

func evaluateNode(t *testing.T, m *onnx.Model, n *onnx.Node, in []array) array {
	t.Helper()
	x := in[0]
	y := array{x.shape, make([]float32, len(x.v))}
	switch n.OpType {
	case "Conv":
		w, s, p := in[1], n.Ints("strides"), n.Ints("pads")
		g := kernel.Conv{N: x.shape[0], C: x.shape[1], H: x.shape[2], W: x.shape[3],
			K: w.shape[0], R: w.shape[2], S: w.shape[3], StrideH: int(s[0]), StrideW: int(s[1]), DilationH: 1, DilationW: 1,
			PadTop: int(p[0]), PadLeft: int(p[1]), PadBottom: int(p[2]), PadRight: int(p[3]), Groups: int(n.Int("group", 1))}
		if err := g.Complete(); err != nil {
			t.Fatal(err)
		}
		y = array{[]int{g.N, g.K, g.P, g.Q}, make([]float32, g.N*g.K*g.P*g.Q)}
		reference.Conv(g, y.v, x.v, w.v, nil)
	case "MaxPool":
		g := kernel.Window{N: x.shape[0], C: x.shape[1], H: x.shape[2], W: x.shape[3], R: 3, S: 3, StrideH: 2, StrideW: 2,
			DilationH: 1, DilationW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1}
		if err := g.Complete(); err != nil {
			t.Fatal(err)
		}
		y = array{[]int{g.N, g.C, g.P, g.Q}, make([]float32, g.N*g.C*g.P*g.Q)}
		reference.MaxPool(g, y.v, x.v)
	case "BatchNormalization":
		c := x.shape[1]
		stats := append(append([]float32(nil), in[3].v...), in[4].v...)
		reference.BatchNorm(1, x.shape[0], c, len(x.v)/x.shape[0]/c, float64(n.Float("epsilon", 0)), y.v, x.v, stats, in[1].v, in[2].v)
	case "Relu":
		reference.ReLU(y.v, x.v)
	case "Add":
		reference.Add(y.v, x.v, in[1].v)
	case "Mul": // by a row
		for i := range y.v {
			y.v[i] = x.v[i] * in[1].v[i%len(in[1].v)]
		}
	case "GlobalAveragePool":
		nc := x.shape[0] * x.shape[1]
		y = array{[]int{x.shape[0], x.shape[1], 1, 1}, make([]float32, nc)}
		reference.GlobalAveragePool(nc, len(x.v)/nc, y.v, x.v)
	case "Flatten":
		y = array{[]int{x.shape[0], len(x.v) / x.shape[0]}, x.v}
	case "Identity":
		y = x
	case "Gemm":
		w := in[1]
		y = array{[]int{x.shape[0], w.shape[0]}, make([]float32, x.shape[0]*w.shape[0])}
		var bias []float32
		if len(in) > 2 {
			bias = in[2].v
		}
		reference.Linear(x.shape[0], w.shape[1], w.shape[0], y.v, x.v, w.v, bias)
	case "Slice":
		d0, err := m.Graph.Initializer(n.Input(2)).Int64s()
		if err != nil {
			t.Fatal(err)
		}
		y = array{[]int{x.shape[0], int(d0[0])}, make([]float32, x.shape[0]*int(d0[0]))}
		reference.SliceColumns(x.shape[0], x.shape[1], 0, int(d0[0]), y.v, x.v)
	default:
		t.Fatalf("node %s: the test cannot evaluate %s", n.Name, n.OpType)
	}
	return y
}

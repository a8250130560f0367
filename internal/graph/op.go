package graph

import (
	"encoding/binary"
	"fmt"
	"hash"
	"sync/atomic"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/internal/vm"
)

// op is one application of an operator. Its shapes are fixed when it is made, so
// its type is concrete and shape inference is a look-up.
type op struct {
	id    uint32 // unique: Gorgonia merges nodes whose operators hash alike
	name  string // ONNX operator name, with a suffix for gradients
	instr vm.Instr
	in    []tensor.Shape
	out   tensor.Shape

	// eval computes the operator on row-major arrays in the graph's layout; a
	// scalar result is written to out[0].
	eval func(out []float32, in [][]float32)
	// grad returns the gradient of each differentiable input, nil for the others.
	grad func(in G.Nodes, out, grad *G.Node) (G.Nodes, error)
	diff []bool // which inputs grad covers; nil: none
}

var lastID atomic.Uint32

// maxElements bounds one array; beyond it a plan could not be held in memory, and
// sizes would overflow.
const maxElements = 1 << 33

// apply makes the operator a node of the graph its inputs live in. eval and the
// rest of o are as documented on op; in and id are filled here.
func apply(o op, inputs ...*G.Node) (*G.Node, error) {
	size := 1
	for _, d := range o.out {
		if d < 1 || d > maxElements/size {
			return nil, fmt.Errorf("%s: a result of shape %v is empty or has more than 2³³ elements", o.name, []int(o.out))
		}
		size *= d
	}
	o.id = lastID.Add(1)
	o.in = make([]tensor.Shape, len(inputs))
	for i, n := range inputs {
		o.in[i] = n.Shape().Clone()
	}
	if o.diff == nil {
		o.diff = make([]bool, len(inputs))
	}
	n, err := G.ApplyOp(&o, inputs...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.name, err)
	}
	return n, nil
}

func (o *op) Instr() vm.Instr      { return o.instr }
func (o *op) Arity() int           { return len(o.in) }
func (o *op) ReturnsPtr() bool     { return true }
func (o *op) CallsExtern() bool    { return false }
func (o *op) OverwritesInput() int { return -1 }
func (o *op) Hashcode() uint32     { return o.id }
func (o *op) String() string       { return o.name }
func (o *op) DiffWRT(int) []bool   { return o.diff }

func (o *op) WriteHash(h hash.Hash) {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], o.id)
	h.Write(b[:])
}

func (o *op) Type() hm.Type {
	types := make([]hm.Type, 0, len(o.in)+1)
	for _, s := range o.in {
		types = append(types, typeOf(s))
	}
	return hm.NewFnType(append(types, typeOf(o.out))...)
}

func typeOf(s tensor.Shape) hm.Type {
	if s.IsScalar() {
		return tensor.Float32
	}
	return G.TensorType{Dims: s.Dims(), Of: tensor.Float32}
}

func (o *op) InferShape(...G.DimSizer) (tensor.Shape, error) { return o.out.Clone(), nil }

// Do runs the reference kernel. It is what Gorgonia's own machines call.
func (o *op) Do(values ...G.Value) (G.Value, error) {
	in := make([][]float32, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case *G.F32:
			in[i] = []float32{float32(*v)}
		case *tensor.Dense:
			data, ok := v.Data().([]float32)
			if !ok {
				return nil, fmt.Errorf("%s: input %d is %v, want float32", o.name, i, v.Dtype())
			}
			in[i] = data
		default:
			return nil, fmt.Errorf("%s: input %d is a %T, want a tensor", o.name, i, v)
		}
	}
	if o.out.IsScalar() {
		var out [1]float32
		o.eval(out[:], in)
		return G.NewF32(out[0]), nil
	}
	out := tensor.New(tensor.Of(tensor.Float32), tensor.WithShape(o.out...))
	o.eval(out.Data().([]float32), in)
	return out, nil
}

func (o *op) SymDiff(in G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	if o.grad == nil {
		return nil, fmt.Errorf("%s has no gradient", o.name)
	}
	return o.grad(in, out, grad)
}

// nchw splits a shape [N,C,…] into images, channels and pixels.
func nchw(s tensor.Shape) (n, c, hw int, err error) {
	if s.Dims() < 2 {
		return 0, 0, 0, fmt.Errorf("shape %v has no channel axis", []int(s))
	}
	hw = 1
	for _, d := range s[2:] {
		hw *= d
	}
	return s[0], s[1], hw, nil
}

package vm

import (
	"slices"

	"onnxclr/internal/kernel"
)

// Piecewise computes a piece of y from pieces of x, element by element; all have one
// length.
type Piecewise = func(y []float32, x ...[]float32)

// Instructions of the operators beside the ResNets'. Each says itself which layout it
// wants and how it runs: it is a general.
type (
	// Pointwise: up to four arrays of one shape → one of the same, element by element.
	Pointwise struct{ F Piecewise }
	// Broadcast: up to four arrays that broadcast to Shape → Shape.
	Broadcast struct {
		Shape []int
		F     Piecewise
	}
	// ReduceSum: x of Shape → Scale times its sum over the axes along which an array of
	// the shape To broadcasts to Shape.
	ReduceSum struct {
		Shape, To []int
		Scale     float64
	}
	// Concat: arrays joined along Axis → Shape.
	Concat struct {
		Shape []int
		Axis  int
	}
	// Cut: x of Shape → its elements from From on along Axis, as many as the result has.
	Cut struct {
		Shape      []int
		Axis, From int
	}
	// CutGrad: dy → dx of Shape, zero outside.
	CutGrad struct {
		Shape      []int
		Axis, From int
	}
	// Permute: x with its axes in another order; axis i of the result is Perm[i] of x.
	Permute struct{ Perm []int }
	// Gather: x, [value] → the array M describes; Value where nothing comes from x, or 0.
	Gather struct{ M kernel.Map }
	// Scatter: dy → dx.
	Scatter struct{ M kernel.Map }

	// AveragePool: x → y.
	AveragePool struct {
		G   kernel.Window
		Pad bool // the padding counts
	}
	// AveragePoolGrad: dy → dx.
	AveragePoolGrad struct {
		G   kernel.Window
		Pad bool
	}
	// Softmax: x [Rows,N] → y.
	Softmax struct {
		Rows, N int
		Log     bool
	}
	// SoftmaxGrad: y, dy → dx.
	SoftmaxGrad struct {
		Rows, N int
		Log     bool
	}
	// LayerNorm: x [Rows,N], γ, [β] → y.
	LayerNorm struct {
		Rows, N int
		Eps     float64
	}
	// LayerNormGradInput: x, γ, dy → dx.
	LayerNormGradInput struct {
		Rows, N int
		Eps     float64
	}
	// LayerNormGradScale: x, dy → dγ.
	LayerNormGradScale struct {
		Rows, N int
		Eps     float64
	}
	// Gemm: a, b, [bias [N]] → op(a) [M,K] · op(b) [K,N] + bias.
	Gemm struct {
		TransA, TransB bool
		M, N, K        int
	}
	// MatMul: a, b → the products of pairs of their matrices, op(a) [M,K] by op(b) [K,N].
	MatMul struct {
		TransA, TransB bool
		M, N, K        int
		OfA, OfB       []int // which matrix of a and of b, for each product
	}
)

// general is an instruction that needs no place in the tables of the compiler.
type general interface {
	Instr
	// arrange gives the operands the layout that the instruction wants, and says in
	// which one the result is.
	arrange(t *translator, i *instruction)
	// lower returns what runs the instruction.
	lower(m *Machine, i *instruction) func()
	// overwrites lists the operands whose storage the result may take, best first.
	overwrites() []int
}

func (Pointwise) instr()          {}
func (Broadcast) instr()          {}
func (ReduceSum) instr()          {}
func (Concat) instr()             {}
func (Cut) instr()                {}
func (CutGrad) instr()            {}
func (Permute) instr()            {}
func (Gather) instr()             {}
func (Scatter) instr()            {}
func (AveragePool) instr()        {}
func (AveragePoolGrad) instr()    {}
func (Softmax) instr()            {}
func (SoftmaxGrad) instr()        {}
func (LayerNorm) instr()          {}
func (LayerNormGradInput) instr() {}
func (LayerNormGradScale) instr() {}
func (Gemm) instr()               {}
func (MatMul) instr()             {}

// rowMajor is the arrangement of instructions that know no images.
type rowMajor struct{}

func (rowMajor) arrange(t *translator, i *instruction) {
	for k, v := range i.in {
		i.in[k] = t.rowMajor(v)
	}
}

func anyPixelMajor(i *instruction) bool {
	return slices.ContainsFunc(i.in, func(v *value) bool { return v.pixelMajor })
}

// physical brings the axes of [N,C,…] into the order in which they are stored.
func physical(pixelMajor bool, s []int) []int {
	if !pixelMajor || len(s) < 3 {
		return s
	}
	return append(append([]int{s[0]}, s[2:]...), s[1])
}

// physicalAxis is where an axis stands in it.
func physicalAxis(pixelMajor bool, axis, rank int) int {
	switch {
	case !pixelMajor || rank < 3 || axis == 0:
		return axis
	case axis == 1:
		return rank - 1
	}
	return axis - 1
}

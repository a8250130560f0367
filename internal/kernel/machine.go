package kernel

import (
	"math"
	"unsafe"
)

// machine is one implementation of the inner loops. All operands are addressed by
// the first element and the distance, in floats, between rows; who calls them has
// checked the lengths. Every field has the meaning of the portable Go function that
// portableMachine names, which documents it.
//
// floor is 0 to apply ReLU and −∞ to leave values alone; NaN stays NaN.
type machine struct {
	name string
	// rows, cols is the largest tile of multiply.
	rows, cols int
	// lane is the width of a vector: tiles of at most lane columns cost half.
	lane int

	multiplyRows func(t *tile) // a is [rows, k]
	multiplyCols func(t *tile) // a is [k, rows]

	copyRows   func(dst *float32, ldd int, src *float32, lds, rows, cols int)
	prefetch   func(src *float32, lds, rows, cols int)
	affineRows func(dst *float32, ldd int, src *float32, lds, rows, cols int, scale, shift *float32, floor float32)
	joinRows   func(dst *float32, ldd int, src *float32, lds int, res *float32, ldr, rows, cols int, scale, shift, rscale, rshift *float32, floor float32)
	sumRows    func(sum *float32, x *float32, ldx, rows, cols int)
	moments    func(mean, squares *float32, x *float32, ldx, rows, cols int)
	gradSums   func(sum, product *float32, x, dy, mask *float32, ld, rows, cols int, mean *float32)
	maskSums   func(sum, product, x, dy, mask *float32, ld, rows, cols int, mean *float32)
	gradRows   func(dx, x, dy, mask *float32, ld, rows, cols int, mean, dyScale, xScale, shift *float32)
	transpose  func(dst *float32, ldd int, src *float32, lds, rows, cols int)

	relu     func(y, x *float32, n int)
	reluGrad func(dx, y, dy *float32, n int)
	add      func(y, a, b *float32, n int, floor float32)
	exp      func(y, x *float32, n int)
	sigmoid  func(y, x *float32, n int)
	erf      func(y, x, gauss *float32, n int)
	step     func(w, grad, velocity *float32, n int, s *stepScalars)
	adamStep func(w, grad, mean, square *float32, n int, s *adamScalars)
	squares  func(w, grad *float32, n int, decay float32) (ww, gg float64)

	winograd4, winograd2 *winogradSet
	winogradStride       *strideSet
	half                 *halfSet // products of bfloat16 numbers

	windowMax  func(y, x *float32, ldh, ldw, r, s, c int)
	windowGrad func(dx, x, dy *float32, ldh, ldw, r, s, c int)
}

// Implementation names the kernels that a Pool runs on this processor, as
// Pool.Implementation does, and says, of the portable ones, why there are no faster.
func Implementation() (name, reason string) {
	if name = best().name; name == portableMachine.name {
		reason = portableReason()
	}
	return name, reason
}

// tile is a product of a few rows and columns, c (+)= a·b.
type tile struct {
	a, b, c       *float32
	lda, ldb, ldc int // floats between rows
	rows, cols    int // of c, at most those of the machine
	k             int
	add           int // 1 adds to c, 0 writes it
}

var negInf = float32(math.Inf(-1))

func floorOf(relu bool) float32 {
	if relu {
		return 0
	}
	return negInf
}

// at returns the address i floats after p.
func at(p *float32, i int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(p), 4*i))
}

// view returns the n floats from p.
func view(p *float32, n int) []float32 { return unsafe.Slice(p, n) }

func (m *machine) winograd(side int) *winogradSet {
	if side == 4 {
		return m.winograd4
	}
	return m.winograd2
}

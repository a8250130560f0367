package blas

import "unsafe"

// machine is one implementation of the inner loops; portable.go says what they do.
type machine struct {
	name       string
	rows, cols int         // of the largest tile
	tiles      []tileFunc  // by their rows
	powers     []powerFunc // by their rows, of as many columns
	// rectified and gated write tiles of layerRows, too.
	rectified func(a, b, c *float64, step, lda, ldb, ldc, k, tiles int)
	gated     func(a, b, by, c *float64, step, lda, ldb, ldc, k, tiles int)
	layerRows int
	// transpose writes lanes lines of n numbers, ldf apart, as n lines of lanes numbers,
	// ldt apart; n is a multiple of lanes.
	transpose     func(from *float64, ldf int, to *float64, ldt, n int)
	lanes         int
	scaleRows     func(rows, n int, weights, from, to *float64)
	weigh         func(a *float64, lda, n int, weights, own, sums, out *float64)
	gather        func(rows, n int, indices *int, from, to *float64)
	squares       func(rows, n int, a, b, squares, apart *float64)
	weighStep     int // weigh, scaleRows, gather and squares take multiples of this
	expSum        func(values *float64, n int, top float64) float64
	rectify       func(values *float64, n int)
	gate          func(values, by *float64, n int)
	expStep       int // expSum, rectify and gate take multiples of this
	symmetricRows func(a *float64, lda, n int, x, y, s, out *float64)
	symmetricStep int // … and symmetricRows of this
	rotate        func(z *float64, ld, n int, cs *float64)
	rotateCols    int // columns that rotate turns
	bandFrom      int // symmetric matrices of this side are taken to a band first
	chaseSquare   func(d *float64, ld int, v, w *float64, tau float64)
	chaseDots     func(b *float64, ld int, v, out *float64, tau float64)
	chaseBlock    func(b *float64, ld int, w, v, x, y *float64, tau float64)
	sturm         func(d, squares *float64, n int, x *float64, below *int)
	sturmAt       int // numbers x
}

// tileFunc writes c = alpha·a·b + beta·c, a few rows of cols numbers, ldc apart, and does
// not read c if beta is 0: the numbers of a that one row needs are lda apart, those of
// neighbouring rows step apart; b has k lines of cols numbers, ldb apart.
type tileFunc func(a, b, c *float64, step, lda, ldb, ldc, k int, alpha, beta float64)

// powerFunc writes tiles of c = 2^(a·b), or 0 below 2^−1021, below each other, their
// operands as those of a tileFunc, and adds the sums of the columns of c to sums.
type powerFunc func(a, b, c, sums *float64, step, lda, ldb, ldc, k, tiles int)

// used is the implementation that this processor runs.
var used = machines()[0]

// Implementation names it: avx512, avx2 or portable.
func Implementation() string { return used.name }

func at(p *float64, i int) *float64 { return (*float64)(unsafe.Add(unsafe.Pointer(p), 8*i)) }

func view(p *float64, n int) []float64 { return unsafe.Slice(p, n) }

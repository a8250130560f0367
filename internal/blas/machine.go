package blas

import "unsafe"

// machine is one implementation of the inner loops; portable.go says what they do.
type machine struct {
	name       string
	rows, cols int // of the largest tile
	// tile adds alpha·a·b to c, rows×cols: a has k lines of rows numbers, lda apart, b k
	// lines of cols numbers, ldb apart.
	tile          func(rows int, a, b, c *float64, lda, ldb, ldc, k int, alpha float64)
	expSum        func(values *float64, n int, top float64) float64
	expStep       int // expSum takes multiples of this
	symmetricRows func(a *float64, lda, n int, x, y, s, out *float64)
	symmetricStep int // … and symmetricRows of this
	rotate        func(z *float64, ld, n int, cs *float64)
	rotateCols    int // columns that rotate turns
}

type tileFunc func(a, b, c *float64, lda, ldb, ldc, k int, alpha float64)

// used is the implementation that this processor runs.
var used = machines()[0]

// Implementation names it: avx512, avx2 or portable.
func Implementation() string { return used.name }

func at(p *float64, i int) *float64 { return (*float64)(unsafe.Add(unsafe.Pointer(p), 8*i)) }

func view(p *float64, n int) []float64 { return unsafe.Slice(p, n) }

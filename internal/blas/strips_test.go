package blas

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// The Gram matrix of strips is that of the matrix in them; below the diagonal nothing is
// touched.
func TestStrips(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	for _, m := range machines() {
		for _, size := range [][2]int{{1, 1}, {5, 3}, {7, 15}, {33, 112}, {20, 113}, {64, 240}, {3, 300}} {
			rows, cols := size[0], size[1]
			s := NewStrips(rows+2, cols)
			x, c := random(r, (rows+2)*cols), random(r, cols*cols)
			for k := range s.Len() {
				data, line, first, n := s.Strip(k)
				for i := range rows + 2 {
					copy(data[i*line:][:n], x[i*cols+first:])
				}
			}
			want := append([]float64(nil), c...)
			gonum.Implementation{}.Dsyrk(blas.Upper, blas.Trans, cols, rows, 1, x, cols, 1, want, cols)
			s.addGram(m, rows, c)
			near(t, fmt.Sprint(m.name, size), rows, c, want)
		}
	}
}

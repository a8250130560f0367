package blas

import (
	"math/rand/v2"
	"testing"
)

func TestSquares(t *testing.T) {
	r := rand.New(rand.NewPCG(43, 44))
	for _, mach := range machines() {
		for _, size := range [][2]int{{1, 1}, {5, 7}, {3, 8}, {128, 16}, {9, 40}} {
			rows, n := size[0], size[1]
			a, b := random(r, rows*n), random(r, rows*n)
			sums, apart := make([]float64, rows), make([]float64, rows)
			wantSums, wantApart := make([]float64, rows), make([]float64, rows)
			squares(rows, n, &a[0], &b[0], &wantSums[0], &wantApart[0])
			mach.squaresAll(n, a, b, sums, apart)
			near(t, mach.name, 10*n, sums, wantSums)
			near(t, mach.name, 10*n, apart, wantApart)
		}
	}
}

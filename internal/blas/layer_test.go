package blas

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

func TestLayer(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	for _, mach := range machines() {
		for _, size := range [][3]int{{1, 1, 1}, {5, 16, 3}, {8, 16, 16}, {27, 16, 16}, {16, 48, 5}, {33, 20, 7}, {12, 8, 200}} {
			m, n, k := size[0], size[1], size[2]
			a, b, by := random(r, m*k), random(r, k*n), random(r, m*n)
			a[m/2*k] = math.NaN()
			by[0] = 0
			by[m*n-1] = math.NaN()
			product := make([]float64, m*n)
			gonum.Implementation{}.Dgemm(blas.NoTrans, blas.NoTrans, m, n, k, 1, a, k, b, n, 0, product, n)
			for _, gate := range [][]float64{nil, by} {
				got, want := make([]float64, m*n+1), append([]float64(nil), product...)
				got[m*n] = 7
				if gate == nil {
					rectify(&want[0], m*n)
				} else {
					portableMachine.gateAll(want, by)
				}
				mach.layer(m, n, k, a, b, gate, got[:m*n])
				if got[m*n] != 7 {
					t.Errorf("%s, %v: something is written behind", mach.name, size)
				}
				for i, v := range want {
					if math.IsNaN(v) != math.IsNaN(got[i]) {
						t.Fatalf("%s, %v: element %d is %v, want %v", mach.name, size, i, got[i], v)
					}
					if math.IsNaN(v) {
						got[i], want[i] = 0, 0
					}
				}
				near(t, fmt.Sprint(mach.name, size), k, got[:m*n], want)
			}
		}
	}
}

func BenchmarkLayer(b *testing.B) {
	const m, n = 256, 16
	r := rand.New(rand.NewPCG(1, 2))
	x, w, by, y := random(r, m*n), random(r, n*n), random(r, m*n), make([]float64, m*n)
	b.Run("rectified", func(b *testing.B) {
		for b.Loop() {
			RectifiedProduct(m, n, n, x, w, y)
		}
	})
	b.Run("gated", func(b *testing.B) {
		for b.Loop() {
			GatedProduct(m, n, n, x, w, by, y)
		}
	})
}

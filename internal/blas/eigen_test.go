package blas

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// Eigenvectors are orthogonal unit vectors that the matrix only scales, and eigenvalues
// those of gonum.
func TestEigen(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, m := range machines() {
		for _, n := range []int{1, 2, 3, 16, 33, 70, 150} {
			for _, kind := range []string{"random", "rank one", "diagonal", "repeated", "graded", "zero"} {
				a := mat.NewSymDense(n, nil)
				for i := range n {
					for j := i; j < n; j++ {
						switch v := r.NormFloat64(); kind {
						case "random":
							a.SetSym(i, j, v)
						case "rank one":
							a.SetSym(i, j, float64((i+1)*(j+1)))
						case "diagonal":
							if i == j {
								a.SetSym(i, j, v)
							}
						case "repeated":
							if i == j {
								a.SetSym(i, j, 3)
							}
						case "graded":
							a.SetSym(i, j, v*math.Pow(10, -float64(i+j)/20))
						}
					}
				}
				full := make([]float64, n*n)
				for i := range n {
					for j := range n {
						full[i*n+j] = a.At(i, j)
					}
				}
				values, vectors, err := m.eigen(n, full)
				if err != nil {
					t.Fatal(err)
				}
				var want mat.EigenSym
				if !want.Factorize(a, false) {
					t.Fatal("gonum did not converge")
				}
				scale := math.Max(mat.Norm(a, 2), 1e-300)
				limit := 1e-14 * float64(n+10)
				for i, v := range want.Values(nil) {
					if math.Abs(values[i]-v) > limit*scale {
						t.Fatalf("%s, %s, n = %d: eigenvalue %d is %v, want %v", m.name, kind, n, i, values[i], v)
					}
				}
				v := mat.NewDense(n, n, vectors)
				var product, av mat.Dense
				product.Mul(v, v.T())
				av.Mul(v, a)
				for i := range n {
					for j := range n {
						unit := 0.0
						if i == j {
							unit = 1
						}
						if math.Abs(product.At(i, j)-unit) > limit {
							t.Fatalf("%s, %s, n = %d: vectors %d and %d have the product %v", m.name, kind, n, i, j, product.At(i, j))
						}
						if math.Abs(av.At(i, j)-values[i]*v.At(i, j)) > limit*scale {
							t.Fatalf("%s, %s, n = %d: vector %d is not scaled by its value", m.name, kind, n, i)
						}
					}
				}
			}
		}
	}
	if _, _, err := Eigen(2, []float64{1, math.NaN(), 0, 1}); err == nil {
		t.Error("a matrix with NaN has eigenvalues")
	}
}

func BenchmarkEigen(b *testing.B) {
	Install()
	const n = 1024
	r := rand.New(rand.NewPCG(1, 2))
	a := random(r, n*n)
	work := make([]float64, n*n)
	for b.Loop() {
		copy(work, a)
		if _, _, err := Eigen(n, work); err != nil {
			b.Fatal(err)
		}
	}
}

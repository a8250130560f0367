package blas

import (
	"math"
	"math/rand/v2"
	"slices"
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

// A matrix of numbers however small or large has the eigenvectors of one around 1.
func TestEigenOfAnySize(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{1, 2, 16, 150} {
		a := make([]float64, n*n)
		for i := range n {
			for j := i; j < n; j++ {
				a[i*n+j] = math.Round(8 * r.NormFloat64())
			}
		}
		want, vectors, err := Eigen(n, slices.Clone(a))
		if err != nil {
			t.Fatal(err)
		}
		for _, scale := range []float64{0x1p-1074, 1e-308, 1e-200, 1e-122, 1e200, 1e300} {
			b := slices.Clone(a)
			for i := range b {
				b[i] *= scale
			}
			values, v, err := Eigen(n, b)
			if err != nil {
				t.Errorf("n %d, scale %g: %v", n, scale, err)
				continue
			}
			limit := 1e-14 * float64(n+10) * max(math.Abs(want[0]), math.Abs(want[n-1]))
			for i, got := range values {
				if !(math.Abs(got-want[i]*scale) <= limit*scale+0x1p-1074) {
					t.Fatalf("n %d, scale %g: eigenvalue %d is %g, want %g", n, scale, i, got, want[i]*scale)
				}
			}
			for i := range n { // the first and the last are far from others here
				for _, k := range []int{0, n - 1} {
					if d := math.Abs(math.Abs(v[k*n+i]) - math.Abs(vectors[k*n+i])); !(d < 1e-9) {
						t.Fatalf("n %d, scale %g: eigenvector %d differs by %g", n, scale, k, d)
					}
				}
			}
		}
	}
}

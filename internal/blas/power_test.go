package blas

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestPowers(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	for _, mach := range machines() {
		for _, s := range [][4]int{{1, 16, 1, 1}, {5, 16, 3, 1}, {12, 32, 16, 30}, {13, 16, 17, 60}, {128, 48, 18, 3}} {
			m, n, k, size := s[0], s[1], s[2], float64(s[3])
			for _, transposed := range []bool{false, true} {
				step, lda, ldb, ldc := k+2, 1, n+1, n+3
				if transposed {
					step, lda = 1, m+1
				}
				a, b, c, sums := random(r, (m+2)*(k+2)), random(r, k*ldb), random(r, m*ldc), make([]float64, n)
				for i := range a {
					a[i] *= size
				}
				mach.powersAll(m, n, k, a, step, lda, b, ldb, c, ldc, sums)
				for j := range n {
					var total float64
					for i := range m {
						var x, around float64
						for l := range k {
							product := a[i*step+l*lda] * b[l*ldb+j]
							x += product
							around += math.Abs(product)
						}
						got, want := c[i*ldc+j], math.Exp2(x)
						if math.Abs(x) < 1021 && !(math.Abs(got-want) <= 0x1p-52*(4+math.Sqrt(float64(k))*around)*want) {
							t.Fatalf("%s, %v: 2^%v is %v, want %v", mach.name, s, x, got, want)
						}
						total += got
					}
					if math.Abs(sums[j]-total) > 1e-13*total {
						t.Errorf("%s, %v: sum %d is %v, want %v", mach.name, s, j, sums[j], total)
					}
				}
			}
		}
	}
}

// Exponents given exactly, and those that no power is for.
func TestPowersOfAnySize(t *testing.T) {
	one := make([]float64, Lanes)
	one[0] = 1
	for _, mach := range machines() {
		power := func(x float64) (y, sum float64) {
			c, sums := make([]float64, Lanes), make([]float64, Lanes)
			mach.powersAll(1, Lanes, 1, []float64{x}, 1, 1, one, Lanes, c, Lanes, sums)
			if c[1] != 1 {
				t.Errorf("%s: 2^0 is %v", mach.name, c[1])
			}
			return c[0], sums[0]
		}
		for x := -1021.0; x <= 1021; x += 0.37 {
			if y, _ := power(x); !(math.Abs(y/math.Exp2(x)-1) <= 2*0x1p-52) {
				t.Errorf("%s: 2^%v is %v, want %v", mach.name, x, y, math.Exp2(x))
			}
		}
		for _, x := range []float64{-1021.1, -5000, -1e6, -1e12} {
			if y, _ := power(x); y != 0 {
				t.Errorf("%s: 2^%v is %v", mach.name, x, y)
			}
		}
		for _, x := range []float64{1025, 5000, 1e6, 1e12} {
			if y, _ := power(x); !(y >= 0x1p1021) {
				t.Errorf("%s: 2^%v is %v", mach.name, x, y)
			}
		}
		// A product with what lies beside in the tile is NaN as well.
		c, sums := make([]float64, Lanes), make([]float64, Lanes)
		mach.powersAll(1, Lanes, 1, []float64{math.NaN()}, 1, 1, one, Lanes, c, Lanes, sums)
		if !math.IsNaN(sums[0]) || !math.IsNaN(c[0]) {
			t.Errorf("%s: a NaN is lost", mach.name)
		}
	}
}

func BenchmarkPowers(b *testing.B) {
	const n, k = 128, 16
	r := rand.New(rand.NewPCG(1, 2))
	x, y, c, sums := random(r, n*k), random(r, n*k), make([]float64, n*n), make([]float64, n)
	for b.Loop() {
		for j := 0; j < n; j += 32 {
			Powers(n, 32, k, x, k, 1, y[j:], n, c, 32, sums[j:])
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n/n, "ns/power")
}

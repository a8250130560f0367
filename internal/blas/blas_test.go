package blas

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

func random(r *rand.Rand, n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = r.NormFloat64()
	}
	return v
}

// near fails unless got is within rounding of want, sums of k products around 1.
func near(t *testing.T, what string, k int, got, want []float64) {
	t.Helper()
	limit := 8 * 0x1p-52 * math.Sqrt(float64(k+1)) * 8
	for i := range want {
		if math.Abs(got[i]-want[i]) > limit || math.IsNaN(got[i]) {
			t.Fatalf("%s: element %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

func each(t *testing.T, f func(t *testing.T, g implementation)) {
	for _, m := range machines() {
		t.Run(m.name, func(t *testing.T) { f(t, implementation{mach: m}) })
	}
}

// All implementations against gonum's own, at sizes around those of tiles and blocks.
func TestGemm(t *testing.T) {
	each(t, func(t *testing.T, g implementation) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, s := range [][3]int{{1, 1, 1}, {3, 5, 2}, {14, 16, 7}, {15, 17, 4}, {13, 8, 193}, {113, 33, 200}, {29, 770, 5}, {128, 16, 128}, {225, 64, 385}} {
			m, n, k := s[0], s[1], s[2]
			for _, ta := range []blas.Transpose{blas.NoTrans, blas.Trans} {
				for _, tb := range []blas.Transpose{blas.NoTrans, blas.Trans} {
					for _, beta := range []float64{0, 1, -0.5} {
						lda, ldb, ldc := max(m, k)+3, max(n, k)+1, n+2
						a, b, c := random(r, max(m, k)*lda), random(r, max(n, k)*ldb), random(r, m*ldc)
						want := append([]float64(nil), c...)
						if beta == 0 {
							for i := range m { // what is not read may be anything
								c[i*ldc] = math.NaN()
							}
						}
						g.Dgemm(ta, tb, m, n, k, 0.7, a, lda, b, ldb, beta, c, ldc)
						gonum.Implementation{}.Dgemm(ta, tb, m, n, k, 0.7, a, lda, b, ldb, beta, want, ldc)
						near(t, fmt.Sprint(s, ta, tb, beta), k, c, want)
					}
				}
			}
		}
	})
}

func TestSymmetricProducts(t *testing.T) {
	each(t, func(t *testing.T, g implementation) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, n := range []int{1, 2, 13, 14, 15, 16, 17, 40, 113, 230, 790} {
			for _, ul := range []blas.Uplo{blas.Upper, blas.Lower} {
				for _, trans := range []blas.Transpose{blas.NoTrans, blas.Trans} {
					const k = 21
					ld := n + k
					a, b := random(r, ld*ld), random(r, ld*ld)
					c := random(r, n*ld)
					want := append([]float64(nil), c...)
					g.Dsyrk(ul, trans, n, k, 0.7, a, ld, -0.5, c, ld)
					gonum.Implementation{}.Dsyrk(ul, trans, n, k, 0.7, a, ld, -0.5, want, ld)
					near(t, fmt.Sprint("syrk ", n, ul, trans), k, c, want)
					g.Dsyr2k(ul, trans, n, k, 0.7, a, ld, b, ld, 1, c, ld)
					gonum.Implementation{}.Dsyr2k(ul, trans, n, k, 0.7, a, ld, b, ld, 1, want, ld)
					near(t, fmt.Sprint("syr2k ", n, ul, trans), 2*k, c, want)
				}
			}
		}
	})
}

func TestSymv(t *testing.T) {
	each(t, func(t *testing.T, g implementation) {
		r := rand.New(rand.NewPCG(5, 6))
		for _, n := range []int{1, 15, 16, 17, 18, 19, 31, 64, 100, 511, 514, 603} {
			for _, ul := range []blas.Uplo{blas.Upper, blas.Lower} {
				for _, beta := range []float64{0, 0.5} {
					ld := n + 3
					a, x, y := random(r, n*ld), random(r, n), random(r, n)
					want := append([]float64(nil), y...)
					if beta == 0 {
						y[0] = math.NaN()
					}
					g.Dsymv(ul, n, 0.7, a, ld, x, 1, beta, y, 1)
					if n > 1 { // as columns of a matrix
						xs, ys := make([]float64, 3*n), make([]float64, 2*n)
						for i := range n {
							xs[3*i], ys[2*i] = x[i], want[i]
						}
						g.Dsymv(ul, n, 0.7, a, ld, xs, 3, beta, ys, 2)
						got := make([]float64, n)
						for i := range got {
							got[i] = ys[2*i]
						}
						near(t, "strided", n, got, y)
					}
					gonum.Implementation{}.Dsymv(ul, n, 0.7, a, ld, x, 1, beta, want, 1)
					near(t, fmt.Sprint(n, ul, beta), n, y, want)
				}
			}
		}
	})
}

func TestExpSum(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, m := range machines() {
		for n := range 40 {
			values := make([]float64, n)
			for i := range values {
				values[i] = 3 - math.Abs(r.NormFloat64())*math.Pow(10, 3*r.Float64())
			}
			want := make([]float64, n)
			var total float64
			for i, v := range values {
				if v-3 >= -708 {
					want[i] = math.Exp(v - 3)
				}
				total += want[i]
			}
			sum := m.expAll(values, 3)
			for i := range want {
				if math.Abs(values[i]-want[i]) > 2*0x1p-52*want[i] {
					t.Fatalf("%s, %d values: e^%g is %v, want %v", m.name, n, values[i], values[i], want[i])
				}
			}
			if math.Abs(sum-total) > 1e-14*total {
				t.Errorf("%s: sum of %d is %v, want %v", m.name, n, sum, total)
			}
		}
		special := []float64{math.Inf(-1), -800, 0, -707.9}
		m.expAll(special, 0)
		if special[0] != 0 || special[1] != 0 || special[2] != 1 || special[3] == 0 {
			t.Errorf("%s: special values give %v", m.name, special)
		}
		special = []float64{math.NaN(), 0}
		if sum := m.expAll(special, 0); !math.IsNaN(sum) {
			t.Errorf("%s: a NaN is lost: sum %v", m.name, sum)
		}
	}
}

func TestTranspose(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	for _, m := range machines() {
		for _, s := range [][2]int{{1, 1}, {3, 9}, {4, 4}, {8, 8}, {9, 7}, {14, 33}, {16, 24}, {17, 2}} {
			rows, cols, ldf, ldt := s[0], s[1], s[1]+3, s[0]+2
			from, to := random(r, rows*ldf), random(r, cols*ldt)
			before := append([]float64(nil), to...)
			m.transposeAll(rows, cols, from, ldf, to, ldt)
			for j := range cols {
				for i := range ldt {
					want := before[j*ldt+i]
					if i < rows {
						want = from[i*ldf+j]
					}
					if to[j*ldt+i] != want {
						t.Fatalf("%s, %v: element %d, %d is %v, want %v", m.name, s, j, i, to[j*ldt+i], want)
					}
				}
			}
		}
	}
}

func TestWeigh(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 18))
	for _, mach := range machines() {
		for m := range 10 {
			for n := m; n < 40; n++ {
				ld := n + 3
				a, weights, across, sums := random(r, m*ld), random(r, m), random(r, n), random(r, n)
				want, totals := append([]float64(nil), a...), append([]float64(nil), sums...)
				for i := range m {
					for j := range n {
						want[i*ld+j] *= weights[i] + across[j]
						totals[i] += want[i*ld+j]
						totals[j] += want[i*ld+j]
					}
				}
				mach.weighAll(m, n, a, ld, weights, across, sums)
				near(t, mach.name, 1, a, want)
				near(t, mach.name, 2*n, sums, totals)
			}
		}
	}
}

func TestScaleRows(t *testing.T) {
	r := rand.New(rand.NewPCG(25, 26))
	for _, mach := range machines() {
		for _, s := range [][2]int{{0, 3}, {1, 1}, {5, 8}, {7, 16}, {3, 24}, {4, 13}} {
			rows, n := s[0], s[1]
			from, weights, to := random(r, rows*n), random(r, rows), random(r, rows*n+1)
			beyond := to[rows*n]
			mach.scaleAll(n, weights, from, to)
			for i, v := range from {
				if to[i] != v*weights[i/n] {
					t.Fatalf("%s, %v: element %d is %v, want %v", mach.name, s, i, to[i], v*weights[i/n])
				}
			}
			if to[rows*n] != beyond {
				t.Errorf("%s, %v: writes beyond the last row", mach.name, s)
			}
		}
	}
}

// Small products and passes allocate nothing.
func TestNothingIsAllocated(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 20))
	const n, d = 128, 16
	a, b, c := random(r, n*d), random(r, n*d), make([]float64, n*n)
	g := implementation{mach: used}
	if got := testing.AllocsPerRun(20, func() {
		g.Dgemm(blas.NoTrans, blas.Trans, n, n, d, 1, a, d, b, d, 0, c, n)
		g.Dgemm(blas.Trans, blas.NoTrans, n, d, n, 1, c, n, a, d, 1, b, d)
		Transpose(n, d, a, d, b, n)
		ExpSum(c, 100)
	}); got >= 1 { // the pool may be emptied at times
		t.Errorf("%v allocations", got)
	}
}

// The number of cores changes no bit.
func TestCoresDoNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	const n, k = 530, 300
	a, x := random(r, n*k), random(r, n)
	run := func(alone bool) (c, y []float64) {
		onlyOne = alone
		defer func() { onlyOne = false }()
		g := implementation{mach: used}
		c, y = make([]float64, n*n), make([]float64, n)
		g.Dsyrk(blas.Upper, blas.NoTrans, n, k, 1, a, k, 0, c, n)
		g.Dsymv(blas.Upper, n, 1, c, n, x, 1, 0, y, 1)
		return c, y
	}
	c1, y1 := run(true)
	c2, y2 := run(false)
	for i := range c1 {
		if c1[i] != c2[i] {
			t.Fatalf("element %d of the product differs", i)
		}
	}
	for i := range y1 {
		if y1[i] != y2[i] {
			t.Fatalf("element %d of the vector differs", i)
		}
	}
}

// Wrong arguments are gonum's to refuse.
func TestRefuses(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a matrix that is too short is accepted")
		}
	}()
	implementation{mach: used}.Dgemm(blas.NoTrans, blas.NoTrans, 4, 4, 4, 1, make([]float64, 3), 4, make([]float64, 16), 4, 0, make([]float64, 16), 4)
}

func BenchmarkGemm(b *testing.B) {
	for _, s := range [][3]int{{128, 128, 16}, {128, 16, 128}, {256, 16, 16}, {16, 16, 256}, {1024, 1024, 1024}} {
		r := rand.New(rand.NewPCG(1, 2))
		m, n, k := s[0], s[1], s[2]
		x, y, c := random(r, m*k), random(r, k*n), make([]float64, m*n)
		g := implementation{mach: used}
		b.Run(fmt.Sprint(s), func(b *testing.B) {
			for b.Loop() {
				g.Dgemm(blas.NoTrans, blas.NoTrans, m, n, k, 1, x, k, y, n, 0, c, n)
			}
			b.ReportMetric(2*float64(m*n*k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}

func BenchmarkExpSum(b *testing.B) {
	v := make([]float64, 16384)
	for b.Loop() {
		ExpSum(v, 0)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/16384, "ns/value")
}

func BenchmarkSymv(b *testing.B) {
	const n = 2048
	r := rand.New(rand.NewPCG(1, 2))
	a, x, y := random(r, n*n), random(r, n), make([]float64, n)
	g := implementation{mach: used}
	for b.Loop() {
		g.Dsymv(blas.Upper, n, 1, a, n, x, 1, 0, y, 1)
	}
	b.ReportMetric(float64(4*n*n)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GB/s")
}

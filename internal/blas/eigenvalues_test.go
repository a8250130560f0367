package blas

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/lapack/gonum"
	"gonum.org/v1/gonum/mat"
)

// symmetricOf returns a symmetric matrix of a kind.
func symmetricOf(kind string, n int, r *rand.Rand) *mat.SymDense {
	a := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			v := r.NormFloat64()
			switch kind {
			case "graded":
				v *= math.Pow(10, -30*float64(i+j)/float64(2*n))
			case "graded upwards":
				v *= math.Pow(10, -30*float64(2*n-i-j)/float64(2*n))
			case "diagonal":
				if i != j {
					v = 0
				}
			case "zero":
				v = 0
			case "blocks":
				if v *= 1e-90; i < n/2 {
					v *= 1e90
				}
				if i < n/2 && j >= n/2 {
					v = 0
				}
			case "banded":
				if j-i > 2*bandwidth {
					v = 0
				}
			}
			a.SetSym(i, j, v)
		}
	}
	spectrum := func(value func(i int) float64) { // with vectors of a random matrix
		if n < 2 {
			return
		}
		var e mat.EigenSym
		e.Factorize(a, true)
		var q, scaled, product mat.Dense
		e.VectorsTo(&q)
		scaled.Apply(func(_, j int, v float64) float64 { return v * value(j) }, &q)
		product.Mul(&scaled, q.T())
		for i := range n {
			for j := i; j < n; j++ {
				a.SetSym(i, j, product.At(i, j))
			}
		}
	}
	switch kind {
	case "rank three":
		spectrum(func(i int) float64 { return float64(max(0, 3-i)) })
	case "clusters":
		spectrum(func(i int) float64 { return float64(i%3) + 1e-13*float64(i) })
	case "identity":
		spectrum(func(int) float64 { return 1 })
	}
	return a
}

var kinds = []string{"normal", "graded", "graded upwards", "diagonal", "zero", "blocks", "banded", "rank three", "clusters", "identity"}

// Eigenvalues are those of gonum to n·2⁻⁵² of the largest, on the way over a band and on
// the direct one.
func TestEigenvalues(t *testing.T) {
	Install() // as LAPACK's way has it in the program
	for _, m := range machines() {
		sizes := []int{1, 2, 3, 7, 32, 33, 34, 65, 113, 225}
		if m.name == machines()[0].name && !testing.Short() {
			sizes = append(sizes, 340)
		}
		for _, n := range sizes {
			for _, kind := range kinds {
				r := rand.New(rand.NewPCG(uint64(n), 2))
				a := symmetricOf(kind, n, r)
				var want mat.EigenSym
				if !want.Factorize(a, false) {
					t.Fatal("gonum did not converge")
				}
				data := a.RawSymmetric().Data
				for i := range n { // what is not read may be anything
					for j := range i {
						data[i*n+j] = math.NaN()
					}
				}
				values := want.Values(nil)
				for _, scale := range []float64{1, 0x1p-1000, 0x1p1000} {
					if scale != 1 && n > 34 {
						continue
					}
					scaled, values := slices.Clone(data), slices.Clone(values)
					for i := range scaled {
						scaled[i] *= scale
					}
					for i := range values {
						values[i] *= scale
					}
					for _, large := range []bool{false, true} {
						got, _, err := m.eigenvalues(n, scaled, nil, large)
						if err != nil {
							t.Fatal(err)
						}
						close(t, fmt.Sprintf("%s, %s, n = %d, scale %g, large %v", m.name, kind, n, scale, large), got, values)
					}
				}
			}
		}
	}
}

// A block far below the rest, on which gonum's iteration panics, is zeros.
func TestEigenvaluesOfNegligibleBlock(t *testing.T) {
	for _, n := range []int{4, 90, 300} {
		r := rand.New(rand.NewPCG(3, 4))
		a := symmetricOf("blocks", n, r)
		for i := n / 2; i < n; i++ {
			for j := i; j < n; j++ {
				a.SetSym(i, j, a.At(i, j)*1e-40)
			}
		}
		var want mat.EigenSym
		want.Factorize(a.SliceSym(0, n/2), false)
		values := append(want.Values(nil), make([]float64, n-n/2)...)
		slices.Sort(values)
		got, err := Eigenvalues(n, a.RawSymmetric().Data)
		if err != nil {
			t.Fatal(err)
		}
		close(t, fmt.Sprint("n = ", n), got, values)
	}
}

func close(t *testing.T, what string, got, want []float64) {
	t.Helper()
	n := len(want)
	limit := float64(n+10) * 0x1p-52 * max(math.Abs(want[0]), math.Abs(want[n-1]))
	for i, v := range want {
		if !(math.Abs(got[i]-v) <= limit) {
			t.Fatalf("%s: eigenvalue %d is %v, want %v", what, i, got[i], v)
		}
	}
}

// Those of a matrix and of it plus vvᵀ are those that each has by itself.
func TestEigenvaluesRaised(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, m := range machines() {
		for _, n := range []int{1, 2, 3, 40, 113} {
			for _, kind := range []string{"normal", "rank three", "graded", "zero"} {
				for _, length := range []float64{0, 1e-50, 1e-8, 1, 1e4} {
					for _, only := range []int{0, 1, n} { // so many of v's elements are not 0
						a, v := symmetricOf(kind, n, r), make([]float64, n)
						for i := range min(n, only) {
							v[i] = r.NormFloat64() * length
						}
						plus := mat.NewSymDense(n, nil)
						plus.SymRankOne(a, 1, mat.NewVecDense(n, v))
						want := make([][]float64, 2)
						for i, x := range []*mat.SymDense{a, plus} {
							var e mat.EigenSym
							e.Factorize(x, false)
							want[i] = e.Values(nil)
						}
						for _, large := range []bool{false, true} {
							values, raised, err := m.eigenvalues(n, a.RawSymmetric().Data, v, large)
							if err != nil {
								t.Fatal(err)
							}
							what := fmt.Sprintf("%s, %s, n = %d, large %v, %d elements around %g", m.name, kind, n, large, only, length)
							close(t, what, values, want[0])
							close(t, what+", raised", raised, want[1])
						}
					}
				}
			}
		}
	}
}

func TestEigenvaluesRefuses(t *testing.T) {
	for _, x := range []float64{math.NaN(), math.Inf(-1)} {
		if _, err := Eigenvalues(2, []float64{1, x, 0, 1}); err == nil {
			t.Errorf("a matrix with %v has eigenvalues", x)
		}
		if _, _, err := EigenvaluesRaised(2, make([]float64, 4), []float64{1, x}); err == nil {
			t.Errorf("a vector with %v is accepted", x)
		}
	}
	if _, err := Eigenvalues(2, make([]float64, 3)); err == nil {
		t.Error("three numbers are a matrix")
	}
	if _, _, err := EigenvaluesRaised(2, make([]float64, 4), make([]float64, 1)); err == nil {
		t.Error("a vector that is too short is accepted")
	}
}

// The number of cores changes no bit of an eigenvalue.
func TestEigenvaluesOnAnyNumberOfCores(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	const n = 600
	a, v := random(r, n*n), random(r, n)
	run := func(alone bool) []float64 {
		onlyOne = alone
		defer func() { onlyOne = false }()
		values, raised, err := EigenvaluesRaised(n, a, v)
		if err != nil {
			t.Fatal(err)
		}
		return append(values, raised...)
	}
	alone, together := run(true), run(false)
	for i, x := range alone {
		if together[i] != x {
			t.Fatalf("eigenvalue %d is %v on one core, %v on all", i, x, together[i])
		}
	}
}

// All implementations of the loops of a chase against the portable ones.
func TestChase(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	const b, ld, tau = bandwidth, bandwidth + 5, 0.3
	for _, m := range machines() {
		square := random(r, b*ld)
		for i := range b {
			for j := range i {
				square[i*ld+j] = square[j*ld+i]
			}
		}
		block, w, v, x := random(r, b*ld), random(r, b), random(r, b), random(r, b)
		run := func(m *machine) (s, d, k []float64) {
			s, d, k = append(s, square...), make([]float64, b), append(k, block...)
			memory := make([]float64, b)
			m.chaseSquare(&s[0], ld, &v[0], &memory[0], tau)
			m.chaseDots(&block[0], ld, &v[0], &d[0], tau)
			m.chaseBlock(&k[0], ld, &w[0], &v[0], &x[0], &memory[0], tau)
			return s, d, k
		}
		s, d, k := run(m)
		wantS, wantD, wantK := run(&portableMachine)
		near(t, m.name+", square", 10*b, s, wantS)
		near(t, m.name+", dots", b, d, wantD)
		near(t, m.name+", block", 10*b, k, wantK)
	}
}

// Counts of eigenvalues are those that eigenvalues give, in all implementations.
func TestSturm(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	const n = 20 * sturmRows
	d, e, squares := random(r, n), random(r, n-1), make([]float64, n)
	for i, v := range e {
		squares[i+1] = v * v
	}
	values := slices.Clone(d)
	var lapack gonum.Implementation
	lapack.Dsterf(n, values, slices.Clone(e))
	for _, m := range machines() {
		x, below := make([]float64, m.sturmAt), make([]int, m.sturmAt)
		for k := range 10 {
			for i := range x {
				x[i] = r.NormFloat64() * float64(k)
			}
			m.sturm(&d[0], &squares[0], n, &x[0], &below[0])
			for i, v := range x {
				if want, _ := slices.BinarySearch(values, v); below[i] != want {
					t.Fatalf("%s: %d eigenvalues below %v, want %d", m.name, below[i], v, want)
				}
			}
		}
	}
}

func BenchmarkTridiagonalValues(b *testing.B) {
	for _, n := range []int{32, 64, 128, 256, 2048} {
		r := rand.New(rand.NewPCG(1, 2))
		d, e := random(r, n), random(r, n-1)
		b.Run(fmt.Sprint(n, "/bisection"), func(b *testing.B) {
			for b.Loop() {
				used.bisect(d, e)
			}
		})
		b.Run(fmt.Sprint(n, "/QL"), func(b *testing.B) {
			for b.Loop() {
				var lapack gonum.Implementation
				lapack.Dsterf(n, slices.Clone(d), slices.Clone(e))
			}
		})
	}
}

func BenchmarkEigenvalues(b *testing.B) {
	Install()
	for _, n := range []int{64, 128, 192, 256, 384, 512, 1024, 2048} {
		a := random(rand.New(rand.NewPCG(1, 2)), n*n)
		for _, large := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d/large=%v", n, large), func(b *testing.B) {
				for b.Loop() {
					if _, _, err := used.eigenvalues(n, a, nil, large); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

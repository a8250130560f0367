package analysis

import (
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// BenchmarkCovariance accumulates 50,000 rows of 2048 float32 numbers.
func BenchmarkCovariance(b *testing.B) {
	const rows, dim = 50000, 2048
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, 512*dim)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	for b.Loop() {
		m, err := NewMoments(dim, true)
		if err != nil {
			b.Fatal(err)
		}
		for n := rows; n > 0; n -= 512 {
			if err := m.AddFloat32(x[:min(n, 512)*dim]); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(rows)*dim*dim*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}

// BenchmarkEigenvalues takes those of a 2048×2048 covariance.
func BenchmarkEigenvalues(b *testing.B) {
	const dim = 2048
	r := rand.New(rand.NewPCG(1, 2))
	x := mat.NewDense(dim, dim, nil)
	for i := range dim {
		for j := range dim {
			x.Set(i, j, r.NormFloat64())
		}
	}
	var c mat.SymDense
	c.SymOuterK(1, x)
	for b.Loop() {
		if _, err := symmetricSingularValues(&c); err != nil {
			b.Fatal(err)
		}
	}
}

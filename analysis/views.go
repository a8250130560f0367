package analysis

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// ViewMetrics compare several views of the same samples.
type ViewMetrics struct {
	Samples int `json:"samples"`
	Views   int `json:"views"`
	// Alignment is the mean of ‖u−v‖² over pairs of views u, v of a sample, unit rows
	// (Wang and Isola, ICML 2020, α = 2).
	Alignment float64 `json:"alignment"`
	// LiDAR is the effective rank of Σ_w^{−½}Σ_bΣ_w^{−½}, between and within samples
	// (Thilak et al., ICLR 2024, arXiv:2312.04000; δ 1e-4 on Σ_w, ε 1e-8 on p; Σ_b with
	// 1/(n−1), Σ_w with 1/(n(q−1))).
	LiDAR float64 `json:"lidar"`
}

// CompareViews takes rows [n·q,D], the q views of a sample one after the other. It fails
// on fewer than two samples or views and on rows that are zero or not finite.
func CompareViews(rows []float64, dim, views int) (ViewMetrics, error) {
	if dim < 1 || views < 2 || len(rows) == 0 || len(rows)%(dim*views) != 0 || len(rows)/(dim*views) < 2 {
		return ViewMetrics{}, fmt.Errorf("%d values for samples of %d views of %d, at least two of both are needed", len(rows), views, dim)
	}
	n := len(rows) / (dim * views)
	m := ViewMetrics{Samples: n, Views: views}
	unit := make([]float64, views*dim)
	means, within := mat.NewDense(n, dim, nil), mat.NewDense(n*views, dim, nil)
	grand := make([]float64, dim)
	for i := range n {
		sample := rows[i*views*dim:][:views*dim]
		mean := means.RawRowView(i)
		for v := range views {
			row := sample[v*dim:][:dim]
			length := blas64.Nrm2(blas64.Vector{N: dim, Inc: 1, Data: row})
			if length == 0 || math.IsNaN(length) || math.IsInf(length, 0) {
				return m, &RowError{Row: i*views + v, Reason: fmt.Sprintf("has length %v", length)}
			}
			for j, x := range row {
				unit[v*dim+j] = x / length
				mean[j] += x / float64(views)
			}
		}
		for a := range views {
			for b := range a {
				m.Alignment += distance(unit[a*dim:][:dim], unit[b*dim:][:dim])
			}
		}
		for v := range views {
			to := within.RawRowView(i*views + v)
			for j, x := range sample[v*dim:][:dim] {
				to[j] = x - mean[j]
			}
		}
		for j, x := range mean {
			grand[j] += x / float64(n)
		}
	}
	m.Alignment /= float64(n) * float64(views*(views-1)) / 2
	for i := range n {
		row := means.RawRowView(i)
		for j := range row {
			row[j] -= grand[j]
		}
	}
	var err error
	m.LiDAR, err = lidar(means, within, views)
	return m, err
}

func lidar(means, within *mat.Dense, views int) (float64, error) {
	const delta, epsilon = 1e-4, 1e-8
	n, d := means.Dims()
	var between, inside mat.SymDense
	between.SymOuterK(1/float64(n-1), means.T())
	inside.SymOuterK(1/float64(n*(views-1)), within.T())
	for j := range d {
		inside.SetSym(j, j, inside.At(j, j)+delta)
	}
	values, vectors, err := eigen(&inside)
	if err != nil {
		return 0, err
	}
	// Σ_w^{−½} in its own basis is diagonal, and the eigenvalues are the same in it.
	half := mat.NewDense(d, d, vectors)
	for k := range d {
		row := half.RawRowView(k)
		for j := range row {
			row[j] /= math.Sqrt(values[k])
		}
	}
	var whitened, product mat.Dense
	whitened.Mul(half, &between)
	product.Mul(&whitened, half.T())
	s := mat.NewSymDense(d, nil)
	for i := range d {
		for j := i; j < d; j++ {
			s.SetSym(i, j, (product.At(i, j)+product.At(j, i))/2)
		}
	}
	lambda, err := symmetricSingularValues(s)
	if err != nil {
		return 0, err
	}
	total := sum(lambda)
	if total == 0 {
		return 0, nil
	}
	var entropy float64
	for _, v := range lambda {
		p := (v + epsilon) / total
		entropy -= p * math.Log(p)
	}
	return math.Exp(entropy), nil
}

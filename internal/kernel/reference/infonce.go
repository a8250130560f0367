package reference

import (
	"fmt"
	"math"
)

// n images, two views each  d embedding dimensions  τ temperature
// z [2n,d]: rows 0…n−1 are view 1, rows n…2n−1 view 2
// u, v: the unit rows of view 1 and view 2

// InfoNCE returns the symmetric contrastive loss over two views with negatives from
// the other view only, n−1 for each row:
//
//	s_ij = u_i·v_j/τ
//	L = ½·mean_i(ln Σ_j e^{s_ij} − s_ii) + ½·mean_j(ln Σ_i e^{s_ij} − s_jj)
//
// z is [2n,d], rows 0…n−1 view 1 and n…2n−1 view 2, and need not be normalised;
// temperature is positive. Identical embeddings give ln n. Source: arXiv:2110.09348,
// section 6 and its published training code.
func InfoNCE[T Float](n, d int, temperature float64, z []T) float64 {
	mustFitViews("InfoNCE", n, d, temperature, len(z))
	unit, _ := unitRows(2*n, d, z)
	s := similarity(n, n, d, temperature, unit[:n*d], unit[n*d:])
	rows, cols := logSumExp(n, s)
	var loss float64
	for i := range n {
		loss += rows[i] + cols[i] - 2*s[i*n+i]
	}
	return loss / float64(2*n)
}

// InfoNCEGrad writes the gradient of upstream·InfoNCE with respect to z. With P the
// softmax of the rows of s and Q that of its columns,
//
//	dL/ds = (P + Q − 2I)/(2n)   du = (dL/ds)·v/τ   dv = (dL/ds)ᵀ·u/τ
//
// dz and z are [2n,d].
func InfoNCEGrad[T Float](n, d int, temperature float64, dz, z []T, upstream float64) {
	mustFitViews("InfoNCEGrad", n, d, temperature, len(z))
	mustLen("InfoNCEGrad", "dz", len(dz), len(z))
	unit, norms := unitRows(2*n, d, z)
	u, v := unit[:n*d], unit[n*d:]
	s := similarity(n, n, d, temperature, u, v)
	rows, cols := logSumExp(n, s)
	scale := upstream / (float64(2*n) * temperature)
	ds := s
	for i := range n {
		for j := range n {
			share := math.Exp(s[i*n+j]-rows[i]) + math.Exp(s[i*n+j]-cols[j])
			if i == j {
				share -= 2
			}
			ds[i*n+j] = share * scale
		}
	}
	du := make([]float64, 2*n*d)
	Gemm(false, false, n, d, n, 1, 0, du[:n*d], ds, v)
	Gemm(true, false, n, d, n, 1, 0, du[n*d:], ds, u)
	unitRowsGrad(2*n, d, dz, du, unit, norms)
}

// ContrastiveAccuracy returns the share of rows, in [0,1], whose nearest row of the
// other view by cosine is their positive, averaged over both directions. Of equally
// near rows the first counts, so identical embeddings score 1/n. z is [2n,d] as for
// InfoNCE.
func ContrastiveAccuracy[T Float](n, d int, z []T) float64 {
	mustFitViews("ContrastiveAccuracy", n, d, 1, len(z))
	unit, _ := unitRows(2*n, d, z)
	s := similarity(n, n, d, 1, unit[:n*d], unit[n*d:])
	var hits int
	for i := range n {
		row, col := 0, 0
		for j := range n {
			if s[i*n+j] > s[i*n+row] {
				row = j
			}
			if s[j*n+i] > s[col*n+i] {
				col = j
			}
		}
		if row == i {
			hits++
		}
		if col == i {
			hits++
		}
	}
	return float64(hits) / float64(2*n)
}

// similarity returns a·bᵀ/τ, [n,m], for a [n,d] and b [m,d].
func similarity(n, m, d int, temperature float64, a, b []float64) []float64 {
	s := make([]float64, n*m)
	Gemm(false, true, n, m, d, 1/temperature, 0, s, a, b)
	return s
}

// logSumExp returns ln Σ e^s of every row and of every column of s [n,n]. The
// largest term is taken out first, so nothing overflows at any temperature.
func logSumExp(n int, s []float64) (rows, cols []float64) {
	rows, cols = make([]float64, n), make([]float64, n)
	for i := range n {
		highRow, highCol := math.Inf(-1), math.Inf(-1)
		for j := range n {
			highRow = max(highRow, s[i*n+j])
			highCol = max(highCol, s[j*n+i])
		}
		var row, col float64
		for j := range n {
			row += math.Exp(s[i*n+j] - highRow)
			col += math.Exp(s[j*n+i] - highCol)
		}
		rows[i] = highRow + math.Log(row)
		cols[i] = highCol + math.Log(col)
	}
	return rows, cols
}

func mustFitViews(op string, n, d int, temperature float64, lenZ int) {
	if n < 1 || d < 1 || !(temperature > 0) {
		panic(fmt.Sprintf("reference.%s: n %d, d %d and temperature %g must be positive", op, n, d, temperature))
	}
	mustLen(op, "z", lenZ, 2*n*d)
}

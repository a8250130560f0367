package theory

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/floats"

	fast "onnxclr/internal/blas"
)

// blockRows is how many anchors are taken at a time.
const blockRows = 32

// eq2: ∂L/∂z′ᵢ = (1−α_ii)(z′ᵢ − zᵢ) and ∂L/∂zᵢ = −(Lz)ᵢ − ∂L/∂z′ᵢ, both divided by N, L
// the Laplacian of alphas.
func (s *lossState) eq2(z, dz []float64) float64 {
	n, d := s.n, s.d
	zp, dzp := z[n*d:], dz[n*d:]
	total := s.alphas(z[:n*d], zp)
	scale := 1 / float64(n)
	for from := 0; from < n; from += blockRows {
		rows := min(blockRows, n-from)
		gemm(blas.NoTrans, blas.NoTrans, rows, d, n-from, scale, s.e[from*s.line+from:], s.line, z[from*d:], d, 0, dz[from*d:], d)
		gemm(blas.Trans, blas.NoTrans, rows, d, from+rows, scale, s.e[from:], s.line, z, d, 1, dz[from*d:], d)
	}
	for i, own := range s.own {
		away, degree := scale*(1-own), scale*s.degree[i]
		zi, zpi := z[i*d:i*d+d], zp[i*d:i*d+d]
		gi, gpi := dz[i*d:i*d+d], dzp[i*d:i*d+d]
		for k, v := range zi {
			g := away * (zpi[k] - v)
			gpi[k] = g
			gi[k] -= degree*v + g
		}
	}
	return total * scale
}

// eq2Map: h is Σ̂₁ − Σ̂₀ = −xᵀLx + Σᵢ (1−α_ii)(x′ᵢ−xᵢ)(x′ᵢ−xᵢ)ᵀ, divided by N.
func (s *lossState) eq2Map(c, x, h []float64) float64 {
	n, d := s.n, s.d
	z := s.rows
	gemm(blas.NoTrans, blas.Trans, 2*n, d, d, 1, x, d, c, d, 0, z, d)
	total := s.alphas(z[:n*d], z[n*d:])
	scale := 1 / float64(n)
	weighted, apart := s.weighted, s.rows
	s.halfLaplacian(x[:n*d], d, scale, weighted)
	copy(apart, x[:n*d])
	away := apart[n*d:]
	floats.AddScaledTo(away, x[n*d:], -1, x[:n*d])
	weights := s.inverse[:n]
	for i, own := range s.own {
		weights[i] = scale / 2 * (1 - own)
	}
	fast.ScaleRows(d, weights, away, weighted[n*d:])
	s.symmetricProduct(1, apart, weighted, h)
	return total * scale
}

// halfLaplacian writes −H·x of rows x, [N,d], where H + Hᵀ is the Laplacian times scale.
func (s *lossState) halfLaplacian(x []float64, d int, scale float64, out []float64) {
	n := s.n
	weights := s.inverse[:n]
	floats.ScaleTo(weights, -scale/2, s.degree)
	fast.ScaleRows(d, weights, x, out)
	for from := 0; from < n; from += blockRows {
		gemm(blas.NoTrans, blas.NoTrans, min(blockRows, n-from), d, n-from, scale, s.e[from*s.line+from:], s.line, x[from*d:], d, 1, out[from*d:], d)
	}
}

// alphas finds the α of the paper's appendix B for the rows z and z′:
// α_ij = e^{−|zᵢ−zⱼ|²/2}/Zᵢ beside the diagonal and α_ii = e^{−|zᵢ−z′ᵢ|²/2}/Zᵢ on it,
// which goes to own. It leaves the Laplacian of the weights α_ij + α_ji: in degree its
// diagonal, and in the blocks of e on the diagonal and above it what is, together with
// its transpose, the weights. It returns −Σᵢ ln α_ii.
func (s *lossState) alphas(z, zp []float64) (total float64) {
	n, d, line := s.n, s.d, s.line
	// The logits zᵢ·zⱼ − |zᵢ|²/2 − |zⱼ|²/2 as one product, of exponents of 2.
	fast.Transpose(n, d, z, d, s.left, line)
	floats.Scale(math.Sqrt(math.Log2E), s.left[:d*line])
	copy(s.right, s.left[:d*line])
	squares := s.inverse[:n]
	fast.Squares(d, z, zp, squares, s.own)
	near, row, column := s.own, s.left[d*line:], s.right[(d+1)*line:]
	for i, square := range squares {
		near[i] *= -0.5
		total -= near[i]
		square *= -math.Log2E / 2
		row[i], s.left[(d+1)*line+i] = square, 1
		s.right[d*line+i], column[i] = 1, square
	}
	if !s.onlyGeneral {
		if logs, fits := s.symmetricAlphas(); fits {
			return total + logs
		}
	}
	return total + s.generalAlphas()
}

// symmetricAlphas takes every pair of samples once. It reports whether all sums of
// exponentials lie far from underflow.
func (s *lossState) symmetricAlphas() (logs float64, fits bool) {
	n, d, line := s.n, s.d, s.line
	for from := 0; from < n; from += blockRows {
		to := min(from+blockRows, line)
		fast.Powers(min(to, n), to-from, d+2, s.left, 1, line, s.right[from:], line, s.e[from:], line, s.unused[:])
	}
	copy(s.degree, s.own)
	fast.ExpSum(s.degree, 0)
	for i, own := range s.degree {
		s.e[i*line+i] = own
	}
	clear(s.inverse)
	for from := 0; from < n; from += blockRows { // what is on the diagonal twice counts half
		fast.Weigh(min(blockRows, n-from), n-from, s.e[from*line+from:], line, s.ones, s.halves, s.inverse[from:])
	}
	if !(floats.Min(s.inverse[:n]) > 1/safe) { // nor if it is NaN
		return 0, false
	}
	sums := one
	for i, sum := range s.inverse[:n] {
		sums.times(sum)
		s.inverse[i] = 1 / sum
		s.own[i] = s.degree[i] * s.inverse[i]
		s.e[i*line+i] = 0
	}
	clear(s.degree)
	for from := 0; from < n; from += blockRows {
		fast.Weigh(min(blockRows, n-from), n-from, s.e[from*line+from:], line, s.inverse[from:], s.inverse[from:], s.degree[from:])
	}
	return sums.log(), true
}

// generalAlphas takes logits of any size.
func (s *lossState) generalAlphas() (logs float64) {
	n, line := s.n, s.line
	gemm(blas.Trans, blas.NoTrans, n, n, s.d+2, math.Ln2, s.left, line, s.right, line, 0, s.e, line)
	for i, own := range s.own {
		row := s.e[i*line : i*line+n]
		row[i] = own
		top := largest(row)
		sum := fast.ExpSum(row, top)
		logs += top + math.Log(sum)
		s.inverse[i] = 1 / sum
		s.own[i] = row[i] / sum
		row[i] = 0
	}
	clear(s.degree)
	for i := range n {
		for j := range i {
			weight := s.e[i*line+j]*s.inverse[i] + s.e[j*line+i]*s.inverse[j]
			s.e[j*line+i], s.e[i*line+j] = weight, 0
			s.degree[i] += weight
			s.degree[j] += weight
		}
	}
	return logs
}

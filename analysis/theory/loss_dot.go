package theory

import (
	"math"

	"gonum.org/v1/gonum/blas"

	fast "onnxclr/internal/blas"
)

// dotAnchors is how many anchors are taken at a time: what they are to all samples stays
// in the nearer caches.
const dotAnchors = 64

// dot: with P the softmax of the logits' rows, ∂L/∂z = (P − I)z′/TN and
// ∂L/∂z′ = (P − I)ᵀz/TN.
func (s *lossState) dot(z, dz []float64) float64 {
	clear(s.form)
	for k := range s.d {
		s.form[k*s.d+k] = math.Log2E / s.temperature
	}
	value := s.pull(z, true)
	copy(dz, s.rows)
	return value
}

// dotMap: the logits are xᵢ·CᵀC·x′ⱼ/T. With M = xᵀ(P − I)x′/TN the gradient of C is
// C(M + Mᵀ), and that of x what dot gives for it, times CᵀC.
func (s *lossState) dotMap(c, x, h, dx []float64) float64 {
	n, d, unit := s.n, s.d, math.Log2E/s.temperature
	gemm(blas.Trans, blas.NoTrans, d, d, d, unit, c, d, c, d, 0, s.form, d)
	value := s.pull(x, dx != nil)
	s.symmetricProduct(x[:n*d], s.rows[:n*d], h)
	if dx != nil {
		gemm(blas.NoTrans, blas.NoTrans, 2*n, d, d, 1/unit, s.rows, d, s.form, d, 0, dx, d)
	}
	return value
}

// symmetricProduct writes aᵀb + bᵀa, [D,D], of rows a and b.
func (s *lossState) symmetricProduct(a, b, h []float64) {
	d := s.d
	gemm(blas.Trans, blas.NoTrans, d, d, len(a)/d, 1, a, d, b, d, 0, h, d)
	for i := range d {
		for j := range i + 1 {
			sum := h[i*d+j] + h[j*d+i]
			h[i*d+j], h[j*d+i] = sum, sum
		}
	}
}

// pull returns the loss of logits whose exponentials are 2^(xᵢ·form·x′ⱼ). It leaves
// (P − I)x′/TN in the first half of rows, and (P − I)ᵀx/TN in the second if both are
// wanted.
func (s *lossState) pull(x []float64, both bool) float64 {
	n, d := s.n, s.d
	first, second, out, across := x[:n*d], x[n*d:], s.rows[:n*d], s.rows[n*d:]
	scale := 1 / (s.temperature * float64(n))
	gemm(blas.NoTrans, blas.Trans, d, n, d, 1, s.form, d, first, d, 0, s.right, s.line)
	owns := one
	for from := 0; from < n; from += dotAnchors {
		rows := min(dotAnchors, n-from)
		inverse := s.inverse[from:min(from+dotAnchors, s.line)]
		lanes := len(inverse) // a column of e is an anchor
		fast.Powers(n, lanes, d, second, d, 1, s.right[from:], s.line, s.e, lanes, inverse)
		for i, sum := range inverse[:rows] {
			label := &s.e[(from+i)*lanes+i]
			weight := scale / sum
			own := *label * weight
			if !(sum < safe && own > 1/safe) || s.onlyGeneral {
				return s.pullGeneral(x, both)
			}
			owns.times(own)
			*label -= sum
			inverse[i] = weight
		}
		gemm(blas.Trans, blas.NoTrans, rows, d, n, 1, s.e, lanes, second, d, 0, out[from*d:], d)
		if both {
			fast.ScaleRows(d, inverse, first[from*d:(from+rows)*d], s.weighted)
			gemm(blas.NoTrans, blas.NoTrans, n, d, rows, 1, s.e, lanes, s.weighted, d, float64(min(from, 1)), across, d)
		}
	}
	fast.ScaleRows(d, s.inverse, out, out)
	return math.Log(scale) - owns.log()/float64(n)
}

// pullGeneral is pull for logits of any size, after its first product.
func (s *lossState) pullGeneral(x []float64, both bool) float64 {
	n, d, line := s.n, s.d, s.line
	first, second, out, across := x[:n*d], x[n*d:], s.rows[:n*d], s.rows[n*d:]
	gemm(blas.Trans, blas.Trans, n, n, d, math.Ln2, s.right, line, second, d, 0, s.e, line)
	var total float64
	for i := range n {
		row := s.e[i*line : i*line+n]
		total -= softmax(row, i)
		row[i]--
	}
	scale := 1 / (s.temperature * float64(n))
	gemm(blas.NoTrans, blas.NoTrans, n, d, n, scale, s.e, line, second, d, 0, out, d)
	if both {
		gemm(blas.Trans, blas.NoTrans, n, d, n, scale, s.e, line, first, d, 0, across, d)
	}
	return total / float64(n)
}

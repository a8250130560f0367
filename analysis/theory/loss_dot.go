package theory

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/floats"

	fast "onnxclr/internal/blas"
)

// dotAnchors is how many anchors are taken at a time.
const dotAnchors = 128

// dot: with P the softmax of the logits' rows, ∂L/∂z = (P − I)z′/TN and
// ∂L/∂z′ = (P − I)ᵀz/TN.
func (s *lossState) dot(z, dz []float64) float64 {
	clear(s.form)
	unit := math.Log2E / s.temperature
	for k := range s.d {
		s.form[k*s.d+k] = unit
	}
	first := dz[:s.n*s.d]
	value := s.pull(z, dz[s.n*s.d:])
	floats.ScaleTo(first, unit, s.rows[:len(first)])
	return value
}

// dotMap: the logits are xᵢ·CᵀC·x′ⱼ/T. With M = xᵀ(P − I)x′/TN the gradient of C is
// C(M + Mᵀ).
func (s *lossState) dotMap(c, x, h, dx []float64) float64 {
	n, d, unit := s.n, s.d, math.Log2E/s.temperature
	first, second := x[:n*d], x[n*d:]
	gemm(blas.Trans, blas.NoTrans, d, d, d, unit, c, d, c, d, 0, s.form, d)
	var across []float64
	if dx != nil {
		across = dx[n*d:]
	}
	value := s.pull(x, across)
	if dx != nil {
		fast.Gate(across, second)
		fast.GatedProduct(n, d, d, s.rows[:n*d], s.form, first, dx[:n*d])
	}
	s.symmetricProduct(unit, first, s.rows[:n*d], h)
	return value
}

// symmetricProduct writes alpha·(aᵀb + bᵀa), [D,D], of rows a and b. form is memory.
func (s *lossState) symmetricProduct(alpha float64, a, b, h []float64) {
	d := s.d
	gemm(blas.Trans, blas.NoTrans, d, d, len(a)/d, alpha, a, d, b, d, 0, s.form, d)
	fast.Transpose(d, d, s.form, d, h, d)
	floats.Add(h, s.form)
}

// pull returns the loss of logits whose exponentials are 2^y, y = xᵢ·form·x′ⱼ with a
// symmetric form. It leaves ∂L/∂y·x′ in rows, ∂L/∂y = (P − I)·ln 2/N, and the gradient of
// x′ in across where that is not nil.
func (s *lossState) pull(x, across []float64) float64 {
	n, d := s.n, s.d
	first, second, formed, out := x[:n*d], x[n*d:], s.weighted[:n*d], s.rows[:n*d]
	gemm(blas.NoTrans, blas.NoTrans, n, d, d, 1, first, d, s.form, d, 0, formed, d)
	fast.Transpose(n, d, formed, d, s.right, s.line)
	scale := math.Ln2 / float64(n)
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
				return s.pullGeneral(x, across)
			}
			owns.times(own)
			*label -= sum
			inverse[i] = weight
		}
		gemm(blas.Trans, blas.NoTrans, rows, d, n, 1, s.e, lanes, second, d, 0, out[from*d:], d)
		if across != nil {
			weighted := formed[from*d : (from+rows)*d]
			fast.ScaleRows(d, inverse, weighted, weighted)
			gemm(blas.NoTrans, blas.NoTrans, n, d, rows, 1, s.e, lanes, weighted, d, float64(min(from, 1)), across, d)
		}
	}
	fast.ScaleRows(d, s.inverse, out, out)
	return math.Log(scale) - owns.log()/float64(n)
}

// pullGeneral is pull for logits of any size, after its first products.
func (s *lossState) pullGeneral(x, across []float64) float64 {
	n, d, line := s.n, s.d, s.line
	first, second, formed, out := x[:n*d], x[n*d:], s.weighted[:n*d], s.rows[:n*d]
	gemm(blas.Trans, blas.Trans, n, n, d, math.Ln2, s.right, line, second, d, 0, s.e, line)
	var total float64
	for i := range n {
		row := s.e[i*line : i*line+n]
		total -= softmax(row, i)
		row[i]--
	}
	scale := math.Ln2 / float64(n)
	gemm(blas.NoTrans, blas.NoTrans, n, d, n, scale, s.e, line, second, d, 0, out, d)
	if across != nil {
		gemm(blas.NoTrans, blas.NoTrans, n, d, d, 1, first, d, s.form, d, 0, formed, d)
		gemm(blas.Trans, blas.NoTrans, n, d, n, scale, s.e, line, formed, d, 0, across, d)
	}
	return total / float64(n)
}

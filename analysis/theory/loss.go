package theory

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/floats"

	fast "onnxclr/internal/blas"
)

// Loss is a contrastive loss of two views' embeddings z and z′, [N,D] each, averaged
// over the N anchors. All of them are minimal when views of one sample agree and
// different samples lie apart.
type Loss string

// The losses.
const (
	// Eq2 is the paper's equation 2: logits −|·|²/2, the positive zᵢ against z′ᵢ, the
	// negatives zⱼ of the anchor's own view; no normalisation, no temperature. The
	// paper sums over anchors.
	Eq2 Loss = "eq2"
	// Dot is that of the paper's published toy programs: cross entropy of z·z′ᵀ/T with
	// the sample's own index as label, one direction, no normalisation.
	Dot Loss = "dot"
	// InfoNCE is that of the paper's training (section 6.2 and its code): Dot on
	// unit rows, both directions averaged.
	InfoNCE Loss = "infonce"
	// NTXent is SimCLR's (arXiv:2002.05709, equation 1): unit rows, each of the 2N
	// anchors against the 2N−1 others.
	NTXent Loss = "ntxent"
)

// Losses lists all of them.
var Losses = []Loss{Eq2, Dot, InfoNCE, NTXent}

// lossState holds what evaluating a loss needs between the calls.
//
// The weights that a softmax gives are kept as E and 1/Z: α_ij = E_ij/Zᵢ. As long as
// nothing over- or underflows E is e^logit, so that a pass over [N,N] is saved and, for
// Eq2, E is symmetric; otherwise its rows are divided by their largest element.
type lossState struct {
	loss        Loss
	temperature float64
	n, d        int

	e, other    []float64 // [N,N], or [2N,2N] for NTXent
	inverse     []float64 // 1/Z
	square      []float64 // |zᵢ| of unit rows
	left, right []float64 // factors of logits
	unit, dunit []float64 // [2N,D]
	own         []float64 // α_ii
	onlyGeneral bool      // for tests: the way for logits of any size
}

func newLossState(loss Loss, temperature float64, n, d int) (*lossState, error) {
	s := &lossState{loss: loss, temperature: temperature, n: n, d: d}
	rows := n
	switch loss {
	case Eq2:
	case NTXent:
		rows = 2 * n
		fallthrough
	case Dot, InfoNCE:
		if !(temperature > 0) || math.IsInf(temperature, 1) {
			return nil, fmt.Errorf("temperature is %g, want a positive number", temperature)
		}
	default:
		return nil, fmt.Errorf("loss is %q, want one of %v", loss, Losses)
	}
	s.e, s.other = make([]float64, rows*rows), make([]float64, rows*rows)
	s.square, s.unit, s.dunit = make([]float64, 2*n), make([]float64, 2*n*d), make([]float64, 2*n*d)
	s.left, s.right = make([]float64, n*(d+2)), make([]float64, n*(d+2))
	s.own, s.inverse = make([]float64, n), make([]float64, rows)
	return s, nil
}

// eval returns the loss of z, [2N,D] with the rows of the second view behind those of
// the first, and writes its gradient to dz.
func (s *lossState) eval(z, dz []float64) float64 {
	switch s.loss {
	case Eq2:
		return s.eq2(z, dz)
	case Dot:
		return s.dot(z, dz)
	case InfoNCE:
		return s.normalized(z, dz, s.infoNCE)
	}
	return s.normalized(z, dz, s.ntXent)
}

// safeExponent is how large a logit may be in magnitude for sums of its exponential to
// stay far from the ends of float64. Those of Eq2 are never positive, and 0 where they
// vanish beside others.
const safeExponent = 600

// alphas finds the α of the paper's appendix B for the rows z and z′:
// α_ij = e^{−|zᵢ−zⱼ|²/2}/Zᵢ beside the diagonal and α_ii = e^{−|zᵢ−z′ᵢ|²/2}/Zᵢ on it,
// which goes to own. The diagonal of e becomes 0. It returns −Σᵢ ln α_ii, and whether e
// is symmetric.
func (s *lossState) alphas(z, zp []float64) (total float64, symmetric bool) {
	n, d := s.n, s.d
	// The logits zᵢ·zⱼ − |zᵢ|²/2 − |zⱼ|²/2 as one product.
	fast.Transpose(n, d, z, d, s.left, n)
	copy(s.right, s.left[:n*d])
	for i := range n {
		zi, zpi := z[i*d:i*d+d], zp[i*d:i*d+d]
		var square, apart float64
		for k, v := range zi {
			away := v - zpi[k]
			square += v * v
			apart += away * away
		}
		s.own[i] = -apart / 2
		s.left[d*n+i], s.left[(d+1)*n+i] = -square/2, 1
		s.right[d*n+i], s.right[(d+1)*n+i] = 1, -square/2
		total -= s.own[i]
	}
	symmetric = !s.onlyGeneral && s.symmetric()
	if !symmetric {
		total += s.general()
	}
	var sums product
	for i, sum := range s.inverse {
		sums.times(sum)
		s.inverse[i] = 1 / sum
		s.own[i] = s.e[i*n+i] * s.inverse[i]
		s.e[i*n+i] = 0
	}
	return total + sums.log(), symmetric
}

// logits writes those of rows [from, to) and columns from a first one on to e.
func (s *lossState) logits(from, to, first int) {
	n := s.n
	gemm(blas.Trans, blas.NoTrans, to-from, n-first, s.d+2, 1, s.left[from:], n, s.right[first:], n, 0, s.e[from*n+first:], n)
	for i := from; i < to; i++ {
		s.e[i*n+i] = s.own[i]
	}
}

// symmetric computes E = e^logit, each pair of samples once, and its sums Z, to inverse.
// It reports whether these are far from underflow.
func (s *lossState) symmetric() bool {
	const block = 16
	n, least := s.n, math.Inf(1)
	for from := 0; from < n; from += block {
		to := min(from+block, n)
		s.logits(from, to, from)
		for i := from; i < to; i++ {
			row := s.e[i*n : i*n+n]
			s.inverse[i] = floats.Sum(row[:from]) + fast.ExpSum(row[from:], 0)
			least = min(least, s.inverse[i])
		}
		if to < n {
			fast.Transpose(to-from, n-to, s.e[from*n+to:], n, s.e[to*n+from:], n)
		}
	}
	return least > math.Exp(-safeExponent)
}

// general is the same for logits of any size, each row of E divided by its largest
// element, the sum of whose logits it returns.
func (s *lossState) general() (tops float64) {
	n := s.n
	s.logits(0, n, 0)
	for i := range n {
		row := s.e[i*n : i*n+n]
		top := largest(row)
		s.inverse[i] = fast.ExpSum(row, top)
		tops += top
	}
	return tops
}

// laplacian makes the E of alphas −L: o + oᵀ, o the α beside the diagonal, and on it
// the negative sums of its rows.
func (s *lossState) laplacian(symmetric bool) {
	n := s.n
	for i := range n {
		row := s.e[i*n : i*n+n]
		if symmetric {
			row[i] = -fast.Weigh(row, s.inverse, s.inverse[i])
			continue
		}
		for j := range i {
			v := row[j]*s.inverse[i] + s.e[j*n+i]*s.inverse[j]
			row[j], s.e[j*n+i] = v, v
			row[i] -= v
			s.e[j*n+j] -= v
		}
	}
}

// eq2: ∂L/∂z′ᵢ = (1−α_ii)(z′ᵢ − zᵢ) and ∂L/∂zᵢ = −(Lz)ᵢ − ∂L/∂z′ᵢ, L the Laplacian of
// the weights o + oᵀ, o the α beside the diagonal.
func (s *lossState) eq2(z, dz []float64) float64 {
	n, d := s.n, s.d
	zp, dzp := z[n*d:], dz[n*d:]
	total, symmetric := s.alphas(z[:n*d], zp)
	s.laplacian(symmetric)
	scale := 1 / float64(n)
	gemm(blas.Trans, blas.NoTrans, n, d, n, scale, s.e, n, z, d, 0, dz, d)
	for i, own := range s.own {
		away := scale * (1 - own)
		zi, zpi := z[i*d:i*d+d], zp[i*d:i*d+d]
		gi, gpi := dz[i*d:i*d+d], dzp[i*d:i*d+d]
		for k, v := range zi {
			g := away * (zpi[k] - v)
			gpi[k] = g
			gi[k] -= g
		}
	}
	return total * scale
}

// dot: ∂L/∂z = (P − I)z′/TN and ∂L/∂z′ = (P − I)ᵀz/TN, P the softmax of the rows. E is
// used up in blocks of rows that the nearest cache holds.
func (s *lossState) dot(z, dz []float64) float64 {
	const block = 32
	n, d, t := s.n, s.d, s.temperature
	zp, dzp := z[n*d:], dz[n*d:]
	safe := largestSquare(z[:n*d], d)*largestSquare(zp, d) < safeExponent*safeExponent*t*t && !s.onlyGeneral
	var total float64
	var sums product
	scale, scaled, across := 1/(t*float64(n)), s.left[:n*d], s.right[:n*d]
	fast.Transpose(n, d, zp, d, across, n)
	for from := 0; from < n; from += block {
		rows := min(block, n-from)
		gemm(blas.NoTrans, blas.NoTrans, rows, n, d, 1/t, z[from*d:], d, across, n, 0, s.e, n)
		for i := from; i < from+rows; i++ {
			row := s.e[(i-from)*n:][:n]
			own, top := row[i], 0.0
			if !safe {
				top = largest(row)
			}
			sum := fast.ExpSum(row, top)
			sums.times(sum)
			total += top - own
			s.inverse[i] = scale / sum
			for k, v := range z[i*d : i*d+d] {
				scaled[i*d+k] = s.inverse[i] * v
			}
		}
		gemm(blas.NoTrans, blas.NoTrans, rows, d, n, 1, s.e, n, zp, d, 0, dz[from*d:], d)
		gemm(blas.Trans, blas.NoTrans, n, d, rows, 1, s.e, n, scaled[from*d:], d, float64(min(from, 1)), dzp, d)
	}
	for i, inverse := range s.inverse {
		zi, zpi, gi, gpi := z[i*d:i*d+d], zp[i*d:i*d+d], dz[i*d:i*d+d], dzp[i*d:i*d+d]
		for k, v := range zi {
			gi[k] = inverse*gi[k] - scale*zpi[k]
			gpi[k] -= scale * v
		}
	}
	return (total + sums.log()) / float64(n)
}

// product multiplies sums of exponentials, which safeExponent bounds, for the logarithm
// of the whole.
type product struct{ rest, logs float64 }

func (p *product) times(factor float64) {
	if p.rest == 0 || p.rest > 1e30 || p.rest < 1e-30 {
		p.logs, p.rest = p.log(), 1
	}
	p.rest *= factor
}

func (p *product) log() float64 {
	if p.rest == 0 { // none yet
		return 0
	}
	return p.logs + math.Log(p.rest)
}

// largestSquare returns the largest |row|² of rows of d numbers.
func largestSquare(rows []float64, d int) (most float64) {
	for i := 0; i < len(rows); i += d {
		var sum float64
		for _, v := range rows[i : i+d] {
			sum += v * v
		}
		most = max(most, sum)
	}
	return most
}

func largest(row []float64) float64 {
	top := row[0]
	for _, v := range row[1:] {
		top = max(top, v)
	}
	return top
}

// normalized evaluates a loss of unit rows and takes its gradient back to z.
func (s *lossState) normalized(z, dz []float64, loss func() float64) float64 {
	d := s.d
	for i := range s.square {
		row, unit := z[i*d:i*d+d], s.unit[i*d:i*d+d]
		var sum float64
		for _, v := range row {
			sum += v * v
		}
		s.square[i] = max(math.Sqrt(sum), 1e-12) // as torch.nn.functional.normalize
		for k, v := range row {
			unit[k] = v / s.square[i]
		}
	}
	value := loss()
	for i, length := range s.square {
		unit, du, out := s.unit[i*d:i*d+d], s.dunit[i*d:i*d+d], dz[i*d:i*d+d]
		var along float64
		for k := range unit {
			along += unit[k] * du[k]
		}
		for k := range unit {
			out[k] = (du[k] - along*unit[k]) / length
		}
	}
	return value
}

// infoNCE: with P and Q the softmax of the logits along rows and columns,
// ∂L/∂logits = (P + Q − 2I)/2N.
func (s *lossState) infoNCE() float64 {
	n, d := s.n, s.d
	u, v := s.unit[:n*d], s.unit[n*d:]
	gemm(blas.NoTrans, blas.Trans, n, n, d, 1/s.temperature, u, d, v, d, 0, s.e, n)
	for i := range n { // the other direction, as rows
		for j := range n {
			s.other[j*n+i] = s.e[i*n+j]
		}
	}
	var total float64
	for i := range n {
		total -= softmax(s.e[i*n:i*n+n], i) + softmax(s.other[i*n:i*n+n], i)
	}
	for i := range n {
		for j := range n {
			s.e[i*n+j] += s.other[j*n+i]
		}
		s.e[i*n+i] -= 2
	}
	scale := 1 / (2 * float64(n) * s.temperature)
	gemm(blas.NoTrans, blas.NoTrans, n, d, n, scale, s.e, n, v, d, 0, s.dunit, d)
	gemm(blas.Trans, blas.NoTrans, n, d, n, scale, s.e, n, u, d, 0, s.dunit[n*d:], d)
	return total / (2 * float64(n))
}

func (s *lossState) ntXent() float64 {
	rows, d := 2*s.n, s.d
	gemm(blas.NoTrans, blas.Trans, rows, rows, d, 1/s.temperature, s.unit, d, s.unit, d, 0, s.e, rows)
	var total float64
	for i := range rows {
		row, positive := s.e[i*rows:(i+1)*rows], (i+s.n)%rows
		row[i] = math.Inf(-1)
		total -= softmax(row, positive)
		row[positive]--
	}
	for i := range rows {
		for j := range i {
			sum := s.e[i*rows+j] + s.e[j*rows+i]
			s.e[i*rows+j], s.e[j*rows+i] = sum, sum
		}
	}
	scale := 1 / (float64(rows) * s.temperature)
	gemm(blas.NoTrans, blas.NoTrans, rows, d, rows, scale, s.e, rows, s.unit, d, 0, s.dunit, d)
	return total / float64(rows)
}

// softmax replaces a row of logits by its softmax and returns the logarithm of that
// of the label.
func softmax(row []float64, label int) float64 {
	top := largest(row)
	chosen := row[label] - top
	sum := fast.ExpSum(row, top)
	inv := 1 / sum
	for j := range row {
		row[j] *= inv
	}
	return chosen - math.Log(sum)
}

package theory

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"

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
type lossState struct {
	loss        Loss
	temperature float64
	n, d        int
	line        int // n, up to whole lanes

	e, other    []float64 // [N,line], or [2N,2N] for NTXent
	inverse     []float64 // 1/Z
	left, right []float64 // [D+2,line], factors of logits
	form        []float64 // [D,D], between them
	rows        []float64 // [2N,D]
	weighted    []float64 // [2N,D]
	onlyGeneral bool      // for tests: the way for logits of any size

	// Of Eq2, [N]: α_ii, the degrees of the Laplacian, and for every block of anchors 1
	// and −½.
	own, degree, ones, halves []float64
	unused                    [blockRows]float64

	length      []float64 // |zᵢ| of unit rows
	unit, dunit []float64 // [2N,D]
}

func newLossState(loss Loss, temperature float64, n, d int) (*lossState, error) {
	s := &lossState{loss: loss, temperature: temperature, n: n, d: d, line: (n + fast.Lanes - 1) / fast.Lanes * fast.Lanes}
	size := n * s.line
	switch loss {
	case Eq2:
		s.own, s.degree = make([]float64, n), make([]float64, n)
		s.ones, s.halves = slices.Repeat([]float64{1}, n), make([]float64, n)
		for i := range min(n, blockRows) {
			s.halves[i] = -0.5
		}
	case Dot, InfoNCE, NTXent:
		if !(temperature > 0) || math.IsInf(temperature, 1) {
			return nil, fmt.Errorf("temperature is %g, want a positive number", temperature)
		}
	default:
		return nil, fmt.Errorf("loss is %q, want one of %v", loss, Losses)
	}
	switch loss {
	case Eq2, Dot:
		s.left, s.right = make([]float64, s.line*(d+2)), make([]float64, s.line*(d+2))
		s.rows, s.weighted, s.form = make([]float64, 2*n*d), make([]float64, 2*n*d), make([]float64, d*d)
		s.inverse = make([]float64, s.line)
	case InfoNCE:
		s.other = make([]float64, size)
		fallthrough
	default:
		if loss == NTXent {
			size = 4 * n * n
		}
		s.length, s.unit, s.dunit = make([]float64, 2*n), make([]float64, 2*n*d), make([]float64, 2*n*d)
	}
	s.e = make([]float64, size)
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

// evalMap returns the loss of embeddings z = C·x, the rows of x as those of z, [2N,D],
// and writes a symmetric matrix h, [D,D], of which C·h is the gradient of C: −X/N of the
// paper's lemma 2. That takes fewer products than going by the gradient of z. dx, where
// it is not nil, becomes the gradient of what x is rectified from.
func (s *lossState) evalMap(c, x, h, dx []float64) float64 {
	if s.loss == Eq2 {
		return s.eq2Map(c, x, h)
	}
	return s.dotMap(c, x, h, dx)
}

// hasMap reports whether the loss has evalMap, with or without the gradient of x.
func (l Loss) hasMap(dx bool) bool { return l == Dot || l == Eq2 && !dx }

// safe is how large sums of exponentials may be, and one over it how small, for the ways
// that do not divide them by the largest.
const safe = 1e260

// normalized evaluates a loss of unit rows and takes its gradient back to z.
func (s *lossState) normalized(z, dz []float64, loss func() float64) float64 {
	d := s.d
	for i := range s.length {
		row, unit := z[i*d:i*d+d], s.unit[i*d:i*d+d]
		var sum float64
		for _, v := range row {
			sum += v * v
		}
		s.length[i] = max(math.Sqrt(sum), 1e-12) // as torch.nn.functional.normalize
		for k, v := range row {
			unit[k] = v / s.length[i]
		}
	}
	value := loss()
	for i, length := range s.length {
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

func largest(row []float64) float64 {
	top := row[0]
	for _, v := range row[1:] {
		top = max(top, v)
	}
	return top
}

// product multiplies positive numbers, for the logarithm of the whole: it is rest, from 1,
// times a power of 2. It begins as one.
type product struct {
	rest     float64
	exponent int
}

var one = product{rest: 1}

func (p *product) times(factor float64) {
	const places, bias = 52, 1023 // of a number's bits
	bits := math.Float64bits(factor)
	p.exponent += int(bits>>places) - bias
	if p.rest *= math.Float64frombits(bits&(1<<places-1) | bias<<places); p.rest > 0x1p1000 {
		p.rest *= 0x1p-1000
		p.exponent += 1000
	}
}

func (p *product) log() float64 { return math.Log(p.rest) + math.Ln2*float64(p.exponent) }

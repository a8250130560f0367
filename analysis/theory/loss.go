package theory

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
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

	pairs, weights []float64 // [N,N], or [2N,2N] for NTXent
	square         []float64 // |zᵢ|², or |zᵢ| of unit rows
	unit, dunit    []float64 // [2N,D]
	own, column    []float64 // α_ii, Σ_j α_ji
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
	s.pairs, s.weights = make([]float64, rows*rows), make([]float64, rows*rows)
	s.square, s.unit, s.dunit = make([]float64, 2*n), make([]float64, 2*n*d), make([]float64, 2*n*d)
	s.own, s.column = make([]float64, n), make([]float64, n)
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

// alphas fills weights with the α of the paper's appendix B for the rows z and z′:
// α_ij = e^{−|zᵢ−zⱼ|²/2}/Zᵢ beside the diagonal and α_ii = e^{−|zᵢ−z′ᵢ|²/2}/Zᵢ on it.
// It returns −Σᵢ ln α_ii.
func (s *lossState) alphas(z, zp []float64) float64 {
	n, d := s.n, s.d
	gemm(blas.NoTrans, blas.Trans, n, n, d, 1, z, d, z, d, 0, s.pairs, n)
	for i := range n {
		s.square[i] = s.pairs[i*n+i] / 2
		var apart float64
		for k := range d {
			diff := z[i*d+k] - zp[i*d+k]
			apart += diff * diff
		}
		s.own[i] = -apart / 2
	}
	var total float64
	for i := range n {
		row, alpha := s.pairs[i*n:i*n+n], s.weights[i*n:i*n+n]
		for j := range row {
			alpha[j] = row[j] - s.square[i] - s.square[j]
		}
		alpha[i] = s.own[i]
		total -= softmax(alpha, i)
	}
	return total
}

// eq2: with o the α beside the diagonal, c_i = Σ_j α_ji of them,
//
//	∂L/∂zᵢ  = ((o + oᵀ)z)ᵢ − (1−α_ii) z′ᵢ − cᵢ zᵢ
//	∂L/∂z′ᵢ = (1−α_ii)(z′ᵢ − zᵢ)
func (s *lossState) eq2(z, dz []float64) float64 {
	n, d := s.n, s.d
	zp, dzp := z[n*d:], dz[n*d:]
	total := s.alphas(z[:n*d], zp)
	a, both := s.weights, s.pairs
	for i := range n {
		s.own[i], a[i*n+i] = a[i*n+i], 0
		s.column[i] = 0
	}
	for i := range n {
		row := a[i*n : i*n+n]
		for j, v := range row {
			s.column[j] += v
			both[i*n+j] = v
		}
	}
	for i := range n {
		for j := range i {
			sum := both[i*n+j] + both[j*n+i]
			both[i*n+j], both[j*n+i] = sum, sum
		}
	}
	scale := 1 / float64(n)
	gemm(blas.NoTrans, blas.NoTrans, n, d, n, scale, both, n, z, d, 0, dz, d)
	for i := range n {
		away, c := scale*(1-s.own[i]), scale*s.column[i]
		zi, zpi, gi, gpi := z[i*d:i*d+d], zp[i*d:i*d+d], dz[i*d:i*d+d], dzp[i*d:i*d+d]
		for k := range zi {
			gi[k] -= away*zpi[k] + c*zi[k]
			gpi[k] = away * (zpi[k] - zi[k])
		}
	}
	return total * scale
}

func (s *lossState) dot(z, dz []float64) float64 {
	n, d, t := s.n, s.d, s.temperature
	zp := z[n*d:]
	gemm(blas.NoTrans, blas.Trans, n, n, d, 1/t, z, d, zp, d, 0, s.weights, n)
	var total float64
	for i := range n {
		row := s.weights[i*n : i*n+n]
		total -= softmax(row, i)
		row[i]--
	}
	scale := 1 / (t * float64(n))
	gemm(blas.NoTrans, blas.NoTrans, n, d, n, scale, s.weights, n, zp, d, 0, dz, d)
	gemm(blas.Trans, blas.NoTrans, n, d, n, scale, s.weights, n, z, d, 0, dz[n*d:], d)
	return total / float64(n)
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
	gemm(blas.NoTrans, blas.Trans, n, n, d, 1/s.temperature, u, d, v, d, 0, s.weights, n)
	for i := range n { // the other direction, as rows
		for j := range n {
			s.pairs[j*n+i] = s.weights[i*n+j]
		}
	}
	var total float64
	for i := range n {
		total -= softmax(s.weights[i*n:i*n+n], i) + softmax(s.pairs[i*n:i*n+n], i)
	}
	for i := range n {
		for j := range n {
			s.weights[i*n+j] += s.pairs[j*n+i]
		}
		s.weights[i*n+i] -= 2
	}
	scale := 1 / (2 * float64(n) * s.temperature)
	gemm(blas.NoTrans, blas.NoTrans, n, d, n, scale, s.weights, n, v, d, 0, s.dunit, d)
	gemm(blas.Trans, blas.NoTrans, n, d, n, scale, s.weights, n, u, d, 0, s.dunit[n*d:], d)
	return total / (2 * float64(n))
}

func (s *lossState) ntXent() float64 {
	rows, d := 2*s.n, s.d
	gemm(blas.NoTrans, blas.Trans, rows, rows, d, 1/s.temperature, s.unit, d, s.unit, d, 0, s.weights, rows)
	var total float64
	for i := range rows {
		row, positive := s.weights[i*rows:(i+1)*rows], (i+s.n)%rows
		row[i] = math.Inf(-1)
		total -= softmax(row, positive)
		row[positive]--
	}
	for i := range rows {
		for j := range i {
			sum := s.weights[i*rows+j] + s.weights[j*rows+i]
			s.weights[i*rows+j], s.weights[j*rows+i] = sum, sum
		}
	}
	scale := 1 / (float64(rows) * s.temperature)
	gemm(blas.NoTrans, blas.NoTrans, rows, d, rows, scale, s.weights, rows, s.unit, d, 0, s.dunit, d)
	return total / float64(rows)
}

// softmax replaces a row of logits by its softmax and returns the logarithm of that
// of the label.
func softmax(row []float64, label int) float64 {
	top := row[0]
	for _, v := range row[1:] {
		top = max(top, v)
	}
	chosen := row[label] - top
	sum := expAll(row, top)
	inv := 1 / sum
	for j := range row {
		row[j] *= inv
	}
	return chosen - math.Log(sum)
}

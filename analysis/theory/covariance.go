package theory

import (
	"fmt"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/mat"
)

// Covariances returns the weighted covariances of the paper's lemma 2, of inputs x and
// augmented inputs x′, [N,D] each, under the weights α that the loss Eq2 gives their
// embeddings z and z′, [N,K] each:
//
//	Σ̂₀ = Σ_{i≠j} α_ij (xᵢ−xⱼ)(xᵢ−xⱼ)ᵀ        of the data
//	Σ̂₁ = Σᵢ (1−α_ii)(x′ᵢ−xᵢ)(x′ᵢ−xᵢ)ᵀ         of the augmentation
//
// both divided by N. Their difference is the X of the paper: gradient descent moves a
// linear layer W by Ẇ = WX, so that directions in which X is negative die out (theorem
// 1). Equation 6 of the paper has a sign too many; this is the form of its appendix B.2.
func Covariances(x, xp, z, zp *mat.Dense) (data, augmentation *mat.SymDense, err error) {
	n, d := x.Dims()
	_, k := z.Dims()
	for _, m := range []struct {
		name       string
		m          *mat.Dense
		rows, cols int
	}{{"x′", xp, n, d}, {"z", z, n, k}, {"z′", zp, n, k}} {
		if r, c := m.m.Dims(); r != m.rows || c != m.cols {
			return nil, nil, fmt.Errorf("%s is %d×%d, want %d×%d", m.name, r, c, m.rows, m.cols)
		}
	}
	s, err := newLossState(Eq2, 0, n, k)
	if err != nil {
		return nil, nil, err
	}
	s.alphas(packed(z), packed(zp))
	return s.covariances(packed(x), packed(xp), d)
}

// covariances is Covariances after alphas.
func (s *lossState) covariances(x, xp []float64, d int) (data, augmentation *mat.SymDense, err error) {
	n := s.n
	scale := 1 / float64(n)
	weighted, sum := make([]float64, n*d), make([]float64, d*d)
	s.halfLaplacian(x, d, -2*scale, weighted) // Σ̂₀ = xᵀLx
	gemm(blas.Trans, blas.NoTrans, d, d, n, 1, x, d, weighted, d, 0, sum, d)
	data = mat.NewSymDense(d, nil)
	symmetrise(data, sum)

	apart := make([]float64, n*d)
	for i := range n {
		w := scale * (1 - s.own[i])
		for k := range d {
			apart[i*d+k] = xp[i*d+k] - x[i*d+k]
			weighted[i*d+k] = w * apart[i*d+k]
		}
	}
	gemm(blas.Trans, blas.NoTrans, d, d, n, 1, apart, d, weighted, d, 0, sum, d)
	augmentation = mat.NewSymDense(d, nil)
	symmetrise(augmentation, sum)
	return data, augmentation, nil
}

// symmetrise takes the mean of a matrix that is symmetric but for rounding and its
// transpose.
func symmetrise(to *mat.SymDense, from []float64) {
	d := to.SymmetricDim()
	for i := range d {
		for j := i; j < d; j++ {
			to.SetSym(i, j, (from[i*d+j]+from[j*d+i])/2)
		}
	}
}

// packed returns the rows of m one after the other.
func packed(m *mat.Dense) []float64 {
	raw := m.RawMatrix()
	if raw.Stride == raw.Cols {
		return raw.Data[:raw.Rows*raw.Cols]
	}
	data := make([]float64, 0, raw.Rows*raw.Cols)
	for i := range raw.Rows {
		data = append(data, m.RawRowView(i)...)
	}
	return data
}

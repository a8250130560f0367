package train

import (
	"math"
	"slices"

	"onnxclr/importer"
	"onnxclr/internal/kernel"
)

// orthogonal is an optimizer that keeps one parameter W [out,in] orthogonal: its rows
// orthonormal or, when there are fewer columns, these. The paper (arXiv:2110.09348,
// appendix F) writes W as the exponential of a skew-symmetric matrix; here W is its own
// parameter, on the manifold of such matrices (Stiefel's):
//
//	T = G − S·W, S the symmetric part of G·Wᵀ    the gradient along the manifold
//	Y = what the optimizer makes of W and T
//	W = (Y·Yᵀ)^(−½)·Y                            the nearest orthogonal matrix
//
// with columns for rows where these are orthonormal. So every optimizer works as it
// is, its state is that of any parameter, and W, stored as it is used, resumes to the
// bit. Weight decay shrinks Y alone and leaves no trace. The root comes from the
// iteration of Newton and Schulz, W ← 3/2·W − ½·(W·Wᵀ)·W.
type orthogonal struct {
	Optimizer
	pool *kernel.Pool

	tangent, before, gram []float32
	grads                 [][]float32
}

// constrain returns the recipe's optimizer with what its projector demands.
func constrain(r *Recipe, o Optimizer, pool *kernel.Pool) Optimizer {
	if r.Head().Kind == importer.HeadOrthogonal {
		return &orthogonal{Optimizer: o, pool: pool}
	}
	return o
}

// Step implements Optimizer.
func (o *orthogonal) Step(params []Param, grads [][]float32, lr, scale float64) {
	i := slices.IndexFunc(params, func(p Param) bool { return p.Name == importer.ProjectorWeight })
	if i < 0 { // frozen
		o.Optimizer.Step(params, grads, lr, scale)
		return
	}
	p := params[i]
	if o.tangent == nil {
		k := min(p.Shape[0], p.Shape[1])
		o.tangent, o.before, o.gram = make([]float32, len(p.Value)), make([]float32, len(p.Value)), make([]float32, k*k)
	}
	o.grads = append(o.grads[:0], grads...)
	o.project(p, grads[i])
	o.grads[i] = o.tangent
	copy(o.before, p.Value)
	o.Optimizer.Step(params, o.grads, lr, scale)
	if !o.retract(p) {
		copy(p.Value, o.before) // the step would have lost a dimension
	}
}

// project writes the part of the gradient g that is along the manifold.
func (o *orthogonal) project(p Param, g []float32) {
	out, in, w := p.Shape[0], p.Shape[1], p.Value
	rows := out <= in
	k := min(out, in)
	if rows {
		kernel.Gemm(o.pool, false, true, k, k, in, 1, g, in, w, in, 0, o.gram, k, nil)
	} else {
		kernel.Gemm(o.pool, true, false, k, k, out, 1, w, in, g, in, 0, o.gram, k, nil)
	}
	for i := range k {
		for j := range i {
			s := (o.gram[i*k+j] + o.gram[j*k+i]) / 2
			o.gram[i*k+j], o.gram[j*k+i] = s, s
		}
	}
	copy(o.tangent, g)
	o.multiply(p, -1, w, 1, o.tangent)
}

// multiply adds alpha times gram and x, in the order that the shape demands, to beta
// times y.
func (o *orthogonal) multiply(p Param, alpha float64, x []float32, beta float64, y []float32) {
	out, in := p.Shape[0], p.Shape[1]
	if out <= in {
		kernel.Gemm(o.pool, false, false, out, in, out, alpha, o.gram, out, x, in, beta, y, in, nil)
	} else {
		kernel.Gemm(o.pool, false, false, out, in, in, alpha, x, in, o.gram, in, beta, y, in, nil)
	}
}

// Once the singular values are within settled of 1, in the root of the sum of squares of
// their squares' differences, one iteration leaves less than float32 can hold.
const (
	settled    = 3e-4
	iterations = 100
)

// retract replaces W by the nearest orthogonal matrix; it fails when W has lost a
// dimension.
func (o *orthogonal) retract(p Param) bool {
	out, in, w := p.Shape[0], p.Shape[1], p.Value
	k := min(out, in)
	for range iterations {
		if out <= in {
			kernel.Gemm(o.pool, false, true, k, k, in, 1, w, in, w, in, 0, o.gram, k, nil)
		} else {
			kernel.Gemm(o.pool, true, false, k, k, out, 1, w, in, w, in, 0, o.gram, k, nil)
		}
		off, largest := 0.0, 0.0
		for i := range k {
			row := 0.0
			for j, v := range o.gram[i*k : (i+1)*k] {
				row += math.Abs(float64(v))
				if i == j {
					v--
				}
				off += float64(v) * float64(v)
			}
			largest = max(largest, row)
		}
		off = math.Sqrt(off)
		if !finite(off) {
			return false
		}
		if off >= 1 { // the iteration converges from singular values up to √3
			scale := float32(1 / largest)
			for i := range o.gram {
				o.gram[i] *= scale
			}
			scale = float32(1 / math.Sqrt(largest))
			for i := range w {
				w[i] *= scale
			}
		}
		copy(o.tangent, w)
		o.multiply(p, -0.5, o.tangent, 1.5, w)
		if off < settled {
			return true
		}
	}
	return false
}

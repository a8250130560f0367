package theory

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"

	fast "onnxclr/internal/blas"
	"onnxclr/internal/stream"
)

// Simulation is a toy network in training.
type Simulation struct {
	config Config
	step   int
	layers []layer
	pool   []float64 // [Pool,Dim]
	order  []int     // of the pool; the first Batch are the batch
	noise  noise
	draw   *rand.PCG       // of batches
	source *stream.Normals // of noise

	loss   *lossState
	inputs []float64    // [2·Batch,Dim], the batch's two views
	outs   [][]float64  // of every layer, [2·Batch,Dim]
	chain  [][]float64  // of the linear end: the product of every layer and those below
	grad   []float64    // with respect to the outputs of a layer
	below  []float64    // … of the layer below
	square [3][]float64 // [Dim,Dim], the first what evalMap says of C
	value  float64      // the loss of the step made last
}

// noise is what the augmentation adds: to coordinates from a first one on, whose
// deviations it has, the numbers drawn, [Batch,len(deviation)] of one view or of both.
type noise struct {
	first     int
	deviation []float64
	drawn     []float64
	even      bool // deviations are equal
}

// layer is y = W·x + b, W [Dim,Dim] row-major.
type layer struct{ w, b []float64 }

// ErrDiverged is returned, wrapped, when the weights are no longer finite.
var ErrDiverged = errors.New("the weights are no longer finite")

// New draws data and weights. Equal configurations give equal simulations.
func New(c Config) (*Simulation, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	d, rows := c.Dim, 2*c.Batch
	s := &Simulation{
		config: c, noise: c.newNoise(),
		draw: stream.Source(c.Seed, "theory steps"), source: stream.NewNormals(c.Seed, "theory noise"),
		pool:   gaussian(stream.New(c.Seed, "theory data"), c.Pool*d, math.Sqrt(c.Variance)),
		inputs: make([]float64, rows*d), grad: make([]float64, rows*d), below: make([]float64, rows*d),
	}
	for i := range c.Pool {
		s.order = append(s.order, i)
	}
	for l := range c.Layers {
		s.layers = append(s.layers, c.newLayer(stream.New(c.Seed, "theory weights", uint64(l))))
	}
	s.allocate(rows)
	var err error
	s.loss, err = newLossState(c.Loss, c.Temperature, c.Batch, d)
	return s, err
}

func (c *Config) newNoise() noise {
	positive := func(v float64) bool { return v > 0 }
	n := noise{first: max(slices.IndexFunc(c.Noise, positive), 0)}
	numbers, share := c.Batch, 1.0
	if c.BothViews {
		numbers, share = 2*c.Batch, 0.5
	}
	if slices.ContainsFunc(c.Noise, positive) {
		for _, v := range c.Noise[n.first:] {
			n.deviation = append(n.deviation, math.Sqrt(share*v))
		}
	}
	n.drawn = make([]float64, numbers*len(n.deviation))
	n.even = !slices.ContainsFunc(n.deviation, func(v float64) bool { return v != n.deviation[0] })
	return n
}

func gaussian(r *rand.Rand, n int, deviation float64) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = deviation * r.NormFloat64()
	}
	return v
}

func (c *Config) newLayer(r *rand.Rand) layer {
	d := c.Dim
	uniform := func(n int) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = c.Init.Scale * (2*r.Float64() - 1)
		}
		return v
	}
	var l layer
	if c.Init.Spectral {
		sigma := make([]float64, d)
		for k := range sigma {
			sigma[k] = c.Init.Scale * math.Exp(-c.Init.Decay*float64(k))
		}
		u, v := orthogonal(r, d), orthogonal(r, d)
		if c.Init.Uniform {
			u, v = uniformFactors(r, d)
		}
		var us, w mat.Dense
		us.Mul(u, mat.NewDiagDense(d, sigma))
		w.Mul(&us, v.T())
		l.w = packed(&w)
	} else {
		l.w = uniform(d * d)
	}
	if c.Bias {
		l.b = uniform(d)
	}
	return l
}

// orthogonal returns a random orthogonal matrix: the Q of a Gaussian one, its columns
// turned so that R has a positive diagonal, which makes it uniformly distributed.
func orthogonal(r *rand.Rand, d int) *mat.Dense {
	var qr mat.QR
	qr.Factorize(mat.NewDense(d, d, gaussian(r, d*d, 1)))
	var q, upper mat.Dense
	qr.QTo(&q)
	qr.RTo(&upper)
	for k := range d {
		if upper.At(k, k) < 0 {
			for i := range d {
				q.Set(i, k, -q.At(i, k))
			}
		}
	}
	return &q
}

// uniformFactors returns the singular vectors of a matrix of numbers from 0 to 1.
func uniformFactors(r *rand.Rand, d int) (u, v *mat.Dense) {
	values := make([]float64, d*d)
	for i := range values {
		values[i] = r.Float64()
	}
	var svd mat.SVD
	svd.Factorize(mat.NewDense(d, d, values), mat.SVDThin)
	u, v = new(mat.Dense), new(mat.Dense)
	svd.UTo(u)
	svd.VTo(v)
	return u, v
}

// Step makes one step of gradient descent on a fresh batch. It fails when the loss is
// not finite; the weights are then those before the step.
func (s *Simulation) Step() error {
	s.sample()
	s.value = s.evaluate()
	if math.IsNaN(s.value) || math.IsInf(s.value, 0) {
		return fmt.Errorf("step %d: loss %v: %w; try a smaller learning rate", s.step, s.value, ErrDiverged)
	}
	s.descend(s.config.rate(s.step))
	s.step++
	return nil
}

// sample draws the batch, all of it before the rows, which lie far apart in the pool, are
// fetched, and its two views.
func (s *Simulation) sample() {
	d, n := s.config.Dim, s.config.Batch
	for i := range n {
		after, _ := bits.Mul64(s.draw.Uint64(), uint64(len(s.order)-i)) // one of those left
		j := i + int(after)
		s.order[i], s.order[j] = s.order[j], s.order[i]
	}
	fast.Gather(d, s.order[:n], s.pool, s.inputs)
	copy(s.inputs[n*d:], s.inputs[:n*d])
	each := len(s.noise.deviation)
	view := s.inputs[n*d:]
	if s.config.BothViews {
		view = s.inputs
	}
	if s.noise.even && each == d {
		s.source.Add(view, s.noise.deviation[0])
		return
	}
	clear(s.noise.drawn)
	s.source.Add(s.noise.drawn, 1)
	deviation := s.noise.deviation
	for i := 0; i*each < len(s.noise.drawn); i++ {
		drawn, x := s.noise.drawn[i*each:][:len(deviation)], view[i*d+s.noise.first:][:len(deviation)]
		for k, v := range deviation {
			x[k] += v * drawn[k]
		}
	}
}

// Steps returns how many steps were made.
func (s *Simulation) Steps() int { return s.step }

// Loss returns the loss of the step made last, before it moved the weights.
func (s *Simulation) Loss() float64 { return s.value }

// Weight returns a copy of the weights of a layer, from 0.
func (s *Simulation) Weight(l int) *mat.Dense {
	return mat.DenseCopyOf(mat.NewDense(s.config.Dim, s.config.Dim, s.layers[l].w))
}

// WeightSpectrum returns the singular values of a layer's weights, descending.
func (s *Simulation) WeightSpectrum(l int) ([]float64, error) {
	return singularValues(s.Weight(l))
}

// Alignment returns |V₂ᵀU₁| of two neighbouring layers l and l+1: U₁ are the left
// singular vectors of the first, V₂ the right ones of the second (section 5). It is
// the identity where they are aligned.
func (s *Simulation) Alignment(l int) (*mat.Dense, error) {
	var first, second mat.SVD
	if !first.Factorize(s.Weight(l), mat.SVDThin) || !second.Factorize(s.Weight(l+1), mat.SVDThin) {
		return nil, fmt.Errorf("the singular value decomposition did not converge")
	}
	var u, v, a mat.Dense
	first.UTo(&u)
	second.VTo(&v)
	a.Mul(v.T(), &u)
	a.Apply(func(_, _ int, x float64) float64 { return math.Abs(x) }, &a)
	return &a, nil
}

// embeddingSamples is how many fresh samples the spectrum of embeddings is taken over,
// as in the paper's programs.
const embeddingSamples = 1000

// EmbeddingSpectrum returns the singular values, descending, of the covariance (ddof 1)
// of the embeddings of 1000 samples that are neither augmented nor trained on.
func (s *Simulation) EmbeddingSpectrum() ([]float64, error) {
	c := s.config
	c.Batch = (embeddingSamples + 1) / 2
	probe := Simulation{config: c, layers: s.layers}
	probe.allocate(embeddingSamples)
	z := probe.forward(gaussian(stream.New(c.Seed, "theory evaluation"), embeddingSamples*c.Dim, math.Sqrt(c.Variance)))
	mean := make([]float64, c.Dim)
	for i, v := range z {
		mean[i%c.Dim] += v / embeddingSamples
	}
	centred := mat.NewDense(embeddingSamples, c.Dim, nil)
	for i, v := range z {
		centred.Set(i/c.Dim, i%c.Dim, v-mean[i%c.Dim])
	}
	// The squares of the rows' singular values: those of the covariance itself would
	// end at 1e-16 of the largest.
	values, err := singularValues(centred)
	for k, v := range values {
		values[k] = v * v / (embeddingSamples - 1)
	}
	return values, err
}

func singularValues(m *mat.Dense) ([]float64, error) {
	var svd mat.SVD
	if !svd.Factorize(m, mat.SVDNone) {
		return nil, fmt.Errorf("the singular value decomposition did not converge")
	}
	return svd.Values(nil), nil
}

package theory

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/floats"

	fast "onnxclr/internal/blas"
)

// linearFrom returns the layer from which on the network is linear: the embeddings are
// the product C of these layers' matrices, of which there may be none, times what comes
// to them. One product with the batch takes the place of one a layer, and the gradient of
// C that of every one of them.
func (c *Config) linearFrom() int {
	switch {
	case c.Bias:
		return c.Layers
	case c.ReLU:
		return c.Layers - 1
	}
	return 0
}

// byMap reports whether the loss gives the gradient of C itself.
func (c *Config) byMap() bool {
	from := c.linearFrom()
	return from < c.Layers && c.Loss.hasMap(from > 0)
}

// allocate makes room for the outputs of so many rows.
func (s *Simulation) allocate(rows int) {
	d := s.config.Dim
	for range s.layers {
		s.outs = append(s.outs, make([]float64, rows*d))
		s.chain = append(s.chain, make([]float64, d*d))
	}
	for i := range s.square {
		s.square[i] = make([]float64, d*d)
	}
	if from := s.config.linearFrom(); from < len(s.layers) {
		s.chain[from] = s.layers[from].w
	}
}

// head returns what comes to the linear layers from rows of inputs; the outputs of the
// layers before stay in outs.
func (s *Simulation) head(x []float64) []float64 {
	d := s.config.Dim
	rows := len(x) / d
	for l, layer := range s.layers[:s.config.linearFrom()] {
		y := s.outs[l][:rows*d]
		if layer.b == nil { // a ReLU follows
			fast.Transpose(d, d, layer.w, d, s.square[0], d)
			fast.RectifiedProduct(rows, d, d, x, s.square[0], y)
			x = y
			continue
		}
		gemm(blas.NoTrans, blas.Trans, rows, d, d, 1, x, d, layer.w, d, 0, y, d)
		for i := range rows {
			row := y[i*d : i*d+d]
			for k, b := range layer.b {
				row[k] += b
			}
		}
		if s.config.ReLU && l < len(s.layers)-1 {
			fast.Rectify(y)
		}
		x = y
	}
	return x
}

// product returns C.
func (s *Simulation) product() []float64 {
	d := s.config.Dim
	for l := s.config.linearFrom() + 1; l < len(s.layers); l++ {
		gemm(blas.NoTrans, blas.NoTrans, d, d, d, 1, s.layers[l].w, d, s.chain[l-1], d, 0, s.chain[l], d)
	}
	return s.chain[len(s.chain)-1]
}

// forward returns the embeddings of rows of inputs.
func (s *Simulation) forward(x []float64) []float64 {
	x = s.head(x)
	d, last := s.config.Dim, len(s.layers)-1
	if s.config.linearFrom() > last {
		return x
	}
	z := s.outs[last][:len(x)]
	gemm(blas.NoTrans, blas.Trans, len(x)/d, d, d, 1, x, d, s.product(), d, 0, z, d)
	return z
}

// evaluate returns the loss of the inputs and leaves its gradient for descend.
func (s *Simulation) evaluate() float64 {
	if !s.config.byMap() {
		return s.loss.eval(s.forward(s.inputs), s.grad)
	}
	dx := s.grad
	if s.config.linearFrom() == 0 {
		dx = nil
	}
	return s.loss.evalMap(s.product(), s.head(s.inputs), s.square[0], dx)
}

// descend takes the gradient that evaluate has left back through the layers and moves
// each by it.
func (s *Simulation) descend(rate float64) {
	d, rows := s.config.Dim, len(s.inputs)/s.config.Dim
	grad, below, from := s.grad, s.below, s.config.linearFrom()
	into := func(l int) []float64 {
		if l == 0 {
			return s.inputs
		}
		return s.outs[l-1]
	}
	if from < len(s.layers) {
		c, g := s.chain[len(s.chain)-1], s.square[1]
		if s.config.byMap() {
			gemm(blas.NoTrans, blas.NoTrans, d, d, d, -rate, c, d, s.square[0], d, 0, g, d)
		} else {
			gemm(blas.Trans, blas.NoTrans, d, d, rows, -rate, grad, d, into(from), d, 0, g, d)
			if from > 0 {
				s.back(grad, c, into(from), below)
				grad, below = below, grad
			}
		}
		s.descendLinear(from, g, s.square[2])
	}
	for l := from - 1; l >= 0; l-- {
		layer, x := s.layers[l], into(l)
		if l > 0 {
			s.back(grad, layer.w, x, below)
		}
		gemm(blas.Trans, blas.NoTrans, d, d, rows, -rate, grad, d, x, d, 1, layer.w, d)
		if layer.b != nil {
			for i := range rows {
				for k, g := range grad[i*d : i*d+d] {
					layer.b[k] -= rate * g
				}
			}
		}
		grad, below = below, grad
	}
}

// back writes to below what the gradient of w·x gives for the outputs of the layer before,
// which x are, or are rectified from where there are ReLUs.
func (s *Simulation) back(grad, w, x, below []float64) {
	d, rows := s.config.Dim, len(s.inputs)/s.config.Dim
	if s.config.ReLU {
		fast.GatedProduct(rows, d, d, grad, w, x, below)
		return
	}
	gemm(blas.NoTrans, blas.NoTrans, rows, d, d, 1, grad, d, w, d, 0, below, d)
}

// descendLinear moves the linear layers by g, what C moves by: one of them moves by the
// others' transposes on either side of it.
func (s *Simulation) descendLinear(from int, g, next []float64) {
	d := s.config.Dim
	for l := len(s.layers) - 1; l > from; l-- {
		w := s.layers[l].w
		gemm(blas.Trans, blas.NoTrans, d, d, d, 1, w, d, g, d, 0, next, d)
		gemm(blas.NoTrans, blas.Trans, d, d, d, 1, g, d, s.chain[l-1], d, 1, w, d)
		g, next = next, g
	}
	floats.Add(s.layers[from].w, g)
}

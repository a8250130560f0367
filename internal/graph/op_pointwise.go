package graph

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"

	"onnxclr/importer/onnx"
	"onnxclr/internal/kernel"
	"onnxclr/internal/vm"
)

// pointwise is a function of one number, applied to every element of an array. Its
// derivative is a function of the input or, where that needs nothing else kept, of the
// output.
type pointwise struct {
	f          func(x float64) float64
	derivative func(x float64) float64
	ofOutput   func(y float64) float64
	// fast and fastGrad, if set, are f in float32, and dy times the derivative, from the
	// same of input and output that it is a function of.
	fast, fastGrad vm.Piecewise
}

// pieces is f for the machine.
func (p pointwise) pieces() vm.Piecewise {
	if p.fast != nil {
		return p.fast
	}
	return func(y []float32, x ...[]float32) {
		for i, v := range x[0] {
			y[i] = float32(p.f(float64(v)))
		}
	}
}

// gradPieces is dy times the derivative for the machine.
func (p pointwise) gradPieces() vm.Piecewise {
	if p.fastGrad != nil {
		return p.fastGrad
	}
	d := p.derivative
	if p.ofOutput != nil {
		d = p.ofOutput
	}
	return func(dx []float32, x ...[]float32) {
		for i, v := range x[0] {
			dx[i] = float32(d(float64(v)) * float64(x[1][i]))
		}
	}
}

// pointwises is the one list of such operators: each reads its attributes.
var pointwises = map[string]func(n *onnx.Node) (pointwise, error){
	"Abs":  plain(pointwise{f: math.Abs, derivative: sign}),
	"Celu": celu, "Elu": elu,
	"Erf":  plain(pointwise{f: math.Erf, derivative: func(x float64) float64 { return 2 / math.Sqrt(math.Pi) * math.Exp(-x*x) }, fast: kernel.Erf, fastGrad: kernel.ErfGrad}),
	"Exp":  plain(pointwise{f: math.Exp, ofOutput: func(y float64) float64 { return y }, fast: kernel.Exp, fastGrad: kernel.Product}),
	"Gelu": gelu, "HardSigmoid": hardSigmoid,
	"HardSwish": plain(pointwise{
		f: func(x float64) float64 { return x * min(max(x/6+0.5, 0), 1) },
		derivative: func(x float64) float64 {
			switch {
			case x < -3:
				return 0
			case x <= 3:
				return x/3 + 0.5
			}
			return 1
		},
		fast: kernel.HardSwish, fastGrad: kernel.HardSwishGrad,
	}),
	"LeakyRelu":  leakyRelu,
	"Log":        plain(pointwise{f: math.Log, derivative: func(x float64) float64 { return 1 / x }}),
	"Neg":        plain(pointwise{f: func(x float64) float64 { return -x }, ofOutput: func(float64) float64 { return -1 }}),
	"Reciprocal": plain(pointwise{f: func(x float64) float64 { return 1 / x }, ofOutput: func(y float64) float64 { return -y * y }}),
	"Selu":       selu,
	"Sigmoid":    plain(pointwise{f: sigmoid, ofOutput: func(y float64) float64 { return y * (1 - y) }, fast: kernel.Sigmoid, fastGrad: kernel.SigmoidGrad}),
	"Softplus":   plain(pointwise{f: softplus, derivative: sigmoid}),
	"Sqrt":       plain(pointwise{f: math.Sqrt, ofOutput: func(y float64) float64 { return 0.5 / y }}),
	"Swish":      swish,
	"Tanh":       plain(pointwise{f: math.Tanh, ofOutput: func(y float64) float64 { return 1 - y*y }, fast: kernel.Tanh, fastGrad: kernel.TanhGrad}),
}

func plain(p pointwise) func(*onnx.Node) (pointwise, error) {
	return func(*onnx.Node) (pointwise, error) { return p, nil }
}

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

// exponential is scale·x above 0 and alpha·(exp(x/width) − 1) below.
func exponential(scale, alpha, width float64) pointwise {
	return pointwise{
		f: func(x float64) float64 {
			if x > 0 {
				return scale * x
			}
			return alpha * math.Expm1(x/width)
		},
		ofOutput: func(y float64) float64 {
			if y > 0 {
				return scale
			}
			return (y + alpha) / width
		},
	}
}

func elu(n *onnx.Node) (pointwise, error) {
	return exponential(1, decimal(n, "alpha", 1), 1), nil
}

func celu(n *onnx.Node) (pointwise, error) {
	a := decimal(n, "alpha", 1)
	if a <= 0 {
		return pointwise{}, fmt.Errorf("attribute alpha is %g, want a positive number", a)
	}
	return exponential(1, a, a), nil
}

// selu: the defaults are those of arXiv:1706.02515.
func selu(n *onnx.Node) (pointwise, error) {
	alpha, gamma := decimal(n, "alpha", 1.67326319217681884765625), decimal(n, "gamma", 1.05070102214813232421875)
	return exponential(gamma, gamma*alpha, 1), nil
}

func leakyRelu(n *onnx.Node) (pointwise, error) {
	a := decimal(n, "alpha", 0.01)
	return pointwise{
		f: func(x float64) float64 {
			if x < 0 {
				return a * x
			}
			return x
		},
		derivative: func(x float64) float64 {
			if x > 0 {
				return 1
			}
			return a
		},
	}, nil
}

func hardSigmoid(n *onnx.Node) (pointwise, error) {
	a, b := decimal(n, "alpha", 0.2), decimal(n, "beta", 0.5)
	// Exporters write 1/6 in float32; PyTorch computes with the fraction.
	if float32(a) == float32(1.0/6) {
		a = 1.0 / 6
	}
	return pointwise{
		f: func(x float64) float64 { return min(max(a*x+b, 0), 1) },
		ofOutput: func(y float64) float64 {
			if y > 0 && y < 1 {
				return a
			}
			return 0
		},
	}, nil
}

// gelu: x·Φ(x), Φ the normal distribution's (arXiv:1606.08415), or its approximation
// by tanh.
func gelu(n *onnx.Node) (pointwise, error) {
	switch approximate := n.String("approximate", "none"); approximate {
	case "none":
		return pointwise{
			f: func(x float64) float64 { return 0.5 * x * (1 + math.Erf(x/math.Sqrt2)) },
			derivative: func(x float64) float64 {
				return 0.5*(1+math.Erf(x/math.Sqrt2)) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
			},
			fast: kernel.GELU, fastGrad: kernel.GELUGrad,
		}, nil
	case "tanh":
		c := math.Sqrt(2 / math.Pi)
		return pointwise{
			f: func(x float64) float64 { return 0.5 * x * (1 + math.Tanh(c*(x+0.044715*x*x*x))) },
			derivative: func(x float64) float64 {
				t := math.Tanh(c * (x + 0.044715*x*x*x))
				return 0.5*(1+t) + 0.5*x*(1-t*t)*c*(1+3*0.044715*x*x)
			},
		}, nil
	default:
		return pointwise{}, fmt.Errorf("attribute approximate is %q, want none or tanh", approximate)
	}
}

// swish: x·sigmoid(alpha·x) (arXiv:1710.05941), PyTorch's SiLU with alpha 1.
func swish(n *onnx.Node) (pointwise, error) {
	a := decimal(n, "alpha", 1)
	p := pointwise{
		f: func(x float64) float64 { return x * sigmoid(a*x) },
		derivative: func(x float64) float64 {
			s := sigmoid(a * x)
			return s + a*x*s*(1-s)
		},
	}
	if a == 1 {
		p.fast, p.fastGrad = kernel.SiLU, kernel.SiLUGrad
	}
	return p, nil
}

// lowerPointwise: an operator of pointwises.
func lowerPointwise(b *builder, n *onnx.Node) error {
	p, err := pointwises[n.OpType](n)
	if err != nil {
		return err
	}
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	y, err := p.apply(n.OpType, x)
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], y)
	return nil
}

func (p pointwise) apply(name string, x *G.Node) (*G.Node, error) {
	return apply(op{
		name:  name,
		instr: vm.Pointwise{F: p.pieces()},
		out:   x.Shape().Clone(),
		eval: func(out []float32, in [][]float32) {
			for i, v := range in[0] {
				out[i] = float32(p.f(float64(v)))
			}
		},
		diff: []bool{true},
		grad: func(in G.Nodes, y, dy *G.Node) (G.Nodes, error) {
			d, of := p.derivative, in[0]
			if p.ofOutput != nil {
				d, of = p.ofOutput, y
			}
			dx, err := apply(op{
				name:  name + "Grad",
				instr: vm.Pointwise{F: p.gradPieces()},
				out:   x.Shape().Clone(),
				eval: func(out []float32, in [][]float32) {
					for i, v := range in[0] {
						out[i] = float32(d(float64(v)) * float64(in[1][i]))
					}
				},
			}, of, dy)
			return G.Nodes{dx}, err
		},
	}, x)
}

// lowerClip: ONNX Clip; bounds are attributes before opset 11. The gradient at a bound
// is 0, as in PyTorch's ReLU6. Bounds that the graph computes become Max and Min.
func lowerClip(b *builder, n *onnx.Node) error {
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	low, high := float64(n.Float("min", float32(math.Inf(-1)))), float64(n.Float("max", float32(math.Inf(1))))
	for i, bound := range []*float64{1: &low, 2: &high} {
		if i == 0 || n.Input(i) == "" {
			continue
		}
		if _, computed := b.values[b.resolve(n.Input(i))]; computed {
			if x, err = b.bound(n, x, i); err != nil {
				return err
			}
			continue
		}
		v, err := b.floats(n, i)
		if err != nil {
			return err
		}
		if len(v) != 1 {
			return fmt.Errorf("input %d %q has %d elements, want a scalar", i, n.Input(i), len(v))
		}
		*bound = float64(v[0])
	}
	lo, hi := float32(low), float32(high)
	y, err := pointwise{
		f: func(x float64) float64 { return min(max(x, low), high) },
		fast: func(y []float32, x ...[]float32) {
			for i, v := range x[0] {
				y[i] = min(max(v, lo), hi)
			}
		},
		fastGrad: func(dx []float32, x ...[]float32) {
			for i, v := range x[0] {
				if v > lo && v < hi {
					dx[i] = x[1][i]
				} else {
					dx[i] = 0
				}
			}
		},
		derivative: func(x float64) float64 {
			if x > low && x < high {
				return 1
			}
			return 0
		},
	}.apply("Clip", x)
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], y)
	return nil
}

// bound limits x by input i of a Clip, 1 from below or 2 from above.
func (b *builder) bound(n *onnx.Node, x *G.Node, i int) (*G.Node, error) {
	limit, err := b.node(n, i)
	if err != nil {
		return nil, err
	}
	name := "Max"
	if i == 2 {
		name = "Min"
	}
	return pairwises[name].apply(name, x, limit)
}

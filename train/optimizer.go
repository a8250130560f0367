package train

import (
	"fmt"
	"slices"

	"onnxclr/importer/weights"
	"onnxclr/internal/kernel"
)

// Param is a parameter as an optimizer sees it.
type Param struct {
	Name  string
	Shape []int
	Value []float32 // updated in place
}

// Optimizer updates parameters in place. Its state is keyed by parameter name, so
// that it survives in a file.
type Optimizer interface {
	// Step moves params[i] by its gradient grads[i], which is only read. The
	// parameters are the same, in the same order, at every step; a learning rate
	// of 0 still feeds the momentum.
	Step(params []Param, grads [][]float32, lr float64)
	// State returns the state as tensors that a file can hold, in the order of
	// the parameters: nothing before the first step.
	State() []*weights.Tensor
	// SetState takes what State returned, for the same parameters. It fails when
	// a parameter's tensor is missing or mis-shaped, or one is left over.
	SetState(params []Param, state []*weights.Tensor) error
}

// newOptimizer returns the recipe's.
func newOptimizer(r *Recipe, pool *kernel.Pool) Optimizer {
	if r.Optimizer == "lars" {
		return &LARS{Pool: pool, Momentum: r.Momentum, WeightDecay: r.WeightDecay, Eta: r.LarsEta, Exclude1D: r.ExcludeNorm}
	}
	return &SGD{Pool: pool, Momentum: r.Momentum, Nesterov: r.Nesterov, WeightDecay: r.WeightDecay, Exclude1D: r.ExcludeNorm}
}

// momentum is the moving sum that both optimizers keep for every parameter.
type momentum struct {
	params []Param
	buffer [][]float32
}

// start allocates zeros for params unless that has been done.
func (m *momentum) start(params []Param) {
	if m.buffer != nil {
		return
	}
	m.params, m.buffer = slices.Clone(params), make([][]float32, len(params))
	for i, p := range params {
		m.buffer[i] = make([]float32, len(p.Value))
	}
}

const momentumSuffix = ".momentum"

func (m *momentum) state() []*weights.Tensor {
	var ts []*weights.Tensor
	for i, b := range m.buffer {
		ts = append(ts, weights.FromFloat32(m.params[i].Name+momentumSuffix, m.params[i].Shape, b))
	}
	return ts
}

func (m *momentum) setState(params []Param, state []*weights.Tensor) error {
	if len(state) == 0 {
		*m = momentum{}
		return nil
	}
	byName := map[string]*weights.Tensor{}
	for _, t := range state {
		byName[t.Name] = t
	}
	if len(byName) != len(params) || len(state) != len(params) {
		return fmt.Errorf("optimizer state has %d tensors, want one for each of %d parameters", len(state), len(params))
	}
	var fresh momentum
	fresh.start(params)
	for i, p := range params {
		t := byName[p.Name+momentumSuffix]
		if t == nil {
			return fmt.Errorf("optimizer state has no tensor %q", p.Name+momentumSuffix)
		}
		if t.DType != weights.Float32 || !slices.Equal(t.Shape, p.Shape) {
			return fmt.Errorf("optimizer state %q is %v %v, want float32 %v", t.Name, t.DType, t.Shape, p.Shape)
		}
		v, err := t.Float32s()
		if err != nil {
			return fmt.Errorf("optimizer state: %w", err)
		}
		fresh.buffer[i] = v
	}
	*m = fresh
	return nil
}

// is1D reports whether a parameter is a bias or belongs to a normalisation, which
// the published LARS neither decays nor scales: it has one dimension.
func (p Param) is1D() bool { return len(p.Shape) == 1 }

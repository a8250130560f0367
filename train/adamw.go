package train

import (
	"fmt"
	"math"

	"onnxclr/importer/weights"
	"onnxclr/internal/kernel"
)

// AdamW is Adam with decoupled weight decay (arXiv:1711.05101, algorithm 2), as
// torch.optim.AdamW. For a parameter p with gradient g, moving means m and v, at first
// 0, and t counted from 1,
//
//	p ← p − lr·weight_decay·p
//	m ← β₁·m + (1−β₁)·g         v ← β₂·v + (1−β₂)·g²
//	p ← p − lr·m/(1−β₁ᵗ) / (√(v/(1−β₂ᵗ)) + ε)
type AdamW struct {
	Pool         *kernel.Pool // runs the steps; nil: the caller's goroutine alone
	Beta1, Beta2 float64
	Epsilon      float64
	Rules

	steps int64
	m     sums
}

// adamSums name the moving means as torch.optim.AdamW does.
var adamSums = []string{"exp_avg", "exp_avg_sq"}

// adamSteps names the tensor of the number of steps made.
const adamSteps = "step"

// Step implements Optimizer.
func (o *AdamW) Step(params []Param, grads [][]float32, lr, scale float64) {
	o.m.start(adamSums, params, &o.Rules)
	o.Pool = poolOr(o.Pool)
	o.steps++
	t := float64(o.steps)
	bias1, bias2 := 1-math.Pow(o.Beta1, t), 1-math.Pow(o.Beta2, t)
	for i, p := range params {
		rule := o.m.rules[i]
		lr := lr * rule.factor
		kernel.AdamStep(o.Pool, p.Value, grads[i], o.m.buffer[0][i], o.m.buffer[1][i], kernel.Adam{
			Scale: scale, Keep: 1 - lr*rule.decay, Beta1: o.Beta1, Beta2: o.Beta2,
			Root: 1 / math.Sqrt(bias2), Epsilon: o.Epsilon, Size: lr / bias1,
		})
	}
}

// State implements Optimizer: NAME.exp_avg and NAME.exp_avg_sq for every parameter
// and, last, step, an int64 [] that counts the steps made.
func (o *AdamW) State() []*weights.Tensor {
	ts := o.m.state(adamSums)
	if len(ts) > 0 {
		ts = append(ts, weights.FromInt64(adamSteps, []int{}, []int64{o.steps}))
	}
	return ts
}

// SetState implements Optimizer.
func (o *AdamW) SetState(params []Param, state []*weights.Tensor) error {
	if len(state) == 0 {
		o.steps = 0
		return o.m.setState(adamSums, params, nil)
	}
	var steps int64
	var rest []*weights.Tensor
	for _, t := range state {
		if t.Name != adamSteps {
			rest = append(rest, t)
			continue
		}
		v, err := t.Int64s()
		if err != nil || t.DType != weights.Int64 || len(v) != 1 || v[0] < 1 {
			return fmt.Errorf("optimizer state %q is %v %v, want one int64 from 1", t.Name, t.DType, t.Shape)
		}
		steps = v[0]
	}
	if steps == 0 || len(rest) == 0 {
		return fmt.Errorf("optimizer state has no tensor %q beside those of the parameters", adamSteps)
	}
	if err := o.m.setState(adamSums, params, rest); err != nil {
		return err
	}
	o.steps = steps
	return nil
}

package probe

import (
	"fmt"
	"math"

	"onnxclr/importer/weights"
	"onnxclr/internal/kernel"
	"onnxclr/internal/stream"
)

// Linear is a linear classifier with the state of the SGD that trains it.
type Linear struct {
	Dim, Classes     int
	Weight, Bias     []float32 // [C,D], [C]
	velocity, drift  []float32 // moving sums of the gradients of Weight and Bias
	gradient, slopes []float32 // of the last step
	rows, logits     []float32 // of the batch
	losses           []float64
	highest          []int
}

// NewLinear returns the classifier that the paper's code starts from: weights from
// N(0, 0.01²), bias 0.
func NewLinear(dim, classes int, seed uint64) *Linear {
	l := &Linear{Dim: dim, Classes: classes,
		Weight: make([]float32, classes*dim), Bias: make([]float32, classes),
		velocity: make([]float32, classes*dim), drift: make([]float32, classes),
		gradient: make([]float32, classes*dim), slopes: make([]float32, classes),
	}
	r := stream.New(seed, "linear probe")
	for i := range l.Weight {
		l.Weight[i] = float32(0.01 * r.NormFloat64())
	}
	return l
}

// SGD are the settings of a step: torch.optim.SGD, without Nesterov.
type SGD struct{ LR, Momentum, WeightDecay float64 }

// Step takes one step on the mean cross-entropy of rows [n,D] and returns it, taken
// before the step. The weight decay applies to the bias too.
func (l *Linear) Step(p *kernel.Pool, rows []float32, labels []int, o SGD) float64 {
	return l.step(p, rows, l.Dim, labels, o)
}

// step is Step of rows with stride values between them.
func (l *Linear) step(p *kernel.Pool, rows []float32, stride int, labels []int, o SGD) float64 {
	n := len(labels)
	l.score(p, rows, stride, n)
	loss := l.entropy(p, labels)
	kernel.Gemm(p, true, false, l.Classes, l.Dim, n, 1, l.logits, l.Classes, rows, stride, 0, l.gradient, l.Dim, nil)
	kernel.ChannelSum(p, n, l.Classes, l.slopes, l.logits[:n*l.Classes])
	kernel.SGDStep(p, l.Weight, l.gradient, l.velocity, o.LR, o.Momentum, o.WeightDecay, false)
	kernel.SGDStep(p, l.Bias, l.slopes, l.drift, o.LR, o.Momentum, o.WeightDecay, false)
	return loss
}

// score fills the logits [n,C] of rows with stride values between them.
func (l *Linear) score(p *kernel.Pool, rows []float32, stride, n int) {
	if len(l.logits) < n*l.Classes {
		l.logits = make([]float32, n*l.Classes)
	}
	kernel.Gemm(p, false, true, n, l.Classes, l.Dim, 1, rows, stride, l.Weight, l.Dim, 0, l.logits, l.Classes, l.Bias)
}

// entropy returns the mean cross-entropy and replaces the logits by its gradient,
// (softmax − one-hot)/n.
func (l *Linear) entropy(p *kernel.Pool, labels []int) float64 {
	n := len(labels)
	if len(l.losses) < n {
		l.losses, l.highest = make([]float64, n), make([]int, n)
	}
	row := func(i int) []float32 { return l.logits[i*l.Classes:][:l.Classes] }
	l.eachRow(p, n, func(i int) {
		logits := row(i)
		highest := 0
		for c, v := range logits {
			if v > logits[highest] {
				highest = c
			}
		}
		l.highest[i] = highest
		l.losses[i] = float64(logits[highest]) - float64(logits[labels[i]])
	})
	kernel.Softmax(p, n, l.Classes, false, l.logits[:n*l.Classes], l.logits[:n*l.Classes])
	scale := 1 / float32(n)
	l.eachRow(p, n, func(i int) {
		shares := row(i)
		l.losses[i] -= math.Log(float64(shares[l.highest[i]])) // at least 1/C: nothing is lost
		shares[labels[i]]--
		for c := range shares {
			shares[c] *= scale
		}
	})
	var sum float64
	for _, v := range l.losses[:n] {
		sum += v
	}
	return sum / float64(n)
}

func (l *Linear) eachRow(p *kernel.Pool, n int, f func(i int)) {
	const chunk = 16
	p.Run((n+chunk-1)/chunk, func(task, _ int) {
		for i := task * chunk; i < min((task+1)*chunk, n); i++ {
			f(i)
		}
	})
}

// evaluationBlock is how many rows are classified at a time.
const evaluationBlock = 1024

// Classify classifies rows by the present weights.
func (l *Linear) Classify(p *kernel.Pool, f *Features) (*Outcome, error) {
	if f.Dim != l.Dim {
		return nil, fmt.Errorf("a classifier of rows of %d values cannot take rows of %d", l.Dim, f.Dim)
	}
	n := f.Len()
	places, predicted := make([]int, n), make([]int, n)
	for first := 0; first < n; first += evaluationBlock {
		count := min(evaluationBlock, n-first)
		l.score(p, f.tail(first), f.Stride, count)
		for i := range count {
			places[first+i], predicted[first+i] = place(l.logits[i*l.Classes:][:l.Classes], f.Labels[first+i])
		}
	}
	return outcome(places, predicted, l.Classes), nil
}

// State returns copies of the weights and their moving sums, for a checkpoint.
func (l *Linear) State() []*weights.Tensor {
	return []*weights.Tensor{
		weights.FromFloat32("weight", []int{l.Classes, l.Dim}, l.Weight),
		weights.FromFloat32("bias", []int{l.Classes}, l.Bias),
		weights.FromFloat32("weight.velocity", []int{l.Classes, l.Dim}, l.velocity),
		weights.FromFloat32("bias.velocity", []int{l.Classes}, l.drift),
	}
}

// SetState takes what State returned. It fails, leaving l as it was, when a tensor is
// missing or of another shape.
func (l *Linear) SetState(tensors []*weights.Tensor) error {
	into := map[string][]float32{"weight": l.Weight, "bias": l.Bias, "weight.velocity": l.velocity, "bias.velocity": l.drift}
	values := map[string][]float32{}
	for _, t := range tensors {
		v, err := t.Float32s()
		if err != nil {
			return err
		}
		if dst, ok := into[t.Name]; ok && len(v) != len(dst) {
			return fmt.Errorf("linear probe: %q has %d values, want %d", t.Name, len(v), len(dst))
		}
		values[t.Name] = v
	}
	for name := range into {
		if values[name] == nil {
			return fmt.Errorf("linear probe: %q is missing", name)
		}
	}
	for name, dst := range into {
		copy(dst, values[name])
	}
	return nil
}

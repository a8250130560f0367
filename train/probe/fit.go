package probe

import (
	"context"
	"fmt"
	"math"
	"slices"

	"onnxclr/internal/kernel"
	"onnxclr/internal/stream"
)

// Fit are the settings of a linear probe.
type Fit struct {
	SGD
	Epochs int
	Batch  int    // rows a step; the last of an epoch may have fewer
	Cosine bool   // LR·½(1+cos(πe/Epochs)) in epoch e, else LR throughout
	Seed   uint64 // of the first weights and the order of rows
}

// DefaultFit are the settings of the paper's code (arXiv:2110.09348): SGD with
// learning rate 0.1, momentum 0.9 and weight decay 1e-6 on batches of 256 for 100
// epochs. Its cosine schedule is made but never stepped, so that its published
// numbers are of a constant learning rate.
var DefaultFit = Fit{SGD: SGD{LR: 0.1, Momentum: 0.9, WeightDecay: 1e-6}, Epochs: 100, Batch: 256}

// Check returns an error unless the settings can be used.
func (o Fit) Check() error {
	switch {
	case o.Epochs < 1:
		return fmt.Errorf("epochs is %d, want at least 1", o.Epochs)
	case o.Batch < 1:
		return fmt.Errorf("batch is %d, want at least 1", o.Batch)
	case !(o.LR > 0) || math.IsInf(o.LR, 0):
		return fmt.Errorf("lr is %v, want a number above 0", o.LR)
	case !(o.Momentum >= 0 && o.Momentum < 1):
		return fmt.Errorf("momentum is %v, want a number from 0 up to, not including, 1", o.Momentum)
	case !(o.WeightDecay >= 0 && o.WeightDecay < 1):
		return fmt.Errorf("weight-decay is %v, want a number from 0 up to, not including, 1", o.WeightDecay)
	}
	return nil
}

// Epoch is what is known after a pass over the training rows.
type Epoch struct {
	Epoch int      `json:"epoch"` // from 0
	LR    float64  `json:"learning_rate"`
	Loss  float64  `json:"loss"` // mean over the pass's rows, each before its step
	Top1  float64  `json:"top1"` // of the test rows, after the pass
	Top5  *float64 `json:"top5,omitempty"`
}

// Fitted is a trained linear probe.
type Fitted struct {
	Epochs []Epoch
	Last   *Outcome // of the test rows after the last epoch
	*Linear
}

// Best returns the epochs with the highest top-1 and top-5, the first of several. They
// are chosen by the test rows, and so flatter the representation a little.
func (f *Fitted) Best() (top1, top5 Epoch) {
	top1, top5 = f.Epochs[0], f.Epochs[0]
	for _, e := range f.Epochs {
		if e.Top1 > top1.Top1 {
			top1 = e
		}
		if e.Top5 != nil && *e.Top5 > *top5.Top5 {
			top5 = e
		}
	}
	return top1, top5
}

// Train fits a linear classifier to the training rows, of which there may be several
// passes, such as differently augmented ones of the same images: epoch e takes pass e
// mod their number. The order of rows is drawn anew every epoch. progress, if not nil,
// is told of every epoch.
func (o Fit) Train(ctx context.Context, p *kernel.Pool, passes []*Features, test *Features, classes int, progress func(Epoch)) (*Fitted, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if len(passes) == 0 {
		return nil, fmt.Errorf("there are no training rows")
	}
	for _, f := range append([]*Features{test}, passes...) {
		what := "training rows"
		if f == test {
			what = "test rows"
		}
		if err := f.check(what, classes); err != nil {
			return nil, err
		}
		if f.Dim != passes[0].Dim {
			return nil, fmt.Errorf("%s have %d values, the first training rows %d", what, f.Dim, passes[0].Dim)
		}
	}
	fitted := &Fitted{Linear: NewLinear(passes[0].Dim, classes, o.Seed)}
	for e := range o.Epochs {
		epoch := Epoch{Epoch: e, LR: o.rate(e)}
		rows := passes[e%len(passes)]
		var err error
		if epoch.Loss, err = o.pass(ctx, p, fitted.Linear, rows, o.order(e, rows.Len()), epoch.LR); err != nil {
			return nil, err
		}
		if !finite(epoch.Loss) {
			return nil, fmt.Errorf("the linear probe diverged in epoch %d: its loss is %v; lower the learning rate (it is %g)", e+1, epoch.Loss, o.LR)
		}
		if i := slices.IndexFunc(fitted.Weight, func(w float32) bool { return !finite(float64(w)) }); i >= 0 {
			return nil, fmt.Errorf("the linear probe diverged in epoch %d: a weight is %v; lower the learning rate (it is %g)", e+1, fitted.Weight[i], o.LR)
		}
		if fitted.Last, err = fitted.Classify(p, test); err != nil {
			return nil, err
		}
		epoch.Top1, epoch.Top5 = fitted.Last.Top1, fitted.Last.Top5
		fitted.Epochs = append(fitted.Epochs, epoch)
		if progress != nil {
			progress(epoch)
		}
	}
	return fitted, nil
}

func finite(x float64) bool { return math.Abs(x) <= math.MaxFloat64 }

// rate returns the learning rate of an epoch.
func (o Fit) rate(epoch int) float64 {
	if !o.Cosine {
		return o.LR
	}
	return o.LR * (1 + math.Cos(math.Pi*float64(epoch)/float64(o.Epochs))) / 2
}

// order returns the order of n rows in an epoch.
func (o Fit) order(epoch, n int) []int {
	return stream.New(o.Seed, "linear probe order", uint64(epoch)).Perm(n)
}

// pass takes one step a batch and returns the mean loss of all rows.
func (o Fit) pass(ctx context.Context, p *kernel.Pool, l *Linear, f *Features, order []int, lr float64) (float64, error) {
	stride := apart(l.Dim)
	if len(l.rows) < o.Batch*stride {
		l.rows = make([]float32, o.Batch*stride)
	}
	labels := make([]int, o.Batch)
	step := o.SGD
	step.LR = lr
	var sum float64
	const chunk = 16
	for first := 0; first < len(order); first += o.Batch {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		batch := order[first:min(first+o.Batch, len(order))]
		p.Run((len(batch)+chunk-1)/chunk, func(task, _ int) {
			for i := task * chunk; i < min((task+1)*chunk, len(batch)); i++ {
				copy(l.rows[i*stride:], f.row(batch[i]))
			}
		})
		for i, row := range batch {
			labels[i] = f.Labels[row]
		}
		sum += float64(len(batch)) * l.step(p, l.rows, stride, labels[:len(batch)], step)
	}
	return sum / float64(len(order)), nil
}

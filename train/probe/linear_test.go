package probe

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"onnxclr/internal/golden"
)

func TestTrajectoryEqualsPyTorchs(t *testing.T) {
	g := golden.Load(t, "probe/linear.npz")
	const dim, classes, batch = 24, 7, 64
	train := NewFeatures(g["rows"].Float32s(), dim, g["labels"].Ints())
	test := NewFeatures(g["test"].Float32s(), dim, g["test_labels"].Ints())
	orders := g["orders"].Ints()
	n := train.Len()
	epochs := len(orders) / n
	p := pool(t, 2)
	for _, schedule := range []string{"constant", "cosine"} {
		t.Run(schedule, func(t *testing.T) {
			l := NewLinear(dim, classes, 0)
			copy(l.Weight, g["weight"].Float32s())
			var losses, top1, top5 []float64
			o := Fit{SGD: SGD{LR: 0.1, Momentum: 0.9, WeightDecay: 1e-2}, Epochs: epochs, Batch: batch, Cosine: schedule == "cosine"}
			for e := range epochs {
				for first := 0; first < n; first += batch {
					at := orders[e*n+first : e*n+min(first+batch, n)]
					loss, err := o.pass(context.Background(), p, l, train, at, o.rate(e))
					if err != nil {
						t.Fatal(err)
					}
					losses = append(losses, loss)
				}
				out, err := l.Classify(p, test)
				if err != nil {
					t.Fatal(err)
				}
				top1, top5 = append(top1, out.Top1), append(top5, *out.Top5)
			}
			golden.Check(t, "losses", golden.TorchForward, losses, g[schedule+"_losses"].Float64s())
			golden.Check(t, "weight", golden.TorchForward, l.Weight, g[schedule+"_weight"].Float64s())
			golden.Check(t, "bias", golden.TorchForward, l.Bias, g[schedule+"_bias"].Float64s())
			golden.Check(t, "top-1", golden.Closed, top1, g[schedule+"_top1"].Float64s())
			golden.Check(t, "top-5", golden.Closed, top5, g[schedule+"_top5"].Float64s())
		})
	}
}

func TestFitRemembersBestAndLast(t *testing.T) {
	train, test := features(400, 12, 8, 1), features(100, 12, 8, 2)
	o := DefaultFit
	o.Epochs, o.Batch = 7, 50
	var seen []int
	f, err := o.Train(context.Background(), pool(t, 2), []*Features{train}, test, 8, func(e Epoch) { seen = append(seen, e.Epoch) })
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Epochs) != 7 || fmt.Sprint(seen) != "[0 1 2 3 4 5 6]" {
		t.Fatalf("%d epochs, told of %v", len(f.Epochs), seen)
	}
	if f.Last.Top1 != f.Epochs[6].Top1 {
		t.Errorf("the last outcome has top-1 %v, the last epoch %v", f.Last.Top1, f.Epochs[6].Top1)
	}
	top1, top5 := f.Best()
	for _, e := range f.Epochs {
		if e.Top1 > top1.Top1 || e.Top1 == top1.Top1 && e.Epoch < top1.Epoch || *e.Top5 > *top5.Top5 {
			t.Errorf("epoch %+v is better than the best, %+v and %+v", e, top1, top5)
		}
	}
	if f.Epochs[0].Loss <= f.Epochs[6].Loss || f.Last.Top1 < 0.3 {
		t.Errorf("nothing is learnt: %+v", f.Epochs)
	}
}

// Passes alternate: two equal ones are one.
func TestPasses(t *testing.T) {
	train, test := features(200, 9, 4, 1), features(50, 9, 4, 2)
	other := features(200, 9, 4, 9)
	o := DefaultFit
	o.Epochs = 4
	fit := func(passes ...*Features) *Fitted {
		f, err := o.Train(context.Background(), pool(t, 1), passes, test, 4, nil)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	one := fit(train)
	golden.Check(t, "weights", golden.Exact, fit(train, train).Weight, one.Weight)
	if same, _ := golden.Agrees(golden.Exact, fit(train, other).Weight, one.Weight); same {
		t.Error("the second pass changes nothing")
	}
}

func TestStateRoundTrip(t *testing.T) {
	rows := features(64, 10, 3, 1)
	p := pool(t, 2)
	step := SGD{0.1, 0.9, 1e-4}
	a := NewLinear(10, 3, 1)
	a.Step(p, rows.Rows, rows.Labels, step)
	b := NewLinear(10, 3, 2)
	if err := b.SetState(a.State()); err != nil {
		t.Fatal(err)
	}
	a.Step(p, rows.Rows, rows.Labels, step)
	b.Step(p, rows.Rows, rows.Labels, step)
	golden.Check(t, "weight", golden.Exact, b.Weight, a.Weight)
	golden.Check(t, "bias", golden.Exact, b.Bias, a.Bias)
	if err := b.SetState(a.State()[:3]); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a state without the last tensor: %v", err)
	}
	if err := NewLinear(10, 4, 1).SetState(a.State()); err == nil || !strings.Contains(err.Error(), "want") {
		t.Errorf("a state of other shapes: %v", err)
	}
}

func TestFitRefuses(t *testing.T) {
	f := features(30, 4, 3, 1)
	p := pool(t, 1)
	for want, change := range map[string]func(*Fit){
		"epochs is 0":        func(o *Fit) { o.Epochs = 0 },
		"batch is 0":         func(o *Fit) { o.Batch = 0 },
		"lr is NaN":          func(o *Fit) { o.LR = math.NaN() },
		"momentum is 1":      func(o *Fit) { o.Momentum = 1 },
		"weight-decay is -1": func(o *Fit) { o.WeightDecay = -1 },
		"diverged":           func(o *Fit) { o.LR = 1e30 },
		// The last step has no loss behind it.
		"in epoch 2: a weight is": func(o *Fit) { o.LR, o.Epochs = 1e30, 2 },
	} {
		o := DefaultFit
		change(&o)
		if _, err := o.Train(context.Background(), p, []*Features{f}, f, 3, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func BenchmarkLinear(b *testing.B) {
	train, test := features(5120, 2048, 10, 1), features(1024, 2048, 10, 2)
	p := pool(b, 0)
	o := DefaultFit
	o.Epochs = 1
	for b.Loop() {
		if _, err := o.Train(context.Background(), p, []*Features{train}, test, 10, nil); err != nil {
			b.Fatal(err)
		}
	}
}

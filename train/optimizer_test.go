package train

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"onnxclr/importer/weights"
	"onnxclr/internal/golden"
	"onnxclr/internal/kernel"
	"onnxclr/internal/stream"
)

func groupsOfGoldens() []Group {
	decay, off := 0.2, false
	return []Group{{Match: "fc.*", LRFactor: 3, WeightDecay: &decay}, {Match: "*.weight", LRFactor: 0.5, LARS: &off}}
}

// testOptimizer is an optimizer and the norm that its gradients are clipped to.
type testOptimizer struct {
	make func(*kernel.Pool) Optimizer
	clip float64
}

var optimizers = func() map[string]testOptimizer {
	all := map[string]testOptimizer{}
	add := func(name string, clip float64, make func(*kernel.Pool) Optimizer) {
		all[name] = testOptimizer{make, clip}
	}
	sgd := func(name string, momentum float64, nesterov bool, clip float64, r Rules) {
		add(name, clip, func(p *kernel.Pool) Optimizer {
			return &SGD{Pool: p, Momentum: momentum, Nesterov: nesterov, Rules: r}
		})
	}
	sgd("sgd", 0.9, false, 0, Rules{WeightDecay: 1e-2})
	sgd("sgd_nesterov", 0.9, true, 0, Rules{WeightDecay: 1e-2})
	sgd("sgd_plain", 0, false, 0, Rules{})
	sgd("sgd_exclude", 0.9, false, 0, Rules{WeightDecay: 0.1, Exclude1D: true})
	sgd("sgd_groups", 0.9, false, 0, Rules{WeightDecay: 0.1, Exclude1D: true, Groups: groupsOfGoldens()})
	sgd("sgd_clip", 0.9, false, 2, Rules{WeightDecay: 1e-2})
	adamw := func(name string, beta1, beta2, epsilon, clip float64, r Rules) {
		add(name, clip, func(p *kernel.Pool) Optimizer {
			return &AdamW{Pool: p, Beta1: beta1, Beta2: beta2, Epsilon: epsilon, Rules: r}
		})
	}
	adamw("adamw", 0.9, 0.999, 1e-8, 0, Rules{WeightDecay: 1e-2})
	adamw("adamw_exclude", 0.8, 0.95, 1e-3, 0, Rules{WeightDecay: 0.1, Exclude1D: true})
	adamw("adamw_groups", 0.9, 0.999, 1e-8, 0, Rules{WeightDecay: 0.1, Exclude1D: true, Groups: groupsOfGoldens()})
	adamw("adamw_clip", 0.9, 0.999, 1e-1, 2, Rules{WeightDecay: 1e-2})
	lars := func(name, variant string, decay, eta float64, exclude bool, clip float64, groups ...Group) {
		add(name, clip, func(p *kernel.Pool) Optimizer {
			return &LARS{Pool: p, Variant: variant, Momentum: 0.9, Eta: eta, Rules: Rules{WeightDecay: decay, Exclude1D: exclude, Groups: groups}}
		})
	}
	lars("lars", "directclr", 1e-2, 0.5, true, 0)
	lars("lars_all", "directclr", 1e-2, 0.5, false, 0)
	lars("lars_nodecay", "directclr", 0, 0.5, true, 0)
	lars("lars_clip", "directclr", 1e-1, 0.5, true, 2)
	lars("lars_groups", "directclr", 1e-1, 0.5, true, 0, groupsOfGoldens()...)
	lars("google", "google", 1e-2, 0.5, true, 0)
	lars("google_all", "google", 1e-2, 0.5, false, 0)
	lars("bolts", "bolts", 1e-2, 0.5, true, 0)
	lars("bolts_all", "bolts", 1e-2, 0.5, false, 0)
	lars("bolts_nodecay", "bolts", 0, 0.5, false, 0)
	lars("bolts_clip", "bolts", 1e-1, 0.5, true, 2)
	lars("solo", "solo-learn", 1e-2, 0.05, true, 0)
	lars("solo_all", "solo-learn", 1e-2, 0.05, false, 0)
	lars("solo_nodecay", "solo-learn", 0, 0.05, true, 0)
	return all
}()

var goldenNames = []string{"conv.weight", "fc.weight", "fc.bias", "bn.weight", "zero.weight", "still.weight"}

// Ten steps from the same weights with the same gradients as PyTorch. The state
// goes through tensors half-way, as through a checkpoint.
func TestOptimizersFollowPyTorch(t *testing.T) {
	arrays := golden.Load(t, "train/optim.npz")
	maps.Copy(arrays, golden.Load(t, "train/lars.npz"))
	pool := testPool(t, 0)
	rates := arrays["lr"].F64
	for name, test := range optimizers {
		t.Run(name, func(t *testing.T) {
			var params []Param
			for _, n := range goldenNames {
				a := arrays["init/"+n]
				params = append(params, Param{n, a.Shape, slices.Clone(a.F32)})
			}
			o := test.make(pool)
			for step, lr := range rates {
				var grads [][]float32
				for _, n := range goldenNames {
					g, size := arrays["grad/"+n], arrays["init/"+n].Len()
					grads = append(grads, g.F32[step*size:][:size])
				}
				var squares float64
				for _, g := range grads {
					squares += kernel.SumSquares(pool, g)
				}
				o.Step(params, grads, lr, ClipScale(math.Sqrt(squares), test.clip))
				for _, p := range params {
					want := arrays[name+"/"+p.Name].Float64s()[step*len(p.Value):][:len(p.Value)]
					golden.Check(t, fmt.Sprintf("%s after step %d", p.Name, step), golden.TorchForward, p.Value, want)
				}
				if step == 4 {
					state := o.State()
					o = test.make(pool)
					if err := o.SetState(params, state); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

func TestZeroRateMovesNothingButMomentum(t *testing.T) {
	pool := testPool(t, 0)
	for name, test := range optimizers {
		o := test.make(pool)
		p := []Param{{"w", []int{2, 2}, []float32{1, 2, 3, 4}}}
		o.Step(p, [][]float32{{1, 1, 1, 1}}, 0, 1)
		golden.Check(t, name, golden.Exact, p[0].Value, []float32{1, 2, 3, 4})
		// The rate is in google's moving sum.
		if v, _ := o.State()[0].Float32s(); (v[0] == 0) != strings.HasPrefix(name, "google") {
			t.Errorf("%s: the first gradient left no momentum", name)
		}
	}
}

func TestStateIsRefused(t *testing.T) {
	params := []Param{{"a", []int{2}, make([]float32, 2)}, {"b", []int{1, 2}, make([]float32, 2)}}
	tensor := func(name string, shape ...int) *weights.Tensor {
		return weights.FromFloat32(name, shape, make([]float32, 2))
	}
	for what, state := range map[string][]*weights.Tensor{
		"one missing":  {tensor("a.momentum", 2)},
		"wrong name":   {tensor("a.momentum", 2), tensor("c.momentum", 1, 2)},
		"wrong shape":  {tensor("a.momentum", 2), tensor("b.momentum", 2, 1)},
		"left over":    {tensor("a.momentum", 2), tensor("b.momentum", 1, 2), tensor("c.momentum", 2)},
		"wrong type":   {tensor("a.momentum", 2), weights.FromInt64("b.momentum", []int{1, 2}, []int64{1, 2})},
		"twice":        {tensor("a.momentum", 2), tensor("a.momentum", 2)},
		"short buffer": {tensor("a.momentum", 2), {Name: "b.momentum", DType: weights.Float32, Shape: []int{1, 2}, Data: make([]byte, 4)}},
	} {
		for _, o := range []Optimizer{&SGD{}, &LARS{}, &AdamW{}} {
			if err := o.SetState(params, state); err == nil {
				t.Errorf("%s: accepted by %T", what, o)
			}
		}
	}
}

// The same bits on any number of cores.
func TestCoresDoNotChangeTheStep(t *testing.T) {
	run := func(o Optimizer) []float32 {
		r := stream.New(1, "test")
		n := 100_003
		p, g := make([]float32, n), make([]float32, n)
		for i := range p {
			p[i], g[i] = float32(r.NormFloat64()), float32(r.NormFloat64())
		}
		params := []Param{{"w", []int{1, n}, p}, {"b", []int{5}, []float32{1, 2, 3, 4, 5}}}
		for range 3 {
			o.Step(params, [][]float32{g, {1, 1, 1, 1, 1}}, 0.1, 0.5)
		}
		return append(params[0].Value, params[1].Value...)
	}
	three := testPool(t, 3)
	for name, test := range optimizers {
		golden.Check(t, name, golden.Exact, run(test.make(three)), run(test.make(nil)))
	}
}

func testPool(t testing.TB, workers int) *kernel.Pool {
	p := kernel.NewPool(workers)
	t.Cleanup(p.Close)
	return p
}

func BenchmarkOptimizers(b *testing.B) {
	const n = 25_557_032 // ResNet-50
	params := []Param{{"w", []int{n / 8, 8}, make([]float32, n)}}
	grads := [][]float32{make([]float32, n)}
	for i := range grads[0] {
		params[0].Value[i], grads[0][i] = 1, float32(i%7)
	}
	pool := testPool(b, 0)
	for name, o := range map[string]Optimizer{
		"SGD":   &SGD{Pool: pool, Momentum: 0.9, Rules: Rules{WeightDecay: 1e-6}},
		"LARS":  &LARS{Pool: pool, Momentum: 0.9, Eta: 0.001, Rules: Rules{WeightDecay: 1e-6}},
		"AdamW": &AdamW{Pool: pool, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, Rules: Rules{WeightDecay: 1e-2}},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(5 * 4 * n) // three arrays read, two written
			for range b.N {
				o.Step(params, grads, 1e-3, 1)
			}
		})
	}
}

// Patterns are of whole names, and the first that matches holds.
func TestGroupsChooseByName(t *testing.T) {
	decay, on := 0.5, true
	r := Rules{WeightDecay: 0.1, Exclude1D: true, Groups: []Group{
		{Match: "layer1.*.bias", LRFactor: 2, LARS: &on},
		{Match: "layer1.*", LRFactor: 3, WeightDecay: &decay},
		{Match: "/fc/*", LRFactor: 4},
	}}
	for name, want := range map[string]rule{
		"layer1.0.bn1.bias": {2, 0, true},
		"layer1.0.conv1":    {3, 0.5, false},
		"layer2.0.bias":     {1, 0, false},
		"xlayer1.0.bias":    {1, 0, false},
		"/fc/a/b":           {4, 0, false},
	} {
		if got := r.of(Param{Name: name, Shape: []int{3}}); got != want {
			t.Errorf("%s has %+v, want %+v", name, got, want)
		}
	}
	params := []Param{{Name: "conv1.weight"}, {Name: "fc.bias"}}
	if err := checkGroups([]Group{{Match: "fc.*"}, {Match: "heads.*"}}, params); err == nil || !strings.Contains(err.Error(), `parameter_groups[1]: "heads.*" matches no trained parameter`) {
		t.Errorf("a pattern that matches nothing: %v", err)
	}
}

func TestClipScale(t *testing.T) {
	for _, c := range []struct{ norm, limit, want float64 }{{3, 0, 1}, {0, 1, 1}, {0.5, 1, 1}, {4, 1, 1 / (4 + 1e-6)}} {
		if got := ClipScale(c.norm, c.limit); got != c.want {
			t.Errorf("a norm of %g with limit %g is scaled by %g, want %g", c.norm, c.limit, got, c.want)
		}
	}
}

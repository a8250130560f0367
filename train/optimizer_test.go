package train

import (
	"fmt"
	"slices"
	"testing"

	"onnxclr/importer/weights"
	"onnxclr/internal/golden"
	"onnxclr/internal/kernel"
	"onnxclr/internal/stream"
)

var optimizers = map[string]func(*kernel.Pool) Optimizer{
	"sgd":          func(p *kernel.Pool) Optimizer { return &SGD{Pool: p, Momentum: 0.9, WeightDecay: 1e-2} },
	"sgd_nesterov": func(p *kernel.Pool) Optimizer { return &SGD{Pool: p, Momentum: 0.9, WeightDecay: 1e-2, Nesterov: true} },
	"sgd_plain":    func(p *kernel.Pool) Optimizer { return &SGD{Pool: p} },
	"sgd_exclude":  func(p *kernel.Pool) Optimizer { return &SGD{Pool: p, Momentum: 0.9, WeightDecay: 0.1, Exclude1D: true} },
	"lars": func(p *kernel.Pool) Optimizer {
		return &LARS{Pool: p, Momentum: 0.9, WeightDecay: 1e-2, Eta: 0.5, Exclude1D: true}
	},
	"lars_all":     func(p *kernel.Pool) Optimizer { return &LARS{Pool: p, Momentum: 0.9, WeightDecay: 1e-2, Eta: 0.5} },
	"lars_nodecay": func(p *kernel.Pool) Optimizer { return &LARS{Pool: p, Momentum: 0.9, Eta: 0.5, Exclude1D: true} },
}

var goldenNames = []string{"conv.weight", "fc.weight", "fc.bias", "bn.weight", "zero.weight", "still.weight"}

// Ten steps from the same weights with the same gradients as PyTorch. The state
// goes through tensors half-way, as through a checkpoint.
func TestOptimizersFollowPyTorch(t *testing.T) {
	arrays := golden.Load(t, "train/optim.npz")
	pool := testPool(t, 0)
	rates := arrays["lr"].F64
	for name, make := range optimizers {
		t.Run(name, func(t *testing.T) {
			var params []Param
			for _, n := range goldenNames {
				a := arrays["init/"+n]
				params = append(params, Param{n, a.Shape, slices.Clone(a.F32)})
			}
			o := make(pool)
			for step, lr := range rates {
				var grads [][]float32
				for _, n := range goldenNames {
					g, size := arrays["grad/"+n], arrays["init/"+n].Len()
					grads = append(grads, g.F32[step*size:][:size])
				}
				o.Step(params, grads, lr)
				for _, p := range params {
					want := arrays[name+"/"+p.Name].Float64s()[step*len(p.Value):][:len(p.Value)]
					golden.Check(t, fmt.Sprintf("%s after step %d", p.Name, step), golden.TorchForward, p.Value, want)
				}
				if step == 4 {
					state := o.State()
					o = make(pool)
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
	for name, make := range optimizers {
		o := make(pool)
		p := []Param{{"w", []int{2, 2}, []float32{1, 2, 3, 4}}}
		o.Step(p, [][]float32{{1, 1, 1, 1}}, 0)
		golden.Check(t, name, golden.Exact, p[0].Value, []float32{1, 2, 3, 4})
		if v, _ := o.State()[0].Float32s(); v[0] == 0 {
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
		for _, o := range []Optimizer{&SGD{}, &LARS{}} {
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
			o.Step(params, [][]float32{g, {1, 1, 1, 1, 1}}, 0.1)
		}
		return append(params[0].Value, params[1].Value...)
	}
	three := testPool(t, 3)
	for name, make := range optimizers {
		golden.Check(t, name, golden.Exact, run(make(three)), run(make(nil)))
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
		"SGD":  &SGD{Pool: pool, Momentum: 0.9, WeightDecay: 1e-6},
		"LARS": &LARS{Pool: pool, Momentum: 0.9, WeightDecay: 1e-6, Eta: 0.001},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(5 * 4 * n) // three arrays read, two written
			for range b.N {
				o.Step(params, grads, 1e-3)
			}
		})
	}
}

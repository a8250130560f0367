package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer"
	"onnxclr/importer/safetensors"
	"onnxclr/importer/weights"
	"onnxclr/internal/graph"
	"onnxclr/internal/kernel"
	"onnxclr/internal/kernel/reference"
	"onnxclr/internal/memory"
	"onnxclr/internal/stream"
	"onnxclr/internal/vm"
	"onnxclr/train/data"
)

// learner is a model in training: its graph, the machine that runs it, and the
// optimizer.
//
//	N images a step  D width of the embedding
type learner struct {
	step      int // made so far
	model     *importer.Model
	weights   *graph.Weights
	program   *graph.Program
	machine   *vm.Machine
	micro     *micro // nil: program is that of all of a step's images, its loss included
	images    []int  // [2N,3,H,W]
	frozen    func(parameter string) bool
	seed      uint64
	loss      *G.Node // nil with micro
	z         *G.Node
	params    []Param
	grads     [][]float32 // of the last step, in the order of params
	embedding []float32   // of the last step, [2N,D]
	columns   []int       // of z that the loss takes, see columns.go; nil: all
	classes   int         // that an online probe tells apart; 0: there is none
	r         *G.Node     // the representation, for it
	probe     *onlineProbe
	optimizer Optimizer
	besides   int64   // bytes, see beside
	clip      float64 // largest norm of the gradient, 0: any
	counted   int     // steps that the model's metadata count
	restored  string  // what settleBatchNorm did
	profiler  *profiler
}

// precisions are those that a recipe names.
var precisions = map[string]kernel.Precision{"fp32": kernel.FP32, "bf16": kernel.BF16}

// newLearner opens the recipe's model and attaches its head or, when there is a
// checkpoint, opens that. It may read from the source.
func newLearner(ctx context.Context, r *Recipe, o Options, saved *state, source Source, warn func(string)) (*learner, error) {
	path := r.Model
	if saved != nil {
		path = filepath.Join(checkpointPath(o.Dir, saved.Step), modelName)
	}
	limit := o.Memory
	if limit == 0 {
		limit = memory.Available()
	}
	model, err := importer.OpenModel(path)
	if err != nil {
		return nil, err
	}
	batch, height, width := source.Size()
	l := &learner{model: model, seed: r.Seed, images: []int{2 * batch, 3, height, width}, classes: probedClasses(r, source)}
	err = func() error {
		if saved == nil {
			if l.restored, err = settleBatchNorm(ctx, r, model, source, limit, warn); err != nil {
				return err
			}
			if err := importer.AttachHead(model.ONNX, r.Head()); err != nil {
				return r.fitting(err)
			}
		}
		if err := l.compile(r, limit); err != nil {
			return err
		}
		if r.Precision == "bf16" && !l.machine.Pool().FastBF16() {
			warn("this processor does not multiply bfloat16 numbers (AVX512_BF16): precision bf16 gives its results, but is slower than fp32")
		}
		if saved != nil {
			return l.restore(o.Dir, saved)
		}
		return nil
	}()
	if err != nil {
		l.close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

// compile turns the model into a differentiated, planned graph that fits into limit
// bytes of memory; 0 means any.
func (l *learner) compile(r *Recipe, limit int64) (err error) {
	if l.weights, err = graph.NewWeights(l.model.ONNX); err != nil {
		return err
	}
	l.clip = r.ClipGradient
	if l.frozen, err = frozen(r, l.model.ONNX.Graph); err != nil {
		return err
	}
	n := r.Batch
	if r.micro() > 0 {
		n = r.micro()
	}
	first, err := l.build(r, n)
	if err != nil {
		return l.smaller(r, err, limit)
	}
	l.program, l.z, l.loss, l.r = first.program, first.z, first.loss, first.r
	for _, p := range l.program.Params {
		l.params = append(l.params, Param{p.Name, p.Shape, p.Value})
	}
	if err := checkGroups(r.Groups, l.params); err != nil {
		return err
	}
	if l.besides, err = l.beside(r, first); err != nil {
		return err
	}
	o := planOptions(r, first.keep)
	if limit > 0 {
		o.MaxBytes = max(limit-l.besides, 1)
	}
	l.machine, err = vm.Compile(l.program.Graph, o)
	var big *vm.MemoryError
	if errors.As(err, &big) {
		return l.tooLarge(r, big.Need+l.besides, limit)
	}
	if err != nil {
		return err
	}
	if r.micro() > 0 {
		if l.micro, err = newMicro(l, r, first); err != nil {
			return err
		}
	}
	l.optimizer = constrain(r, newOptimizer(r, l.machine.Pool()), l.machine.Pool())
	if l.r != nil {
		l.probe = newOnlineProbe(r, l.r, l.classes)
	}
	return nil
}

// part is the graph of n images of a step, in two views each.
type part struct {
	n       int
	program *graph.Program
	z, r    *G.Node // r: nil without an online probe
	loss    *G.Node // nil where the loss is computed outside
	dz      *G.Node // where the gradient of such a loss goes
	keep    []*G.Node
}

// build makes the graph of n images. With micro-batches the loss is outside.
func (l *learner) build(r *Recipe, n int) (*part, error) {
	p := &part{n: n}
	outputs := []string{importer.EmbeddingName}
	if l.classes > 0 {
		r, err := importer.Representation(l.model.ONNX)
		if err != nil {
			return nil, err
		}
		outputs = append(outputs, r)
	}
	var err error
	p.program, err = graph.Build(l.model.ONNX, l.weights, graph.Options{
		Batch: 2 * n, Channels: l.images[1], Height: l.images[2], Width: l.images[3],
		Views: 2, Train: true, Frozen: l.frozen, Outputs: outputs,
	})
	if err != nil {
		return nil, err
	}
	p.z = p.program.Outputs[importer.EmbeddingName]
	p.keep = []*G.Node{p.z}
	if len(outputs) > 1 {
		p.r = p.program.Outputs[outputs[1]]
		p.keep = append(p.keep, p.r)
	}
	if r.micro() > 0 {
		if p.dz, err = p.program.Backpropagate(p.z); err != nil {
			return nil, err
		}
	} else {
		if p.loss, err = addLoss(r, p.z, l.taken(r, p.z)); err != nil {
			return nil, err
		}
		if err := p.program.Differentiate(p.loss); err != nil {
			return nil, err
		}
		p.keep = append(p.keep, p.loss)
	}
	for _, q := range p.program.Params {
		p.keep = append(p.keep, q.Grad)
	}
	for _, n := range p.program.Norms {
		p.keep = append(p.keep, n.Stats)
	}
	return p, nil
}

func planOptions(r *Recipe, keep []*G.Node) vm.Options {
	return vm.Options{Keep: keep, Exact: r.Exact, Precision: precisions[r.Precision]}
}

// restore takes the step, the optimizer's state and the weights that the model could not
// hold from a checkpoint.
func (l *learner) restore(dir string, saved *state) error {
	l.step, l.counted = saved.Step, saved.Step
	for _, part := range []struct {
		name string
		set  func([]*weights.Tensor) error
	}{
		{optimizerName, func(ts []*weights.Tensor) error { return l.optimizer.SetState(l.params, ts) }},
		{mastersName, l.restoreMasters},
		{onlineProbeName, l.probe.restore},
	} {
		if _, ok := saved.Files[part.name]; !ok {
			continue
		}
		path := filepath.Join(checkpointPath(dir, saved.Step), part.name)
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		tensors, _, err := safetensors.Read(b)
		if err == nil {
			err = part.set(tensors)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// train makes one step on a batch with the learning rate in m, and fills in the loss,
// the gradient's norm and the accuracy.
func (l *learner) train(b *data.Batch, m *Metrics) error {
	drawColumns(l.columns, l.z.Shape()[1], l.seed, l.step)
	differentiate := l.differentiate
	if l.micro != nil {
		differentiate = l.micro.differentiate
	}
	if err := differentiate(l, b, m); err != nil {
		return err
	}
	norm := l.norm(l.grads)
	if !finite(float64(m.Loss)) || !finite(norm) {
		return &DivergedError{Step: l.step, Loss: m.Loss, Where: l.notFinite(l.grads)}
	}
	m.GradNorm = norm
	m.Accuracy = l.accuracy()
	l.profiler.lap(partChecks)
	l.optimizer.Step(l.params, l.grads, m.LearningRate, ClipScale(norm, l.clip))
	l.probe.learn(l.machine.Pool(), b.Labels)
	l.profiler.lap(partOptimizer)
	if l.micro == nil {
		if err := l.program.UpdateRunning(l.machine.Values); err != nil {
			return fmt.Errorf("step %d: %w", l.step, err)
		}
	}
	l.profiler.lap(partBind)
	l.step++
	return nil
}

// bind gives the graph of all images of a step its input, and dropout what it drops.
func (l *learner) bind(b *data.Batch) error {
	l.program.Drop(func(i int) *rand.Rand { return stream.New(l.seed, "dropout", uint64(l.step), uint64(i)) })
	return G.Let(l.program.Input, tensor.New(tensor.WithShape(l.images...), tensor.WithBacking(b.Images)))
}

// differentiate runs the graph of all images of a step.
func (l *learner) differentiate(_ *learner, b *data.Batch, m *Metrics) error {
	if err := l.bind(b); err != nil {
		return err
	}
	l.profiler.lap(partBind)
	if err := l.machine.RunAll(); err != nil {
		return fmt.Errorf("step %d: %w", l.step, err)
	}
	l.profiler.lap(partGraph)
	m.Loss = l.machine.Values(l.loss)[0]
	l.embedding, l.grads = l.machine.Values(l.z), l.grads[:0]
	if l.probe != nil {
		l.probe.take(l.machine.Values(l.r), 0, l.images[0]/2)
	}
	for _, p := range l.program.Params {
		l.grads = append(l.grads, l.machine.Values(p.Grad))
	}
	return nil
}

// norm returns ‖g‖₂ over all parameters; it is finite exactly when all of g is.
func (l *learner) norm(grads [][]float32) float64 {
	var sum float64
	for _, g := range grads {
		sum += kernel.SumSquares(l.machine.Pool(), g)
	}
	return math.Sqrt(sum)
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// cheapAccuracy bounds N²·D, the products that the accuracy costs: some 10 ms.
const cheapAccuracy = 1 << 24

func (l *learner) accuracy() *float64 {
	n, d := l.images[0]/2, l.z.Shape()[1]
	if n*n*d > cheapAccuracy {
		return nil
	}
	a := reference.ContrastiveAccuracy(n, d, l.embedding)
	return &a
}

// batchesPerStep returns how many batches a batch normalisation sees in a step.
func (l *learner) batchesPerStep() int64 {
	if l.micro != nil {
		return 2 * int64(l.micro.parts)
	}
	return 2
}

// values returns the number of trained values.
func (l *learner) values() int {
	n := 0
	for _, p := range l.params {
		n += len(p.Value)
	}
	return n
}

func (l *learner) close() {
	if l.micro != nil {
		l.micro.close()
	}
	if l.machine != nil {
		l.machine.Close()
	}
	l.model.Close()
}

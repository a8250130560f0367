package train

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	images    []int // [2N,3,H,W]
	frozen    func(parameter string) bool
	seed      uint64
	loss, z   *G.Node
	params    []Param
	grads     [][]float32 // of the last step, in the order of params
	optimizer Optimizer
	counted   int    // steps that the model's metadata count
	restored  string // what settleBatchNorm did
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
	l := &learner{model: model, seed: r.Seed, images: []int{2 * batch, 3, height, width}}
	err = func() error {
		if saved == nil {
			if l.restored, err = settleBatchNorm(ctx, r, model, source, limit, warn); err != nil {
				return err
			}
			if err := importer.AttachHead(model.ONNX, r.Head()); err != nil {
				return err
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
	if l.frozen, err = frozen(r, l.model.ONNX.Graph); err != nil {
		return err
	}
	keep, err := l.build(r)
	if err != nil {
		return memory.Smaller(err, 2, l.images[0]/2-1, limit, l.need(r))
	}
	for _, p := range l.program.Params {
		if d := l.model.ONNX.Graph.Initializer(p.Name).DType; d != weights.Float32 {
			return fmt.Errorf("parameter %q is %v; only float32 is trained, convert the model first", p.Name, d)
		}
		l.params = append(l.params, Param{p.Name, p.Shape, p.Value})
	}
	o := planOptions(r, keep)
	if limit > 0 {
		o.MaxBytes = max(limit-l.beside(), 1)
	}
	l.machine, err = vm.Compile(l.program.Graph, o)
	var big *vm.MemoryError
	if errors.As(err, &big) {
		return l.tooLarge(r, big.Need+l.beside(), limit)
	}
	if err != nil {
		return err
	}
	l.optimizer = newOptimizer(r, l.machine.Pool())
	return nil
}

// build makes the graph of a step on l.images and returns the nodes that a step is
// run for.
func (l *learner) build(r *Recipe) (keep []*G.Node, err error) {
	l.program, err = graph.Build(l.model.ONNX, l.weights, graph.Options{
		Batch: l.images[0], Channels: l.images[1], Height: l.images[2], Width: l.images[3],
		Views: 2, Train: true, Frozen: l.frozen, Outputs: []string{importer.EmbeddingName},
	})
	if err != nil {
		return nil, err
	}
	l.z = l.program.Outputs[importer.EmbeddingName]
	if l.loss, err = addLoss(r, l.z); err != nil {
		return nil, err
	}
	if err := l.program.Differentiate(l.loss); err != nil {
		return nil, err
	}
	keep = []*G.Node{l.loss, l.z}
	for _, p := range l.program.Params {
		keep = append(keep, p.Grad)
	}
	for _, n := range l.program.Norms {
		keep = append(keep, n.Stats)
	}
	return keep, nil
}

func planOptions(r *Recipe, keep []*G.Node) vm.Options {
	return vm.Options{Keep: keep, Exact: r.Exact, Precision: precisions[r.Precision]}
}

// beside returns the bytes that training takes besides the plan and the weights: the
// optimizer's moving sums, and the batch in use with the one in preparation.
func (l *learner) beside() int64 {
	images := int64(4)
	for _, d := range l.images {
		images *= int64(d)
	}
	return 4*int64(l.values()) + 2*images
}

// tooLarge finds out which batch would fit.
func (l *learner) tooLarge(r *Recipe, need, limit int64) error {
	n := l.images[0] / 2
	e := &memory.TooLargeError{
		What: fmt.Sprintf("a step of %d images, two views each, at %d×%d", n, l.images[2], l.images[3]),
		Need: need, Available: limit, Least: 2, Flag: "--batch",
	}
	if r.Views != "" {
		e.Flag = ""
	}
	var err error
	e.Batch, err = memory.Largest(e.Least, n-1, limit, l.need(r))
	if err != nil {
		return err
	}
	return e
}

// need returns the bytes that training with a batch takes beside the weights, and
// leaves the graph of that batch behind.
func (l *learner) need(r *Recipe) func(batch int) (int64, error) {
	return func(batch int) (int64, error) {
		l.images[0] = 2 * batch
		keep, err := l.build(r)
		if err != nil {
			return 0, err
		}
		p, err := vm.NewPlan(l.program.Graph, planOptions(r, keep))
		if err != nil {
			return 0, err
		}
		return p.Reserved() + l.beside(), nil
	}
}

// restore takes the step and the optimizer's state from a checkpoint.
func (l *learner) restore(dir string, saved *state) error {
	l.step, l.counted = saved.Step, saved.Step
	path := filepath.Join(checkpointPath(dir, saved.Step), optimizerName)
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	tensors, _, err := safetensors.Read(b)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := l.optimizer.SetState(l.params, tensors); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// train makes one step on images [2N,3,H,W] with the learning rate in m, and fills
// in the loss, the gradient's norm and the accuracy.
func (l *learner) train(images []float32, m *Metrics) error {
	if err := G.Let(l.program.Input, tensor.New(tensor.WithShape(l.images...), tensor.WithBacking(images))); err != nil {
		return err
	}
	l.program.Drop(func(i int) *rand.Rand { return stream.New(l.seed, "dropout", uint64(l.step), uint64(i)) })
	l.profiler.lap(partBind)
	if err := l.machine.RunAll(); err != nil {
		return fmt.Errorf("step %d: %w", l.step, err)
	}
	l.profiler.lap(partGraph)
	m.Loss = l.machine.Values(l.loss)[0]
	grads := l.grads[:0]
	for _, p := range l.program.Params {
		grads = append(grads, l.machine.Values(p.Grad))
	}
	l.grads = grads
	norm := l.norm(grads)
	if loss := float64(m.Loss); math.IsNaN(loss) || math.IsInf(loss, 0) || math.IsNaN(norm) || math.IsInf(norm, 0) {
		return &DivergedError{Step: l.step, Loss: m.Loss, Where: l.notFinite(grads)}
	}
	m.GradNorm = norm
	m.Accuracy = l.accuracy()
	l.profiler.lap(partChecks)
	l.optimizer.Step(l.params, grads, m.LearningRate)
	l.profiler.lap(partOptimizer)
	if err := l.program.UpdateRunning(l.machine.Values); err != nil {
		return fmt.Errorf("step %d: %w", l.step, err)
	}
	l.profiler.lap(partBind)
	l.step++
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

// cheapAccuracy bounds N²·D, the products that the accuracy costs: some 10 ms.
const cheapAccuracy = 1 << 24

func (l *learner) accuracy() *float64 {
	n, d := l.images[0]/2, l.z.Shape()[1]
	if n*n*d > cheapAccuracy {
		return nil
	}
	a := reference.ContrastiveAccuracy(n, d, l.machine.Values(l.z))
	return &a
}

// writeModel writes the model with its present weights.
func (l *learner) writeModel(w io.Writer) error {
	m := l.model.ONNX
	for _, name := range l.weights.Names() {
		if t := m.Graph.Initializer(name); t.DType == weights.Float32 {
			m.Graph.SetInitializer(l.weights.Tensor(name))
		}
	}
	counts := map[string]bool{}
	for _, n := range l.program.Norms {
		counts[n.Name] = true
	}
	if err := importer.AddBatches(m, 2*int64(l.step-l.counted), func(norm string) bool { return counts[norm] }); err != nil {
		return err
	}
	l.counted = l.step
	return m.Encode(w)
}

func (l *learner) writeOptimizer(w io.Writer) error {
	return safetensors.Write(w, l.optimizer.State(), nil)
}

// values returns the number of trained values.
func (l *learner) values() int {
	n := 0
	for _, p := range l.params {
		n += len(p.Value)
	}
	return n
}

// memory returns the bytes of the plan, the weights, the optimizer and the batches.
func (l *learner) memory() int64 { return l.machine.Plan().Memory() + l.beside() }

func (l *learner) close() {
	if l.machine != nil {
		l.machine.Close()
	}
	l.model.Close()
}

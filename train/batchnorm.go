package train

import (
	"context"
	"fmt"
	"math"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer"
	"onnxclr/internal/graph"
	"onnxclr/internal/vm"
)

// batchNormFrom begins the value of the recipe's batchnorm that names a checkpoint.
const batchNormFrom = "from="

// settleBatchNorm brings the model's batch normalisation to what the recipe asks for
// and returns what it did in words. Where an export folded it into the convolutions
// and the recipe does not say what to do about that, it stops; and it warns where the
// model will not be trained as its file suggests.
func settleBatchNorm(ctx context.Context, r *Recipe, m *importer.Model, source Source, limit int64, warn func(string)) (string, error) {
	if _, err := Representation(m.ONNX); err != nil {
		return "", err
	}
	s := m.BatchNorm
	checkpoint, from := strings.CutPrefix(r.BatchNorm, batchNormFrom)
	switch {
	case r.BatchNorm != "keep" && s.Folded == 0 && (s.Kept > 0 || r.BatchNorm != "none"):
		return "", fmt.Errorf("batchnorm %s is for models whose BatchNormalization was folded away at export, this one has: %v; use batchnorm keep", r.BatchNorm, s)
	case r.BatchNorm == "none":
		return "", nil
	case r.BatchNorm == "calibrate":
		return calibrate(ctx, m, source, limit)
	case from:
		return restoreFrom(m, checkpoint)
	case s.Folded > 0:
		return "", fmt.Errorf("%v. Training it would be training another network, without batch statistics. Either\n"+
			"  - put it back with the statistics of the training images: --batchnorm calibrate\n"+
			"  - or with those of the checkpoint that the model was exported from: --batchnorm from=CHECKPOINT\n"+
			"  - or make the model from the checkpoint: onnxclr convert CHECKPOINT -o model.onnx\n"+
			"  - or export again: torch.onnx.export(model.train(), …, training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False)\n"+
			"    (since PyTorch 2.9 with dynamo=False as well; or with its new exporter torch.onnx.export(model.eval(), …, optimize=False))\n"+
			"  - or train the biased convolutions as they are: --batchnorm none", s)
	case s.Kept == 0:
		warn(fmt.Sprintf("%s: %v", m.Path, s))
	case s.Frozen > 0:
		warn(fmt.Sprintf("%s: %v; the frozen ones keep their running statistics, as the file says", m.Path, s))
	}
	return "", nil
}

// restoreFrom undoes the folding with a checkpoint.
func restoreFrom(m *importer.Model, path string) (string, error) {
	c, err := importer.OpenCheckpoint(path)
	if err != nil {
		return "", fmt.Errorf("batchnorm: %w", err)
	}
	defer c.Close()
	if err := m.RestoreBatchNormFrom(c); err != nil {
		return "", fmt.Errorf("batchnorm: %w", err)
	}
	return fmt.Sprintf("batchnorm: %d BatchNormalization put back with the weights and statistics of %s", m.BatchNorm.Folded, path), nil
}

// Calibration looks at views in runs of a few: at the least number of them, and then
// until the means of all layers are as certain as is asked for, or there are the most,
// or the epoch is over. How far the restored network learns from the one that was folded
// hangs on that; docs/batchnorm.md has the figures.
const (
	calibrationRun   = 32
	calibrationLeast = 4096
	calibrationMost  = 32768
	calibrationError = 0.005 // standard error of a mean, in standard deviations
)

// calibrate measures the moments of every folded convolution's output, for the
// network in evaluation mode on the first batches of the source, and puts the
// BatchNormalization back with them.
func calibrate(ctx context.Context, m *importer.Model, source Source, limit int64) (string, error) {
	folded, err := m.Folded()
	if err != nil {
		return "", err
	}
	representation, err := importer.Representation(m.ONNX)
	if err != nil {
		return "", err
	}
	batch, height, width := source.Size()
	images := min(calibrationRun, 2*batch)
	shape := []int{images, 3, height, width}
	before, err := newProbe(m, shape, representation, folded, limit)
	if err != nil {
		return "", err
	}
	defer before.close()
	sums := make([]channelSums, len(folded))
	last, seen := make([]float32, images*3*height*width), 0
	if err := source.Seek(0); err != nil {
		return "", err
	}
	enough := func() bool {
		return seen >= calibrationMost || seen >= calibrationLeast && uncertainty(sums) <= calibrationError
	}
	for step := 0; step < source.StepsPerEpoch() && !enough(); step++ {
		b, err := source.Next(ctx)
		if err != nil {
			return "", err
		}
		for at := 0; at+images <= 2*batch; at += images {
			b.Rows(last, at, images)
			if err := before.run(last, shape); err != nil {
				return "", err
			}
			for i := range folded {
				sums[i].add(before.machine.Values(before.stats[i]))
			}
			seen += images
		}
	}
	moments := map[string]importer.ChannelMoments{}
	for i, f := range folded {
		pixels := before.pixels[i]
		s, err := sums[i].moments(images * pixels)
		if err != nil {
			return "", fmt.Errorf("convolution of %q: %w", f.Weight, err)
		}
		moments[f.Output] = s
	}
	was := append([]float32(nil), before.machine.Values(before.output)...)
	if err := m.RestoreBatchNorm(moments); err != nil {
		return "", err
	}
	after, err := newProbe(m, shape, representation, nil, limit)
	if err != nil {
		return "", err
	}
	defer after.close()
	if err := after.run(last, shape); err != nil {
		return "", err
	}
	return fmt.Sprintf("batchnorm: %d BatchNormalization put back, with the statistics of %d views (standard error of the means: %.1g standard deviations); the representation in evaluation changes by %.1g of its largest value.\n"+
		"  The convolutions keep the scale that folding gave each channel: weight decay and LARS, which look at the norms of weights, see other layers than before the export.",
		len(folded), seen, uncertainty(sums), difference(was, after.machine.Values(after.output))), nil
}

// probe is the network in evaluation mode with the statistics of some tensors.
type probe struct {
	program *graph.Program
	machine *vm.Machine
	output  *G.Node
	stats   []*G.Node
	pixels  []int // of an image of each tensor
}

func newProbe(m *importer.Model, shape []int, output string, watch []importer.FoldedConv, limit int64) (*probe, error) {
	w, err := graph.NewWeights(m.ONNX)
	if err != nil {
		return nil, err
	}
	names := []string{output}
	for _, f := range watch {
		names = append(names, f.Output)
	}
	p := &probe{}
	p.program, err = graph.Build(m.ONNX, w, graph.Options{Batch: shape[0], Channels: shape[1], Height: shape[2], Width: shape[3], Outputs: names})
	if err != nil {
		return nil, err
	}
	p.output = p.program.Outputs[output]
	keep := []*G.Node{p.output}
	for _, f := range watch {
		x := p.program.Outputs[f.Output]
		stats, err := graph.BatchStats(x)
		if err != nil {
			return nil, err
		}
		s := x.Shape()
		p.stats, p.pixels = append(p.stats, stats), append(p.pixels, s[2]*s[3])
		keep = append(keep, stats)
	}
	p.machine, err = vm.Compile(p.program.Graph, vm.Options{Keep: keep, MaxBytes: limit})
	return p, err
}

func (p *probe) run(images []float32, shape []int) error {
	if err := G.Let(p.program.Input, tensor.New(tensor.WithShape(shape...), tensor.WithBacking(images))); err != nil {
		return err
	}
	return p.machine.RunAll()
}

func (p *probe) close() { p.machine.Close() }

// channelSums adds up statistics [2,C] of equally many values.
type channelSums struct {
	mean, square, variance []float64
	n                      int // additions
}

func (s *channelSums) add(stats []float32) {
	c := len(stats) / 2
	if s.mean == nil {
		s.mean, s.square, s.variance = make([]float64, c), make([]float64, c), make([]float64, c)
	}
	s.n++
	for i := range c {
		mean := float64(stats[i])
		s.mean[i] += mean
		s.square[i] += mean * mean
		s.variance[i] += float64(stats[c+i])
	}
}

// standardError is that of the channels' means, in standard deviations of the channels'
// values: the root of its mean square over the channels that vary. It is taken from how
// the means of the additions vary, as pixels of an image are not independent.
func (s *channelSums) standardError() float64 {
	n := float64(s.n)
	if s.n < 2 {
		return math.Inf(1)
	}
	sum, channels := 0.0, 0
	for i := range s.mean {
		mean := s.mean[i] / n
		between := max(0, s.square[i]/n-mean*mean)
		if all := s.variance[i]/n + between; all > 0 {
			sum += between / (n - 1) / all
			channels++
		}
	}
	return math.Sqrt(sum / float64(max(1, channels)))
}

// uncertainty is the standard error of the layer that is known worst.
func uncertainty(sums []channelSums) float64 {
	worst := 0.0
	for i := range sums {
		worst = max(worst, sums[i].standardError())
	}
	return worst
}

// moments returns the mean and the unbiased variance of additions of count values each.
func (s *channelSums) moments(count int) (importer.ChannelMoments, error) {
	m := importer.ChannelMoments{Mean: make([]float64, len(s.mean)), Var: make([]float64, len(s.mean))}
	n := float64(s.n)
	total := n * float64(count)
	for i := range s.mean {
		mean := s.mean[i] / n
		variance := (s.variance[i] + max(0, s.square[i]-n*mean*mean)) / n * total / max(1, total-1)
		if math.IsNaN(variance) || math.IsInf(variance, 0) {
			return m, fmt.Errorf("channel %d has mean %g and variance %g on the training images: the model's weights or the images are not finite", i, mean, variance)
		}
		m.Mean[i], m.Var[i] = mean, variance
	}
	return m, nil
}

// difference is the largest difference between b and a relative to the largest value
// of a.
func difference(a, b []float32) float64 {
	var off, largest float64
	for i := range a {
		off = max(off, math.Abs(float64(a[i])-float64(b[i])))
		largest = max(largest, math.Abs(float64(a[i])))
	}
	if largest == 0 {
		return off
	}
	return off / largest
}

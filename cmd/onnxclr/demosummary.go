package main

import (
	"fmt"
	"strings"

	"onnxclr/analysis"
)

// demoSummary says in words what the chart shows of the three spectra: before,
// SimCLR without a projector, DirectCLR, in whose representation the channels that the
// loss sees hold the share of the variance. Every statement is taken from the numbers.
func demoSummary(chart string, s []*analysis.Spectrum, share float64) string {
	before, simclr, directclr := s[0], s[1], s[2]
	var b strings.Builder
	fmt.Fprintf(&b, "What %s shows, of the %d channels on %d images held out:\n", chart, before.Dim, before.Samples)
	fmt.Fprintf(&b, "  before training, %s;\n", alive(before))
	fmt.Fprintf(&b, "  after SimCLR without a projector, %s;\n", alive(simclr))
	fmt.Fprintf(&b, "  after DirectCLR, %s.\n", alive(directclr))

	lost := simclr.Metrics.CollapsedDims - before.Metrics.CollapsedDims
	kept := directclr.Metrics.CollapsedDims - before.Metrics.CollapsedDims
	switch {
	case lost > 0 && kept <= 0:
		fmt.Fprintf(&b, "The loss on the representation itself made %s collapse: the curve falls off the axis. The same loss on a\n"+
			"part of the channels did not. So the paper finds it on ImageNet (arXiv:2110.09348, figure 9).\n", dimensions(lost))
	case lost > kept && kept > 0:
		fmt.Fprintf(&b, "Both runs lost dimensions, the one with the loss on the whole representation %d, DirectCLR %d: in the direction\n"+
			"of the paper's finding (arXiv:2110.09348, figure 9).\n", lost, kept)
	default:
		fmt.Fprint(&b, "The paper finds more dimensions collapsed without a projector than with DirectCLR (arXiv:2110.09348, figure 9);\n"+
			"these short runs do not show that.\n")
	}
	r0, r1, r2 := before.Metrics.RankMe, simclr.Metrics.RankMe, directclr.Metrics.RankMe
	fmt.Fprintf(&b, "RankMe, which asks how evenly the directions are used, %s with SimCLR and %s with DirectCLR,\n"+
		"where the %d channels that the loss sees hold %.0f %% of the variance.\n", moved(r0, r1), moved(r0, r2), demoD0, 100*share)
	b.WriteString("This is an illustration: the paper trains a network 80 times larger on ImageNet for 100 epochs.\n")
	b.WriteString(`
The same on your own checkpoint and images:
  onnxclr convert resnet50.pth -o model.onnx
  onnxclr train --model model.onnx --data IMAGES --method directclr --batch 64 --image-size 96 --epochs 10 --warmup-epochs 1 -o run
  onnxclr embed --model run --data IMAGES -o run.npy
  onnxclr spectrum run.npy -o spectrum.png
  onnxclr export run -o trained.pth
IMAGES is a folder of images, a .tar or .tar.gz of one, or CIFAR's binary files.
`)
	return b.String()
}

// alive words the number of live dimensions.
func alive(s *analysis.Spectrum) string {
	if s.Metrics.CollapsedDims == 0 {
		return fmt.Sprintf("all %d dimensions are live", s.Dim)
	}
	return fmt.Sprintf("%d are live and %d collapsed", s.Metrics.LiveDims, s.Metrics.CollapsedDims)
}

func dimensions(n int) string {
	if n == 1 {
		return "1 dimension"
	}
	return fmt.Sprintf("%d dimensions", n)
}

// moved words a change of RankMe.
func moved(from, to float64) string {
	switch {
	case to < from-0.05:
		return fmt.Sprintf("fell from %.1f to %.1f", from, to)
	case to > from+0.05:
		return fmt.Sprintf("rose from %.1f to %.1f", from, to)
	}
	return fmt.Sprintf("stayed at %.1f", from)
}

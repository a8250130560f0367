package importer

import (
	"io"
	"path/filepath"
	"testing"

	"onnxclr/internal/file"
)

// BenchmarkOpenModel opens a ResNet-50 of 102 MB: what a command waits for before it
// touches a weight.
func BenchmarkOpenModel(b *testing.B) {
	net := &ResNet{Channels: 3, Groups: 1, Bottleneck: true, Stem: Stem{Width: 64, Kernel: 7, Stride: 2, Pad: 3, MaxPool: true}, Classes: 1000}
	for i, blocks := range []int{3, 4, 6, 3} {
		net.Stages = append(net.Stages, Stage{Blocks: blocks, Mid: 64 << i, Out: 256 << i, Downsample: true})
	}
	source := plain(b, net.random(1))
	m, _, err := Convert(source, ConvertOptions{})
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "resnet50.onnx")
	if err := file.Write(path, func(w io.Writer) error { return m.Encode(w) }); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		m, err := OpenModel(path)
		if err != nil {
			b.Fatal(err)
		}
		m.Close()
	}
}

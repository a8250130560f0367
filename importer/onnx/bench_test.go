package onnx

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"onnxclr/importer/weights"
	"onnxclr/internal/file"
)

// large is a model of 100 MB: 160 convolutions in a row, as many parameters as a
// ResNet-50 has.
func large() *Model {
	m := small()
	g := m.Graph
	g.Nodes, g.Initializers = nil, nil
	x := "x"
	for i := range 160 {
		w := fmt.Sprintf("layer%d.conv.weight", i)
		g.AddInitializer(NewTensor(&weights.Tensor{Name: w, DType: weights.Float32, Shape: []int{256, 68, 3, 3}, Data: make([]byte, 4*256*68*9)}))
		y := fmt.Sprintf("/layer%d/conv/Conv_output_0", i)
		g.Nodes = append(g.Nodes, &Node{Name: fmt.Sprintf("/layer%d/conv/Conv", i), OpType: "Conv", Inputs: []string{x, w}, Outputs: []string{y},
			Attributes: []*Attribute{IntsAttr("kernel_shape", 3, 3), IntsAttr("pads", 1, 1, 1, 1), IntsAttr("strides", 1, 1), IntAttr("group", 1)}})
		x = y
	}
	g.Outputs = []*ValueInfo{FloatValue(x)}
	return m
}

// BenchmarkDecode reads the structure; the 100 MB are not touched.
func BenchmarkDecode(b *testing.B) {
	var buf bytes.Buffer
	if err := large().Encode(&buf); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(buf.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(buf.Bytes()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkInitializerMissing asks for what is not there, which is asked of every operand
// that the graph computes.
func BenchmarkInitializerMissing(b *testing.B) {
	g := large().Graph
	for b.Loop() {
		if g.Initializer("/layer80/conv/Conv_output_0") != nil {
			b.Fatal("it is there")
		}
	}
}

// BenchmarkEncode is the cost of everything but the disk.
func BenchmarkEncode(b *testing.B) {
	m := large()
	var n counter
	if err := m.Encode(&n); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(n))
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Encode(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

type counter int

func (c *counter) Write(b []byte) (int, error) { *c += counter(len(b)); return len(b), nil }

// BenchmarkEncodeFile writes a mapped file's model to another file, beside a plain
// write of as many bytes.
func BenchmarkEncodeFile(b *testing.B) {
	dir := b.TempDir()
	source := filepath.Join(dir, "source.onnx")
	if err := file.Write(source, large().Encode); err != nil {
		b.Fatal(err)
	}
	mapping, err := file.Map(source)
	if err != nil {
		b.Fatal(err)
	}
	defer mapping.Close()
	write := func(name string, f func(io.Writer) error) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(mapping.Bytes)))
			b.ReportAllocs()
			for b.Loop() {
				h, err := os.Create(filepath.Join(dir, "out"))
				if err != nil {
					b.Fatal(err)
				}
				if err := f(h); err != nil {
					b.Fatal(err)
				}
				h.Close()
			}
		})
	}
	write("plain", func(w io.Writer) error { _, err := w.Write(mapping.Bytes); return err })
	write("model", func(w io.Writer) error {
		m, err := Decode(mapping.Bytes)
		if err != nil {
			return err
		}
		return m.Encode(w)
	})
}

func BenchmarkInferShapes(b *testing.B) {
	m := decodeFile(b, "basic_op18_dynamo_unoptimized.onnx")
	for b.Loop() {
		if _, err := InferShapes(m, map[string][]int{"input": {8, 3, 64, 64}}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	m := large()
	for b.Loop() {
		Check(m)
	}
}

func BenchmarkSkeleton(b *testing.B) {
	m := decodeFile(b, "bottleneck_op17_training.onnx")
	b.ReportAllocs()
	for b.Loop() {
		Skeleton(m)
	}
}

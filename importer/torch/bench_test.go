package torch_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"onnxclr/importer/torch"
	"onnxclr/importer/weights"
)

// large is a state_dict of ResNet-50's size: 320 tensors, 25.6 million values.
func large() *torch.Dict {
	var tensors []*weights.Tensor
	for i := range 320 {
		shape := []int{64}
		if i%6 == 0 {
			shape = []int{512, 920, 1, 1}
		}
		n := shape[0]
		if len(shape) > 1 {
			n *= shape[1]
		}
		data := make([]byte, 4*n)
		for j := range data {
			data[j] = byte(j * 7)
		}
		tensors = append(tensors, &weights.Tensor{Name: fmt.Sprintf("layer%d.weight", i), DType: weights.Float32, Shape: shape, Data: data})
	}
	return torch.StateDict(tensors, nil)
}

func BenchmarkRead100MB(b *testing.B) {
	var file bytes.Buffer
	if err := torch.Write(&file, large()); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(file.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := torch.Read(file.Bytes()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWrite100MB(b *testing.B) {
	state := large()
	b.SetBytes(25_600_000 * 4)
	b.ReportAllocs()
	for b.Loop() {
		if err := torch.Write(io.Discard, state); err != nil {
			b.Fatal(err)
		}
	}
}

// A convolution saved in channels_last is the strided tensor that people have.
func BenchmarkReadChannelsLast(b *testing.B) {
	const o, i, k = 512, 512, 3
	pickle := tensor(storageID("FloatStorage", "0", o*i*k*k), 0, ints(o, i, k, k), ints(i*k*k, 1, i*k, i)) + "."
	file := checkpoint(pickle, make([]byte, 4*o*i*k*k))
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := torch.Read(file); err != nil {
			b.Fatal(err)
		}
	}
}

// The pickle of a checkpoint with optimizer state, all opcodes and no storages.
func BenchmarkPickle(b *testing.B) {
	var items strings.Builder
	for i := range 10_000 {
		items.WriteString(str(fmt.Sprint("key", i)) + "}(" + str("step") + num(int64(i)) + str("lr") + "G?\xb9\x99\x99\x99\x99\x99\x9au")
	}
	file := checkpoint("}(" + items.String() + "u.")
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := torch.Read(file); err != nil {
			b.Fatal(err)
		}
	}
}

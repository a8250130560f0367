package importer

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"testing"

	"onnxclr/importer/onnx"
	"onnxclr/importer/torch"
	"onnxclr/importer/weights"
	"onnxclr/internal/golden"
	"onnxclr/internal/stream"
)

// tiny is a network small enough to be written out many times in a test.
func tiny() *ResNet {
	return &ResNet{
		Channels: 3, Groups: 1, Classes: 3,
		Stem: Stem{Width: 2, Kernel: 7, Stride: 2, Pad: 3, MaxPool: true},
		Stages: []Stage{
			{Blocks: 1, Mid: 2, Out: 2},
			{Blocks: 1, Mid: 4, Out: 4, Downsample: true},
		},
	}
}

// random returns the network's tensors, its fc included, from a seed. Variances are
// positive; counters count 100 + seed.
func (r *ResNet) random(seed uint64) []*weights.Tensor {
	var out []*weights.Tensor
	for i, p := range r.params() {
		if p.counter {
			out = append(out, weights.FromInt64(p.name, nil, []int64{int64(100 + seed)}))
			continue
		}
		n := 1
		for _, d := range p.shape {
			n *= d
		}
		v := make([]float32, n)
		rng := stream.New(seed, "fixture", uint64(i))
		for j := range v {
			v[j] = rng.Float32() - 0.5
			if strings.HasSuffix(p.name, runningVar) {
				v[j] += 1
			}
		}
		out = append(out, weights.FromFloat32(p.name, p.shape, v))
	}
	return out
}

// style writes torchvision's keys as another code base does.
type style func(key string) string

func asIs(key string) string { return key }

// sequential numbers the children of the network, layer1 at first.
func sequential(first int) style {
	return func(key string) string {
		head, rest, _ := strings.Cut(key, ".")
		switch head {
		case "conv1":
			return "0." + rest
		case "bn1":
			return "1." + rest
		case "fc":
			return key
		}
		n := int(head[len("layer")] - '1')
		return strconv.Itoa(first+n) + "." + rest
	}
}

// kuangliu is the naming of the CIFAR ResNets that most code bases copied.
func kuangliu(key string) string {
	if rest, ok := strings.CutPrefix(key, "fc."); ok {
		return "linear." + rest
	}
	return strings.ReplaceAll(key, ".downsample.", ".shortcut.")
}

// put adds a tensor to the dictionary at a path of keys joined by dots.
func put(root *torch.Dict, path string, t *weights.Tensor) {
	d := root
	if path != "" {
		for _, key := range strings.Split(path, ".") {
			next, ok := d.Get(key)
			if !ok {
				next = &torch.Dict{}
				d.Set(key, next)
			}
			d = next.(*torch.Dict)
		}
	}
	d.Set(t.Name, t)
}

// putEncoder adds a network's tensors under a prefix.
func putEncoder(root *torch.Dict, path, prefix string, s style, tensors []*weights.Tensor, fc bool) {
	for _, t := range tensors {
		if !fc && strings.HasPrefix(t.Name, "fc.") {
			continue
		}
		named := *t
		named.Name = prefix + s(t.Name)
		put(root, path, &named)
	}
}

// checkpoint writes root as a .pth and opens it.
func checkpoint(t testing.TB, root any) *Checkpoint {
	t.Helper()
	var b bytes.Buffer
	if err := torch.Write(&b, root); err != nil {
		t.Fatal(err)
	}
	c, err := ReadCheckpoint("test.pth", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// plain is a checkpoint of nothing but tensors.
func plain(t testing.TB, tensors []*weights.Tensor) *Checkpoint {
	t.Helper()
	return checkpoint(t, torch.StateDict(tensors, nil))
}

// mustConvert converts and runs the checker over the result.
func mustConvert(t testing.TB, c *Checkpoint, o ConvertOptions) (*onnx.Model, *Report) {
	t.Helper()
	m, r, err := Convert(c, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := onnx.Check(m); err != nil {
		t.Fatal(err)
	}
	return m, r
}

// goldenCheckpoint opens testdata/golden/importer/name.pth.
func goldenCheckpoint(t testing.TB, name string) *Checkpoint {
	t.Helper()
	c, err := OpenCheckpoint(golden.Path(t, "importer/"+name+".pth"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// without returns the tensors but the named ones.
func without(tensors []*weights.Tensor, names ...string) []*weights.Tensor {
	var out []*weights.Tensor
	for _, t := range tensors {
		drop := false
		for _, n := range names {
			drop = drop || t.Name == n
		}
		if !drop {
			out = append(out, t)
		}
	}
	return out
}

// halve converts a float32 tensor whose values are float16 numbers.
func halve(t *testing.T, x *weights.Tensor) *weights.Tensor {
	t.Helper()
	h, ok, err := x.As(weights.Float16)
	if !ok || err != nil {
		t.Fatalf("%s is not exactly float16", x.Name)
	}
	return h
}

// coarse rounds a float32 tensor to eighths, which every float type can hold.
func coarse(x *weights.Tensor) *weights.Tensor {
	out := make([]byte, len(x.Data))
	for i := 0; i < len(out); i += 4 {
		v := math.Float32frombits(binary.LittleEndian.Uint32(x.Data[i:]))
		v = float32(math.Round(float64(v)*8)) / 8
		binary.LittleEndian.PutUint32(out[i:], math.Float32bits(v))
	}
	return &weights.Tensor{Name: x.Name, DType: x.DType, Shape: x.Shape, Data: out}
}

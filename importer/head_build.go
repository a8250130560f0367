package importer

import (
	"math"
	"math/rand/v2"
	"runtime"
	"sync"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
	"onnxclr/internal/stream"
)

// headBuilder adds nodes with fresh weights.
type headBuilder struct {
	graphBuilder
	seed     uint64
	drawn    uint64 // weight tensors so far
	opset    int64
	training bool // batch normalisation in training form
	norms    []string
}

// head adds the nodes of a head on r [N,d] and returns the width of z.
func (b *headBuilder) head(h Head, r string, d int) int {
	switch h.Kind {
	case HeadSlice:
		b.slice(r, h.D0)
		return h.D0
	case HeadLinear:
		b.linear("projector.0", r, EmbeddingName, b.uniform(d, h.Dim))
		return h.Dim
	case HeadOrthogonal:
		b.linear("projector.0", r, EmbeddingName, b.orthonormal(d, h.Dim))
		return h.Dim
	case HeadLowRank:
		b.linear("projector.0", r, EmbeddingName, b.orthonormal(d, h.D0))
		return h.D0
	case HeadDiagonal:
		b.graph.SetInitializer(weights.FromFloat32(ProjectorWeight, []int{d}, ones(d)))
		b.node("Mul", "projector.0", EmbeddingName, []string{r, ProjectorWeight})
		return d
	case HeadMLP:
		b.mlp(h, r, d)
		return h.Dim
	}
	b.node("Identity", "embedding", EmbeddingName, []string{r})
	return d
}

// mlp is (Linear, BatchNorm1d, ReLU) once a hidden layer, then Linear and BatchNorm1d,
// as far as the head has BatchNorm1d there.
func (b *headBuilder) mlp(h Head, x string, d int) {
	for i, l := range h.layers() {
		width, linear, norm := h.Hidden, "", ""
		if i == h.Layers-1 {
			width, norm = h.Dim, EmbeddingName
			if l.norm == "" {
				linear = EmbeddingName
			}
		}
		w := b.uniform(d, width)
		if l.bias && l.norm == "" {
			w.bias = b.within(1/math.Sqrt(float64(d)), width)
		}
		x = b.linear(l.linear, x, linear, w)
		if l.norm != "" {
			x = b.norm1d(l.norm, x, norm, width)
		}
		if l.relu != "" {
			x = b.relu(l.relu, x)
		}
		d = width
	}
}

func (b *headBuilder) random() *rand.Rand {
	b.drawn++
	return stream.New(b.seed, "projector", b.drawn-1)
}

// matrix is a weight [out,in], with a bias [out] or nil.
type matrix struct {
	in, out int
	values  []float32
	bias    []float32
}

// uniform is what nn.Linear begins with: ±1/√in.
func (b *headBuilder) uniform(in, out int) matrix {
	return matrix{in: in, out: out, values: b.within(1/math.Sqrt(float64(in)), in*out)}
}

// within draws uniform numbers of ±bound.
func (b *headBuilder) within(bound float64, n int) []float32 {
	values, rng := make([]float32, n), b.random()
	for i := range values {
		values[i] = float32((2*rng.Float64() - 1) * bound)
	}
	return values
}

// orthonormal has orthonormal rows, or columns when there are fewer of these: a
// Gaussian matrix by Gram and Schmidt is uniform among them.
func (b *headBuilder) orthonormal(in, out int) matrix {
	n, d := min(in, out), max(in, out)
	rows, rng := make([][]float64, n), b.random()
	for i := range rows {
		rows[i] = make([]float64, d)
		for j := range rows[i] {
			rows[i][j] = rng.NormFloat64()
		}
	}
	orthonormalize(rows)
	m := matrix{in: in, out: out, values: make([]float32, in*out)}
	for i, row := range rows {
		for j, v := range row {
			if out <= in {
				m.values[i*in+j] = float32(v)
			} else {
				m.values[j*in+i] = float32(v)
			}
		}
	}
	return m
}

// orthonormalize replaces linearly independent rows by orthonormal ones that span the
// same spaces: Gram and Schmidt's method, a block of rows at a time, which the others
// meet while it is in the cache. A row's sums do not depend on the blocks or on who
// computes them.
func orthonormalize(rows [][]float64) {
	const block = 32
	workers := runtime.GOMAXPROCS(0)
	for len(rows) > 0 {
		done := rows[:min(block, len(rows))]
		rows = rows[len(done):]
		for i, row := range done {
			subtract(row, done[:i])
			scale := 1 / math.Sqrt(dot(row, row))
			for k := range row {
				row[k] *= scale
			}
		}
		var wait sync.WaitGroup
		for w := range workers {
			part := rows[len(rows)*w/workers : len(rows)*(w+1)/workers]
			wait.Go(func() {
				for _, row := range part {
					subtract(row, done)
				}
			})
		}
		wait.Wait()
	}
}

// subtract takes out of a row what it has of unit vectors.
func subtract(row []float64, units [][]float64) {
	for _, unit := range units {
		c := dot(row, unit)
		for k, v := range unit {
			row[k] -= c * v
		}
	}
}

func dot(a, b []float64) float64 {
	var sum [4]float64
	k := 0
	for ; k+4 <= len(a); k += 4 {
		sum[0] += a[k] * b[k]
		sum[1] += a[k+1] * b[k+1]
		sum[2] += a[k+2] * b[k+2]
		sum[3] += a[k+3] * b[k+3]
	}
	for ; k < len(a); k++ {
		sum[0] += a[k] * b[k]
	}
	return sum[0] + sum[1] + sum[2] + sum[3]
}

func ones(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = 1
	}
	return v
}

// linear is nn.Linear: y = x·Wᵀ + bias. output may be "".
func (b *headBuilder) linear(name, x, output string, w matrix) string {
	b.graph.SetInitializer(weights.FromFloat32(name+".weight", []int{w.out, w.in}, w.values))
	if output == "" {
		output = outputOf(name)
	}
	inputs, attributes := []string{x, name + ".weight"}, []*onnx.Attribute{onnx.IntAttr("transB", 1)}
	if w.bias != nil {
		b.graph.SetInitializer(weights.FromFloat32(name+".bias", []int{w.out}, w.bias))
		inputs = append(inputs, name+".bias")
	} else if b.opset < 11 { // Gemm must have a third operand; it counts 0 times
		b.graph.SetInitializer(weights.FromFloat32(noBias, []int{1}, []float32{0}))
		inputs, attributes = append(inputs, noBias), append(attributes, onnx.FloatAttr("beta", 0))
	}
	return b.node("Gemm", name, output, inputs, attributes...)
}

// norm1d is nn.BatchNorm1d(c), in training form where the encoder's are: one in
// inference form beside them would mean that it is frozen. output may be "".
func (b *headBuilder) norm1d(name, x, output string, c int) string {
	for _, suffix := range normSuffixes {
		values := make([]float32, c)
		if suffix == "weight" || suffix == "running_var" {
			values = ones(c)
		}
		b.graph.SetInitializer(weights.FromFloat32(name+"."+suffix, []int{c}, values))
	}
	b.norms = append(b.norms, name)
	y := b.norm(name, x)
	n := b.graph.Nodes[len(b.graph.Nodes)-1]
	if output != "" {
		n.Outputs[0], y = output, output
	}
	if b.training {
		trainingForm(n, b.opset)
	}
	return y
}

// trainingForm turns a BatchNormalization in inference form into one in training form.
func trainingForm(n *onnx.Node, opset int64) {
	extra := []string{"_running_mean", "_running_var"}
	if opset < 14 {
		extra = append(extra, "_saved_mean", "_saved_var")
	} else {
		n.SetAttribute(onnx.IntAttr("training_mode", 1))
	}
	for _, suffix := range extra {
		n.Outputs = append(n.Outputs, outputOf(n.Name)+suffix)
	}
}

// slice takes the first d0 columns of x.
func (b *headBuilder) slice(x string, d0 int) {
	if b.opset < 10 {
		b.node("Slice", "directclr", EmbeddingName, []string{x}, onnx.IntsAttr("starts", 0), onnx.IntsAttr("ends", int64(d0)), onnx.IntsAttr("axes", 1))
		return
	}
	inputs := []string{x}
	for _, arg := range []struct {
		name  string
		value int64
	}{{"starts", 0}, {"ends", int64(d0)}, {"axes", 1}} {
		name := slicePrefix + arg.name
		b.graph.SetInitializer(weights.FromInt64(name, []int{1}, []int64{arg.value}))
		inputs = append(inputs, name)
	}
	b.node("Slice", "directclr", EmbeddingName, inputs)
}

package train

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"onnxclr/importer"
	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
	"onnxclr/internal/golden"
)

// typed is a short run from a model of testdata/onnx/dtypes.
func typed(t *testing.T, name string, flags ...string) Recipe {
	path := filepath.Join(golden.Testdata(t, "onnx/dtypes"), name+".onnx")
	return recipe(t, append([]string{"model", path, "steps", "4", "method", "simclr", "lr", "0.3"}, flags...)...)
}

// TestTrainsOtherTypes: models of float16, bfloat16, float64 and mixtures train in
// float32 and are written in their own types; a run that is resumed gives the bytes of
// one that was not.
func TestTrainsOtherTypes(t *testing.T) {
	for name, masters := range map[string]bool{
		"tiny_f16_training": true, "tiny_bf16_training": true, "tiny_f64_training": false, "tiny_f16_dynamo": true,
		"tiny_f16_io32": true, // float32 images, float16 weights
		// float32 weights, cast; the projector is float16 as the representation is
		"tiny_f16_autocast": true,
	} {
		t.Run(name, func(t *testing.T) {
			r := typed(t, name)
			whole := filepath.Join(t.TempDir(), "whole")
			mustRun(t, whole, r, Options{})
			want := outcome(t, whole)
			if _, ok := want["checkpoints/4/"+mastersName]; ok != masters {
				t.Errorf("masters are kept: %v, want %v", ok, masters)
			}

			halved := filepath.Join(t.TempDir(), "halved")
			ctx, cancel := context.WithCancel(t.Context())
			o := Options{Dir: halved, Source: source(), Reporter: &watcher{step: func(m Metrics) {
				if m.Step == 2 { // not where a checkpoint is due
					cancel()
				}
			}}}
			if err := Run(ctx, r, o); !errors.Is(err, ErrInterrupted) {
				t.Fatal(err)
			}
			mustRun(t, halved, r, Options{Resume: true})
			got := outcome(t, halved)
			for _, file := range []string{modelName, metricsName, "checkpoints/4/" + modelName, "checkpoints/4/" + mastersName, "checkpoints/4/" + optimizerName} {
				if got[file] != want[file] {
					t.Errorf("resumed, %s differs", file)
				}
			}
			sameTypes(t, r.Model, filepath.Join(whole, modelName))
		})
	}
}

// sameTypes compares a trained model with what it was trained from: everything but the
// head and the values of the weights.
func sameTypes(t *testing.T, source, trained string) {
	t.Helper()
	a, b := must(importer.OpenModel(source)), must(importer.OpenModel(trained))
	defer a.Close()
	defer b.Close()
	changed := 0
	for _, before := range a.ONNX.Graph.Initializers {
		after := b.ONNX.Graph.Initializer(before.Name)
		if after == nil || after.DType != before.DType {
			t.Errorf("%s is %v, want %v", before.Name, after, before.DType)
			continue
		}
		if !bytes.Equal(before.Data, after.Data) {
			changed++
		}
	}
	if changed < 20 {
		t.Errorf("only %d tensors were trained", changed)
	}
	for i, v := range a.ONNX.Graph.Outputs {
		if w := b.ONNX.Graph.Outputs[i]; w.Name != v.Name || w.ElemType != v.ElemType {
			t.Errorf("output %d is %s %s, was %s %s", i, w.Name, onnx.ElemTypeName(w.ElemType), v.Name, onnx.ElemTypeName(v.ElemType))
		}
	}
	if got, want := b.ONNX.Graph.Output(importer.EmbeddingName).ElemType, b.ONNX.Graph.Output(importer.RepresentationName).ElemType; got != want {
		t.Errorf("the embedding is %s, the representation %s", onnx.ElemTypeName(got), onnx.ElemTypeName(want))
	}
	if err := onnx.Check(b.ONNX); err != nil {
		t.Error(err)
	}
}

// TestOtherTypesTrainAsFloat32 compares a run with that of the same weights in a float32
// model: nothing is rounded before the model is written.
func TestOtherTypesTrainAsFloat32(t *testing.T) {
	for _, name := range []string{"tiny_f16_training", "tiny_bf16_training", "tiny_f64_training"} {
		own := filepath.Join(t.TempDir(), "own")
		mustRun(t, own, typed(t, name, "projector", "none"), Options{})

		m := must(importer.OpenModel(typed(t, name).Model))
		for _, x := range m.ONNX.Graph.Initializers {
			if x.DType.IsFloat() {
				m.ONNX.Graph.SetInitializer(must(x.AsFloat32()))
			}
		}
		for _, v := range append(m.ONNX.Graph.Inputs, m.ONNX.Graph.Outputs...) {
			v.ElemType = onnx.ElemType(weights.Float32)
		}
		wide := filepath.Join(t.TempDir(), "wide")
		mustRun(t, wide, recipe(t, "model", writeModel(t, m.ONNX), "steps", "4", "method", "simclr", "lr", "0.3", "projector", "none"), Options{})
		m.Close()
		if a, b := outcome(t, own)[metricsName], outcome(t, wide)[metricsName]; a != b {
			t.Errorf("%s:\n%s\nas float32:\n%s", name, a, b)
		}
	}
}

// TestGrowsBeyondFloat16: weights that their type cannot hold are not written as
// infinities.
func TestGrowsBeyondFloat16(t *testing.T) {
	m := must(importer.OpenModel(typed(t, "tiny_f16_training").Model))
	x := m.ONNX.Graph.Initializer("bn1.running_var")
	v := must(x.Float32s())
	v[1] = 65504
	m.ONNX.Graph.SetInitializer(must3(weights.FromFloat32(x.Name, x.Shape, v).As(weights.Float16)))
	conv := m.ONNX.Graph.Initializer("conv1.weight")
	w := must(conv.Float32s())
	for i := range w {
		w[i] *= 3000
	}
	m.ONNX.Graph.SetInitializer(must3(weights.FromFloat32(conv.Name, conv.Shape, w).As(weights.Float16)))
	path := writeModel(t, m.ONNX)
	m.Close()
	dir := filepath.Join(t.TempDir(), "run")
	err := run(t, dir, recipe(t, "model", path, "steps", "4", "method", "simclr", "lr", "0.3"), Options{})
	if err == nil || !strings.Contains(err.Error(), `"bn1.running_var" has grown to`) || !strings.Contains(err.Error(), "float16") || !strings.Contains(err.Error(), "float32 version") {
		t.Errorf("got %v", err)
	}
}

func must3[T any](v T, _ bool, err error) T { return must(v, err) }

// TestMastersBelongToTheModel: a checkpoint put together from two is noticed.
func TestMastersBelongToTheModel(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	r := typed(t, "tiny_f16_training")
	mustRun(t, dir, r, Options{})
	var s state
	if err := json.Unmarshal([]byte(outcome(t, dir)["checkpoints/4/"+stateName]), &s); err != nil {
		t.Fatal(err)
	}
	l, err := newLearner(t.Context(), &r, Options{Dir: dir}, &s, source(), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	for _, x := range []*weights.Tensor{
		weights.FromFloat32("conv1.weight", []int{4, 3, 7, 7}, make([]float32, 588)),
		weights.FromFloat32("conv1.weight", []int{1}, []float32{1}),
		weights.FromFloat32("conv9.weight", []int{1}, []float32{1}),
		weights.FromInt64("conv1.weight", []int{588}, make([]int64, 588)),
	} {
		if err := l.restoreMasters([]*weights.Tensor{x}); err == nil || !strings.Contains(err.Error(), x.Name) {
			t.Errorf("%s %v %v: %v", x.Name, x.DType, x.Shape, err)
		}
	}
}

// TestCalibratesOtherTypes: batch normalisation is put back in the type of the
// convolutions.
func TestCalibratesOtherTypes(t *testing.T) {
	for name, d := range map[string]weights.DType{"tiny_f16_eval": weights.Float16, "tiny_bf16_eval": weights.BFloat16, "tiny_f64_eval": weights.Float64} {
		dir := filepath.Join(t.TempDir(), "run")
		mustRun(t, dir, typed(t, name, "batchnorm", "calibrate"), Options{})
		m := must(importer.OpenModel(filepath.Join(dir, modelName)))
		norms := 0
		for _, n := range m.ONNX.Graph.Nodes {
			if n.OpType != "BatchNormalization" {
				continue
			}
			norms++
			for _, in := range n.Inputs[1:] {
				if x := m.ONNX.Graph.Initializer(in); x == nil || x.DType != d {
					t.Errorf("%s: %s is %v, want %v", name, in, x, d)
				}
			}
		}
		if err := onnx.Check(m.ONNX); err != nil || norms != 8 {
			t.Errorf("%s: %d normalisations, %v", name, norms, err)
		}
		m.Close()
	}
}

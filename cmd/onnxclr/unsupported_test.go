package main

import (
	"path/filepath"
	"strings"
	"testing"

	"onnxclr/internal/golden"
)

// TestQuantizedModels: a model that ONNX Runtime has quantised is refused by every verb
// with all operators that are not supported at once, how many nodes there are of each
// and which, whatever else would have to be said about it.
func TestQuantizedModels(t *testing.T) {
	dir := t.TempDir()
	x := saveArray(t, dir, "x.npy", []int{1, 3, 32, 32}, make([]float32, 3*32*32))
	in := func(name string) string { return filepath.Join(dir, name) }
	for name, operators := range map[string][]string{
		"qdq": {`DequantizeLinear in 27 nodes ("fc.bias_DequantizeLinear", `, `QuantizeLinear in 13 nodes ("input_QuantizeLinear", `},
		"qlinear": {
			`QuantizeLinear in node "input_QuantizeLinear"`,
			`QLinearConv in 6 nodes ("/conv1/Conv_quant", "/layer1/layer1.0/conv1/Conv_quant", "/layer1/layer1.0/conv2/Conv_quant" and 3 more)`,
			`com.microsoft.QLinearAdd in 2 nodes ("/layer1/layer1.0/Add_quant", "/layer2/layer2.0/Add_quant")`,
			`com.microsoft.QLinearGlobalAveragePool in node "/avgpool/GlobalAveragePool_quant"`,
			`DequantizeLinear in 2 nodes (`, `com.microsoft.QGemm in node "/fc/Gemm_quant"`,
		},
		"dynamic": {`DynamicQuantizeLinear in 6 nodes (`, `ConvInteger in 6 nodes ("/conv1/Conv_quant", `, `MatMulInteger in node "/fc/Gemm_MatMul_quant"`},
	} {
		model := golden.Testdata(t, "onnx/quantized/"+name+".onnx")
		for verb, line := range map[string][]string{
			"run":          {"run", model, "--input", x, "-o", in("y.npy")},
			"embed":        {"embed", "--model", model, "--data", textures, "--image-size", "32", "-o", in("e.npy")},
			"inspect plan": {"inspect", model, "--plan"},
			"train":        {"train", "--model", model, "--data", textures, "--image-size", "32", "--batch", "8", "--steps", "1", "--warmup-steps", "0", "-o", in("run")},
			"calibrate":    {"train", "--model", model, "--batchnorm", "calibrate", "--data", textures, "--image-size", "32", "--batch", "8", "--steps", "1", "--warmup-steps", "0", "-o", in("run")},
		} {
			t.Run(name+"/"+verb, func(t *testing.T) {
				for _, want := range append(operators, "the model is quantised", filepath.Base(model)) {
					said := strings.Replace(want, "the model", "The model", 1)
					refused(t, 1, said, line...)
				}
			})
		}
		r := must(t, "inspect", model)
		for _, want := range append(operators, "the model is quantised") {
			if !strings.Contains(r.out, want) {
				t.Errorf("inspect %s says\n%s\nwithout %s", name, r.out, want)
			}
		}
		if strings.Contains(r.out, "operator Shape") {
			t.Errorf("inspect %s says that Shape is not supported", name)
		}
	}
}

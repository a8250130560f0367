package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
	"onnxclr/internal/golden"
	"onnxclr/internal/graph"
	"onnxclr/internal/npy"
)

// nodeTests is where Debian's libonnx-testdata puts ONNX's own tests: folders of a model
// and files of its inputs and outputs. Those in node are of one operator each, the
// others are layers of PyTorch, exported in opsets 6 to 9.
const nodeTests = "/usr/share/libonnx-testdata/data"

// nodeTest is one of them and what came of it.
type nodeTest struct {
	name     string
	ops      []string
	pytorch  bool   // a layer of PyTorch, not an operator
	counted  bool   // one output, and nothing but float32 and int64
	gradient bool   // the outputs were differentiated with respect to the inputs
	reason   string // why it did not pass, "" if it did
}

// TestConformance runs every official test whose operators are supported through
// onnxclr run, and holds docs/operators.md to what comes of it.
func TestConformance(t *testing.T) {
	var folders []string
	for _, kind := range []string{"node", "pytorch-converted", "pytorch-operator"} {
		found, _ := filepath.Glob(filepath.Join(nodeTests, kind, "test_*"))
		folders = append(folders, found...)
	}
	if folders == nil {
		t.Skip("ONNX's operator tests are not installed; apt-get install libonnx-testdata")
	}
	supported := append(graph.Supported(), "Constant", "Shape")
	var tests []nodeTest
	for _, path := range folders {
		b, err := os.ReadFile(filepath.Join(path, "model.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := onnx.Decode(b)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		n := nodeTest{name: strings.TrimPrefix(filepath.Base(path), "test_")}
		for _, node := range m.Graph.Nodes {
			if !node.Standard() || !slices.Contains(supported, node.OpType) {
				n.ops = nil
				break
			}
			if !slices.Contains(n.ops, node.OpType) {
				n.ops = append(n.ops, node.OpType)
			}
		}
		if n.ops == nil {
			continue
		}
		n.counted = len(m.Graph.Outputs) == 1 && onlyFloatsAndInts(m)
		n.pytorch = filepath.Base(filepath.Dir(path)) != "node"
		n.reason = runNodeTest(t, path, m)
		n.gradient = n.reason == "" && differentiates(t, path, m)
		tests = append(tests, n)
	}
	passed, counted := 0, 0
	for _, n := range tests {
		if n.counted {
			counted++
			if n.reason == "" {
				passed++
			}
		}
	}
	if 100*passed < 98*counted || counted < 200 {
		t.Errorf("%d of %d tests pass, want at least 98 %%, and 200", passed, counted)
	}
	doc := operatorsPage(supported, tests)
	path := filepath.Join("..", "..", "docs", "operators.md")
	if *update {
		if err := os.WriteFile(path, []byte(doc), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != doc {
		t.Errorf("docs/operators.md is out of date: go test ./cmd/onnxclr -run TestConformance -update, and look at the difference")
	}
}

// onlyFloatsAndInts reports whether all inputs and outputs are float32 or int64.
func onlyFloatsAndInts(m *onnx.Model) bool {
	return !slices.ContainsFunc(slices.Concat(m.Graph.Inputs, m.Graph.Outputs), func(v *onnx.ValueInfo) bool {
		d := onnx.DType(v.ElemType)
		return d != weights.Float32 && d != weights.Int64
	})
}

// runNodeTest runs onnxclr run on the test's inputs and says why the outputs are not
// the expected ones, if they are not.
func runNodeTest(t *testing.T, path string, m *onnx.Model) string {
	out := filepath.Join(t.TempDir(), "y.npz")
	line := []string{"run", filepath.Join(path, "model.onnx"), "-o", out}
	for i, in := range m.Graph.DataInputs() {
		line = append(line, "--input", fmt.Sprintf("%s=%s/test_data_set_0/input_%d.pb", in.Name, path, i))
	}
	if strings.HasPrefix(filepath.Base(path), "test_training_dropout") && !strings.Contains(path, "zero_ratio") {
		return "run evaluates, where Dropout does nothing"
	}
	if r := command(t, line...); r.code != exitDone {
		message, _, _ := strings.Cut(strings.TrimPrefix(r.err, "onnxclr: "), "\n")
		message = strings.ReplaceAll(message, filepath.Join(path, "test_data_set_0")+"/", "")
		return strings.ReplaceAll(message, filepath.Join(path, "model.onnx")+": ", "")
	}
	z, err := npy.ReadZip(out)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for i, v := range m.Graph.Outputs {
		got, err := z.Get(v.Name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(fmt.Sprintf("%s/test_data_set_0/output_%d.pb", path, i))
		if err != nil {
			t.Fatal(err)
		}
		want, err := onnx.DecodeTensor(b)
		if err != nil {
			return err.Error()
		}
		if want.DType != got.DType {
			return fmt.Sprintf("output %q is %v, want %v", v.Name, got.DType, want.DType)
		}
		if !slices.Equal(got.Shape, want.Shape) {
			return fmt.Sprintf("output %q has shape %v, want %v", v.Name, got.Shape, want.Shape)
		}
		a, _ := got.Float64s()
		if ok, worst := golden.Agrees(golden.Reference, a, float64s(t, want)); !ok {
			return fmt.Sprintf("output %q is wrong by %.2g of its largest value", v.Name, worst)
		}
	}
	return ""
}

func float64s(t *testing.T, x *onnx.Tensor) []float64 {
	var out []float64
	if x.DType.IsFloat() {
		v, err := x.Float32s()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range v {
			out = append(out, float64(f))
		}
		return out
	}
	v, err := x.Int64s()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range v {
		out = append(out, float64(i))
	}
	return out
}

// differentiates reports whether the graph of the model's first output has a gradient
// with respect to the first of its inputs.
func differentiates(t *testing.T, path string, m *onnx.Model) bool {
	options := graph.Options{Inputs: map[string][]int{}, Outputs: []string{m.Graph.Outputs[0].Name}}
	first := ""
	for i, in := range m.Graph.DataInputs() {
		x, err := readInput(fmt.Sprintf("%s/test_data_set_0/input_%d.pb", path, i), in)
		switch {
		case err != nil:
			t.Fatal(err)
		case !x.DType.IsFloat():
			m.Graph.SetInitializer(x)
		default:
			options.Inputs[in.Name] = x.Shape
			if first == "" {
				first = in.Name
			}
		}
	}
	w, err := graph.NewWeights(m)
	if err != nil || len(options.Inputs) == 0 {
		return false
	}
	p, err := graph.Build(m, w, options)
	if err != nil || p.Outputs[options.Outputs[0]] == nil {
		return false
	}
	y, x := p.Outputs[options.Outputs[0]], p.Inputs[first]
	if x == nil {
		return false
	}
	if x == y {
		return true
	}
	dy := G.NewTensor(p.Graph, tensor.Float32, y.Dims(), G.WithShape(y.Shape()...), G.WithName("dy"))
	_, err = G.Backpropagate(G.Nodes{y}, G.Nodes{dy}, G.Nodes{x})
	return err == nil
}

// operatorsPage is docs/operators.md.
func operatorsPage(supported []string, tests []nodeTest) string {
	var s strings.Builder
	s.WriteString(`# Operators

Generated by ` + "`go test ./cmd/onnxclr -run TestConformance -update`" + ` from ONNX's own operator tests
(Debian's libonnx-testdata), every one of which runs through ` + "`onnxclr run`" + `. The first count is of the
tests with one output and nothing but float32 and int64 tensors; the second of the others, with
several outputs or other types. An output agrees when no element is off by more than 1e-5 of the
largest. Operators whose result depends on shapes and constants alone (Shape, Constant, and integer
arithmetic, Gather, Concat and so on of these) are computed when the model is built.

| operator | since opset | gradient | float32 and int64 | others |
|---|---|---|---|---|
`)
	row := func(name, since string, is func(n nodeTest) bool) {
		var passed, total [2]int
		gradient := "no"
		for _, n := range tests {
			if !is(n) {
				continue
			}
			column := 1
			if n.counted {
				column = 0
			}
			total[column]++
			if n.reason == "" {
				passed[column]++
			}
			if n.gradient {
				gradient = "yes"
			}
		}
		if total == [2]int{} {
			gradient = "yes" // held to PyTorch's alone
		}
		fmt.Fprintf(&s, "| %s | %s | %s | %s | %s |\n", name, since, gradient, ratio(passed[0], total[0]), ratio(passed[1], total[1]))
	}
	sort.Strings(supported)
	for _, op := range supported {
		row(op, versions[op], func(n nodeTest) bool { return !n.pytorch && len(n.ops) == 1 && n.ops[0] == op })
	}
	row("several of them", "", func(n nodeTest) bool { return !n.pytorch && len(n.ops) > 1 })
	row("layers exported by PyTorch", "", func(n nodeTest) bool { return n.pytorch })
	passed, counted := 0, 0
	for _, n := range tests {
		if n.counted {
			counted++
			if n.reason == "" {
				passed++
			}
		}
	}
	fmt.Fprintf(&s, "\n%d of %d tests of float32 and int64 pass.\n\n## Tests that do not pass\n\n", passed, counted)
	for _, only := range []bool{true, false} {
		for _, n := range tests {
			if n.reason != "" && n.counted == only {
				fmt.Fprintf(&s, "- `%s`: %s\n", n.name, n.reason)
			}
		}
	}
	return s.String()
}

func ratio(passed, total int) string {
	if total == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", passed, total)
}

package onnx

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"onnxclr/importer/weights"
	"onnxclr/internal/golden/bounded"
)

// inferAttributes are the names of attributes that rules of shape inference ask for.
var inferAttributes = []string{
	"allowzero", "auto_pad", "axes", "axis", "ceil_mode", "dilations", "ends", "end", "fmod", "group", "keepdims", "kernel_shape",
	"noop_with_empty_axes", "num_outputs", "output_shape", "pads", "perm", "shape", "split", "start", "starts", "strides", "to", "transA", "transB",
	"value_int", "value_ints",
}

// FuzzInferShapes: whatever shapes, constants and attributes an operator is given, the
// inference of its output ends, takes little memory, and gives a shape that there can
// be. Shapes and constants are lists whose numbers are the fuzzer's bytes, each list
// begun by its length: first the shapes of two inputs of unknown values, then two
// constants. Every node's output is the input of a second node of the same operator,
// so that folded constants are folded again.
func FuzzInferShapes(f *testing.F) {
	operators := slices.Sorted(maps.Keys(rules))
	for i := range operators {
		f.Add(uint8(i), uint8(17), []byte{4, 2, 3, 8, 8, 4, 4, 3, 3, 3, 2, 0, 255, 2, 1, 1}, uint8(3), []byte{1}, false)
		f.Add(uint8(i), uint8(9), []byte{2, 4, 4, 2, 4, 4, 1, 2, 1, 0}, uint8(2), []byte{0, 1}, true)
	}
	f.Fuzz(func(t *testing.T, operator, opset uint8, numbers []byte, attribute uint8, values []byte, constants bool) {
		next := func() (list []int64) {
			if len(numbers) == 0 {
				return nil
			}
			n := min(int(numbers[0]), len(numbers)-1)
			for _, b := range numbers[1 : 1+n] {
				list = append(list, spread(b))
			}
			numbers = numbers[1+n:]
			return list
		}
		g := &Graph{Name: "g", Outputs: []*ValueInfo{FloatValue("z")}}
		inputs := map[string][]int{}
		for _, name := range []string{"x0", "x1"} {
			var dims []Dim
			shape := []int{}
			for _, d := range next() {
				dims, shape = append(dims, Dim{Value: max(0, d)}), append(shape, int(max(0, d)))
			}
			g.Inputs = append(g.Inputs, FloatValue(name, dims...))
			inputs[name] = shape
		}
		for _, name := range []string{"c0", "c1"} {
			v := next()
			g.AddInitializer(NewTensor(weights.FromInt64(name, []int{len(v)}, v)))
		}
		name := operators[int(operator)%len(operators)]
		n := &Node{Name: "n", OpType: name, Inputs: []string{"x0", "c0", "c1", "x1"}, Outputs: []string{"y", "y2"}}
		if constants {
			n.Inputs = []string{"c0", "c1", "x0"}
		}
		var ints []int64
		for _, b := range values {
			ints = append(ints, spread(b))
		}
		if len(ints) == 1 {
			n.SetAttribute(IntAttr(inferAttributes[int(attribute)%len(inferAttributes)], ints[0]))
		} else {
			n.SetAttribute(IntsAttr(inferAttributes[int(attribute)%len(inferAttributes)], ints...))
		}
		again := *n
		again.Name, again.Inputs, again.Outputs = "again", append([]string{"y"}, n.Inputs[1:]...), []string{"z"}
		g.Nodes = []*Node{n, &again}
		m := &Model{IRVersion: 8, Opsets: []Opset{{Version: int64(opset%24) + 1}}, Graph: g}
		size := len(numbers) + len(values) + 1000
		var s *Shapes
		var err error
		bounded.Allocation(t, size, func() { s, err = InferShapes(m, inputs) })
		if err != nil {
			return
		}
		for name, shape := range s.Shape {
			if _, err := elements(shape); err != nil {
				t.Fatalf("%q has shape %v: %v", name, shape, err)
			}
		}
		for name, c := range s.Const {
			if size, err := weights.ByteSize(c.Shape, c.DType); err != nil || size != len(c.Data) {
				t.Fatalf("constant %q of shape %v has %d bytes, %v", name, c.Shape, len(c.Data), err)
			}
			if !slices.Equal(c.Shape, s.Shape[name]) {
				t.Fatalf("constant %q has shape %v, its tensor %v", name, c.Shape, s.Shape[name])
			}
		}
		for name, err := range s.Problem {
			if err == nil || err.Error() == "" || fmt.Sprint(name) == "" {
				t.Fatal("a problem without words")
			}
		}
	})
}

// spread spreads a byte over what files hold: small numbers as they are, −8 to −1, and
// powers of two up to where products overflow.
func spread(b byte) int64 {
	switch {
	case b >= 248:
		return int64(b) - 256
	case b >= 180:
		return 1<<(b-180) - int64(b&1)
	}
	return int64(b)
}

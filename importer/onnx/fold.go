package onnx

import (
	"fmt"
	"slices"

	"onnxclr/importer/weights"
)

// value is an integer tensor during folding.
type value struct {
	shape []int
	dtype weights.DType
	v     []int64
}

// maxFold bounds the elements of a folded tensor: shape arithmetic is small.
const maxFold = 1 << 16

// value returns the i-th input if it is a known, small integer tensor, else nil.
func (c *call) value(i int) *value {
	name := c.n.Input(i)
	if name == "" {
		return nil
	}
	t := c.Const[name]
	if t == nil {
		init := c.graph.Initializer(name)
		if init == nil || len(init.External) > 0 {
			return nil
		}
		t = &init.Tensor
	}
	if t.DType == weights.Invalid || t.DType.IsFloat() || len(t.Data) > 8*maxFold || !slices.Equal(t.Shape, c.Shape[name]) {
		return nil
	}
	v, err := t.Int64s()
	if err != nil {
		return nil
	}
	return &value{t.Shape, t.DType, v}
}

// folds compute an operator on integers. in holds the values of the inputs (nil
// where absent), shape the inferred shape of the output.
var folds map[string]func(c *call, in []*value, shape []int) (*value, error)

func init() {
	folds = map[string]func(c *call, in []*value, shape []int) (*value, error){
		"Cast":      foldCast,
		"Concat":    foldConcat,
		"Expand":    foldExpand,
		"Flatten":   foldReshape,
		"Gather":    foldGather,
		"Identity":  foldReshape,
		"Reshape":   foldReshape,
		"Slice":     foldSlice,
		"Squeeze":   foldReshape,
		"Transpose": foldTranspose,
		"Unsqueeze": foldReshape,

		"ConstantOfShape": foldConstantOfShape,
		"Range":           foldRange,

		"Add":   foldBinary(func(a, b int64) (int64, error) { return a + b, nil }),
		"Sub":   foldBinary(func(a, b int64) (int64, error) { return a - b, nil }),
		"Mul":   foldBinary(func(a, b int64) (int64, error) { return a * b, nil }),
		"Div":   foldBinary(quotient),
		"Mod":   foldBinary(modulo),
		"Min":   foldBinary(func(a, b int64) (int64, error) { return min(a, b), nil }),
		"Max":   foldBinary(func(a, b int64) (int64, error) { return max(a, b), nil }),
		"Equal": foldBinary(func(a, b int64) (int64, error) { return truth(a == b), nil }),
		"Less":  foldBinary(func(a, b int64) (int64, error) { return truth(a < b), nil }),
		"Where": foldWhere,

		"ReduceProd": foldReduce(1, func(a, b int64) int64 { return a * b }),
		"ReduceSum":  foldReduce(0, func(a, b int64) int64 { return a + b }),
	}
}

// fold computes the node's output where it does not depend on the inputs' values.
func (c *call) fold(shapes [][]int) error {
	name := c.n.Output(0)
	if name == "" || len(shapes) == 0 || shapes[0] == nil {
		return nil
	}
	switch c.n.OpType {
	case "Constant":
		c.Const[name] = constantOf(c.n)
		return nil
	case "Shape":
		in := c.Shape[c.n.Input(0)]
		from, to := c.shapeSpan(len(in))
		return c.known(name, &value{shapes[0], weights.Int64, toInt64(in[from:to])})
	case "Size":
		n, err := elements(c.Shape[c.n.Input(0)])
		if err != nil {
			return err
		}
		return c.known(name, &value{[]int{}, weights.Int64, []int64{int64(n)}})
	}
	f := folds[c.n.OpType]
	n, err := elements(shapes[0])
	if f == nil || err != nil || n > maxFold || n > *c.left {
		return err
	}
	in := make([]*value, len(c.n.Inputs))
	for i := range in {
		if c.n.Inputs[i] == "" {
			continue
		}
		if in[i] = c.value(i); in[i] == nil {
			return nil
		}
	}
	if len(in) == 0 || in[0] == nil {
		return nil
	}
	out, err := f(c, in, shapes[0])
	if err != nil || out == nil {
		return err
	}
	*c.left -= n
	return c.known(name, out)
}

func (c *call) known(name string, v *value) error {
	data, err := narrow(v.v, v.dtype)
	if err != nil {
		return err
	}
	c.Const[name] = &weights.Tensor{Name: name, DType: v.dtype, Shape: v.shape, Data: data}
	return nil
}

func toInt64(v []int) []int64 {
	out := make([]int64, len(v))
	for i, x := range v {
		out[i] = int64(x)
	}
	return out
}

func foldReshape(_ *call, in []*value, shape []int) (*value, error) {
	return &value{shape, in[0].dtype, in[0].v}, nil
}

// foldCast wraps around as C does; a cast to a floating-point type is left alone.
func foldCast(c *call, in []*value, shape []int) (*value, error) {
	to := DType(int32(c.n.Int("to", 0)))
	if to == weights.Invalid || to.IsFloat() {
		return nil, nil
	}
	out := &value{shape, to, slices.Clone(in[0].v)}
	bits := 8 * to.Size()
	for i, x := range out.v {
		switch {
		case to == weights.Bool:
			x = truth(x != 0)
		case to == weights.Int8 || to == weights.Int16 || to == weights.Int32:
			x = x << (64 - bits) >> (64 - bits)
		case bits < 64:
			x &= 1<<bits - 1
		}
		out.v[i] = x
	}
	return out, nil
}

func foldConstantOfShape(c *call, _ []*value, shape []int) (*value, error) {
	out := &value{shape: shape, dtype: weights.Float32}
	fill := int64(0)
	if t := c.n.Tensor("value"); t != nil {
		v, err := t.Int64s()
		if err != nil || len(v) != 1 {
			return nil, nil // not integers
		}
		out.dtype, fill = t.DType, v[0]
	}
	if out.dtype.IsFloat() {
		return nil, nil
	}
	n, _ := elements(shape)
	out.v = make([]int64, n)
	for i := range out.v {
		out.v[i] = fill
	}
	return out, nil
}

func foldRange(c *call, in []*value, shape []int) (*value, error) {
	start, _, delta, err := c.rangeOf()
	if err != nil {
		return nil, err
	}
	out := &value{shape, in[0].dtype, make([]int64, shape[0])}
	for i := range out.v {
		out.v[i] = start + int64(i)*delta
	}
	return out, nil
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// quotient rounds towards zero.
func quotient(a, b int64) (int64, error) {
	if b == 0 {
		return 0, fmt.Errorf("%d is divided by 0", a)
	}
	return a / b, nil
}

// modulo has the sign of the divisor, as ONNX's Mod with fmod 0.
func modulo(a, b int64) (int64, error) {
	if b == 0 {
		return 0, fmt.Errorf("%d is divided by 0", a)
	}
	m := a % b
	if m != 0 && m < 0 != (b < 0) {
		m += b
	}
	return m, nil
}

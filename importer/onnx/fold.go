package onnx

import (
	"encoding/binary"
	"fmt"
	"slices"

	"onnxclr/importer/weights"
)

// value is a tensor during folding. Integers and booleans are in v as they are;
// numbers of other types as their bits, so that operators that only move elements
// need not tell them apart.
type value struct {
	shape []int
	dtype weights.DType
	v     []int64
}

// maxFold bounds the elements of a folded tensor: shape arithmetic is small.
const maxFold = 1 << 16

// value returns the i-th input if its value is known and small, else nil. Float
// initializers are parameters, not constants.
func (c *call) value(i int) *value {
	name := c.n.Input(i)
	if name == "" {
		return nil
	}
	t := c.Const[name]
	if t == nil {
		init := c.initializers[name]
		if init == nil || len(init.External) > 0 || init.DType.IsFloat() {
			return nil
		}
		t = &init.Tensor
	}
	if t.DType == weights.Invalid || len(t.Data) > 8*maxFold || !slices.Equal(t.Shape, c.Shape[name]) || t.Len() > *c.left {
		return nil
	}
	*c.left -= t.Len()
	v := &value{shape: t.Shape, dtype: t.DType}
	if t.DType.IsFloat() {
		v.v = unpack(t.Data, t.DType.Size())
		return v
	}
	ints, err := t.Int64s()
	if err != nil {
		return nil
	}
	v.v = ints
	return v
}

// fold computes one output of an operator. in holds the values of the inputs (nil
// where absent), shape the inferred shape of the output. A nil result leaves it
// unknown.
type fold func(c *call, in []*value, shape []int) (*value, error)

// moves are the operators that move elements of any type; arithmetic those that
// compute with integers.
var moves, arithmetic map[string]fold

func init() {
	moves = map[string]fold{
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
		"Where":     foldWhere,

		"Cast":            foldCast,
		"CastLike":        foldCast,
		"ConstantOfShape": foldConstantOfShape,
	}
	arithmetic = map[string]fold{
		"Range": foldRange,
		"Add":   foldBinary(func(a, b int64) (int64, error) { return a + b, nil }),
		"Sub":   foldBinary(func(a, b int64) (int64, error) { return a - b, nil }),
		"Mul":   foldBinary(func(a, b int64) (int64, error) { return a * b, nil }),
		"Div":   foldBinary(quotient),
		"Mod":   foldMod,
		"Pow":   foldBinary(power),
		"Min":   foldBinary(func(a, b int64) (int64, error) { return min(a, b), nil }),
		"Max":   foldBinary(func(a, b int64) (int64, error) { return max(a, b), nil }),
		"Equal": foldBinary(func(a, b int64) (int64, error) { return truth(a == b), nil }),
		"Less":  foldBinary(func(a, b int64) (int64, error) { return truth(a < b), nil }),

		"ReduceProd": foldReduce(1, func(a, b int64) int64 { return a * b }),
		"ReduceSum":  foldReduce(0, func(a, b int64) int64 { return a + b }),
	}
}

// Folds reports whether InferShapes computes an operator of ONNX's own where the values
// or shapes that it depends on are known.
func Folds(op string) bool {
	return moves[op] != nil || arithmetic[op] != nil || op == "Constant" || op == "Shape" || op == "Size"
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
	n, err := elements(shapes[0])
	if err != nil || n > maxFold || n > *c.left {
		return err
	}
	if c.n.OpType == "Pow" && c.Type[c.n.Input(1)].IsFloat() && !c.Type[c.n.Input(0)].IsFloat() {
		out, err := c.foldFloatPower(shapes[0])
		if err != nil || out == nil {
			return err
		}
		*c.left -= n
		return c.known(name, out)
	}
	f, integers := moves[c.n.OpType], false
	if f == nil {
		f, integers = arithmetic[c.n.OpType], true
	}
	if f == nil {
		return nil
	}
	in := make([]*value, len(c.n.Inputs))
	for i := range in {
		if c.n.Inputs[i] == "" || c.n.OpType == "CastLike" && i == 1 {
			continue // of CastLike's second input only the type matters
		}
		if in[i] = c.value(i); in[i] == nil || integers && in[i].dtype.IsFloat() {
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
	c.Const[name] = &weights.Tensor{Name: name, DType: v.dtype, Shape: v.shape, Data: pack(v.v, v.dtype.Size())}
	return nil
}

// pack writes the low bytes of v, little-endian.
func pack(v []int64, size int) []byte {
	out := make([]byte, len(v)*size)
	var b [8]byte
	for i, x := range v {
		binary.LittleEndian.PutUint64(b[:], uint64(x))
		copy(out[i*size:], b[:size])
	}
	return out
}

// unpack is the inverse of pack, without signs.
func unpack(data []byte, size int) []int64 {
	out := make([]int64, len(data)/size)
	var b [8]byte
	for i := range out {
		copy(b[:size], data[i*size:])
		out[i] = int64(binary.LittleEndian.Uint64(b[:]))
	}
	return out
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

func foldConstantOfShape(c *call, _ []*value, shape []int) (*value, error) {
	out := &value{shape: shape, dtype: weights.Float32}
	fill := int64(0)
	if t := c.n.Tensor("value"); t != nil {
		size := t.DType.Size()
		if size == 0 || len(t.Data) != size {
			return nil, nil
		}
		out.dtype, fill = t.DType, unpack(t.Data, size)[0]
	}
	n, _ := elements(shape)
	out.v = slices.Repeat([]int64{fill}, n)
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

// power is bᵉ, wrapping around like the other arithmetic; 1/bⁿ rounds towards zero.
func power(b, e int64) (int64, error) {
	if e < 0 {
		if b == 0 {
			return 0, fmt.Errorf("0 to the power of %d", e)
		}
		if b != 1 && b != -1 {
			return 0, nil
		}
		e = -e
	}
	out := int64(1)
	for ; e > 0; e >>= 1 {
		if e&1 != 0 {
			out *= b
		}
		b *= b
	}
	return out, nil
}

// foldMod: the result has the sign of the divisor, or with fmod that of the dividend.
func foldMod(c *call, in []*value, shape []int) (*value, error) {
	if c.n.Int("fmod", 0) != 0 {
		return foldBinary(func(a, b int64) (int64, error) {
			if b == 0 {
				return 0, fmt.Errorf("%d is divided by 0", a)
			}
			return a % b, nil
		})(c, in, shape)
	}
	return foldBinary(modulo)(c, in, shape)
}

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

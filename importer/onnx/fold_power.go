package onnx

import (
	"fmt"
	"math"

	"onnxclr/importer/weights"
)

// foldFloatPower computes integers to the power of floats: Pow is the one operator
// whose result is of integers although what it is computed from is not. The result is
// cut towards zero, as a cast would.
func (c *call) foldFloatPower(shape []int) (*value, error) {
	base, exponent := c.value(0), c.floats(1)
	if base == nil || exponent == nil {
		return nil, nil
	}
	return foldBinary(func(b, bits int64) (int64, error) {
		e := math.Float64frombits(uint64(bits))
		v := math.Pow(float64(b), e)
		if math.IsNaN(v) || math.Abs(v) >= 1<<63 {
			return 0, fmt.Errorf("%d to the power of %g is no integer of 64 bits", b, e)
		}
		return int64(v), nil
	})(c, []*value{base, exponent}, shape)
}

// floats returns the i-th input as the bits of float64s, if it is known and small;
// initializers, too.
func (c *call) floats(i int) *value {
	name := c.n.Input(i)
	t := c.Const[name]
	if init := c.initializers[name]; t == nil && init != nil && len(init.External) == 0 {
		t = &init.Tensor
	}
	if t == nil || !t.DType.IsFloat() || t.Len() > min(maxFold, *c.left) {
		return nil
	}
	*c.left -= t.Len()
	v := &value{shape: t.Shape, dtype: weights.Float64, v: make([]int64, t.Len())}
	if t.DType == weights.Float64 {
		v.v = unpack(t.Data, t.DType.Size())
		return v
	}
	values, err := t.Float32s()
	if err != nil {
		return nil
	}
	for i, x := range values {
		v.v[i] = int64(math.Float64bits(float64(x)))
	}
	return v
}

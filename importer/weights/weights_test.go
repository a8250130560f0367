package weights

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestFloat32s(t *testing.T) {
	inf := float32(math.Inf(1))
	half := func(bits ...uint16) []byte {
		var b []byte
		for _, v := range bits {
			b = binary.LittleEndian.AppendUint16(b, v)
		}
		return b
	}
	for _, tc := range []struct {
		name string
		d    DType
		data []byte
		want []float32
	}{
		// 1, −2, the largest, the smallest normal, the smallest subnormal, −∞.
		{"float16", Float16, half(0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0xfc00), []float32{1, -2, 65504, 0x1p-14, 0x1p-24, -inf}},
		{"bfloat16", BFloat16, half(0x3f80, 0xc000, 0x7f7f, 0x0080, 0x0001, 0xff80), []float32{1, -2, math.Float32frombits(0x7f7f0000), 0x1p-126, 0x1p-133, -inf}},
		{"float64", Float64, binary.LittleEndian.AppendUint64(nil, math.Float64bits(0.1)), []float32{0.1}},
	} {
		source := &Tensor{Name: tc.name, DType: tc.d, Shape: []int{len(tc.want)}, Data: tc.data}
		got, err := source.Float32s()
		if err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v %v, want %v", tc.name, got, err, tc.want)
		}
		converted, err := source.AsFloat32()
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if got, err := converted.Float32s(); err != nil || converted.DType != Float32 || !slices.Equal(got, tc.want) {
			t.Errorf("AsFloat32 of %s: %v as %v, %v, want %v", tc.name, got, converted.DType, err, tc.want)
		}
		if again, err := converted.AsFloat32(); err != nil || again != converted {
			t.Errorf("AsFloat32 of float32 copies (%v)", err)
		}
	}
	if v := HalfToFloat32(0x7e00); v == v {
		t.Errorf("half NaN became %v", v)
	}
	if v := HalfToFloat32(0x8000); v != 0 || !math.Signbit(float64(v)) {
		t.Errorf("half −0 became %v", v)
	}
}

func TestRoundTrips(t *testing.T) {
	f := FromFloat32("f", []int{2, 2}, []float32{1, -0.5, 3e38, 0})
	if got, err := f.Float32s(); err != nil || !slices.Equal(got, []float32{1, -0.5, 3e38, 0}) {
		t.Errorf("float32: %v %v", got, err)
	}
	i := FromInt64("i", []int{3}, []int64{math.MinInt64, 0, 7})
	if got, err := i.Int64s(); err != nil || !slices.Equal(got, []int64{math.MinInt64, 0, 7}) {
		t.Errorf("int64: %v %v", got, err)
	}
	for d, data := range map[DType][]byte{Int8: {0xff}, Int16: {0xff, 0xff}, Int32: {0xff, 0xff, 0xff, 0xff}} {
		if got, err := (&Tensor{DType: d, Shape: []int{1}, Data: data}).Int64s(); err != nil || got[0] != -1 {
			t.Errorf("%v: %v %v, want −1", d, got, err)
		}
	}
	if got, err := (&Tensor{DType: Bool, Data: []byte{1}}).Int64s(); err != nil || got[0] != 1 {
		t.Errorf("bool scalar: %v %v", got, err)
	}
}

func TestRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, want string
		t          Tensor
		read       func(*Tensor) error
	}{
		{"short data", "3 bytes", Tensor{Name: "w", DType: Float32, Shape: []int{1}, Data: make([]byte, 3)}, readFloats},
		{"integers as floats", "int64", Tensor{Name: "w", DType: Int64, Shape: []int{1}, Data: make([]byte, 8)}, readFloats},
		{"floats as integers", "float32", Tensor{Name: "w", DType: Float32, Shape: []int{1}, Data: make([]byte, 4)}, readInts},
		{"negative dimension", "negative", Tensor{Name: "w", DType: Float32, Shape: []int{-1}}, readFloats},
		{"product overflows", "overflows", Tensor{Name: "w", DType: Float32, Shape: []int{1 << 40, 1 << 40}}, readFloats},
		{"unknown type", "unknown", Tensor{Name: "w", Shape: []int{1}}, readFloats},
	} {
		if err := tc.read(&tc.t); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), `"w"`) {
			t.Errorf("%s: %v, want the tensor's name and %q", tc.name, err, tc.want)
		}
	}
	if n, err := ByteSize([]int{5, 0, 7}, Float64); n != 0 || err != nil {
		t.Errorf("an empty array: %d %v", n, err)
	}
}

func readFloats(t *Tensor) error { _, err := t.Float32s(); return err }
func readInts(t *Tensor) error   { _, err := t.Int64s(); return err }

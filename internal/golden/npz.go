package golden

import (
	"testing"

	"onnxclr/importer/weights"
	"onnxclr/internal/npy"
)

// Array is one array of a golden file, in row-major order. Exactly one of the value
// slices is set, by the type it was saved with.
type Array struct {
	Shape []int
	F32   []float32
	F64   []float64
	I64   []int64 // integers of more than 8 bits
	U8    []uint8 // uint8 and bool
}

// Len is the number of elements.
func (a *Array) Len() int { return len(a.F32) + len(a.F64) + len(a.I64) + len(a.U8) }

// Float64s returns the values widened to float64, whatever their type.
func (a *Array) Float64s() []float64 {
	values := make([]float64, 0, a.Len())
	values = widen(values, a.F32)
	values = widen(values, a.F64)
	values = widen(values, a.I64)
	return widen(values, a.U8)
}

// Float32s returns the values of a float32 array, or those of another type rounded
// to float32.
func (a *Array) Float32s() []float32 {
	if a.F32 != nil {
		return a.F32
	}
	values := make([]float32, a.Len())
	for i, v := range a.Float64s() {
		values[i] = float32(v)
	}
	return values
}

// Ints returns the values of an integer array as ints.
func (a *Array) Ints() []int {
	values := make([]int, len(a.I64))
	for i, v := range a.I64 {
		values[i] = int(v)
	}
	return values
}

func widen[N Number](dst []float64, src []N) []float64 {
	for _, v := range src {
		dst = append(dst, float64(v))
	}
	return dst
}

// Load returns the arrays of the .npz file name below testdata/golden, such as
// "ops/conv.npz", by the names they were saved under. Anything amiss ends the test.
func Load(t testing.TB, name string) map[string]*Array {
	t.Helper()
	archive, err := npy.ReadZip(Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	arrays := make(map[string]*Array, len(archive.Names))
	for _, key := range archive.Names {
		stored, err := archive.Get(key)
		if err != nil {
			t.Fatal(err)
		}
		a := &Array{Shape: stored.Shape}
		switch {
		case stored.DType == weights.Float32:
			a.F32, err = stored.Float32s()
		case stored.DType.IsFloat():
			a.F64, err = stored.Float64s()
		default:
			a.I64, err = stored.Int64s()
			if stored.DType.Size() == 1 {
				for _, v := range a.I64 {
					a.U8 = append(a.U8, uint8(v))
				}
				a.I64 = nil
			}
		}
		if err != nil {
			t.Fatalf("%s: %s: %v", name, key, err)
		}
		arrays[key] = a
	}
	return arrays
}

package reference

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"onnxclr/internal/golden"
)

// arrays are those of one case of a golden file, by the names after its prefix.
type arrays map[string]*golden.Array

// eachCase runs f for every case of a golden file whose name starts with prefix.
func eachCase(t *testing.T, file, prefix string, f func(t *testing.T, a arrays)) {
	t.Helper()
	cases := map[string]arrays{}
	for key, array := range golden.Load(t, file) {
		name, part, _ := strings.Cut(key, "/")
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		if cases[name] == nil {
			cases[name] = arrays{}
		}
		cases[name][part] = array
	}
	if len(cases) == 0 {
		t.Fatalf("%s has no case %q", file, prefix)
	}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		t.Run(name, func(t *testing.T) { f(t, cases[name]) })
	}
}

// of returns the values of an array in the type under test; nil if there is none.
func of[T Float](a arrays, name string) []T {
	array, ok := a[name]
	if !ok {
		return nil
	}
	values := make([]T, array.Len())
	for i, v := range array.Float64s() {
		values[i] = T(v)
	}
	return values
}

// agree compares with PyTorch's float64 result: to 1e-5 of the largest value in
// float32, and to rounding in float64, where nothing hides a wrong formula.
func agree[T Float](t *testing.T, what string, got []T, want *golden.Array) {
	t.Helper()
	class := golden.Reference
	if _, double := any(got).([]float64); double {
		class = golden.Closed
	}
	golden.Check(t, what, class, got, want.Float64s())
}

// filled returns n values that no kernel may leave standing.
func filled[T Float](n int) []T {
	values := make([]T, n)
	for i := range values {
		values[i] = 1e30
	}
	return values
}

// weighted is Σ y·dy, the function whose gradient is what arrives from dy.
func weighted(y, dy []float64) float64 { return dot(y, dy) }

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: no panic", what)
		}
	}()
	f()
}

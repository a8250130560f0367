package golden

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// recorder is a test that may fail without the test that owns it failing.
type recorder struct {
	testing.TB
	said string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) { r.said += fmt.Sprintf(format, args...) }

func TestCheck(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, tc := range []struct {
		name      string
		class     Class
		got, want []float64
		ok        bool
	}{
		{"equal", Exact, []float64{1, nan, inf, -inf}, []float64{1, nan, inf, -inf}, true},
		{"exact differs in the last bit", Exact, []float64{math.Nextafter(1, 2)}, []float64{1}, false},
		{"lengths differ", Exact, []float64{1}, []float64{1, 2}, false},
		{"NaN for a number", Model, []float64{nan}, []float64{1}, false},
		{"number for NaN", Model, []float64{1}, []float64{nan}, false},
		{"infinity for a number", Model, []float64{inf, 1}, []float64{1, 1}, false},
		{"number for infinity", Model, []float64{1, 1}, []float64{inf, 1}, false},
		{"opposite infinities", Model, []float64{inf}, []float64{-inf}, false},
		{"small beside the largest", Stat, []float64{100, 1e-4}, []float64{100, 0}, true},
		{"large beside the largest", Stat, []float64{100, 2e-3}, []float64{100, 0}, false},
		{"each by itself", Loss, []float64{100, 1.00001}, []float64{100, 1}, false},
		{"all zero", Stat, []float64{0, 0}, []float64{0, 0}, true},
		{"something for all zero", Stat, []float64{0, 1e-30}, []float64{0, 0}, false},
		{"one level", Pixel, []float64{101}, []float64{100}, true},
		{"two levels", Pixel, []float64{102}, []float64{100}, false},
		{"noise below the floor of eigenvalues", Eig, []float64{1, 1.9e-8}, []float64{1, 1e-9}, true},
		{"more than noise", Eig, []float64{1, 2.1e-8}, []float64{1, 1e-9}, false},
		{"parity within the floor", NoFurther(1e-5), []float64{1, 0.0009}, []float64{1, 0}, true},
		{"parity beyond the floor", NoFurther(1e-5), []float64{1, 0.0011}, []float64{1, 0}, false},
		{"parity within twice", NoFurther(0.01), []float64{1, 0.019}, []float64{1, 0}, true},
	} {
		r := &recorder{}
		if ok := Check(r, "value", tc.class, tc.got, tc.want); ok != tc.ok || ok != (r.said == "") {
			t.Errorf("%s: agrees %v, want %v; said %q", tc.name, ok, tc.ok, r.said)
		}
	}
}

func TestCheckSaysWhere(t *testing.T) {
	r := &recorder{}
	Check(r, "dx", Exact, []float32{1, 2, 5}, []float64{1, 2, 3})
	if want := "dx: got[2] = 5, want 3"; !strings.Contains(r.said, want) {
		t.Errorf("said %q, want it to contain %q", r.said, want)
	}
}

func TestCheckAccum(t *testing.T) {
	limit := float32(accumLimit(16)) // of a magnitude of 1
	for _, tc := range []struct {
		got float32
		ok  bool
	}{{0, true}, {0.9 * limit, true}, {1.1 * limit, false}, {float32(math.NaN()), false}} {
		if ok := CheckAccum(&recorder{}, "sum", 16, []float32{tc.got}, []float64{0}, []float64{1}); ok != tc.ok {
			t.Errorf("error %g: agrees %v, want %v", tc.got, ok, tc.ok)
		}
	}
}

func TestCheckGradient(t *testing.T) {
	x := []float64{0.3, -1.2}
	f := func() float64 { return math.Sin(x[0])*x[1] + math.Exp(x[1]) }
	grad := []float64{math.Cos(x[0]) * x[1], math.Sin(x[0]) + math.Exp(x[1])}
	CheckGradient(t, "gradient", f, x, grad)
	grad[1] *= 1.00001
	if CheckGradient(&recorder{}, "gradient", f, x, grad) {
		t.Error("a gradient that is 1e-5 off was accepted")
	}
	if x[0] != 0.3 || x[1] != -1.2 {
		t.Errorf("x is %v afterwards", x)
	}
}

func TestLoad(t *testing.T) {
	arrays := Load(t, "npy/stored.npz")
	view := arrays["view1"]
	if !slices.Equal(view.Shape, []int{2, 3}) || !slices.Equal(view.F32, []float32{-3, -2.5, -2, -1.5, -1, -.5}) {
		t.Errorf("view1 is %+v", view)
	}
	if !slices.Equal(arrays["labels"].Ints(), []int{-3, -2, -1, 0, 1, 2}) {
		t.Errorf("labels are %+v", arrays["labels"])
	}
}

// TestSeeded compares with what testdata/gen/seeded.py printed for the same calls.
func TestSeeded(t *testing.T) {
	Check(t, "uniform", Exact, Uniform("conv1.weight", 4, -1, 1),
		[]float64{0.0901498794555664, 0.49032342433929443, -0.9541566371917725, 0.47239553928375244})
	Check(t, "convolution", Exact, Weights("layer1.0.conv1.weight", []int{2, 3, 3, 3})[52:],
		[]float64{-0.04381648078560829, 0.38893425464630127})
	Check(t, "running_var", Exact, Weights("bn1.running_var", []int{5}),
		[]float64{1.1423075199127197, 1.2867534160614014, 1.4707788228988647, 0.9438512325286865, 0.9165065884590149})
	Check(t, "bias", Exact, Weights("bn1.bias", []int{3}),
		[]float64{-0.13112151622772217, -0.1839381754398346, 0.1487988531589508})
	views := Views("v", 2, 16)
	Check(t, "views", Exact, []float32{views[0], views[700], views[1535], views[1536], views[3071]},
		[]float64{0.5012852549552917, -2.0809903144836426, 0.8554902672767639, 0.4561675190925598, 1.3353211879730225})
	if at, want := Samples("a", 1000, 4), []int{392, 972, 494, 245}; !slices.Equal(at, want) {
		t.Errorf("samples %v, want %v", at, want)
	}
	if at := Samples("a", 3, 4); !slices.Equal(at, []int{0, 1, 2}) {
		t.Errorf("samples of three are %v", at)
	}
}

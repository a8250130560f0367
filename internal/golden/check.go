package golden

import (
	"math"
	"testing"
)

// Check fails the test unless got agrees with want by the class, and says how large
// the worst error is and where. what names the value, as in "dx of 3×3 stride 2". It
// reports whether they agree.
func Check[G, W Number](t testing.TB, what string, class Class, got []G, want []W) bool {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", what, len(got), len(want))
		return false
	}
	worst, at := worstError(class, got, want)
	if worst <= class.limit {
		return true
	}
	t.Errorf("%s: got[%d] = %v, want %v: error %.3g exceeds %.3g (class %s)",
		what, at, got[at], want[at], worst, class.limit, class.name)
	return false
}

// CheckValue is Check for a single value.
func CheckValue[G, W Number](t testing.TB, what string, class Class, got G, want W) bool {
	t.Helper()
	return Check(t, what, class, []G{got}, []W{want})
}

// CheckAccum is the class Accum(k): it fails the test unless every float32 sum of k
// products in got is as near to the float64 one in want as rounding must bring it,
// |got−want| ≤ 4·2⁻²³·√k·magnitude, where magnitude is Σ|aᵢ·bᵢ| of the same sum (the
// reference kernel run on absolute values gives it). It reports whether they agree.
func CheckAccum(t testing.TB, what string, k int, got []float32, want, magnitude []float64) bool {
	t.Helper()
	if len(got) != len(want) || len(got) != len(magnitude) {
		t.Errorf("%s: %d values, want %d with %d magnitudes", what, len(got), len(want), len(magnitude))
		return false
	}
	limit := accumLimit(k)
	worst, at := 0.0, 0
	for i := range got {
		e := distance(float64(got[i]), want[i])
		if e > 0 {
			e /= magnitude[i]
		}
		if e > worst {
			worst, at = e, i
		}
	}
	if worst <= limit {
		return true
	}
	t.Errorf("%s: got[%d] = %v, want %v: error %.3g of Σ|ab| = %.3g exceeds %.3g (class accum(%d))",
		what, at, got[at], want[at], worst, magnitude[at], limit, k)
	return false
}

// MaxError returns the largest |got−want| divided by the largest |want|, and its
// index: what the classes relative to the largest value bound. It is +Inf where one
// side is NaN or infinite and the other is not.
func MaxError[G, W Number](got []G, want []W) (worst float64, at int) {
	return worstError(Class{scale: ofLargest}, got, want)
}

// worstError returns the largest error on the class's scale, and its index.
func worstError[G, W Number](class Class, got []G, want []W) (worst float64, at int) {
	high := largest(want)
	if class.scale == ofLength {
		return relativeLength(got, want)
	}
	for i := range want {
		g, w := float64(got[i]), float64(want[i])
		e := distance(g, w)
		switch {
		case e == 0 || class.scale == absolute:
		case class == Eig && math.Abs(w) < eigFloor*high:
			if math.Abs(g) < 2*eigFloor*high {
				e = 0
			}
		case class.scale == ofEach:
			e /= math.Abs(w)
		default:
			e /= high
		}
		if e > worst {
			worst, at = e, i
		}
	}
	return worst, at
}

// relativeLength is √Σ(got−want)² / √Σwant², and where the difference is largest.
func relativeLength[G, W Number](got []G, want []W) (ratio float64, at int) {
	var squares, total, worst float64
	for i := range want {
		e := distance(float64(got[i]), float64(want[i]))
		if e > worst {
			worst, at = e, i
		}
		squares += e * e
		total += float64(want[i]) * float64(want[i])
	}
	if squares == 0 {
		return 0, 0
	}
	return math.Sqrt(squares / total), at
}

func largest[N Number](values []N) float64 {
	var high float64
	for _, v := range values {
		if m := math.Abs(float64(v)); m > high && !math.IsInf(m, 1) {
			high = m
		}
	}
	return high
}

// distance is |got−want|: 0 for two NaNs or equal infinities, +Inf if only one of
// them is NaN.
func distance(got, want float64) float64 {
	switch {
	case got == want, math.IsNaN(got) && math.IsNaN(want):
		return 0
	case math.IsNaN(got) || math.IsNaN(want):
		return math.Inf(1)
	}
	return math.Abs(got - want)
}

// Agrees reports whether got agrees with want by the class, and the worst error, for
// tests that count rather than fail.
func Agrees[G, W Number](class Class, got []G, want []W) (bool, float64) {
	if len(got) != len(want) {
		return false, math.Inf(1)
	}
	worst, _ := worstError(class, got, want)
	return worst <= class.limit, worst
}

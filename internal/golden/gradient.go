package golden

import "testing"

// CheckGradient fails the test unless grad agrees with the central finite
// differences of the scalar function f at x, by the class Grad64. f reads x, whose
// elements are moved one at a time and put back; it must be smooth within the step.
func CheckGradient(t testing.TB, what string, f func() float64, x, grad []float64) bool {
	t.Helper()
	return Check(t, what, Grad64, grad, differences(f, x))
}

// differences returns the gradient of f with respect to x by central differences of
// fourth order, whose error is near 1e-11 of f for values around 1:
//
//	f′ ≈ (8·(f(+h) − f(−h)) − (f(+2h) − f(−2h))) / 12h,  h = 1e-3
func differences(f func() float64, x []float64) []float64 {
	const h = 1e-3
	grad := make([]float64, len(x))
	for i, v := range x {
		at := func(step float64) float64 {
			x[i] = v + step
			return f()
		}
		grad[i] = (8*(at(h)-at(-h)) - (at(2*h) - at(-2*h))) / (12 * h)
		x[i] = v
	}
	return grad
}

package kernel

import "math"

// The functions below work on pieces of arrays, as Each and Broadcast call them: y and
// all of x have one length, and y may be one of x. They run the fastest exponential of
// this processor, whatever the Pool.

// exponentials is the machine whose exp and sigmoid they use.
var exponentials = best()

// expAll writes exp32 of n elements.
func expAll(y, x *float32, n int) {
	out := view(y, n)
	for i, v := range view(x, n) {
		out[i] = exp32(v)
	}
}

// sigmoidAll writes 1/(1 + exp32(−x)) of n elements.
func sigmoidAll(y, x *float32, n int) {
	out := view(y, n)
	for i, v := range view(x, n) {
		out[i] = 1 / (1 + exp32(-v))
	}
}

// expPiece is how many exponentials are computed before they are used.
const expPiece = 512

// sigmoids calls f with the sigmoids of pieces of x that start at from.
func sigmoids(x []float32, f func(from int, s []float32)) {
	var s [expPiece]float32
	for from := 0; from < len(x); from += expPiece {
		n := min(expPiece, len(x)-from)
		exponentials.sigmoid(&s[0], &x[from], n)
		f(from, s[:n])
	}
}

// exp32 is exp(x) in float32, within two units in the last place, for x from −87.3 to
// 88.3; beyond, it is exp of these, 1e-38 and 2e38. x = n·ln 2 + r with |r| ≤ ln(2)/2, and exp(r) is a polynomial (S. Moshier,
// Cephes, expf).
func exp32(x float32) float32 {
	x = min(max(x, -87.3), 88.3)
	t := x*1.44269504 + 12582912 // 1.5·2²³: the sum is rounded to an integer
	n := math.Float32bits(t) - 0x4B400000 + 127
	m := t - 12582912
	r := x - m*0.693359375 - m*-2.12194440e-4
	y := float32(1.9875691500e-4)
	y = y*r + 1.3981999507e-3
	y = y*r + 8.3334519073e-3
	y = y*r + 4.1665795894e-2
	y = y*r + 1.6666665459e-1
	y = y*r + 5.0000001201e-1
	return (y*r*r + r + 1) * math.Float32frombits(n<<23)
}

// erfOf is erf(x), given exp(−x²); the error is below 6e-7 (Abramowitz and Stegun,
// 7.1.26).
func erfOf(x, gauss float32) float32 {
	sign := math.Float32bits(x) & (1 << 31)
	a := math.Float32frombits(math.Float32bits(x) &^ (1 << 31))
	t := 1 / (1 + 0.3275911*a)
	erf := 1 - t*(0.254829592+t*(-0.284496736+t*(1.421413741+t*(-1.453152027+t*1.061405429))))*gauss
	return math.Float32frombits(math.Float32bits(erf) | sign)
}

// erfAll writes erf(x) of n elements from x and exp(−x²).
func erfAll(y, x, gauss *float32, n int) {
	out, g := view(y, n), view(gauss, n)
	for i, v := range view(x, n) {
		out[i] = erfOf(v, g[i])
	}
}

// errors calls f with erf(s·x) and exp(−s²·x²) of pieces of x that start at from.
func errors(x []float32, s float32, f func(from int, erf, gauss []float32)) {
	var e, g [expPiece]float32
	for from := 0; from < len(x); from += expPiece {
		n := min(expPiece, len(x)-from)
		for i, v := range x[from : from+n] {
			e[i] = s * v
			g[i] = -e[i] * e[i]
		}
		exponentials.exp(&g[0], &g[0], n)
		exponentials.erf(&e[0], &e[0], &g[0], n)
		f(from, e[:n], g[:n])
	}
}

// Exp writes exp(x).
func Exp(y []float32, x ...[]float32) {
	var e [expPiece]float32
	for from := 0; from < len(y); from += expPiece {
		n := min(expPiece, len(y)-from)
		exponentials.exp(&e[0], &x[0][from], n)
		for i, v := range x[0][from : from+n] {
			if y[from+i] = e[i]; v > 88 || v < -87 {
				y[from+i] = float32(math.Exp(float64(v)))
			}
		}
	}
}

// Sigmoid writes 1/(1 + exp(−x)).
func Sigmoid(y []float32, x ...[]float32) {
	if len(y) > 0 {
		exponentials.sigmoid(&y[0], &x[0][0], len(y))
	}
}

// SigmoidGrad writes dy·y·(1 − y) from Sigmoid's output y and dy.
func SigmoidGrad(dx []float32, x ...[]float32) {
	y, dy := x[0][:len(dx)], x[1][:len(dx)]
	for i, v := range y {
		dx[i] = dy[i] * v * (1 - v)
	}
}

// SiLU writes x/(1 + exp(−x)).
func SiLU(y []float32, x ...[]float32) {
	v := x[0][:len(y)]
	sigmoids(v, func(from int, s []float32) {
		v, y := v[from:][:len(s)], y[from:][:len(s)]
		for i, s := range s {
			y[i] = v[i] * s
		}
	})
}

// SiLUGrad writes dy·s·(1 + x·(1 − s)), s = 1/(1 + exp(−x)).
func SiLUGrad(dx []float32, x ...[]float32) {
	v, dy := x[0][:len(dx)], x[1][:len(dx)]
	sigmoids(v, func(from int, s []float32) {
		v, dy, dx := v[from:][:len(s)], dy[from:][:len(s)], dx[from:][:len(s)]
		for i, s := range s {
			dx[i] = dy[i] * s * (1 + v[i]*(1-s))
		}
	})
}

// Tanh writes tanh(x) = x·(…) near 0, else 1 − 2/(exp(2x) + 1).
func Tanh(y []float32, x ...[]float32) {
	for i, v := range x[0][:len(y)] {
		if s := v * v; s < 0.39 {
			y[i] = v + v*s*(-3.33332819e-1+s*(1.33314422e-1+s*(-5.37397155e-2+s*(2.06390887e-2-s*5.70498872e-3))))
			continue
		}
		y[i] = 1 - 2/(exp32(2*v)+1)
	}
}

// TanhGrad writes dy·(1 − y²) from Tanh's output y and dy.
func TanhGrad(dx []float32, x ...[]float32) {
	y, dy := x[0][:len(dx)], x[1][:len(dx)]
	for i, v := range y {
		dx[i] = dy[i] * (1 - v*v)
	}
}

// Erf writes erf(x).
func Erf(y []float32, x ...[]float32) {
	errors(x[0][:len(y)], 1, func(from int, erf, _ []float32) { copy(y[from:], erf) })
}

// ErfGrad writes dy·2/√π·exp(−x²).
func ErfGrad(dx []float32, x ...[]float32) {
	errors(x[0][:len(dx)], 1, func(from int, _, gauss []float32) {
		dy, dx := x[1][from:][:len(gauss)], dx[from:][:len(gauss)]
		for i, g := range gauss {
			dx[i] = dy[i] * 1.12837917 * g
		}
	})
}

const inverseRoot2 = 1 / math.Sqrt2

// GELU writes x·Φ(x), Φ the normal distribution's.
func GELU(y []float32, x ...[]float32) {
	v := x[0][:len(y)]
	errors(v, inverseRoot2, func(from int, erf, _ []float32) {
		v, y := v[from:][:len(erf)], y[from:][:len(erf)]
		for i, e := range erf {
			y[i] = 0.5 * v[i] * (1 + e)
		}
	})
}

// GELUGrad writes dy·(Φ(x) + x·φ(x)).
func GELUGrad(dx []float32, x ...[]float32) {
	v, dy := x[0][:len(dx)], x[1][:len(dx)]
	errors(v, inverseRoot2, func(from int, erf, gauss []float32) {
		v, dy, dx, gauss := v[from:][:len(erf)], dy[from:][:len(erf)], dx[from:][:len(erf)], gauss[:len(erf)]
		for i, e := range erf {
			dx[i] = dy[i] * (0.5*(1+e) + v[i]*gauss[i]*0.398942280)
		}
	})
}

// HardSwish writes x·min(max(x/6 + ½, 0), 1).
func HardSwish(y []float32, x ...[]float32) {
	for i, v := range x[0][:len(y)] {
		y[i] = v * min(max(v*(1.0/6)+0.5, 0), 1)
	}
}

// HardSwishGrad writes dy times 0 below −3, x/3 + ½ up to 3, 1 above.
func HardSwishGrad(dx []float32, x ...[]float32) {
	v, dy := x[0][:len(dx)], x[1][:len(dx)]
	for i, v := range v {
		d := v*(1.0/3) + 0.5
		if v < -3 {
			d = 0
		} else if v > 3 {
			d = 1
		}
		dx[i] = dy[i] * d
	}
}

// Sum, Difference, Product and Quotient are arithmetic of two pieces.
func Sum(y []float32, x ...[]float32) {
	a, b := x[0][:len(y)], x[1][:len(y)]
	for i, v := range a {
		y[i] = v + b[i]
	}
}

// Difference writes a − b.
func Difference(y []float32, x ...[]float32) {
	a, b := x[0][:len(y)], x[1][:len(y)]
	for i, v := range a {
		y[i] = v - b[i]
	}
}

// Product writes a·b.
func Product(y []float32, x ...[]float32) {
	a, b := x[0][:len(y)], x[1][:len(y)]
	for i, v := range a {
		y[i] = v * b[i]
	}
}

// Quotient writes a/b.
func Quotient(y []float32, x ...[]float32) {
	a, b := x[0][:len(y)], x[1][:len(y)]
	for i, v := range a {
		y[i] = v / b[i]
	}
}

// Scale returns what writes s·x.
func Scale(s float32) func(y []float32, x ...[]float32) {
	return func(y []float32, x ...[]float32) {
		if s == 1 {
			copy(y, x[0])
			return
		}
		for i, v := range x[0][:len(y)] {
			y[i] = s * v
		}
	}
}

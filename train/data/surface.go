package data

import "math"

// textureKinds are the classes, in order of their names. A surface says for a point,
// in periods of the pattern, how the two colours mix there (0…1) and how the relief
// slopes along u and v. edge is the width over which colours change.
var textureKinds = []struct {
	name    string
	surface func(u, v, edge float64, noise uint64) (mix float64, slope [2]float64)
}{
	{"bricks", bricks},
	{"checks", checks},
	{"clouds", clouds},
	{"dots", dots},
	{"grain", grain},
	{"rings", rings},
	{"stripes", stripes},
	{"triangles", triangles},
	{"weave", weave},
	{"zigzag", zigzag},
}

// step rises from 0 to 1 around x = 0, over edge.
func step(x, edge float64) float64 {
	t := min(max(x/edge+0.5, 0), 1)
	return t * t * (3 - 2*t)
}

// fraction is the fractional part, 0…1.
func fraction(x float64) float64 { return x - math.Floor(x) }

// bricks overlap by half; mortar lies deeper.
func bricks(u, v, edge float64, noise uint64) (float64, [2]float64) {
	row := math.Floor(v * 1.4)
	u = u*0.7 + 0.5*math.Mod(math.Abs(row), 2)
	du, dv := fraction(u)-0.5, fraction(v*1.4)-0.5
	in := step(0.44-math.Abs(du), edge) * step(0.4-math.Abs(dv), edge)
	tone := 0.75 + 0.25*hash(int64(math.Floor(u)), int64(row), noise)
	return in * tone, [2]float64{bevel(du, 0.44), bevel(dv, 0.4)}
}

// bevel is the slope of a block's rim.
func bevel(d, half float64) float64 {
	if math.Abs(d) < half-0.12 || math.Abs(d) > half+0.04 {
		return 0
	}
	return math.Copysign(0.9, d)
}

func checks(u, v, edge float64, _ uint64) (float64, [2]float64) {
	a, b := 2*step(math.Abs(fraction(u/2)-0.5)-0.25, edge/2)-1, 2*step(math.Abs(fraction(v/2)-0.5)-0.25, edge/2)-1
	return 0.5 + 0.5*a*b, [2]float64{}
}

// clouds are value noise of four octaves.
func clouds(u, v, _ float64, noise uint64) (float64, [2]float64) {
	sum, amplitude := 0.0, 0.55
	for o := range uint64(4) {
		sum += amplitude * valueNoise(u*0.6, v*0.6, noise+o)
		u, v, amplitude = 2*u+3.1, 2*v-1.7, amplitude/2
	}
	return min(max(1.9*sum-0.45, 0), 1), [2]float64{}
}

// dots are balls on a plane.
func dots(u, v, edge float64, _ uint64) (float64, [2]float64) {
	du, dv := fraction(u)-0.5, fraction(v)-0.5
	const radius = 0.38
	d2 := du*du + dv*dv
	mix := step(radius-math.Sqrt(d2), edge)
	if d2 >= radius*radius {
		return mix, [2]float64{}
	}
	z := math.Sqrt(radius*radius-d2) + 0.06
	return mix, [2]float64{du / z, dv / z}
}

// grain is fine, in one octave, and drawn out along u, as wood.
func grain(u, v, _ float64, noise uint64) (float64, [2]float64) {
	long := valueNoise(u*0.5, v*4, noise)
	fine := valueNoise(u*2, v*11, noise+1)
	t := 0.65*long + 0.35*fine
	return min(max(2.2*t-0.6, 0), 1), [2]float64{0, 0.5 * (fine - 0.5)}
}

// rings run around a centre a few periods away.
func rings(u, v, edge float64, noise uint64) (float64, [2]float64) {
	cu := math.Floor(u/5)*5 + 2.5 + hash(1, 1, noise) - 0.5
	cv := math.Floor(v/5)*5 + 2.5 + hash(2, 2, noise) - 0.5
	r := math.Hypot(u-cu, v-cv)
	return step(math.Abs(fraction(1.3*r)-0.5)-0.25, 1.3*edge), [2]float64{}
}

// stripes are round bars.
func stripes(u, _, edge float64, _ uint64) (float64, [2]float64) {
	d := fraction(u) - 0.5
	return step(0.27-math.Abs(d), edge), [2]float64{1.8 * d, 0}
}

// triangles tile the plane, every other one light.
func triangles(u, v, edge float64, _ uint64) (float64, [2]float64) {
	const h = 0.8660254037844386 // height of a triangle of side 1
	v *= 0.9 / h
	u = 0.9*u - v/2
	a, b := fraction(u), fraction(v)
	return step(a+b-1, 1.4*edge), [2]float64{0.3 * (a - b), 0.3 * (b - a)}
}

// weave is made of threads that pass over and under each other.
func weave(u, v, edge float64, _ uint64) (float64, [2]float64) {
	du, dv := fraction(u)-0.5, fraction(v)-0.5
	over := math.Mod(math.Abs(math.Floor(u)+math.Floor(v)), 2) == 0
	if over {
		return 0.95 * step(0.42-math.Abs(dv), edge), [2]float64{0.9 * du, 2 * dv}
	}
	return 0.45 * step(0.42-math.Abs(du), edge), [2]float64{2 * du, 0.9 * dv}
}

// zigzag are stripes that turn back and forth.
func zigzag(u, v, edge float64, _ uint64) (float64, [2]float64) {
	w := v + 2*math.Abs(fraction(u/2)-0.5)*1.2
	return step(math.Abs(fraction(w)-0.5)-0.25, 1.5*edge), [2]float64{}
}

// hash draws from [0,1) for a lattice point.
func hash(x, y int64, noise uint64) float64 {
	h := noise ^ uint64(x)*0x9e3779b97f4a7c15 ^ uint64(y)*0xc2b2ae3d27d4eb4f
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return float64((h^h>>31)>>11) * 0x1p-53
}

// valueNoise interpolates the lattice's draws smoothly.
func valueNoise(u, v float64, noise uint64) float64 {
	x, y := math.Floor(u), math.Floor(v)
	a, b := u-x, v-y
	a, b = a*a*(3-2*a), b*b*(3-2*b)
	i, j := int64(x), int64(y)
	top := hash(i, j, noise)*(1-a) + hash(i+1, j, noise)*a
	bottom := hash(i, j+1, noise)*(1-a) + hash(i+1, j+1, noise)*a
	return top*(1-b) + bottom*b
}

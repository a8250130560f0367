package kernel

// A 3×3 convolution of stride 2 reads, along an axis, from nine pixels u for four
// outputs:
//
//	y[i] = w[0]·u[2i] + w[1]·u[2i+1] + w[2]·u[2i+2]
//
// The even pixels meet two taps: F(4, 2), five products. The odd ones meet one: four
// products, which share a tap. So a square of 4×4 outputs takes 81 multiplications
// instead of 144, with 6×6 transformed filters: those of the five points and the one
// for the four odd pixels. F(4, 2) interpolates at ±√½, ±√2 and ∞. The gradient of
// the input is the same along dy, from five pixels to eight, and that of the filter
// sums the products of the odd pixels.

// strideSet are the transforms: forward is that of the convolution and of the
// gradient of its filter, back that of the gradient of its input.
type strideSet struct{ forward, back winogradSet }

const (
	stridePoints = 9 // side of a transformed square
	strideTaps   = 6 // of a transformed filter
)

var portableWinogradStride = func() strideSet {
	// The points ±a, ±b and ∞ of five pixels, and the others.
	pairs := [][]float32{{-pointB, -2, pointA, 1, 0}, {pointB, -2, -pointA, 1, 0},
		{-pointA, -.5, pointB, 1, 0}, {pointA, -.5, -pointB, 1, 0}, {1, 0, -2.5, 0, 1}}
	powers := [][]float32{{1, 1, 1, 1, 0}, {pointA, -pointA, pointB, -pointB, 0},
		{.5, .5, 2, 2, 0}, {pointA / 2, -pointA / 2, 2 * pointB, -2 * pointB, 1}}
	matrix := func(rows, cols int) [][]float32 {
		m := make([][]float32, rows)
		for i := range m {
			m[i] = make([]float32, cols)
		}
		return m
	}
	input, back := matrix(9, 9), matrix(9, 5)
	output, backOutput, grad := matrix(4, 9), matrix(8, 9), matrix(9, 4)
	for p := range 5 {
		copy(back[p], pairs[p])
		for i := range 5 {
			input[p][2*i] = pairs[p][i]
		}
		for i := range 4 {
			output[i][p], backOutput[2*i+1][p], grad[p][i] = powers[i][p], powers[i][p], powers[i][p]
		}
	}
	for i := range 4 {
		input[5+i][2*i+1], back[5+i][i], grad[5+i][i] = 1, 1, 1
		output[i][5+i], backOutput[2*i][5+i] = 1, 1
	}
	filter := squareTransform([][]float32{{-pointB / 3, 0, -1. / 3}, {pointB / 3, 0, -1. / 3},
		{pointA / 3, 0, 1. / 3}, {-pointA / 3, 0, 1. / 3}, {0, 0, 1}, {0, 1, 0}})
	return strideSet{
		forward: winogradSet{squareTransform(input), filter, squareTransform(output), squareTransform(grad), squareTransform([][]float32{
			{-pointB / 3, pointB / 3, pointA / 3, -pointA / 3, 0, 0}, {0, 0, 0, 0, 0, 1}, {-1. / 3, -1. / 3, 1. / 3, 1. / 3, 1, 0}})},
		back: winogradSet{input: squareTransform(back), filter: filter, output: squareTransform(backOutput)},
	}
}()

// winogradStride reports whether a convolution of stride 2 is computed by squares:
// there must be enough of them to transform the filters for.
func winogradStride(g Conv) bool {
	switch {
	case g.R != 3 || g.S != 3 || g.StrideH != 2 || g.StrideW != 2 || g.DilationH != 1 || g.DilationW != 1 || g.Groups != 1:
		return false
	case g.PadTop != 1 || g.PadLeft != 1 || g.C%16 != 0 || g.K%16 != 0 || max(g.C, g.K) > blockDepth || min(g.C, g.K) < 32:
		return false
	}
	down, across := max(ceilDiv(g.P, 4), ceilDiv(g.H, 8)), max(ceilDiv(g.Q, 4), ceilDiv(g.W, 8))
	most := max(g.C, g.K)
	switch {
	case g.N*down*across < strideSquares || 4*81*down*across > 3*9*g.P*g.Q:
		return false
	case max(9*(8*across+1), 16*across)*most > winogradStrip:
		return false
	}
	return stridePoints*stridePoints*across*(most+winogradCols+2*blockPad) <= winogradBlocks
}

// strideSquares is the least number of squares for which it pays.
const strideSquares = 32

// setSpread describes the gradient of the input of a convolution of stride 2 by
// squares.
func (c *implicit) setSpread(g Conv, dy, w []float32) {
	*c = implicit{taps: c.taps[:0], index: c.index[:0], groups: 1, spread: true}
	for i := range 9 {
		c.taps = append(c.taps, tap{})
		c.index = append(c.index, 8-i)
	}
	c.patches = patches{x: dy, h: g.P, w: g.Q, ld: g.K, c: g.K, p: g.H, q: g.W, stepH: 1, stepW: 1, taps: c.taps}
	c.filters = filterPanels{w: w, merge: 1, sets: 1, kg: g.K, cg: g.C, size: 9, taps: c.index, backward: true}
	c.depth, c.cols = 9*g.K, g.C
}

// squaresOf describes the squares of a convolution.
func (p *Pool) squaresOf(c *implicit, m int) winograd {
	w := winograd{m: m, n: m + 2, taps: m + 2, side: m + 2, step: m, set: p.m.winograd(m)}
	w.input = p.m.inputOf(m, c.half)
	if c.spread {
		w = winograd{m: 8, n: stridePoints, taps: strideTaps, side: 5, step: 4, set: &p.m.winogradStride.back}
		w.input = w.set.input
	} else if c.patches.stepH == 2 {
		w = winograd{m: 4, n: stridePoints, taps: strideTaps, side: 9, step: 8, set: &p.m.winogradStride.forward}
		w.input = w.set.input
	}
	w.down, w.across = ceilDiv(c.patches.p, w.m), ceilDiv(c.patches.q, w.m)
	return w
}

// run returns how many elements of a transformed square from (i, j) on meet the same
// element of the filter side by side, and which it is.
func runOf(n, taps, i, j int) (count, filter int) {
	if n == taps || j < taps-1 {
		return 1, min(i, taps-1)*taps + j
	}
	return n - taps + 1, min(i, taps-1)*taps + taps - 1
}

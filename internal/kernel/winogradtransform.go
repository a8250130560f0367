package kernel

import "math"

// The transforms of Winograd's minimal filtering F(m×m, 3×3), m = 4 and 2, with
// interpolation at 0, ±√½, ±√2 and ∞ (0, ±1 and ∞). With n = m+2,
//
//	y = Aᵀ[(G w Gᵀ) ⊙ (Bᵀ x B)]A
//
// for an n×n square x of the input and the m×m square y of the output that it
// determines. The gradient of the filter is F(3×3, m×m) of the same points: the
// gradient of y takes the place of the filter. Source: arXiv:1509.09308, which
// interpolates at ±1 and ±2; these points, whose products are 1, cost as many
// operations and a third of the error.

// winogradSet are the transforms of one m. Each reads a square of pixels, src, that
// are srch and srcw floats apart, of n channels, and writes a square to dst.
type winogradSet struct {
	input      transformFunc // Bᵀ x B
	filter     transformFunc // G w Gᵀ
	output     transformFunc // Aᵀ y A
	grad       transformFunc // of the gradient of y, as filter is of w
	filterGrad transformFunc // of the gradient of w, as output is of y
}

type transformFunc func(dst *float32, dsth, dstw int, src *float32, srch, srcw, n int)

// The points of F(4×4, 3×3): pointA² is ½, pointB² is 2.
const pointA, pointB = math.Sqrt2 / 2, math.Sqrt2

var portableWinograd4 = winogradSet{
	input: squareTransform([][]float32{
		{1, 0, -2.5, 0, 1, 0}, {0, -pointB, -2, pointA, 1, 0}, {0, pointB, -2, -pointA, 1, 0},
		{0, -pointA, -.5, pointB, 1, 0}, {0, pointA, -.5, -pointB, 1, 0}, {0, 1, 0, -2.5, 0, 1}}),
	filter: squareTransform([][]float32{
		{1, 0, 0}, {-2. / 3, -pointB / 3, -1. / 3}, {-2. / 3, pointB / 3, -1. / 3},
		{1. / 6, pointA / 3, 1. / 3}, {1. / 6, -pointA / 3, 1. / 3}, {0, 0, 1}}),
	output: squareTransform([][]float32{
		{1, 1, 1, 1, 1, 0}, {0, pointA, -pointA, pointB, -pointB, 0},
		{0, .5, .5, 2, 2, 0}, {0, pointA / 2, -pointA / 2, 2 * pointB, -2 * pointB, 1}}),
	grad: squareTransform([][]float32{
		{1, 0, 0, 0}, {-2. / 3, -pointB / 3, -1. / 3, -pointA / 3}, {-2. / 3, pointB / 3, -1. / 3, pointA / 3},
		{1. / 6, pointA / 3, 1. / 3, pointB / 3}, {1. / 6, -pointA / 3, 1. / 3, -pointB / 3}, {0, 0, 0, 1}}),
	filterGrad: squareTransform([][]float32{
		{1, 1, 1, 1, 1, 0}, {0, pointA, -pointA, pointB, -pointB, 0}, {0, .5, .5, 2, 2, 1}}),
}

var portableWinograd2 = winogradSet{
	input:      squareTransform([][]float32{{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}}),
	filter:     squareTransform([][]float32{{1, 0, 0}, {.5, .5, .5}, {.5, -.5, .5}, {0, 0, 1}}),
	output:     squareTransform([][]float32{{1, 1, 1, 0}, {0, 1, -1, -1}}),
	grad:       squareTransform([][]float32{{1, 0}, {.5, .5}, {.5, -.5}, {0, 1}}),
	filterGrad: squareTransform([][]float32{{1, 1, 1, 0}, {0, 1, -1, 0}, {0, 1, 1, -1}}),
}

// squareTransform returns the function out[i,j] = Σ l[i,r]·in[r,s]·l[j,s].
func squareTransform(l [][]float32) transformFunc {
	outputs, inputs := len(l), len(l[0])
	return func(dst *float32, dsth, dstw int, src *float32, srch, srcw, n int) {
		var between [9][9]float32
		for c := range n {
			for i := range outputs {
				for s := range inputs {
					var sum float32
					for r := range inputs {
						if l[i][r] != 0 {
							sum += l[i][r] * *at(src, r*srch+s*srcw+c)
						}
					}
					between[i][s] = sum
				}
			}
			for i := range outputs {
				for j := range outputs {
					var sum float32
					for s := range inputs {
						sum += l[j][s] * between[i][s]
					}
					*at(dst, i*dsth+j*dstw+c) = sum
				}
			}
		}
	}
}

package reference

import "math"

// LayerNorm writes y = γ·(x−mean)/√(variance+eps) + β with the mean and the biased
// variance of every row. y and x are [rows,n], gamma and beta [n], beta may be nil.
// Source: arXiv:1607.06450; ONNX LayerNormalization (opset 17).
func LayerNorm[T Float](rows, n int, eps float64, y, x, gamma, beta []T) {
	mustFitLayer("LayerNorm", rows, n, len(y), len(x), len(gamma))
	for r := range rows {
		x, y := x[r*n:][:n], y[r*n:][:n]
		mean, inverse := RowMoments(x, eps)
		for i, v := range x {
			h := (float64(v) - mean) * inverse * float64(gamma[i])
			if beta != nil {
				h += float64(beta[i])
			}
			y[i] = T(h)
		}
	}
}

// RowMoments returns the mean of x and 1/√(variance+eps), the variance being biased.
func RowMoments[T Float](x []T, eps float64) (mean, inverse float64) {
	for _, v := range x {
		mean += float64(v)
	}
	mean /= float64(len(x))
	var squares float64
	for _, v := range x {
		d := float64(v) - mean
		squares += d * d
	}
	return mean, 1 / math.Sqrt(squares/float64(len(x))+eps)
}

// LayerNormGradInput writes, with g = γ·dy and x̂ the normalised row,
//
//	dx = (g − mean(g) − x̂·mean(g·x̂)) / √(variance+eps)
//
// dx, x and dy are [rows,n], gamma is [n].
func LayerNormGradInput[T Float](rows, n int, eps float64, dx, x, gamma, dy []T) {
	mustFitLayer("LayerNormGradInput", rows, n, len(dx), len(x), len(gamma))
	mustLen("LayerNormGradInput", "dy", len(dy), rows*n)
	for r := range rows {
		x, dy, dx := x[r*n:][:n], dy[r*n:][:n], dx[r*n:][:n]
		mean, inverse := RowMoments(x, eps)
		var sum, product float64
		for i, v := range dy {
			g := float64(v) * float64(gamma[i])
			sum += g
			product += g * (float64(x[i]) - mean) * inverse
		}
		sum, product = sum/float64(n), product/float64(n)
		for i, v := range dy {
			dx[i] = T((float64(v)*float64(gamma[i]) - sum - (float64(x[i])-mean)*inverse*product) * inverse)
		}
	}
}

// LayerNormGradScale writes dγ = Σ dy·x̂ over the rows: dgamma is [n], x and dy are
// [rows,n].
func LayerNormGradScale[T Float](rows, n int, eps float64, dgamma, x, dy []T) {
	mustFitLayer("LayerNormGradScale", rows, n, len(dy), len(x), len(dgamma))
	sums := make([]float64, n)
	for r := range rows {
		x, dy := x[r*n:][:n], dy[r*n:][:n]
		mean, inverse := RowMoments(x, eps)
		for i, v := range dy {
			sums[i] += float64(v) * (float64(x[i]) - mean) * inverse
		}
	}
	store(dgamma, sums)
}

func mustFitLayer(op string, rows, n, y, x, gamma int) {
	mustLen(op, "y", y, rows*n)
	mustLen(op, "x", x, rows*n)
	mustLen(op, "gamma", gamma, n)
}

// LRN writes y = x / (bias + alpha/size·Σx²)^beta, the sum over size neighbouring
// channels, (size−1)/2 of them before and size/2 after. y and x are [n,c,hw]. Source:
// ONNX LRN (opset 13).
func LRN[T Float](n, c, hw, size int, alpha, beta, bias float64, y, x []T) {
	mustLen("LRN", "y", len(y), len(x))
	eachLRN(n, c, hw, size, alpha, bias, x, func(i, ch, from, to int, square float64) {
		y[i] = T(float64(x[i]) * math.Pow(square, -beta))
	})
}

// LRNGrad writes the gradient with respect to LRN's input: with s the base of the
// power, dx_i = dy_i·s_i^−β − 2αβ/size·x_i·Σ_j dy_j·x_j·s_j^(−β−1) over the channels j
// whose sum contains i.
func LRNGrad[T Float](n, c, hw, size int, alpha, beta, bias float64, dx, x, dy []T) {
	mustLen("LRNGrad", "dx", len(dx), len(x))
	mustLen("LRNGrad", "dy", len(dy), len(x))
	sums := make([]float64, len(x))
	eachLRN(n, c, hw, size, alpha, bias, x, func(i, ch, from, to int, square float64) {
		sums[i] += float64(dy[i]) * math.Pow(square, -beta)
		shared := 2 * alpha * beta / float64(size) * float64(dy[i]) * float64(x[i]) * math.Pow(square, -beta-1)
		for j := from; j < to; j++ {
			k := i + (j-ch)*hw
			sums[k] -= shared * float64(x[k])
		}
	})
	store(dx, sums)
}

func eachLRN[T Float](n, c, hw, size int, alpha, bias float64, x []T, f func(i, ch, from, to int, square float64)) {
	mustLen("LRN", "x", len(x), n*c*hw)
	for image := range n {
		for ch := range c {
			from, to := max(0, ch-(size-1)/2), min(c, ch+size/2+1)
			for p := range hw {
				i := (image*c+ch)*hw + p
				var sum float64
				for j := from; j < to; j++ {
					v := float64(x[i+(j-ch)*hw])
					sum += v * v
				}
				f(i, ch, from, to, bias+alpha/float64(size)*sum)
			}
		}
	}
}

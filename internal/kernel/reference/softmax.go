package reference

import "math"

// outer, n, inner: an array [outer,n,inner] is normalised along its middle axis

// Softmax writes exp(x)/Σexp(x) along the middle axis of [outer,n,inner], or with log
// its logarithm. Source: ONNX Softmax and LogSoftmax (opset 13).
func Softmax[T Float](outer, n, inner int, log bool, y, x []T) {
	mustLen("Softmax", "x", len(x), outer*n*inner)
	mustLen("Softmax", "y", len(y), outer*n*inner)
	for o := range outer {
		for i := range inner {
			at := o*n*inner + i
			high := math.Inf(-1)
			for j := range n {
				high = math.Max(high, float64(x[at+j*inner]))
			}
			var sum float64
			for j := range n {
				sum += math.Exp(float64(x[at+j*inner]) - high)
			}
			for j := range n {
				v := float64(x[at+j*inner]) - high
				if log {
					y[at+j*inner] = T(v - math.Log(sum))
				} else {
					y[at+j*inner] = T(math.Exp(v) / sum)
				}
			}
		}
	}
}

// SoftmaxGrad writes the gradient with respect to Softmax's input from its output y:
// dx = y·(dy − Σ dy·y), or with log dx = dy − exp(y)·Σdy. All are [outer,n,inner].
func SoftmaxGrad[T Float](outer, n, inner int, log bool, dx, y, dy []T) {
	mustLen("SoftmaxGrad", "dx", len(dx), outer*n*inner)
	mustLen("SoftmaxGrad", "y", len(y), outer*n*inner)
	mustLen("SoftmaxGrad", "dy", len(dy), outer*n*inner)
	for o := range outer {
		for i := range inner {
			at := o*n*inner + i
			var sum float64
			for j := range n {
				if log {
					sum += float64(dy[at+j*inner])
				} else {
					sum += float64(dy[at+j*inner]) * float64(y[at+j*inner])
				}
			}
			for j := range n {
				k := at + j*inner
				if log {
					dx[k] = T(float64(dy[k]) - math.Exp(float64(y[k]))*sum)
				} else {
					dx[k] = T(float64(y[k]) * (float64(dy[k]) - sum))
				}
			}
		}
	}
}

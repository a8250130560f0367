package reference

// Linear writes y = x·wᵀ + bias: y is [n,out], x [n,in], w [out,in], bias [out] or
// nil. Source: torch.nn.Linear; ONNX Gemm with transB = 1.
func Linear[T Float](n, in, out int, y, x, w, bias []T) {
	mustLen("Linear", "y", len(y), n*out)
	mustLen("Linear", "x", len(x), n*in)
	mustLen("Linear", "w", len(w), out*in)
	if bias != nil {
		mustLen("Linear", "bias", len(bias), out)
	}
	for i := range n {
		for o := range out {
			sum := dot(x[i*in:][:in], w[o*in:][:in])
			if bias != nil {
				sum += float64(bias[o])
			}
			y[i*out+o] = T(sum)
		}
	}
}

// LinearGradInput writes dx = dy·w: dx is [n,in], w [out,in], dy [n,out].
func LinearGradInput[T Float](n, in, out int, dx, w, dy []T) {
	mustLen("LinearGradInput", "dx", len(dx), n*in)
	mustLen("LinearGradInput", "w", len(w), out*in)
	mustLen("LinearGradInput", "dy", len(dy), n*out)
	Gemm(false, false, n, in, out, 1, 0, dx, dy, w)
}

// LinearGradWeight writes dw = dyᵀ·x: dw is [out,in], x [n,in], dy [n,out]. The
// gradient of the bias is ChannelSum of dy with hw = 1.
func LinearGradWeight[T Float](n, in, out int, dw, x, dy []T) {
	mustLen("LinearGradWeight", "dw", len(dw), out*in)
	mustLen("LinearGradWeight", "x", len(x), n*in)
	mustLen("LinearGradWeight", "dy", len(dy), n*out)
	Gemm(true, false, out, in, n, 1, 0, dw, dy, x)
}

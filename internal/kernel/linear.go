package kernel

// Linear writes y = x·wᵀ + bias: y is [n,out], x [n,in], w [out,in], bias [out] or
// nil. Source: torch.nn.Linear; ONNX Gemm with transB = 1.
func Linear(p *Pool, n, in, out int, y, x, w, bias []float32) {
	mustFitLinear("Linear", n, in, out, "y", len(y), "x", len(x), "w", len(w))
	Gemm(p, false, true, n, out, in, 1, x, in, w, in, 0, y, out, bias)
}

// LinearGradInput writes dx = dy·w: dx is [n,in], w [out,in], dy [n,out].
func LinearGradInput(p *Pool, n, in, out int, dx, w, dy []float32) {
	mustFitLinear("LinearGradInput", n, in, out, "dy", len(dy), "dx", len(dx), "w", len(w))
	Gemm(p, false, false, n, in, out, 1, dy, out, w, in, 0, dx, in, nil)
}

// LinearGradWeight writes dw = dyᵀ·x: dw is [out,in], x [n,in], dy [n,out]. The
// gradient of the bias is ChannelSum of dy.
func LinearGradWeight(p *Pool, n, in, out int, dw, x, dy []float32) {
	mustFitLinear("LinearGradWeight", n, in, out, "dy", len(dy), "x", len(x), "dw", len(dw))
	Gemm(p, true, false, out, in, n, 1, dy, out, x, in, 0, dw, in, nil)
}

func mustFitLinear(op string, n, in, out int, y string, lenY int, x string, lenX int, w string, lenW int) {
	mustLen(op, y, lenY, n*out)
	mustLen(op, x, lenX, n*in)
	mustLen(op, w, lenW, out*in)
}

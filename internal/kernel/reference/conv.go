package reference

import "onnxclr/internal/kernel"

// N images  C input channels  H, W input size
// K output channels  R, S filter size  P, Q output size  G groups

// Conv writes the convolution of x with w, and the bias added, into y:
//
//	y[n,k,p,q] = bias[k] + Σ_{c,r,s} x[n, c, p·stride−pad+r·dilation, …] · w[k,c,r,s]
//
// y is [N,K,P,Q], x [N,C,H,W], w [K,C/G,R,S], bias [K] or nil. Pixels outside the
// image are zero. With G groups, output channel k sees the C/G input channels of
// its own group. g must be complete. Source: ONNX Conv (opset 11).
func Conv[T Float](g kernel.Conv, y, x, w, bias []T) {
	mustFitConv("Conv", g, "x", len(x), "w", len(w), "y", len(y))
	if bias != nil {
		mustLen("Conv", "bias", len(bias), g.K)
	}
	cg, kg := g.C/g.Groups, g.K/g.Groups
	in, out, filter := g.H*g.W, g.P*g.Q, g.R*g.S
	taps := convTaps(g)
	sum := make([]float64, out)
	for n := range g.N {
		for k := range g.K {
			var start float64
			if bias != nil {
				start = float64(bias[k])
			}
			for i := range sum {
				sum[i] = start
			}
			for c := range cg {
				image := x[(n*g.C+k/kg*cg+c)*in:][:in]
				weights := w[(k*cg+c)*filter:][:filter]
				for t, weight := range weights {
					for _, seg := range taps[t] {
						i := seg.in
						row := sum[seg.out:][:seg.n]
						for j := range row {
							row[j] += float64(weight) * float64(image[i])
							i += g.StrideW
						}
					}
				}
			}
			store(y[(n*g.K+k)*out:][:out], sum)
		}
	}
}

// ConvGradInput writes the gradient of the convolution with respect to its input:
// every output pixel hands its gradient back to the input pixels it has read,
//
//	dx[n, c, p·stride−pad+r·dilation, …] = Σ_{k,r,s} w[k,c,r,s] · dy[n,k,p,q]
//
// dx is [N,C,H,W], w [K,C/G,R,S], dy [N,K,P,Q].
func ConvGradInput[T Float](g kernel.Conv, dx, w, dy []T) {
	mustFitConv("ConvGradInput", g, "dx", len(dx), "w", len(w), "dy", len(dy))
	cg, kg := g.C/g.Groups, g.K/g.Groups
	in, out, filter := g.H*g.W, g.P*g.Q, g.R*g.S
	taps := convTaps(g)
	sum := make([]float64, in)
	for n := range g.N {
		for c := range g.C {
			clear(sum)
			group := c / cg
			for k := group * kg; k < (group+1)*kg; k++ {
				grad := dy[(n*g.K+k)*out:][:out]
				weights := w[(k*cg+c%cg)*filter:][:filter]
				for t, weight := range weights {
					for _, seg := range taps[t] {
						i := seg.in
						row := grad[seg.out:][:seg.n]
						for j := range row {
							sum[i] += float64(weight) * float64(row[j])
							i += g.StrideW
						}
					}
				}
			}
			store(dx[(n*g.C+c)*in:][:in], sum)
		}
	}
}

// ConvGradFilter writes the gradient of the convolution with respect to its filter,
//
//	dw[k,c,r,s] = Σ_{n,p,q} x[n, c, p·stride−pad+r·dilation, …] · dy[n,k,p,q]
//
// dw is [K,C/G,R,S], x [N,C,H,W], dy [N,K,P,Q]. The gradient of the bias is
// ChannelSum of dy.
func ConvGradFilter[T Float](g kernel.Conv, dw, x, dy []T) {
	mustFitConv("ConvGradFilter", g, "x", len(x), "dw", len(dw), "dy", len(dy))
	cg, kg := g.C/g.Groups, g.K/g.Groups
	in, out, filter := g.H*g.W, g.P*g.Q, g.R*g.S
	taps := convTaps(g)
	for k := range g.K {
		for c := range cg {
			for t := range filter {
				var sum float64
				for n := range g.N {
					image := x[(n*g.C+k/kg*cg+c)*in:][:in]
					grad := dy[(n*g.K+k)*out:][:out]
					for _, seg := range taps[t] {
						i := seg.in
						row := grad[seg.out:][:seg.n]
						for j := range row {
							sum += float64(image[i]) * float64(row[j])
							i += g.StrideW
						}
					}
				}
				dw[(k*cg+c)*filter+t] = T(sum)
			}
		}
	}
}

// ChannelSum writes sum[c] = Σ over n and pixels of x[n,c,·]. sum is [c], x is
// [n,c,hw]. It is the gradient of a convolution's bias and, with hw = 1, of a
// linear layer's.
func ChannelSum[T Float](n, c, hw int, sum, x []T) {
	mustLen("ChannelSum", "x", len(x), n*c*hw)
	mustLen("ChannelSum", "sum", len(sum), c)
	for ch := range c {
		var total float64
		for i := range n {
			for _, v := range x[(i*c+ch)*hw:][:hw] {
				total += float64(v)
			}
		}
		sum[ch] = T(total)
	}
}

// segment pairs n consecutive output pixels of one row, from index out, with the
// input pixels that one filter tap reads for them, from index in and StrideW apart.
type segment struct{ out, in, n int }

// convTaps lists, for every filter tap r·S+s, the segments that fall inside the
// image: what is left out is the padding.
func convTaps(g kernel.Conv) [][]segment {
	taps := make([][]segment, g.R*g.S)
	for r := range g.R {
		top := r*g.DilationH - g.PadTop
		p0, p1 := inside(g.P, g.H, g.StrideH, top)
		for s := range g.S {
			left := s*g.DilationW - g.PadLeft
			q0, q1 := inside(g.Q, g.W, g.StrideW, left)
			if q0 == q1 {
				continue
			}
			for p := p0; p < p1; p++ {
				row := segment{out: p*g.Q + q0, in: (p*g.StrideH+top)*g.W + q0*g.StrideW + left, n: q1 - q0}
				taps[r*g.S+s] = append(taps[r*g.S+s], row)
			}
		}
	}
	return taps
}

// inside returns the range [from, to) of output positions o in [0, out) whose
// input position o·stride+offset lies in [0, in).
func inside(out, in, stride, offset int) (from, to int) {
	if offset < 0 {
		from = (-offset + stride - 1) / stride
	}
	if offset < in {
		to = min(out, (in-offset+stride-1)/stride)
	}
	return min(from, to), to
}

func mustFitConv(op string, g kernel.Conv, x string, lenX int, w string, lenW int, y string, lenY int) {
	mustLen(op, x, lenX, g.N*g.C*g.H*g.W)
	mustLen(op, w, lenW, g.K*(g.C/g.Groups)*g.R*g.S)
	mustLen(op, y, lenY, g.N*g.K*g.P*g.Q)
}

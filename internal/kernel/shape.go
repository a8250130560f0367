package kernel

import "fmt"

// Dimension letters used throughout this package and its users:
//
//	N images  C input channels  H, W input size
//	K output channels  R, S filter size  P, Q output size  G groups

// Conv is the geometry of a 2-D convolution (ONNX Conv).
type Conv struct {
	N, C, H, W int
	K, R, S    int
	P, Q       int
	StrideH    int
	StrideW    int
	DilationH  int
	DilationW  int
	PadTop     int
	PadLeft    int
	PadBottom  int
	PadRight   int
	Groups     int // C and K are multiples of it; the filter is [K, C/Groups, R, S]
}

// Complete fills P and Q from the other fields. It fails when a field is out of
// range, the groups do not divide the channels, or the output is empty.
func (c *Conv) Complete() error {
	switch {
	case c.N < 1 || c.C < 1 || c.H < 1 || c.W < 1 || c.K < 1 || c.R < 1 || c.S < 1:
		return fmt.Errorf("input [%d,%d,%d,%d] with a %d×%d filter of %d channels is empty", c.N, c.C, c.H, c.W, c.R, c.S, c.K)
	case c.StrideH < 1 || c.StrideW < 1 || c.DilationH < 1 || c.DilationW < 1:
		return fmt.Errorf("strides [%d,%d] and dilations [%d,%d] must be at least 1", c.StrideH, c.StrideW, c.DilationH, c.DilationW)
	case c.PadTop < 0 || c.PadLeft < 0 || c.PadBottom < 0 || c.PadRight < 0:
		return fmt.Errorf("pads [%d,%d,%d,%d] must not be negative", c.PadTop, c.PadLeft, c.PadBottom, c.PadRight)
	case c.Groups < 1 || c.C%c.Groups != 0 || c.K%c.Groups != 0:
		return fmt.Errorf("%d groups do not divide %d input and %d output channels", c.Groups, c.C, c.K)
	}
	c.P = outSize(c.H, c.R, c.StrideH, c.DilationH, c.PadTop+c.PadBottom)
	c.Q = outSize(c.W, c.S, c.StrideW, c.DilationW, c.PadLeft+c.PadRight)
	if c.P < 1 || c.Q < 1 {
		return fmt.Errorf("a %d×%d image is too small for a %d×%d filter", c.H, c.W, c.R, c.S)
	}
	return nil
}

// FLOPs returns the multiplications and additions of one forward pass.
func (c Conv) FLOPs() int64 {
	return 2 * int64(c.N) * int64(c.P) * int64(c.Q) * int64(c.K) * int64(c.C/c.Groups) * int64(c.R) * int64(c.S)
}

// Window is the geometry of a 2-D pooling window (ONNX MaxPool).
type Window struct {
	N, C, H, W int
	R, S       int
	P, Q       int
	StrideH    int
	StrideW    int
	DilationH  int
	DilationW  int
	PadTop     int
	PadLeft    int
	PadBottom  int
	PadRight   int
	CeilMode   bool
}

// Complete fills P and Q, and fails as Conv.Complete does. In ceil mode a last
// window that would start in the padding is dropped, as PyTorch does.
func (p *Window) Complete() error {
	c := Conv{N: p.N, C: p.C, H: p.H, W: p.W, K: p.C, R: p.R, S: p.S, StrideH: p.StrideH, StrideW: p.StrideW,
		DilationH: p.DilationH, DilationW: p.DilationW, PadTop: p.PadTop, PadLeft: p.PadLeft, PadBottom: p.PadBottom, PadRight: p.PadRight, Groups: 1}
	if err := c.Complete(); err != nil {
		return err
	}
	p.P, p.Q = c.P, c.Q
	if p.CeilMode {
		p.P = ceilSize(p.P, p.H, p.R, p.StrideH, p.DilationH, p.PadTop, p.PadBottom)
		p.Q = ceilSize(p.Q, p.W, p.S, p.StrideW, p.DilationW, p.PadLeft, p.PadRight)
	}
	return nil
}

func outSize(in, filter, stride, dilation, pads int) int {
	span := in + pads - dilation*(filter-1) - 1
	if span < 0 {
		return 0
	}
	return span/stride + 1
}

func ceilSize(floor, in, filter, stride, dilation, before, after int) int {
	if (in+before+after-dilation*(filter-1)-1)%stride != 0 && floor*stride < in+before {
		return floor + 1
	}
	return floor
}

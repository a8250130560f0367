package kernel_test

import (
	"testing"

	"onnxclr/internal/kernel"
)

// TestPackedFilters: filters packed by one call serve the next without W, to the bit.
func TestPackedFilters(t *testing.T) {
	list := append(geometries(t), winogradGeometries(t)...)
	for i, g := range list {
		l := newLayer(g, seeded(31, uint64(i)), false)
		for _, exact := range []bool{false, true} {
			p := kernel.NewPool(2)
			want, got := garbage(len(l.y)), garbage(len(l.y))
			a := kernel.ConvForwardArgs{G: g, Y: want, X: l.x, W: l.w, Exact: exact, Workspace: l.workspace}
			kernel.ConvForward(p, &a)
			a.Y, a.Filters = got, garbage(kernel.ForwardFilters(g, exact))
			kernel.ConvForward(p, &a)
			same(t, "packing "+describe(g), got, want)
			a.W, a.Packed, a.Y = nil, true, garbage(len(l.y))
			kernel.ConvForward(p, &a)
			same(t, "packed "+describe(g), a.Y, want)
			p.Close()
		}
	}
}

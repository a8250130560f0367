package blas

// RectifiedProduct writes max(0, a·b), [m,n], of a, [m,k], and b, [k,n].
func RectifiedProduct(m, n, k int, a, b, c []float64) { used.layer(m, n, k, a, b, nil, c) }

// GatedProduct writes a·b, [m,n], of a, [m,k], and b, [k,n], with 0 where by, [m,n], is
// not above it: a gradient on its way back through a product and the RectifiedProduct
// that wrote by.
func GatedProduct(m, n, k int, a, b, by, c []float64) { used.layer(m, n, k, a, b, by[:m*n], c) }

func (mach *machine) layer(m, n, k int, a, b, by, c []float64) {
	a, b, c = a[:m*k], b[:k*n], c[:m*n]
	tiles := m / mach.layerRows
	if n%mach.cols != 0 || k == 0 {
		tiles = 0
	}
	done := tiles * mach.layerRows
	for j := 0; j < n && tiles > 0; j += mach.cols {
		if by == nil {
			mach.rectified(&a[0], &b[j], &c[j], k, 1, n, n, k, tiles)
		} else {
			mach.gated(&a[0], &b[j], &by[j], &c[j], k, 1, n, n, k, tiles)
		}
	}
	if done == m {
		return
	}
	product{mach, whole, m - done, n, k, 1, 0, operand{a[done*k:], k, 1}, operand{b, n, 1}, c[done*n:], n}.run()
	if by == nil {
		mach.rectifyAll(c[done*n:])
	} else {
		mach.gateAll(c[done*n:], by[done*n:])
	}
}

package reference

import "fmt"

// Float is the element type of a tensor.
type Float interface{ ~float32 | ~float64 }

// mustLen panics unless operand name of operator op has want elements.
func mustLen(op, name string, got, want int) {
	if got != want {
		panic(fmt.Sprintf("reference.%s: %s has %d elements, want %d", op, name, got, want))
	}
}

// mustDivide panics unless the batch splits into equal, non-empty groups.
func mustDivide(op string, n, groups int) {
	if groups < 1 || n < 1 || n%groups != 0 {
		panic(fmt.Sprintf("reference.%s: %d samples do not split into %d equal groups", op, n, groups))
	}
}

// dot returns Σ a[i]·b[i]. Four partial sums keep the additions independent of
// each other, which is several times faster and as deterministic as one.
func dot[A, B Float](a []A, b []B) float64 {
	b = b[:len(a)]
	var s0, s1, s2, s3 float64
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += float64(a[i]) * float64(b[i])
		s1 += float64(a[i+1]) * float64(b[i+1])
		s2 += float64(a[i+2]) * float64(b[i+2])
		s3 += float64(a[i+3]) * float64(b[i+3])
	}
	for ; i < len(a); i++ {
		s0 += float64(a[i]) * float64(b[i])
	}
	return (s0 + s1) + (s2 + s3)
}

// axpy adds s·x to y.
func axpy[T Float](y []float64, s float64, x []T) {
	x = x[:len(y)]
	for i := range y {
		y[i] += s * float64(x[i])
	}
}

// store rounds src to dst's type.
func store[T Float](dst []T, src []float64) {
	src = src[:len(dst)]
	for i := range dst {
		dst[i] = T(src[i])
	}
}

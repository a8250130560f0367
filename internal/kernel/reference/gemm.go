package reference

// Gemm writes y ← alpha·op(a)·op(b) + beta·y, where op transposes if its flag is
// set: y is [m,n], op(a) [m,k] (so a is [k,m] if transA), op(b) [k,n] (b is [n,k] if
// transB). As in BLAS, y holds the addend on entry, broadcast by the caller, and is
// not read when beta is 0. Source: ONNX Gemm (opset 13).
func Gemm[T Float](transA, transB bool, m, n, k int, alpha, beta float64, y, a, b []T) {
	mustLen("Gemm", "y", len(y), m*n)
	mustLen("Gemm", "a", len(a), m*k)
	mustLen("Gemm", "b", len(b), k*n)
	sum := make([]float64, n)
	column := make([]T, k)
	for i := range m {
		left := a[i*k : (i+1)*k : (i+1)*k]
		if transA {
			for l := range column {
				column[l] = a[l*m+i]
			}
			left = column
		}
		if transB {
			for j := range sum {
				sum[j] = dot(left, b[j*k:][:k])
			}
		} else {
			clear(sum)
			for l, v := range left {
				axpy(sum, float64(v), b[l*n:][:n])
			}
		}
		row := y[i*n:][:n]
		for j, v := range sum {
			v *= alpha
			if beta != 0 {
				v += beta * float64(row[j])
			}
			row[j] = T(v)
		}
	}
}

package reference

// MatMul writes the products of pairs of matrices: c[i] = op(a[A[i]])·op(b[B[i]]).
// c is [len(A),m,n]; op(a) is [m,k] (a is [k,m] if transA), op(b) [k,n] ([n,k] if
// transB). A and B number the matrices of a and b.
func MatMul[T Float](transA, transB bool, m, n, k int, A, B []int, c, a, b []T) {
	mustLen("MatMul", "B", len(B), len(A))
	mustLen("MatMul", "c", len(c), len(A)*m*n)
	ai, ap := k, 1
	if transA {
		ai, ap = 1, m
	}
	bp, bj := n, 1
	if transB {
		bp, bj = 1, k
	}
	for x := range A {
		a, b, c := a[A[x]*m*k:][:m*k], b[B[x]*k*n:][:k*n], c[x*m*n:][:m*n]
		for i := range m {
			for j := range n {
				var sum float64
				for p := range k {
					sum += float64(a[i*ai+p*ap]) * float64(b[p*bp+j*bj])
				}
				c[i*n+j] = T(sum)
			}
		}
	}
}

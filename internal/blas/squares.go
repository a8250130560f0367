package blas

// Squares writes of every row of a, of n numbers, the sum of their squares, and of those of
// what lies between it and the same row of b.
func Squares(n int, a, b, squares, apart []float64) { used.squaresAll(n, a, b, squares, apart) }

func (mach *machine) squaresAll(n int, a, b, sums, apart []float64) {
	rows := len(a) / n
	if rows == 0 {
		return
	}
	of := mach.squares
	if n%mach.weighStep != 0 {
		of = squares
	}
	of(rows, n, &a[0], &b[:rows*n][0], &sums[:rows][0], &apart[:rows][0])
}

package blas

// Transpose writes the transpose of a matrix of so many rows and columns, its rows ldf
// apart, to one whose rows are ldt apart.
func Transpose(rows, cols int, from []float64, ldf int, to []float64, ldt int) {
	used.transposeAll(rows, cols, from, ldf, to, ldt)
}

func (mach *machine) transposeAll(rows, cols int, from []float64, ldf int, to []float64, ldt int) {
	i, whole := 0, cols/mach.lanes*mach.lanes
	for ; i+mach.lanes <= rows && whole > 0; i += mach.lanes {
		mach.transpose(&from[i*ldf], ldf, &to[i], ldt, whole)
		for j := whole; j < cols; j++ {
			for u := range mach.lanes {
				to[j*ldt+i+u] = from[(i+u)*ldf+j]
			}
		}
	}
	for ; i < rows; i++ {
		line := to[i:]
		for j, v := range from[i*ldf:][:cols] {
			line[j*ldt] = v
		}
	}
}

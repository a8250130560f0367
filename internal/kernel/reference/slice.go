package reference

// SliceColumns writes the columns [from,to) of x: y is [rows,to−from], x
// [rows,cols]. It is DirectCLR's head, z = r[0:d₀] (arXiv:2110.09348, section 6.2).
// Source: ONNX Slice with axis 1 and step 1.
func SliceColumns[T Float](rows, cols, from, to int, y, x []T) {
	mustFitSlice("SliceColumns", rows, cols, from, to, "x", len(x), "y", len(y))
	width := to - from
	for i := range rows {
		copy(y[i*width:(i+1)*width], x[i*cols+from:])
	}
}

// SliceColumnsGrad writes the gradient with respect to x: dy in the columns
// [from,to) and zero, not nothing, in the others. dx is [rows,cols], dy
// [rows,to−from].
func SliceColumnsGrad[T Float](rows, cols, from, to int, dx, dy []T) {
	mustFitSlice("SliceColumnsGrad", rows, cols, from, to, "dx", len(dx), "dy", len(dy))
	width := to - from
	clear(dx)
	for i := range rows {
		copy(dx[i*cols+from:i*cols+to], dy[i*width:])
	}
}

func mustFitSlice(op string, rows, cols, from, to int, x string, lenX int, y string, lenY int) {
	if from < 0 || from > to || to > cols {
		panic("reference." + op + ": the columns do not lie in the matrix")
	}
	mustLen(op, x, lenX, rows*cols)
	mustLen(op, y, lenY, rows*(to-from))
}

package reference

import "fmt"

// walk calls f with the flat position of every element of shape, in row-major order,
// and its offset in each operand, whose strides (in elements, one an axis) may be 0.
func walk(shape []int, strides [][]int, f func(i int, at []int)) {
	at := make([]int, len(strides))
	index := make([]int, len(shape))
	total := 1
	for _, d := range shape {
		total *= d
	}
	for i := range total {
		f(i, at)
		for axis := len(shape) - 1; axis >= 0; axis-- {
			index[axis]++
			for k := range at {
				at[k] += strides[k][axis]
			}
			if index[axis] < shape[axis] {
				break
			}
			for k := range at {
				at[k] -= shape[axis] * strides[k][axis]
			}
			index[axis] = 0
		}
	}
}

// Strides are those of a row-major array of the shape, as an operand that
// broadcasts to out by ONNX's (NumPy's) rules: 0 along the axes that are repeated.
func Strides(shape, out []int) []int {
	if len(shape) > len(out) {
		panic(fmt.Sprintf("reference.Strides: %v does not broadcast to %v", shape, out))
	}
	s := make([]int, len(out))
	stride := 1
	for i := len(shape) - 1; i >= 0; i-- {
		axis := i + len(out) - len(shape)
		if shape[i] != 1 {
			s[axis] = stride
		}
		stride *= shape[i]
	}
	return s
}

// Broadcast writes y = f(a, b) element by element, a and b of the shapes sa and sb
// being broadcast to the shape of y.
func Broadcast[T Float](shape, sa, sb []int, y, a, b []T, f func(a, b float64) float64) {
	walk(shape, [][]int{Strides(sa, shape), Strides(sb, shape)}, func(i int, at []int) {
		y[i] = T(f(float64(a[at[0]]), float64(b[at[1]])))
	})
}

// BroadcastGrad is Broadcast with three operands, such as the gradient dy and the two
// operands of the forward pass.
func BroadcastGrad[T Float](shape, sa, sb []int, dx, a, b, dy []T, f func(a, b, dy float64) float64) {
	walk(shape, [][]int{Strides(sa, shape), Strides(sb, shape)}, func(i int, at []int) {
		dx[i] = T(f(float64(a[at[0]]), float64(b[at[1]]), float64(dy[i])))
	})
}

// ReduceSum writes scale·Σx over the axes along which y, of the shape to, is
// repeated to give x's shape: it undoes a broadcast, and is the gradient of one.
func ReduceSum[T Float](shape, to []int, scale float64, y, x []T) {
	sums := make([]float64, len(y))
	walk(shape, [][]int{Strides(to, shape)}, func(i int, at []int) { sums[at[0]] += float64(x[i]) })
	for i, s := range sums {
		y[i] = T(scale * s)
	}
}

// Map says where the elements of an array come from, axis by axis: element (i₀, i₁, …)
// is element Σ Offset[k][i_k] of the source, or not from there where one of the
// offsets is negative. Every operator that only moves elements is one: Transpose,
// Slice, Gather, Pad, Expand.
type Map struct{ Offset [][]int }

// Shape is the shape of the array.
func (m Map) Shape() []int {
	s := make([]int, len(m.Offset))
	for k, o := range m.Offset {
		s[k] = len(o)
	}
	return s
}

// each calls f with every element's position and that of its source, −1 for none.
func (m Map) each(f func(i, from int)) {
	i := 0
	var descend func(axis, from int)
	descend = func(axis, from int) {
		if axis == len(m.Offset) {
			f(i, from)
			i++
			return
		}
		for _, o := range m.Offset[axis] {
			if from < 0 || o < 0 {
				descend(axis+1, -1)
			} else {
				descend(axis+1, from+o)
			}
		}
	}
	descend(0, 0)
}

// Gather writes the elements of y from x, and fill where they do not come from there.
func Gather[T Float](m Map, fill T, y, x []T) {
	m.each(func(i, from int) {
		if from < 0 {
			y[i] = fill
		} else {
			y[i] = x[from]
		}
	})
}

// Scatter is the gradient of Gather: every element of dx is the sum of the gradients
// of where it went.
func Scatter[T Float](m Map, dx, dy []T) {
	sums := make([]float64, len(dx))
	m.each(func(i, from int) {
		if from >= 0 {
			sums[from] += float64(dy[i])
		}
	})
	store(dx, sums)
}

package reference

import "math"

// Window is the geometry of a window that slides over any number of spatial axes:
// ONNX's Conv, AveragePool and MaxPool in their 1-d and 3-d forms. Before and After
// are the padding, Out the number of positions.
type Window struct{ In, Kernel, Stride, Dilation, Before, After, Out []int }

// each calls f for every position of the window and every element of it that lies in
// the image: with the index of the position, of the element in the window and of the
// pixel.
func (w Window) each(f func(position, tap, pixel int)) {
	for position := range product(w.Out) {
		at := unflatten(position, w.Out)
		var descend func(axis, tap, pixel int)
		descend = func(axis, tap, pixel int) {
			if axis == len(w.In) {
				f(position, tap, pixel)
				return
			}
			for k := range w.Kernel[axis] {
				x := at[axis]*w.Stride[axis] - w.Before[axis] + k*w.Dilation[axis]
				if x >= 0 && x < w.In[axis] {
					descend(axis+1, tap*w.Kernel[axis]+k, pixel*w.In[axis]+x)
				}
			}
		}
		descend(0, 0, 0)
	}
}

// areas returns by what a mean divides at every position: the elements in the image,
// or with pad those in the padding too. What ceil_mode lets stick out beyond the
// padding never counts.
func (w Window) areas(pad bool) []float64 {
	areas := make([]float64, product(w.Out))
	for position := range areas {
		at, area := unflatten(position, w.Out), 1
		for axis := range w.In {
			low, high := 0, w.In[axis]
			if pad {
				low, high = -w.Before[axis], high+w.After[axis]
			}
			n := 0
			for k := range w.Kernel[axis] {
				if x := at[axis]*w.Stride[axis] - w.Before[axis] + k*w.Dilation[axis]; x >= low && x < high {
					n++
				}
			}
			area *= n
		}
		areas[position] = float64(area)
	}
	return areas
}

func product(v []int) int {
	n := 1
	for _, d := range v {
		n *= d
	}
	return n
}

func unflatten(i int, shape []int) []int {
	at := make([]int, len(shape))
	for axis := len(shape) - 1; axis >= 0; axis-- {
		at[axis], i = i%shape[axis], i/shape[axis]
	}
	return at
}

// AveragePool writes the mean of every window: y is [planes,Out…], x [planes,In…].
// With pad the padding counts as zeros. A window without elements gives 0. Source:
// ONNX AveragePool (opset 19).
func AveragePool[T Float](w Window, planes int, pad bool, y, x []T) {
	areas, in := w.areas(pad), product(w.In)
	mustLen("AveragePool", "x", len(x), planes*in)
	mustLen("AveragePool", "y", len(y), planes*len(areas))
	sums := make([]float64, len(areas))
	for plane := range planes {
		clear(sums)
		w.each(func(position, _, pixel int) { sums[position] += float64(x[plane*in+pixel]) })
		for i, s := range sums {
			y[plane*len(areas)+i] = T(s / max(areas[i], 1))
		}
	}
}

// AveragePoolGrad spreads every gradient over its window.
func AveragePoolGrad[T Float](w Window, planes int, pad bool, dx, dy []T) {
	areas, in := w.areas(pad), product(w.In)
	mustLen("AveragePoolGrad", "dx", len(dx), planes*in)
	mustLen("AveragePoolGrad", "dy", len(dy), planes*len(areas))
	sums := make([]float64, in)
	for plane := range planes {
		clear(sums)
		w.each(func(position, _, pixel int) { sums[pixel] += float64(dy[plane*len(areas)+position]) / areas[position] })
		store(dx[plane*in:][:in], sums)
	}
}

// MaxPoolAny is MaxPool over any number of spatial axes; of equal values the first in
// row-major order wins. winner, if not nil, receives for every window the index of the
// pixel that won it, −1 for a window wholly in the padding.
func MaxPoolAny[T Float](w Window, planes int, y []T, winner []int, x []T) {
	in, out := product(w.In), product(w.Out)
	mustLen("MaxPoolAny", "x", len(x), planes*in)
	mustLen("MaxPoolAny", "y", len(y), planes*out)
	for plane := range planes {
		x, y := x[plane*in:][:in], y[plane*out:][:out]
		won := make([]int, out)
		for i := range y {
			y[i], won[i] = T(math.Inf(-1)), -1
		}
		w.each(func(position, _, pixel int) {
			if v := x[pixel]; won[position] < 0 || v > y[position] || v != v {
				y[position], won[position] = v, pixel
			}
		})
		if winner != nil {
			copy(winner[plane*out:], won)
		}
	}
}

// MaxPoolAnyGrad gives the gradient of every window to the pixel that won it.
func MaxPoolAnyGrad[T Float](w Window, planes int, dx, x, dy []T) {
	in, out := product(w.In), product(w.Out)
	y, winner := make([]T, planes*out), make([]int, planes*out)
	MaxPoolAny(w, planes, y, winner, x)
	sums := make([]float64, len(dx))
	for i, pixel := range winner {
		if pixel >= 0 {
			sums[i/out*in+pixel] += float64(dy[i])
		}
	}
	store(dx, sums)
}

// ConvAny is Conv over any number of spatial axes: y is [n,k,Out…], x [n,c,In…],
// filter [k,c/groups,Kernel…].
func ConvAny[T Float](w Window, n, c, k, groups int, y, x, filter []T) {
	sums := make([]float64, len(y))
	eachConv(w, n, c, k, groups, len(y), len(x), len(filter), func(iy, ix, iw int) { sums[iy] += float64(x[ix]) * float64(filter[iw]) })
	store(y, sums)
}

// ConvAnyGradInput is ConvAny's gradient with respect to x.
func ConvAnyGradInput[T Float](w Window, n, c, k, groups int, dx, filter, dy []T) {
	sums := make([]float64, len(dx))
	eachConv(w, n, c, k, groups, len(dy), len(dx), len(filter), func(iy, ix, iw int) { sums[ix] += float64(dy[iy]) * float64(filter[iw]) })
	store(dx, sums)
}

// ConvAnyGradFilter is ConvAny's gradient with respect to the filter.
func ConvAnyGradFilter[T Float](w Window, n, c, k, groups int, dfilter, x, dy []T) {
	sums := make([]float64, len(dfilter))
	eachConv(w, n, c, k, groups, len(dy), len(x), len(dfilter), func(iy, ix, iw int) { sums[iw] += float64(x[ix]) * float64(dy[iy]) })
	store(dfilter, sums)
}

// eachConv calls f with the indices of every product of a convolution.
func eachConv(w Window, n, c, k, groups, y, x, filter int, f func(y, x, w int)) {
	in, out, taps := product(w.In), product(w.Out), product(w.Kernel)
	mustLen("ConvAny", "x", x, n*c*in)
	mustLen("ConvAny", "y", y, n*k*out)
	mustLen("ConvAny", "filter", filter, k*(c/groups)*taps)
	each := c / groups
	w.each(func(position, tap, pixel int) {
		for image := range n {
			for o := range k {
				for i := range each {
					ch := o/(k/groups)*each + i
					f((image*k+o)*out+position, (image*c+ch)*in+pixel, (o*each+i)*taps+tap)
				}
			}
		}
	})
}

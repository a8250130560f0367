package vm

import "onnxclr/internal/kernel"

func (o Pointwise) arrange(t *translator, i *instruction) {
	if anyPixelMajor(i) {
		t.images(i, -1)
		i.out[0].pixelMajor = true
	}
}

func (o Pointwise) overwrites() []int { return []int{0, 1, 2, 3} }

func (o Pointwise) lower(m *Machine, i *instruction) func() {
	x := make([][]float32, len(i.in))
	return func() {
		for k, v := range i.in {
			x[k] = v.data
		}
		kernel.Each(m.pool, i.out[0].data, o.F, x...)
	}
}

// padded gives a shape leading axes of 1.
func padded(s []int, rank int) []int {
	out := make([]int, rank)
	for i := range out {
		out[i] = 1
		if k := i - rank + len(s); k >= 0 {
			out[i] = s[k]
		}
	}
	return out
}

// anyOrder reports whether an operand of fewer axes is stored alike in both layouts.
func anyOrder(v *value, rank int) bool {
	return len(v.shape) == rank || !ordered(padded(v.shape, rank))
}

// strides are those of an array stored in the order of a physical shape, 0 along the
// axes that it lacks.
func strides(s []int) []int {
	out, step := make([]int, len(s)), 1
	for axis := len(s) - 1; axis >= 0; axis-- {
		if s[axis] != 1 {
			out[axis] = step
		}
		step *= s[axis]
	}
	return out
}

func (o Broadcast) arrange(t *translator, i *instruction) {
	pixel := anyPixelMajor(i) && ordered(o.Shape)
	for _, v := range i.in {
		pixel = pixel && anyOrder(v, len(o.Shape))
	}
	if !pixel {
		rowMajor{}.arrange(t, i)
		return
	}
	for k, v := range i.in {
		if len(v.shape) == len(o.Shape) {
			i.in[k] = t.pixelMajor(v)
		}
	}
	i.out[0].pixelMajor = true
}

func (o Broadcast) overwrites() []int { return []int{0, 1, 2, 3} }

func (o Broadcast) lower(m *Machine, i *instruction) func() {
	pixel := i.out[0].pixelMajor
	all := make([][]int, len(i.in))
	for k, v := range i.in {
		all[k] = strides(physical(pixel, padded(v.shape, len(o.Shape))))
	}
	s := kernel.NewStrided(physical(pixel, o.Shape), all...)
	x := make([][]float32, len(i.in))
	return func() {
		for k, v := range i.in {
			x[k] = v.data
		}
		kernel.Broadcast(m.pool, s, i.out[0].data, o.F, x...)
	}
}

func (o ReduceSum) arrange(t *translator, i *instruction) {
	to := padded(o.To, len(o.Shape))
	if i.in[0].pixelMajor && (len(o.To) == len(o.Shape) || !ordered(to)) {
		i.out[0].pixelMajor = ordered(to)
		return
	}
	rowMajor{}.arrange(t, i)
}

func (o ReduceSum) overwrites() []int { return nil }

func (o ReduceSum) lower(m *Machine, i *instruction) func() {
	pixel := i.in[0].pixelMajor
	s := kernel.NewStrided(physical(pixel, o.Shape), strides(physical(pixel, padded(o.To, len(o.Shape)))))
	return func() { kernel.ReduceSum(m.pool, s, o.Scale, i.out[0].data, i.in[0].data) }
}

// block is how an array of the shape is cut along an axis: rows of so many floats, of
// which an element of the axis is each.
func block(pixel bool, shape []int, axis int) (rows, width, each int) {
	s, at := physical(pixel, shape), physicalAxis(pixel, axis, len(shape))
	each = volume(s[at+1:])
	return volume(s[:at]), s[at] * each, each
}

func (o Concat) arrange(t *translator, i *instruction) {
	if anyPixelMajor(i) {
		t.images(i, -1)
		i.out[0].pixelMajor = true
	}
}

func (o Concat) overwrites() []int { return nil }

func (o Concat) lower(m *Machine, i *instruction) func() {
	rows, width, each := block(i.out[0].pixelMajor, o.Shape, o.Axis)
	return func() {
		at := 0
		for _, v := range i.in {
			n := v.shape[o.Axis] * each
			kernel.CopyColumns(m.pool, rows, n, i.out[0].data, width, at, v.data, n, 0)
			at += n
		}
	}
}

func (o Cut) arrange(_ *translator, i *instruction) {
	// Where the result would be stored alike in both orders, nothing is to be said.
	i.out[0].pixelMajor = i.in[0].pixelMajor && ordered(i.out[0].shape)
}

func (o Cut) overwrites() []int { return nil }

func (o Cut) lower(m *Machine, i *instruction) func() {
	rows, width, each := block(i.in[0].pixelMajor, o.Shape, o.Axis)
	n := i.out[0].shape[o.Axis] * each
	return func() {
		kernel.CopyColumns(m.pool, rows, n, i.out[0].data, n, 0, i.in[0].data, width, o.From*each)
	}
}

func (o CutGrad) arrange(_ *translator, i *instruction) {
	i.out[0].pixelMajor = i.in[0].pixelMajor
}

func (o CutGrad) overwrites() []int { return nil }

func (o CutGrad) lower(m *Machine, i *instruction) func() {
	rows, width, each := block(i.in[0].pixelMajor, o.Shape, o.Axis)
	n := i.in[0].shape[o.Axis] * each
	return func() {
		kernel.PadColumns(m.pool, rows, n, i.out[0].data, width, o.From*each, i.in[0].data)
	}
}

// arrange: [N,C,…] stored with its channels last is [N,…,C] already, and back.
func (o Permute) arrange(t *translator, i *instruction) {
	rank := len(o.Perm)
	last, first := rank >= 3 && o.Perm[0] == 0, rank >= 3 && o.Perm[0] == 0 && o.Perm[1] == rank-1
	for axis := 1; axis < rank; axis++ {
		last = last && o.Perm[axis] == axis%(rank-1)+1
		first = first && (axis == 1 || o.Perm[axis] == axis-1)
	}
	switch {
	case last && i.in[0].pixelMajor:
		i.op = Reshape{}
	case first:
		i.in[0] = t.rowMajor(i.in[0])
		i.out[0].pixelMajor = ordered(i.out[0].shape)
		i.op = Reshape{}
	default:
		i.in[0] = t.rowMajor(i.in[0])
	}
}

func (o Permute) overwrites() []int { return nil }

func (o Permute) lower(m *Machine, i *instruction) func() {
	from, shape := strides(i.in[0].shape), make([]int, len(o.Perm))
	step := make([]int, len(o.Perm))
	for axis, p := range o.Perm {
		shape[axis], step[axis] = i.in[0].shape[p], from[p]
	}
	s := kernel.NewStrided(shape, step)
	same := kernel.Scale(1)
	return func() { kernel.Broadcast(m.pool, s, i.out[0].data, same, i.in[0].data) }
}

package vm

import "sort"

// align is the granularity of storage in floats: a cache line.
const align = 16

// place decides which values share storage and where each lives in the arena, and
// returns the arena's size in floats. A value's storage is free again after its
// last reader; kept values are never overwritten.
func place(code []*instruction) int {
	lifetimes(code)
	shareInPlace(code)
	return assign(owners(code))
}

func lifetimes(code []*instruction) {
	for k, i := range code {
		for _, v := range i.out {
			v.def, v.end = k, k
		}
	}
	for k, i := range code {
		for _, v := range i.in {
			v.end = k
		}
	}
	for _, i := range code {
		for _, v := range i.out {
			if v.keep {
				v.end = len(code)
			}
		}
	}
}

// shareInPlace lets a result take over the storage of an operand that dies there,
// where the kernel allows it.
func shareInPlace(code []*instruction) {
	for k, i := range code {
		out := i.out[0]
		for _, at := range overwrites(i.op) {
			if at >= len(i.in) {
				break
			}
			v := i.in[at]
			r := v.root()
			if v.leaf || r.leaf || r.end > k || v.size != out.size || readTwice(i, v) {
				continue
			}
			out.home = r
			r.end = max(r.end, out.end)
			break
		}
	}
}

// overwrites lists the operands whose storage the result may take, best first.
func overwrites(op Instr) []int {
	switch op := op.(type) {
	case general:
		return op.overwrites()
	case Reshape:
		return []int{0}
	case Add:
		return []int{0, 1}
	case ReLU:
		return []int{0}
	case ReLUGrad:
		return []int{1}
	case BatchNormGradInput, maskedGradInput:
		return []int{3}
	case FrozenBatchNormGradInput:
		return []int{2}
	case convGradInputAdd:
		return []int{2}
	case convGradInputReLU:
		if op.Add {
			return []int{3}
		}
	case normalise:
		if op.Residual {
			return []int{0, 4}
		}
		return []int{0}
	}
	return nil
}

func readTwice(i *instruction, v *value) bool {
	n := 0
	for _, w := range i.in {
		if w.root() == v.root() {
			n++
		}
	}
	return n > 1
}

func owners(code []*instruction) []*value {
	var vs []*value
	for _, i := range code {
		for _, v := range i.out {
			if v.home == nil {
				vs = append(vs, v)
			}
		}
	}
	return vs
}

// assign lays values out by decreasing size, each at the lowest offset that is free
// during its whole life.
func assign(vs []*value) int {
	sort.SliceStable(vs, func(i, j int) bool { return vs[i].size > vs[j].size })
	var placed []*value // by offset
	top := 0
	for _, v := range vs {
		size := roundUp(v.size)
		offset := 0
		for _, p := range placed {
			if p.end < v.def || v.end < p.def {
				continue
			}
			if offset+size <= p.offset {
				break
			}
			offset = max(offset, p.offset+roundUp(p.size))
		}
		v.offset = offset
		top = max(top, offset+size)
		at := sort.Search(len(placed), func(i int) bool { return placed[i].offset > offset })
		placed = append(placed, nil)
		copy(placed[at+1:], placed[at:])
		placed[at] = v
	}
	return top
}

func roundUp(n int) int { return (max(n, 1) + align - 1) &^ (align - 1) }

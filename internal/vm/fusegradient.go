package vm

// finishGradient: the passes over the input gradient of a convolution that come
// next, the mask of a ReLU and the sums that the gradient of BatchNorm needs, done
// while the gradient is in the cache.
func finishGradient(e *editor) {
	for k, i := range e.code {
		if i == nil {
			continue
		}
		f, ok := finishable(i)
		if !ok {
			continue
		}
		dx := i.out[0]
		r := e.readers[dx]
		if dx.keep || len(r) == 0 {
			continue
		}
		if _, ok := e.code[r[0]].op.(ReLUGrad); ok && e.only(dx, r[0]) {
			e.maskInput(k, r[0], f)
		} else if len(r) == 2 {
			e.maskNormalised(k, r[0], r[1], f)
		}
	}
}

// finishable returns the fused form of a convolution's input gradient, if it writes
// every pixel once.
func finishable(i *instruction) (f convGradInputReLU, ok bool) {
	switch op := i.op.(type) {
	case ConvGradInput:
		return convGradInputReLU{ConvGradInput: op}, true
	case convGradInputAdd:
		return convGradInputReLU{ConvGradInput: op.ConvGradInput, Add: true}, op.G.StrideH == 1 && op.G.StrideW == 1
	}
	return f, false
}

// maskInput fuses instruction k with the ReLUGrad at instruction r, and with the
// first sums that are read from its result.
func (e *editor) maskInput(k, r int, f convGradInputReLU) {
	i, masked := e.code[k], e.code[r].out[0]
	in := append([]*value{i.in[0], i.in[1], e.code[r].in[0]}, i.in[2:]...)
	out := []*value{masked}
	e.code[r] = nil
	for _, at := range e.readers[masked] {
		if s := e.code[at]; s != nil && e.addSums(k, s, masked, &f, &in, &out) {
			e.code[at] = nil
			break
		}
	}
	e.finish(k, f, in, out)
}

// addSums adds to a fused instruction at k the sums of s, of dx.
func (e *editor) addSums(k int, s *instruction, dx *value, f *convGradInputReLU, in, out *[]*value) bool {
	op, ok := s.op.(BatchNormGradSums)
	if !ok || s.in[2] != dx || e.def[s.in[0]] > k || e.def[s.in[1]] > k {
		return false
	}
	f.Sums, f.Groups, f.Eps = true, op.Groups, op.Eps
	*in = append(*in, s.in[0], s.in[1])
	*out = append(*out, s.out[0])
	return true
}

// maskNormalised fuses instruction k with the two passes of a BatchNorm's gradient
// that mask its result: it is masked from the start.
func (e *editor) maskNormalised(k, sums, input int, f convGradInputReLU) {
	i, a, b := e.code[k], e.code[sums], e.code[input]
	if a == nil || b == nil {
		return
	}
	s, ok := a.op.(maskedGradSums)
	g, ok2 := b.op.(maskedGradInput)
	if !ok || !ok2 || a.in[2] != i.out[0] || b.in[3] != i.out[0] || a.in[3] != b.in[5] {
		return
	}
	in := append([]*value{i.in[0], i.in[1], a.in[3]}, i.in[2:]...)
	out := []*value{i.out[0]}
	plain := &instruction{op: s.BatchNormGradSums, in: a.in[:3], out: a.out}
	if !e.addSums(k, plain, i.out[0], &f, &in, &out) {
		return
	}
	e.code[sums] = nil
	e.code[input] = &instruction{op: g.BatchNormGradInput, name: b.name, in: b.in[:5], out: b.out}
	e.finish(k, f, in, out)
}

func (e *editor) finish(k int, f convGradInputReLU, in, out []*value) {
	name := e.code[k].name + "+ReluGrad"
	if f.Sums {
		name += "+Sums"
	}
	e.replace(k, &instruction{op: f, name: name, in: in, out: out})
}

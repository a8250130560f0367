package vm

// fuse replaces groups of instructions by one that makes fewer passes over the
// activations. Every rule asks that what it removes has no other reader, so the
// plan computes the same values with the same operations.
func fuse(code []*instruction) []*instruction {
	for _, rule := range []func(*editor){
		convolutionStatistics,
		foldNormalisation,
		foldActivation,
		normaliseActivate,
		maskGradient,
		accumulateGradient,
		finishGradient,
	} {
		e := newEditor(code)
		rule(e)
		code = e.result()
	}
	return code
}

// editor rewrites a program; a removed instruction is nil in code.
type editor struct {
	code    []*instruction
	def     map[*value]int
	readers map[*value][]int
}

func newEditor(code []*instruction) *editor {
	e := &editor{code: append([]*instruction(nil), code...), def: map[*value]int{}, readers: map[*value][]int{}}
	for k, i := range e.code {
		for _, v := range i.in {
			e.readers[v] = append(e.readers[v], k)
		}
		for _, v := range i.out {
			e.def[v] = k
		}
	}
	return e
}

func (e *editor) result() []*instruction {
	var out []*instruction
	for _, i := range e.code {
		if i != nil {
			out = append(out, i)
		}
	}
	return out
}

// producer returns the instruction that computes v, or nil for a leaf.
func (e *editor) producer(v *value) (*instruction, int) {
	k, ok := e.def[v]
	if !ok {
		return nil, -1
	}
	return e.code[k], k
}

// only reports whether instruction k is the single reader of v and nobody else
// wants the value.
func (e *editor) only(v *value, k int) bool {
	r := e.readers[v]
	return len(r) == 1 && r[0] == k && !v.keep
}

// convolutionStatistics: Conv → BatchStats of its output, computed while the
// output is in the cache.
func convolutionStatistics(e *editor) {
	for k, i := range e.code {
		if i == nil {
			continue
		}
		s, ok := i.op.(BatchStats)
		if !ok {
			continue
		}
		p, at := e.producer(i.in[0])
		if p == nil {
			continue
		}
		c, ok := p.op.(Conv)
		if !ok {
			continue
		}
		e.code[at] = &instruction{op: convStats{c, s.Groups}, name: "Conv+BatchStats", in: p.in, out: []*value{p.out[0], i.out[0]}}
		e.code[k] = nil
	}
}

// foldNormalisation: Conv → BatchNorm with running statistics, whose scale goes into
// the filter and whose shift becomes the bias.
func foldNormalisation(e *editor) {
	for k, i := range e.code {
		if i == nil {
			continue
		}
		n, ok := i.op.(BatchNorm)
		if !ok || n.Groups != 1 || !e.only(i.in[0], k) {
			continue
		}
		p, at := e.producer(i.in[0])
		s, _ := e.producer(i.in[1])
		if p == nil || s == nil {
			continue
		}
		c, ok := p.op.(Conv)
		if _, running := s.op.(StackStats); !ok || !running {
			continue
		}
		f := convFolded{Conv: c, Eps: n.Eps, Bias: len(p.in) > 2}
		in := append([]*value{p.in[0], p.in[1], i.in[1], i.in[2], i.in[3]}, p.in[2:]...)
		e.code[at] = nil
		e.replace(k, &instruction{op: f, name: "Conv+BatchNorm", in: in, out: i.out})
	}
}

// foldActivation: a folded convolution → [Add] → [ReLU], done while its result is in
// the cache.
func foldActivation(e *editor) {
	for k, i := range e.code {
		if i == nil {
			continue
		}
		switch i.op.(type) {
		case Add:
			e.addFolded(k, i)
		case ReLU:
			p, at := e.producer(i.in[0])
			if p == nil || !e.only(i.in[0], k) {
				continue
			}
			if f, ok := p.op.(convFolded); ok && !f.ReLU {
				f.ReLU = true
				e.code[at] = nil
				e.replace(k, &instruction{op: f, name: p.name + "+Relu", in: p.in, out: i.out})
			}
		}
	}
}

// addFolded fuses the addition with the later of its operands that is a folded
// convolution: the other one is computed by then.
func (e *editor) addFolded(k int, i *instruction) {
	best := -1
	for side, x := range i.in {
		p, at := e.producer(x)
		if p == nil || !e.only(x, k) || i.in[0] == i.in[1] {
			continue
		}
		if f, ok := p.op.(convFolded); ok && !f.ReLU && !f.Residual && (best < 0 || at > e.def[i.in[best]]) {
			best = side
		}
	}
	if best < 0 {
		return
	}
	p, at := e.producer(i.in[best])
	f := p.op.(convFolded)
	f.Residual = true
	e.code[at] = nil
	e.replace(k, &instruction{op: f, name: p.name + "+Add", in: append(append([]*value(nil), p.in...), i.in[1-best]), out: i.out})
}

// normaliseActivate: BatchNorm → [Add] → [ReLU] in one pass, the array added being
// normalised on the way where it is a BatchNorm itself (a downsampling branch).
func normaliseActivate(e *editor) {
	for k, i := range e.code {
		if i == nil {
			continue
		}
		switch op := i.op.(type) {
		case BatchNorm:
			e.code[k] = &instruction{op: normalise{BatchNorm: op}, name: "BatchNorm", in: i.in, out: i.out}
		case Add:
			e.addNormalised(k, i)
		case ReLU:
			p, at := e.producer(i.in[0])
			if p == nil || !e.only(i.in[0], k) {
				continue
			}
			n, ok := p.op.(normalise)
			if !ok || n.ReLU {
				continue
			}
			n.ReLU = true
			e.code[at] = nil
			e.replace(k, &instruction{op: n, name: p.name + "+Relu", in: p.in, out: i.out})
		}
	}
}

func (e *editor) addNormalised(k int, i *instruction) {
	if i.in[0] == i.in[1] {
		return
	}
	for side := range 2 {
		x, other := i.in[side], i.in[1-side]
		p, at := e.producer(x)
		if p == nil || !e.only(x, k) {
			continue
		}
		n, ok := p.op.(normalise)
		if !ok || n.ReLU || n.Residual {
			continue
		}
		n.Residual = true
		in := append(append([]*value(nil), p.in...), other)
		if q, from := e.producer(other); q != nil && e.only(other, k) {
			if m, ok := q.op.(normalise); ok && !m.ReLU && !m.Residual {
				n.ResidualNorm, n.ResidualEps, n.ResidualGroups = true, m.Eps, m.Groups
				in = append(append([]*value(nil), p.in...), q.in...)
				e.code[from] = nil
			}
		}
		e.code[at] = nil
		e.replace(k, &instruction{op: n, name: "BatchNorm+Add", in: in, out: i.out})
		return
	}
}

// replace puts a fused instruction at k and keeps the tables true for the rules
// that follow in the same sweep.
func (e *editor) replace(k int, i *instruction) {
	e.code[k] = i
	for _, v := range i.out {
		e.def[v] = k
	}
}

// maskGradient: ReLUGrad read only by the two passes of a BatchNorm's gradient is
// recomputed there.
func maskGradient(e *editor) {
	for k, i := range e.code {
		if i == nil {
			continue
		}
		if _, ok := i.op.(ReLUGrad); !ok || i.out[0].keep {
			continue
		}
		y, dy, masked := i.in[0], i.in[1], i.out[0]
		r := e.readers[masked]
		if len(r) != 2 {
			continue
		}
		a, b := e.code[r[0]], e.code[r[1]]
		sums, ok := a.op.(BatchNormGradSums)
		input, ok2 := b.op.(BatchNormGradInput)
		if !ok || !ok2 || a.in[2] != masked || b.in[3] != masked {
			continue
		}
		e.code[r[0]] = &instruction{op: maskedGradSums{sums}, name: a.name, in: []*value{a.in[0], a.in[1], dy, y}, out: a.out}
		e.code[r[1]] = &instruction{op: maskedGradInput{input}, name: b.name, in: []*value{b.in[0], b.in[1], b.in[2], dy, b.in[4], y}, out: b.out}
		e.code[k] = nil
	}
}

// accumulateGradient: a convolution's input gradient that is only added to another
// gradient is accumulated into it, where that one is not needed afterwards.
func accumulateGradient(e *editor) {
	for k, i := range e.code {
		if i == nil {
			continue
		}
		if _, ok := i.op.(Add); !ok || i.in[0] == i.in[1] {
			continue
		}
		for side := range 2 {
			x, other := i.in[side], i.in[1-side]
			p, at := e.producer(x)
			if p == nil || !e.only(x, k) || other.keep {
				continue
			}
			g, ok := p.op.(ConvGradInput)
			if _, from := e.producer(other); !ok || from < 0 || e.lastReader(other) != k {
				continue
			}
			e.code[at] = nil
			e.replace(k, &instruction{op: convGradInputAdd{g}, name: "ConvGradInput+Add", in: []*value{p.in[0], p.in[1], other}, out: i.out})
			break
		}
	}
}

func (e *editor) lastReader(v *value) int {
	r := e.readers[v]
	return r[len(r)-1]
}

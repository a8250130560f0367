package vm

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"onnxclr/internal/kernel"
)

// lower gives every instruction the closure that runs it. Storage is read through
// the values at each run, so that leaves may be bound anew. It returns the floats
// of workspace that the largest instruction needs; the workspace is set before the
// first run.
func (m *Machine) lower(i *instruction) (workspace int, err error) {
	in := func(k int) []float32 { return i.in[k].data }
	out := func() []float32 { return i.out[0].data }
	p, exact := m.pool, m.exact
	switch op := i.op.(type) {
	case toPixelMajor:
		i.run = func() { kernel.ToNHWC(p, op.N, op.C, op.HW, out(), in(0)) }
	case toRowMajor:
		i.run = func() { kernel.ToNCHW(p, op.N, op.C, op.HW, out(), in(0)) }

	case Conv:
		workspace = m.convolution(i, op.G, nil, 0)
	case convStats:
		workspace = m.convolution(i, op.G, i.out[1], op.Groups)
	case convFolded:
		workspace = m.folded(i, op)
	case ConvGradInput:
		workspace = m.convGradInput(i, convGradInputReLU{ConvGradInput: op}, nil, nil)
	case convGradInputAdd:
		workspace = m.convGradInput(i, convGradInputReLU{ConvGradInput: op.ConvGradInput, Add: true}, i.in[2], nil)
	case convGradInputReLU:
		var sum *value
		if op.Add {
			sum = i.in[3]
		}
		workspace = m.convGradInput(i, op, sum, i.in[2])
	case ConvGradFilter:
		i.work = op.G.FLOPs()
		workspace = kernel.ConvWorkspace(op.G, exact)
		a := &kernel.ConvGradFilterArgs{G: op.G, Exact: exact, Precision: m.precision}
		i.run = func() {
			a.DW, a.X, a.DY, a.Workspace = out(), in(0), in(1), m.workspace
			kernel.ConvGradFilter(p, a)
		}
	case ChannelSum:
		i.run = func() { kernel.ChannelSum(p, op.N*op.HW, op.C, out(), in(0)) }

	case BatchStats:
		i.run = func() { kernel.BatchStats(p, op.Groups, op.N*op.HW, op.C, out(), in(0)) }
	case StackStats:
		i.run = func() { copy(out(), in(0)); copy(out()[op.C:], in(1)) }
	case normalise:
		m.normalise(i, op)
	case BatchNormGradSums:
		i.run = func() {
			kernel.BatchNormGradSums(p, op.Groups, op.N*op.HW, op.C, op.Eps, out(), in(0), in(1), in(2), nil)
		}
	case maskedGradSums:
		i.run = func() {
			kernel.BatchNormGradSums(p, op.Groups, op.N*op.HW, op.C, op.Eps, out(), in(0), in(1), in(2), in(3))
		}
	case BatchNormGradInput:
		i.run = func() {
			kernel.BatchNormGradInput(p, op.Groups, op.N*op.HW, op.C, op.Eps, out(), in(0), in(1), in(2), in(3), in(4), nil)
		}
	case maskedGradInput:
		i.run = func() {
			kernel.BatchNormGradInput(p, op.Groups, op.N*op.HW, op.C, op.Eps, out(), in(0), in(1), in(2), in(3), in(4), in(5))
		}
	case FrozenBatchNormGradInput:
		i.run = func() { kernel.FrozenBatchNormGradInput(p, op.N*op.HW, op.C, op.Eps, out(), in(0), in(1), in(2)) }
	case GroupSum:
		i.run = func() { kernel.GroupSum(op.Groups, op.C, op.Row, out(), in(0)) }

	case ReLU:
		i.run = func() { kernel.ReLU(p, out(), in(0)) }
	case ReLUGrad:
		i.run = func() { kernel.ReLUGrad(p, out(), in(0), in(1)) }
	case Add:
		i.run = func() { kernel.Add(p, out(), in(0), in(1)) }

	case MaxPool:
		i.run = func() { kernel.MaxPool(p, op.G, out(), in(0)) }
	case MaxPoolGrad:
		i.run = func() { kernel.MaxPoolGrad(p, op.G, out(), in(0), in(1)) }
	case GlobalAveragePool:
		i.run = func() { kernel.GlobalAveragePool(p, op.N, op.C, op.HW, out(), in(0)) }
	case GlobalAveragePoolGrad:
		i.run = func() { kernel.GlobalAveragePoolGrad(p, op.N, op.C, op.HW, out(), in(0)) }

	case Linear:
		i.work = 2 * int64(op.N) * int64(op.In) * int64(op.Out)
		i.run = func() {
			var bias []float32
			if len(i.in) > 2 {
				bias = in(2)
			}
			kernel.Linear(p, op.N, op.In, op.Out, out(), in(0), in(1), bias)
		}
	case LinearGradInput:
		i.work = 2 * int64(op.N) * int64(op.In) * int64(op.Out)
		i.run = func() { kernel.LinearGradInput(p, op.N, op.In, op.Out, out(), in(0), in(1)) }
	case LinearGradWeight:
		i.work = 2 * int64(op.N) * int64(op.In) * int64(op.Out)
		i.run = func() { kernel.LinearGradWeight(p, op.N, op.In, op.Out, out(), in(0), in(1)) }
	case Transpose:
		i.run = func() { kernel.Transpose2D(p, op.Rows, op.Cols, out(), in(0)) }

	case Reshape:
		i.run = func() {
			if i.out[0].root() != i.in[0].root() {
				copy(out(), in(0))
			}
		}
	case SliceColumns:
		i.run = func() { kernel.SliceColumns(p, op.Rows, op.Cols, op.From, op.To, out(), in(0)) }
	case SliceColumnsGrad:
		i.run = func() { kernel.SliceColumnsGrad(p, op.Rows, op.Cols, op.From, op.To, out(), in(0)) }

	case InfoNCE:
		workspace = kernel.InfoNCEWorkspace(op.N, op.D)
		i.run = func() { out()[0] = float32(kernel.InfoNCE(p, op.N, op.D, op.Temperature, in(0), m.workspace)) }
	case InfoNCEGrad:
		workspace = kernel.InfoNCEWorkspace(op.N, op.D)
		i.run = func() {
			kernel.InfoNCEGrad(p, op.N, op.D, op.Temperature, out(), in(0), float64(in(1)[0]), m.workspace)
		}
	case NTXent:
		workspace = kernel.NTXentWorkspace(op.N, op.D)
		i.run = func() { out()[0] = float32(kernel.NTXent(p, op.N, op.D, op.Temperature, in(0), m.workspace)) }
	case NTXentGrad:
		workspace = kernel.NTXentWorkspace(op.N, op.D)
		i.run = func() {
			kernel.NTXentGrad(p, op.N, op.D, op.Temperature, out(), in(0), float64(in(1)[0]), m.workspace)
		}
	case BarlowTwins:
		workspace = kernel.BarlowTwinsWorkspace(op.N, op.D)
		i.run = func() {
			out()[0] = float32(kernel.BarlowTwins(p, op.N, op.D, op.Lambda, op.Scale, in(0), m.workspace))
		}
	case BarlowTwinsGrad:
		workspace = kernel.BarlowTwinsWorkspace(op.N, op.D)
		i.run = func() {
			kernel.BarlowTwinsGrad(p, op.N, op.D, op.Lambda, op.Scale, out(), in(0), float64(in(1)[0]), m.workspace)
		}
	case VICReg:
		workspace = kernel.VICRegWorkspace(op.N, op.D)
		i.run = func() {
			out()[0] = float32(kernel.VICReg(p, op.N, op.D, op.Invariance, op.Variance, op.Covariance, in(0), m.workspace))
		}
	case VICRegGrad:
		workspace = kernel.VICRegWorkspace(op.N, op.D)
		i.run = func() {
			kernel.VICRegGrad(p, op.N, op.D, op.Invariance, op.Variance, op.Covariance, out(), in(0), float64(in(1)[0]), m.workspace)
		}
	case call:
		m.call(i, op.do)
	case general:
		i.run = op.lower(m, i)
	default:
		return 0, fmt.Errorf("vm: no kernel for instruction %T of %s", i.op, i.name)
	}
	return workspace, nil
}

func (m *Machine) convolution(i *instruction, g kernel.Conv, stats *value, groups int) int {
	i.work = g.FLOPs()
	a := &kernel.ConvForwardArgs{G: g, Groups: groups, Exact: m.exact, Precision: m.precision}
	i.run = func() {
		a.Y, a.X, a.W, a.Workspace = i.out[0].data, i.in[0].data, i.in[1].data, m.workspace
		if len(i.in) > 2 {
			a.Bias = i.in[2].data
		}
		if stats != nil {
			a.Stats = stats.data
		}
		kernel.ConvForward(m.pool, a)
	}
	return kernel.ConvWorkspace(g, m.exact)
}

// folded multiplies the filter by the scale of the normalisation and makes its shift
// the bias: at every run or, where parameters are fixed, once, keeping the filter as
// the kernels read it.
func (m *Machine) folded(i *instruction, op convFolded) int {
	g := op.G
	i.work = g.FLOPs()
	scale, shift := make([]float32, g.K), make([]float32, g.K)
	a := &kernel.ConvForwardArgs{G: g, Bias: shift, ReLU: op.ReLU, Exact: m.exact, Precision: m.precision}
	if m.fixed {
		m.filters += kernel.ForwardFilters(g, m.exact)
	}
	i.run = func() {
		if !a.Packed {
			if a.W == nil {
				a.W = make([]float32, i.in[1].size)
			}
			kernel.BatchNormAffine(1, g.K, op.Eps, scale, shift, i.in[2].data, i.in[3].data, i.in[4].data)
			per := len(a.W) / g.K
			for k, s := range scale {
				for j, w := range i.in[1].data[k*per:][:per] {
					a.W[k*per+j] = s * w
				}
				if op.Bias {
					shift[k] += s * i.in[5].data[k]
				}
			}
			if m.fixed {
				a.Filters = make([]float32, kernel.ForwardFilters(g, m.exact))
			}
		}
		a.Y, a.X, a.Workspace = i.out[0].data, i.in[0].data, m.workspace
		if op.Residual {
			a.Residual = i.in[len(i.in)-1].data
		}
		kernel.ConvForward(m.pool, a)
		if m.fixed {
			a.W, a.Packed = nil, true
		}
	}
	return kernel.ConvWorkspace(g, m.exact)
}

// convGradInput accumulates into sum and applies mask, where they are not nil.
func (m *Machine) convGradInput(i *instruction, op convGradInputReLU, sum, mask *value) int {
	g := op.G
	i.work = g.FLOPs()
	a := &kernel.ConvGradInputArgs{G: g, Accumulate: sum != nil, Exact: m.exact, Precision: m.precision}
	if op.Sums {
		a.Sums = &kernel.GradSums{Groups: op.Groups, Eps: op.Eps}
	}
	i.run = func() {
		a.DX, a.W, a.DY, a.Workspace = i.out[0].data, i.in[0].data, i.in[1].data, m.workspace
		if sum != nil && i.out[0].root() != sum.root() {
			copy(a.DX, sum.data)
		}
		if mask != nil {
			a.Mask = mask.data
		}
		if op.Sums {
			n := len(i.in)
			a.Sums.X, a.Sums.Stats, a.Sums.Sums = i.in[n-2].data, i.in[n-1].data, i.out[1].data
		}
		kernel.ConvGradInput(m.pool, a)
	}
	return kernel.ConvWorkspace(g, m.exact)
}

func (m *Machine) normalise(i *instruction, op normalise) {
	rows := op.N * op.HW
	a := kernel.Affine{Groups: op.Groups, Scale: make([]float32, op.Groups*op.C), Shift: make([]float32, op.Groups*op.C)}
	var residual *kernel.Affine
	if op.ResidualNorm {
		n := op.ResidualGroups * op.C
		residual = &kernel.Affine{Groups: op.ResidualGroups, Scale: make([]float32, n), Shift: make([]float32, n)}
	}
	i.run = func() {
		kernel.BatchNormAffine(op.Groups, op.C, op.Eps, a.Scale, a.Shift, i.in[1].data, i.in[2].data, i.in[3].data)
		var add []float32
		if op.Residual {
			add = i.in[4].data
		}
		if residual != nil {
			kernel.BatchNormAffine(op.ResidualGroups, op.C, op.ResidualEps, residual.Scale, residual.Shift, i.in[5].data, i.in[6].data, i.in[7].data)
		}
		kernel.ScaleShift(m.pool, op.Groups, rows, op.C, i.out[0].data, i.in[0].data, a, add, residual, op.ReLU)
	}
}

// call runs an operator of Gorgonia's own through its Do, on row-major arrays.
func (m *Machine) call(i *instruction, do doer) {
	i.run = func() {
		args := make([]G.Value, len(i.in))
		for k, v := range i.in {
			switch {
			case v.leaf && v.node != nil:
				args[k] = v.node.Value()
			case len(v.shape) == 0:
				args[k] = G.NewF32(v.data[0])
			default:
				args[k] = v.array()
			}
		}
		r, err := do.Do(args...)
		if err == nil {
			err = read(i.out[0].data, r)
		}
		if err != nil && m.err == nil {
			m.err = fmt.Errorf("vm: %s: %w", do.String(), err)
		}
	}
}

// read copies a Gorgonia value into dst.
func read(dst []float32, v G.Value) error {
	data, err := floats(v)
	if err != nil {
		return err
	}
	if len(data) != len(dst) {
		return fmt.Errorf("result has %d elements, want %d", len(data), len(dst))
	}
	copy(dst, data)
	return nil
}

// floats returns the elements of a float32 value, not copied where it is an array.
func floats(v G.Value) ([]float32, error) {
	switch v := v.(type) {
	case nil:
		return nil, fmt.Errorf("no value is bound")
	case *G.F32:
		return []float32{float32(*v)}, nil
	}
	switch data := v.Data().(type) {
	case []float32:
		return data, nil
	case float32:
		return []float32{data}, nil
	default:
		return nil, fmt.Errorf("value is a %T, want float32", data)
	}
}

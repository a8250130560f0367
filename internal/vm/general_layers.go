package vm

import "onnxclr/internal/kernel"

func (o Gather) arrange(t *translator, i *instruction) { rowMajor{}.arrange(t, i) }
func (o Gather) overwrites() []int                     { return nil }
func (o Gather) lower(m *Machine, i *instruction) func() {
	return func() {
		var value float32
		if len(i.in) > 1 {
			value = i.in[1].data[0]
		}
		kernel.Gather(m.pool, &o.M, value, i.out[0].data, i.in[0].data)
	}
}

func (o Scatter) arrange(t *translator, i *instruction) { rowMajor{}.arrange(t, i) }
func (o Scatter) overwrites() []int                     { return nil }
func (o Scatter) lower(m *Machine, i *instruction) func() {
	return func() { kernel.Scatter(m.pool, &o.M, i.out[0].data, i.in[0].data) }
}

func (o AveragePool) arrange(t *translator, i *instruction) {
	t.images(i, -1)
	i.out[0].pixelMajor = ordered(i.out[0].shape)
}
func (o AveragePool) overwrites() []int { return nil }
func (o AveragePool) lower(m *Machine, i *instruction) func() {
	return func() { kernel.AveragePool(m.pool, o.G, o.Pad, i.out[0].data, i.in[0].data) }
}

func (o AveragePoolGrad) arrange(t *translator, i *instruction) {
	t.images(i, -1)
	i.out[0].pixelMajor = ordered(i.out[0].shape)
}
func (o AveragePoolGrad) overwrites() []int { return nil }
func (o AveragePoolGrad) lower(m *Machine, i *instruction) func() {
	return func() { kernel.AveragePoolGrad(m.pool, o.G, o.Pad, i.out[0].data, i.in[0].data) }
}

func (o Softmax) arrange(t *translator, i *instruction) { rowMajor{}.arrange(t, i) }
func (o Softmax) overwrites() []int                     { return []int{0} }
func (o Softmax) lower(m *Machine, i *instruction) func() {
	return func() { kernel.Softmax(m.pool, o.Rows, o.N, o.Log, i.out[0].data, i.in[0].data) }
}

func (o SoftmaxGrad) arrange(t *translator, i *instruction) { rowMajor{}.arrange(t, i) }
func (o SoftmaxGrad) overwrites() []int                     { return []int{1} }
func (o SoftmaxGrad) lower(m *Machine, i *instruction) func() {
	return func() {
		kernel.SoftmaxGrad(m.pool, o.Rows, o.N, o.Log, i.out[0].data, i.in[0].data, i.in[1].data)
	}
}

func (o LayerNorm) arrange(t *translator, i *instruction) { rowMajor{}.arrange(t, i) }
func (o LayerNorm) overwrites() []int                     { return []int{0} }
func (o LayerNorm) lower(m *Machine, i *instruction) func() {
	return func() {
		var beta []float32
		if len(i.in) > 2 {
			beta = i.in[2].data
		}
		kernel.LayerNorm(m.pool, o.Rows, o.N, o.Eps, i.out[0].data, i.in[0].data, i.in[1].data, beta)
	}
}

func (o LayerNormGradInput) arrange(t *translator, i *instruction) { rowMajor{}.arrange(t, i) }
func (o LayerNormGradInput) overwrites() []int                     { return []int{2} }
func (o LayerNormGradInput) lower(m *Machine, i *instruction) func() {
	return func() {
		kernel.LayerNormGradInput(m.pool, o.Rows, o.N, o.Eps, i.out[0].data, i.in[0].data, i.in[1].data, i.in[2].data)
	}
}

func (o LayerNormGradScale) arrange(t *translator, i *instruction) { rowMajor{}.arrange(t, i) }
func (o LayerNormGradScale) overwrites() []int                     { return nil }
func (o LayerNormGradScale) lower(m *Machine, i *instruction) func() {
	return func() {
		kernel.LayerNormGradScale(m.pool, o.Rows, o.N, o.Eps, i.out[0].data, i.in[0].data, i.in[1].data)
	}
}

func (o Gemm) arrange(t *translator, i *instruction) { rowMajor{}.arrange(t, i) }
func (o Gemm) overwrites() []int                     { return nil }
func (o Gemm) lower(m *Machine, i *instruction) func() {
	i.work = 2 * int64(o.M) * int64(o.N) * int64(o.K)
	lda, ldb := o.K, o.N
	if o.TransA {
		lda = o.M
	}
	if o.TransB {
		ldb = o.K
	}
	return func() {
		var bias []float32
		if len(i.in) > 2 {
			bias = i.in[2].data
		}
		kernel.Gemm(m.pool, o.TransA, o.TransB, o.M, o.N, o.K, 1, i.in[0].data, lda, i.in[1].data, ldb, 0, i.out[0].data, o.N, bias)
	}
}

func (o MatMul) arrange(t *translator, i *instruction) { rowMajor{}.arrange(t, i) }
func (o MatMul) overwrites() []int                     { return nil }
func (o MatMul) lower(m *Machine, i *instruction) func() {
	i.work = 2 * int64(len(o.OfA)) * int64(o.M) * int64(o.N) * int64(o.K)
	return func() {
		kernel.MatMul(m.pool, o.TransA, o.TransB, o.M, o.N, o.K, o.OfA, o.OfB, i.out[0].data, i.in[0].data, i.in[1].data)
	}
}

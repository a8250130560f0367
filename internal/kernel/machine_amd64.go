//go:build amd64 && !purego

package kernel

import "golang.org/x/sys/cpu"

//go:generate asm/generate.sh

// best returns the fastest implementation for this processor.
func best() *machine { return machines()[0] }

// machines lists the implementations that run on this processor, fastest first.
func machines() []*machine {
	list := []*machine{&portableMachine}
	x := cpu.X86
	if x.HasAVX2 && x.HasFMA && x.HasBMI2 {
		list = append([]*machine{&avx2Machine}, list...)
		if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512VL && x.HasAVX512DQ {
			list = append([]*machine{&avx512Machine}, list...)
		}
	}
	return list
}

// portableReason says why there is nothing faster than the portable kernels.
func portableReason() string { return "this CPU has no AVX2+FMA" }

type tileFunc func(a, b, c *float32, lda, ldb, ldc, k, cols, add int)

var avx512Machine = machine{
	name: "avx512", rows: 14, cols: 32, lane: 16,
	multiplyRows: func(t *tile) { t.run(&multiplyRowsAVX512) },
	multiplyCols: func(t *tile) { t.run(&multiplyColsAVX512) },
	copyRows:     copyRowsAVX512,
	prefetch:     prefetchRowsAVX512,
	affineRows:   affineRowsAVX512,
	joinRows:     joinRowsAVX512,
	sumRows:      sumRowsAVX512,
	moments:      momentsAVX512,
	gradSums: func(sum, product, x, dy, mask *float32, ld, rows, cols int, mean *float32) {
		if mask == nil {
			gradSumsAVX512(sum, product, x, dy, nil, ld, rows, cols, mean)
			return
		}
		gradSumsMaskedAVX512(sum, product, x, dy, mask, ld, rows, cols, mean)
	},
	maskSums: maskSumsAVX512,
	gradRows: func(dx, x, dy, mask *float32, ld, rows, cols int, mean, dyScale, xScale, shift *float32) {
		if mask == nil {
			gradRowsAVX512(dx, x, dy, nil, ld, rows, cols, mean, dyScale, xScale, shift)
			return
		}
		gradRowsMaskedAVX512(dx, x, dy, mask, ld, rows, cols, mean, dyScale, xScale, shift)
	},
	transpose: transposeAVX2,
	relu:      reluAVX512,
	reluGrad:  reluGradAVX512,
	add:       addAVX512,
	exp:       expAVX512,
	sigmoid:   sigmoidAVX512,
	erf:       erfAVX512,
	step: func(w, grad, velocity *float32, n int, s *stepScalars) {
		stepAVX512(w, grad, velocity, n, s.lr, s.momentum, s.scale, s.decay, s.keep, s.look)
	},
	adamStep: func(w, grad, mean, square *float32, n int, s *adamScalars) {
		adamStepAVX512(w, grad, mean, square, n, s.scale, s.keep, s.beta1, s.rest1, s.beta2, s.rest2, s.root, s.epsilon, s.size)
	},
	squares: func(w, grad *float32, n int, decay float32) (ww, gg float64) {
		if grad == nil {
			return squaresAVX512(w, n), 0
		}
		return squaresDecayedAVX512(w, grad, n, decay)
	},
	winograd4:      &winograd4AVX512,
	winograd2:      &winograd2AVX512,
	winogradStride: &winogradStrideAVX512,
	half:           halfOfAVX512(),
	windowMax:      windowMaxAVX512,
	windowGrad: func(dx, x, dy *float32, ldh, ldw, r, s, c int) {
		if left := windowGradAVX512(dx, x, dy, ldh, ldw, r, s, c); left > 0 {
			i := c - left
			windowGrad(at(dx, i), at(x, i), at(dy, i), ldh, ldw, r, s, left)
		}
	},
}

func (t *tile) run(f *[2][15]tileFunc) {
	vectors := (t.cols - 1) >> 4
	f[vectors][t.rows](t.a, t.b, t.c, t.lda, t.ldb, t.ldc, t.k, t.cols, t.add)
}

var avx2Machine = machine{
	name: "avx2", rows: 6, cols: 16, lane: 8,
	multiplyRows: func(t *tile) { t.runAVX2(&multiplyRowsAVX2, &multiplyRowsEdgeAVX2, t.lda) },
	multiplyCols: func(t *tile) { t.runAVX2(&multiplyColsAVX2, &multiplyColsEdgeAVX2, 1) },
	copyRows:     copyRowsAVX2,
	prefetch:     prefetchRowsAVX2,
	affineRows:   affineRowsAVX2,
	joinRows:     joinRowsAVX2,
	sumRows:      sumRowsAVX2,
	moments:      momentsAVX2,
	gradSums: func(sum, product, x, dy, mask *float32, ld, rows, cols int, mean *float32) {
		if mask == nil {
			gradSumsAVX2(sum, product, x, dy, nil, ld, rows, cols, mean)
			return
		}
		gradSumsMaskedAVX2(sum, product, x, dy, mask, ld, rows, cols, mean)
	},
	maskSums: maskSumsAVX2,
	gradRows: func(dx, x, dy, mask *float32, ld, rows, cols int, mean, dyScale, xScale, shift *float32) {
		if mask == nil {
			gradRowsAVX2(dx, x, dy, nil, ld, rows, cols, mean, dyScale, xScale, shift)
			return
		}
		gradRowsMaskedAVX2(dx, x, dy, mask, ld, rows, cols, mean, dyScale, xScale, shift)
	},
	transpose: transposeAVX2,
	relu:      reluAVX2,
	reluGrad:  reluGradAVX2,
	add:       addAVX2,
	exp:       expAVX2,
	sigmoid:   sigmoidAVX2,
	erf:       erfAVX2,
	step: func(w, grad, velocity *float32, n int, s *stepScalars) {
		stepAVX2(w, grad, velocity, n, s.lr, s.momentum, s.scale, s.decay, s.keep, s.look)
	},
	adamStep: func(w, grad, mean, square *float32, n int, s *adamScalars) {
		adamStepAVX2(w, grad, mean, square, n, s.scale, s.keep, s.beta1, s.rest1, s.beta2, s.rest2, s.root, s.epsilon, s.size)
	},
	squares: func(w, grad *float32, n int, decay float32) (ww, gg float64) {
		if grad == nil {
			return squaresAVX2(w, n), 0
		}
		return squaresDecayedAVX2(w, grad, n, decay)
	},
	winograd4:      &winograd4AVX2,
	winograd2:      &winograd2AVX2,
	winogradStride: &winogradStrideAVX2,
	half:           widenedHalf(&winograd4AVX2, &winograd2AVX2),
	windowMax:      windowMaxAVX2,
	windowGrad: func(dx, x, dy *float32, ldh, ldw, r, s, c int) {
		if left := windowGradAVX2(dx, x, dy, ldh, ldw, r, s, c); left > 0 {
			i := c - left
			windowGrad(at(dx, i), at(x, i), at(dy, i), ldh, ldw, r, s, left)
		}
	},
}

// runAVX2 takes whole vectors at once, and other widths a few rows at a time, since
// two registers then hold the masks. row is the distance between rows of a.
func (t *tile) runAVX2(f *[2][7]tileFunc, edge *[2][5]tileFunc, row int) {
	vectors := (t.cols - 1) >> 3
	if t.cols%8 == 0 {
		f[vectors][t.rows](t.a, t.b, t.c, t.lda, t.ldb, t.ldc, t.k, t.cols, t.add)
		return
	}
	for i := 0; i < t.rows; {
		rows := min(t.rows-i, len(edge[0])-1)
		edge[vectors][rows](at(t.a, i*row), t.b, at(t.c, i*t.ldc), t.lda, t.ldb, t.ldc, t.k, t.cols, t.add)
		i += rows
	}
}

var (
	winograd4AVX512 = winogradSet{winogradInput4AVX512, winogradFilter4AVX512, winogradOutput4AVX512, winogradGrad4AVX512, winogradFilterGrad4AVX512}
	winograd2AVX512 = winogradSet{winogradInput2AVX512, winogradFilter2AVX512, winogradOutput2AVX512, winogradGrad2AVX512, winogradFilterGrad2AVX512}
)

var (
	winograd4AVX2 = winogradSet{winogradInput4AVX2, winogradFilter4AVX2, winogradOutput4AVX2, winogradGrad4AVX2, winogradFilterGrad4AVX2}
	winograd2AVX2 = winogradSet{winogradInput2AVX2, winogradFilter2AVX2, winogradOutput2AVX2, winogradGrad2AVX2, winogradFilterGrad2AVX2}
)

var (
	winogradStrideAVX512 = strideSet{
		forward: winogradSet{winogradInputStrideAVX512, winogradFilterStrideAVX512, winogradOutputStrideAVX512, winogradGradStrideAVX512, winogradFilterGradStrideAVX512},
		back:    winogradSet{input: winogradBackStrideAVX512, filter: winogradFilterStrideAVX512, output: winogradBackOutputStrideAVX512},
	}
	winogradStrideAVX2 = strideSet{
		forward: winogradSet{winogradInputStrideAVX2, winogradFilterStrideAVX2, winogradOutputStrideAVX2, winogradGradStrideAVX2, winogradFilterGradStrideAVX2},
		back:    winogradSet{input: winogradBackStrideAVX2, filter: winogradFilterStrideAVX2, output: winogradBackOutputStrideAVX2},
	}
)

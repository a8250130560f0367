//go:build amd64 && !purego

package blas

import "golang.org/x/sys/cpu"

//go:generate asm/generate.sh

// machines lists the implementations that run on this processor, fastest first.
func machines() []*machine {
	list := []*machine{&portableMachine}
	x := cpu.X86
	if x.HasAVX2 && x.HasFMA {
		list = append([]*machine{&avx2Machine}, list...)
		if x.HasAVX512F && x.HasAVX512VL && x.HasAVX512DQ {
			list = append([]*machine{&avx512Machine}, list...)
		}
	}
	return list
}

var avx512Machine = machine{
	name: "avx512", rows: 14, cols: 16,
	tile: func(rows int, a, b, c *float64, lda, ldb, ldc, k int, alpha float64) {
		tilesAVX512[rows](a, b, c, lda, ldb, ldc, k, alpha)
	},
	expSum: expSumAVX512, expStep: 16,
	symmetricRows: symmetricRowsAVX512, symmetricStep: 8,
	rotate: rotateAVX512, rotateCols: 32,
}

var avx2Machine = machine{
	name: "avx2", rows: 6, cols: 8,
	tile: func(rows int, a, b, c *float64, lda, ldb, ldc, k int, alpha float64) {
		tilesAVX2[rows](a, b, c, lda, ldb, ldc, k, alpha)
	},
	expSum: expSumAVX2, expStep: 8,
	symmetricRows: symmetricRowsAVX2, symmetricStep: 4,
	rotate: rotateAVX2, rotateCols: 16,
}

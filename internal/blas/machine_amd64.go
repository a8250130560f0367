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
	tiles: tilesAVX512[:], powers: powersAVX512[:], rectified: rectifiedAVX512, gated: gatedAVX512, layerRows: 8,
	transpose: transposeAVX512, lanes: 8,
	expSum: expSumAVX512, weigh: weighAVX512, weighStep: 8, rectify: rectifyAVX512, gate: gateAVX512, scaleRows: scaleRowsAVX512, gather: gatherAVX512, squares: squaresAVX512, expStep: 16,
	symmetricRows: symmetricRowsAVX512, symmetricStep: 8,
	rotate: rotateAVX512, rotateCols: 32,
	bandFrom: 128, chaseSquare: chaseSquareAVX512, chaseDots: chaseDotsAVX512, chaseBlock: chaseBlockAVX512,
	sturm: sturmAVX512, sturmAt: 32,
}

var avx2Machine = machine{
	name: "avx2", rows: 6, cols: 8,
	tiles: tilesAVX2[:], powers: powersAVX2[:], rectified: rectifiedAVX2, gated: gatedAVX2, layerRows: 4,
	transpose: transposeAVX2, lanes: 4,
	expSum: expSumAVX2, weigh: weighAVX2, weighStep: 4, rectify: rectifyAVX2, gate: gateAVX2, scaleRows: scaleRowsAVX2, gather: gatherAVX2, squares: squaresAVX2, expStep: 8,
	symmetricRows: symmetricRowsAVX2, symmetricStep: 4,
	rotate: rotateAVX2, rotateCols: 16,
	bandFrom: 128, chaseSquare: chaseSquareAVX2, chaseDots: chaseDotsAVX2, chaseBlock: chaseBlockAVX2,
	sturm: sturmAVX2, sturmAt: 8,
}

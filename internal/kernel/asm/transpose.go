package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// transposition writes transposeAVX2, which moves blocks of 8×8; of the last blocks
// only the rows and columns that exist are read and written.
func (v isa) transposition() {
	TEXT("transposeAVX2", NOSPLIT, "func(dst *float32, ldd int, src *float32, lds, rows, cols int)")
	dst, src, ldd, lds := pointer("dst"), pointer("src"), scaled("ldd"), scaled("lds")
	rows, cols := pointer("rows"), pointer("cols")
	d, s, left, p := GP64(), GP64(), GP64(), GP64()

	loop("strips", rows, 8, func() {
		MOVQ(dst, d)
		MOVQ(src, s)
		MOVQ(cols, left)
		loop("blocks", left, 8, func() {
			MOVQ(s, p)
			for i := range 8 {
				VMOVUPS(Mem{Base: p}, ymm[i])
				if i < 7 {
					ADDQ(lds, p)
				}
			}
			v.transposeBlock()
			for i := range 8 {
				VMOVUPS(ymm[i], Mem{Base: d})
				ADDQ(ldd, d)
			}
			ADDQ(I8(32), s)
		})
		// The last columns: fewer than 8 of every row.
		TESTQ(left, left)
		JZ(LabelRef("strip_done"))
		MOVQ(s, p)
		CMPQ(left, Imm(1))
		JNE(LabelRef("several"))
		// One column, such as the ninth of 3×3 filters.
		for i := range 8 {
			VMOVSS(Mem{Base: p}, xmm[i])
			if i < 7 {
				ADDQ(lds, p)
			}
		}
		for i := range 8 {
			VMOVSS(xmm[i], Mem{Base: d, Disp: 4 * i})
		}
		JMP(LabelRef("strip_done"))
		Label("several")
		n := GP64()
		MOVQ(left, n)
		k := v.tail(n, 15)
		for i := range 8 {
			VMASKMOVPS(Mem{Base: p}, k.vec, ymm[i])
			if i < 7 {
				ADDQ(lds, p)
			}
		}
		v.transposeBlock()
		for i := range 7 {
			VMOVUPS(ymm[i], Mem{Base: d})
			ADDQ(ldd, d)
			DECQ(left)
			JZ(LabelRef("strip_done"))
		}
		Label("strip_done")
		ADDQ(I8(32), dst)
		LEAQ(Mem{Base: src, Index: lds, Scale: 8}, src)
	})

	// The last rows: fewer than 8.
	TESTQ(rows, rows)
	JZ(LabelRef("finished"))
	n := GP64()
	MOVQ(rows, n)
	k := v.tail(n, 15)
	Label("last")
	TESTQ(cols, cols)
	JZ(LabelRef("finished"))
	MOVQ(I32(8), n)
	CMPQ(cols, n)
	CMOVQLT(cols, n)
	SUBQ(n, cols)
	MOVQ(n, left)
	wide := v.tail(n, 14)
	for i := range 8 {
		VXORPS(ymm[i], ymm[i], ymm[i])
	}
	MOVQ(rows, n)
	MOVQ(src, p)
	for i := range 8 {
		VMASKMOVPS(Mem{Base: p}, wide.vec, ymm[i])
		ADDQ(lds, p)
		DECQ(n)
		JZ(LabelRef("loaded"))
	}
	Label("loaded")
	v.transposeBlock()
	MOVQ(dst, d)
	for i := range 8 {
		VMASKMOVPS(ymm[i], k.vec, Mem{Base: d})
		ADDQ(ldd, d)
		DECQ(left)
		JZ(LabelRef("stored"))
	}
	Label("stored")
	MOVQ(d, dst)
	ADDQ(I8(32), src)
	JMP(LabelRef("last"))

	Label("finished")
	VZEROUPPER()
	RET()
}

// transposeBlock transposes the 8×8 floats of Y0…Y7, using Y8…Y13.
func (v isa) transposeBlock() {
	y := ymm
	// Pairs of rows, then of pairs, within the halves of the vectors.
	VUNPCKLPS(y[1], y[0], y[8])
	VUNPCKHPS(y[1], y[0], y[0])
	VUNPCKLPS(y[3], y[2], y[9])
	VUNPCKHPS(y[3], y[2], y[1])
	VUNPCKLPS(y[5], y[4], y[10])
	VUNPCKHPS(y[5], y[4], y[2])
	VUNPCKLPS(y[7], y[6], y[11])
	VUNPCKHPS(y[7], y[6], y[3])
	// y8,y0: rows 0,1; y9,y1: rows 2,3; y10,y2: rows 4,5; y11,y3: rows 6,7.
	VSHUFPS(U8(0x44), y[9], y[8], y[4])
	VSHUFPS(U8(0xee), y[9], y[8], y[5])
	VSHUFPS(U8(0x44), y[1], y[0], y[6])
	VSHUFPS(U8(0xee), y[1], y[0], y[7])
	VSHUFPS(U8(0x44), y[11], y[10], y[8])
	VSHUFPS(U8(0xee), y[11], y[10], y[9])
	VSHUFPS(U8(0x44), y[3], y[2], y[12])
	VSHUFPS(U8(0xee), y[3], y[2], y[13])
	// The halves.
	VPERM2F128(U8(0x20), y[8], y[4], y[0])
	VPERM2F128(U8(0x20), y[9], y[5], y[1])
	VPERM2F128(U8(0x20), y[12], y[6], y[2])
	VPERM2F128(U8(0x20), y[13], y[7], y[3])
	VPERM2F128(U8(0x31), y[8], y[4], y[4])
	VPERM2F128(U8(0x31), y[9], y[5], y[5])
	VPERM2F128(U8(0x31), y[12], y[6], y[6])
	VPERM2F128(U8(0x31), y[13], y[7], y[7])
}

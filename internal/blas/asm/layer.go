package main

import (
	"maps"
	"slices"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// layer writes tiles below each other of what a layer with ReLU does: rectified, the larger of 0 and
// a·b; gated, a·b where by, which lies as c does, is above 0, and else 0.
func (v isa) layer() {
	TEXT("rectified"+v.name, NOSPLIT, "func(a, b, c *float64, step, lda, ldb, ldc, k, tiles int)")
	Label("tile")
	v.sum(v.layerRows)
	zero := v.r(2 * v.layerRows)
	v.zero(zero)
	v.finish(v.layerRows, []string{"c"}, func(m []Mem, sum reg.VecPhysical) {
		VMAXPD(sum, zero, sum) // a NaN stays
		VMOVUPD(sum, m[0])
	})
	TEXT("gated"+v.name, NOSPLIT, "func(a, b, by, c *float64, step, lda, ldb, ldc, k, tiles int)")
	Label("tile")
	v.sum(v.layerRows)
	v.zero(zero)
	passes := v.r(2*v.layerRows + 1)
	v.finish(v.layerRows, []string{"c", "by"}, func(m []Mem, sum reg.VecPhysical) {
		const notFrom = 9 // 0 is not from it up, which a NaN's is not either
		if v.wide {
			VCMPPD(U8(notFrom), m[1], zero, reg.K1)
			VMOVUPD_Z(sum, reg.K1, sum)
		} else {
			VCMPPD(U8(notFrom), m[1], zero, passes)
			VANDPD(passes, sum, sum)
		}
		VMOVUPD(sum, m[0])
	})
}

// finish ends a function with what is to be done with every vector of a tile's sums, given
// its place in matrices whose rows are ldc apart.
func (v isa) finish(rows int, matrices []string, each func(m []Mem, sum reg.VecPhysical)) {
	ldc := pointer("ldc")
	SHLQ(U8(3), ldc)
	var bases []reg.GPVirtual
	for _, name := range matrices {
		bases = append(bases, pointer(name))
	}
	for i := range rows {
		for j := range 2 {
			var m []Mem
			for _, base := range bases {
				m = append(m, Mem{Base: base, Disp: j * v.bytes()})
			}
			each(m, v.r(2*i+j))
		}
		for _, base := range bases {
			if i+1 < rows {
				ADDQ(ldc, base)
			}
		}
	}
	next := map[string]string{"a": "step"}
	for _, name := range matrices {
		next[name] = "ldc"
	}
	v.nextTile(rows, next)
}

// nextTile goes on with the rows below, if there are more tiles, and to do so moves the
// arguments, each by so many of the distances it is given.
func (v isa) nextTile(rows int, by map[string]string) {
	argument := func(name string) Mem {
		p, err := Param(name).Resolve()
		if err != nil {
			panic(err)
		}
		return p.Addr
	}
	DECQ(argument("tiles"))
	JEQ(LabelRef("done"))
	for _, name := range slices.Sorted(maps.Keys(by)) {
		down := pointer(by[name])
		IMUL3Q(I32(int32(8*rows)), down, down)
		ADDQ(down, argument(name))
	}
	JMP(LabelRef("tile"))
	Label("done")
	VZEROUPPER()
	RET()
}

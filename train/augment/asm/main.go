// Command asm writes the assembly of package augment, for AVX2, and its Go declarations.
//
//	cd train/augment/asm && go run . -out ../avx2_amd64.s -stubs ../avx2_amd64.go -pkg augment
//
// It is a module of its own, so that the generator is no dependency of the program.
// What each function computes is said by the portable Go function that it stands for;
// all are integer arithmetic and give the same bytes.
package main

import (
	"flag"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	flag.Parse()
	ConstraintExpr("amd64,!purego")
	weighColumns()
	weighRows()
	box(3)
	box(5)
	lumaSum()
	grayscale()
	saturate()
	blendBytes()
	Generate()
}

// precision is that of package augment: fractional bits of a weight.
const precision = 32 - 8 - 2

func pointer(name string) reg.GPVirtual { return Load(Param(name), GP64()).(reg.GPVirtual) }

// dwords is constant data of 32-bit values, whole registers of them.
func dwords(name string, values ...uint32) Mem {
	m := GLOBL(name, RODATA|NOPTR)
	for i, v := range values {
		DATA(4*i, U32(v))
	}
	return m
}

// pack stores four registers of eight 32-bit values as 32 bytes, cut to 0…255.
func pack(a [4]reg.VecVirtual, order reg.VecVirtual, to Mem) {
	VPACKSSDW(a[1], a[0], a[0])
	VPACKSSDW(a[3], a[2], a[2])
	VPACKUSWB(a[2], a[0], a[0])
	VPERMD(a[0], order, a[0])
	VMOVDQU(a[0], to)
}

// packOne stores one as eight bytes.
func packOne(a, spare reg.VecVirtual, to Mem) {
	VEXTRACTI128(U8(1), a, spare.AsX())
	VPACKSSDW(spare.AsX(), a.AsX(), a.AsX())
	VPACKUSWB(a.AsX(), a.AsX(), a.AsX())
	VMOVQ(a.AsX(), to)
}

// packedOrder undoes the order in which packing leaves four registers.
func packedOrder() reg.VecVirtual {
	order := YMM()
	VMOVDQU(orderData, order)
	return order
}

var orderData Mem

// columns counts n bytes down in blocks: body is written for four registers of eight
// and for one. What is left, less than eight bytes, is not touched.
func columns(n reg.GPVirtual, body func(u int)) {
	for _, u := range []int{4, 1} {
		label := map[int]string{4: "block", 1: "eight"}[u]
		Label(label)
		CMPQ(n, Imm(uint64(8*u)))
		JL(LabelRef(label + "_done"))
		body(u)
		SUBQ(Imm(uint64(8*u)), n)
		JMP(LabelRef(label))
		Label(label + "_done")
	}
}

// weighColumns adds rows, which lie stride bytes apart, times their weights.
func weighColumns() {
	orderData = dwords("order", 0, 4, 1, 5, 2, 6, 3, 7)
	halfData := dwords("half", 1<<(precision-1))
	TEXT("weighColumnsAVX2", NOSPLIT, "func(dst, rows *uint8, stride, n int, weight *int32, taps int)")
	dst, rows, stride, n := pointer("dst"), pointer("rows"), pointer("stride"), pointer("n")
	weight, taps := pointer("weight"), pointer("taps")
	order, half := packedOrder(), YMM()
	VPBROADCASTD(halfData, half)
	columns(n, func(u int) {
		var sum [4]reg.VecVirtual
		for i := range u {
			sum[i] = YMM()
			VMOVDQA(half, sum[i])
		}
		at, k := GP64(), GP64()
		MOVQ(rows, at)
		XORQ(k, k)
		label := map[int]string{4: "taps_block", 1: "taps_eight"}[u]
		Label(label)
		w, v := YMM(), YMM()
		VPBROADCASTD(Mem{Base: weight, Index: k, Scale: 4}, w)
		for i := range u {
			VPMOVZXBD(Mem{Base: at, Disp: 8 * i}, v)
			VPMULLD(w, v, v)
			VPADDD(v, sum[i], sum[i])
		}
		ADDQ(stride, at)
		INCQ(k)
		CMPQ(k, taps)
		JL(LabelRef(label))
		for i := range u {
			VPSRAD(U8(precision), sum[i], sum[i])
		}
		if u == 4 {
			pack(sum, order, Mem{Base: dst})
		} else {
			packOne(sum[0], v, Mem{Base: dst})
		}
		ADDQ(Imm(uint64(8*u)), rows)
		ADDQ(Imm(uint64(8*u)), dst)
	})
	VZEROUPPER()
	RET()
}

// weighRows resamples four rows across, four taps at a time. Products are of 16 bits:
// a weight is high·2^14 + low. Of a row's twelve bytes that the taps meet, red, green
// and blue of the first two go into the lower half of a register, pairwise, those of
// the last two into the upper half.
func weighRows() {

	spread := GLOBL("spread", RODATA|NOPTR)
	for i, b := range []uint8{
		0, z, 3, z, 1, z, 4, z, 2, z, 5, z, z, z, z, z,
		6, z, 9, z, 7, z, 10, z, 8, z, 11, z, z, z, z, z,
	} {
		DATA(i, U8(b))
	}
	halves := dwords("halves", 0, 0, 0, 0, 1, 1, 1, 1)
	start := dwords("start", 1<<(precision-1), 1<<(precision-1), 1<<(precision-1), 0, 0, 0, 0, 0)

	TEXT("weighRowsAVX2", NOSPLIT, "func(dst *uint8, dstStride int, src *uint8, srcStride int, offset *int32, weight *int16, groups, n int)")
	dst, dstStride, src, srcStride := pointer("dst"), pointer("dstStride"), pointer("src"), pointer("srcStride")
	offset, weight, n := pointer("offset"), pointer("weight"), pointer("n")
	three, dst3 := GP64(), GP64() // three rows on
	LEAQ(Mem{Base: srcStride, Index: srcStride, Scale: 2}, three)
	LEAQ(Mem{Base: dstStride, Index: dstStride, Scale: 2}, dst3)
	mask, pair := YMM(), YMM()
	VMOVDQU(spread, mask)
	VMOVDQU(halves, pair)
	first := YMM()
	VMOVDQU(start, first)

	Label("pixel")
	at, groups := GP64(), GP64()
	MOVLQSX(Mem{Base: offset}, at)
	ADDQ(src, at)
	Load(Param("groups"), groups)
	var low, high [4]reg.VecVirtual
	for r := range 4 {
		low[r], high[r] = YMM(), YMM()
		VMOVDQA(first, low[r])
		VPXOR(high[r], high[r], high[r])
	}
	wl, wh, v, p := YMM(), YMM(), YMM(), YMM()
	Label("group")
	VPBROADCASTQ(Mem{Base: weight}, wl)
	VPBROADCASTQ(Mem{Base: weight, Disp: 8}, wh)
	VPERMD(wl, pair, wl)
	VPERMD(wh, pair, wh)
	for r := range 4 {
		row := []Mem{{Base: at}, {Base: at, Index: srcStride, Scale: 1}, {Base: at, Index: srcStride, Scale: 2}, {Base: at, Index: three, Scale: 1}}[r]
		VBROADCASTI128(row, v)
		VPSHUFB(mask, v, v)
		VPMADDWD(wl, v, p)
		VPMADDWD(wh, v, v)
		VPADDD(p, low[r], low[r])
		VPADDD(v, high[r], high[r])
	}
	ADDQ(Imm(12), at)
	ADDQ(Imm(16), weight)
	DECQ(groups)
	JNZ(LabelRef("group"))

	for r := range 4 {
		VPSLLD(U8(14), high[r], high[r])
		VPADDD(high[r], low[r], low[r])
	}
	for r := 0; r < 4; r += 2 { // the halves of two rows
		VPERM2I128(U8(0x20), low[r+1], low[r], v)
		VPERM2I128(U8(0x31), low[r+1], low[r], p)
		VPADDD(p, v, low[r])
		VPSRAD(U8(precision), low[r], low[r])
	}
	// Lower half: rows 0 and 2, upper: rows 1 and 3.
	VPACKSSDW(low[2], low[0], v)
	VPACKUSWB(v, v, v)
	VMOVD(v.AsX(), Mem{Base: dst})
	VPEXTRD(U8(1), v.AsX(), Mem{Base: dst, Index: dstStride, Scale: 2})
	VEXTRACTI128(U8(1), v, p.AsX())
	VMOVD(p.AsX(), Mem{Base: dst, Index: dstStride, Scale: 1})
	VPEXTRD(U8(1), p.AsX(), Mem{Base: dst, Index: dst3, Scale: 1})
	ADDQ(Imm(3), dst)
	ADDQ(Imm(4), offset)
	DECQ(n)
	JNZ(LabelRef("pixel"))
	VZEROUPPER()
	RET()
}

// box writes the box blur of three or five rows: the middle ones weigh inner, the two
// outermost outer, in 24-bit fixed point.
func box(taps int) {
	name, signature := "boxThreeAVX2", "func(dst, a, b, c *uint8, n int, inner, outer uint32)"
	rows := []string{"a", "b", "c"}
	if taps == 5 {
		name, signature = "boxFiveAVX2", "func(dst, a, b, c, d, e *uint8, n int, inner, outer uint32)"
		rows = append(rows, "d", "e")
	}
	if taps == 3 {
		roundData = dwords("round", 1<<23)
	}
	TEXT(name, NOSPLIT, signature)
	dst, n := pointer("dst"), pointer("n")
	var from []reg.GPVirtual
	for _, r := range rows {
		from = append(from, pointer(r))
	}
	order, round, inner, outer := packedOrder(), YMM(), YMM(), YMM()
	VPBROADCASTD(roundData, round)
	for _, p := range []struct {
		name string
		to   reg.VecVirtual
	}{{"inner", inner}, {"outer", outer}} {
		value := Load(Param(p.name), GP32())
		VMOVD(value, p.to.AsX())
		VPBROADCASTD(p.to.AsX(), p.to)
	}
	at := GP64()
	XORQ(at, at)
	columns(n, func(u int) {
		var sum [4]reg.VecVirtual
		edge, v := YMM(), YMM()
		for i := range u {
			sum[i] = YMM()
			row := func(k int) Mem { return Mem{Base: from[k], Index: at, Scale: 1, Disp: 8 * i} }
			VPMOVZXBD(row(0), edge)
			VPMOVZXBD(row(taps-1), v)
			VPADDD(v, edge, edge)
			VPMULLD(outer, edge, edge)
			VPMOVZXBD(row(1), sum[i])
			for k := 2; k < taps-1; k++ {
				VPMOVZXBD(row(k), v)
				VPADDD(v, sum[i], sum[i])
			}
			VPMULLD(inner, sum[i], sum[i])
			VPADDD(round, edge, edge)
			VPADDD(edge, sum[i], sum[i])
			VPSRLD(U8(24), sum[i], sum[i])
		}
		to := Mem{Base: dst, Index: at, Scale: 1}
		if u == 4 {
			pack(sum, order, to)
		} else {
			packOne(sum[0], v, to)
		}
		ADDQ(Imm(uint64(8*u)), at)
	})
	VZEROUPPER()
	RET()
}

var roundData Mem

package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// expConstants are those of the portable exp32, each as long as a vector.
var expConstants = []float32{-87.3, 88.3, 1.44269504, 12582912, 0.693359375, -2.12194440e-4, 1,
	1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1}

// exponentials writes exp and sigmoid, element by element.
func (v isa) exponentials() {
	table := GLOBL("exponential"+v.name, RODATA|NOPTR)
	for i, c := range expConstants {
		for lane := range v.lanes {
			DATA(i*v.bytes()+4*lane, U32(math.Float32bits(c)))
		}
	}
	at := func(p reg64, u int) Mem { return Mem{Base: p, Disp: u * v.bytes()} }
	for _, sigmoid := range []bool{false, true} {
		name := "exp"
		if sigmoid {
			name = "sigmoid"
		}
		TEXT(name+v.name, NOSPLIT, "func(y, x *float32, n int)")
		y, x, n := pointer("y"), pointer("x"), pointer("n")
		constants := GP64()
		LEAQ(table, constants)
		c := func(i int) Mem { return Mem{Base: constants, Disp: i * v.bytes()} }
		low, high, scale, magic, ln2, rest, one, zero := v.r(7), v.r(8), v.r(9), v.r(10), v.r(11), v.r(12), v.r(13), v.r(14)
		for i, r := range []int{7, 8, 9, 10, 11, 12, 13} {
			VMOVUPS(c(i), v.r(r))
		}
		v.zero(zero)
		v.flat(n, 2, []reg64{y, x}, func(u int, k mask) {
			a, t, p := v.r(3*u), v.r(3*u+1), v.r(3*u+2)
			v.load(at(x, u), a, k)
			if sigmoid {
				VSUBPS(a, zero, a)
			}
			// The constant comes first, so that a NaN stays.
			VMAXPS(a, low, a)
			VMINPS(a, high, a)
			VMOVAPS(a, t)
			VFMADD213PS(magic, scale, t)
			VSUBPS(magic, t, p)
			VFNMADD231PS(ln2, p, a)
			VFNMADD231PS(rest, p, a)
			VMOVUPS(c(7), p)
			for i := 8; i < len(expConstants); i++ {
				VFMADD213PS(c(i), a, p)
			}
			VMULPS(a, p, p)
			VFMADD213PS(a, a, p)
			VADDPS(one, p, p)
			// The sum with 1.5·2²³ ends in the exponent.
			VPSLLD(U8(23), t, t)
			VPADDD(t, p, p)
			if sigmoid {
				VADDPS(one, p, p)
				VDIVPS(p, one, p)
			}
			v.store(p, at(y, u), k)
		})
		VZEROUPPER()
		RET()
	}
}

// erfConstants are those of the portable erfOf: 0.3275911, 1, the bits of a sign, and
// the polynomial's.
var erfConstants = []uint32{math.Float32bits(0.3275911), math.Float32bits(1), 1 << 31, math.Float32bits(1.061405429),
	math.Float32bits(-1.453152027), math.Float32bits(1.421413741), math.Float32bits(-0.284496736), math.Float32bits(0.254829592)}

// erf writes erf(x) from x and exp(−x²).
func (v isa) erf() {
	table := GLOBL("erf"+v.name+"Constants", RODATA|NOPTR)
	for i, c := range erfConstants {
		for lane := range v.lanes {
			DATA(i*v.bytes()+4*lane, U32(c))
		}
	}
	at := func(p reg64, u int) Mem { return Mem{Base: p, Disp: u * v.bytes()} }
	TEXT("erf"+v.name, NOSPLIT, "func(y, x, gauss *float32, n int)")
	y, x, gauss, n := pointer("y"), pointer("x"), pointer("gauss"), pointer("n")
	constants := GP64()
	LEAQ(table, constants)
	c := func(i int) Mem { return Mem{Base: constants, Disp: i * v.bytes()} }
	slope, one, sign := v.r(12), v.r(13), v.r(14)
	for i, r := range []int{12, 13, 14} {
		VMOVUPS(c(i), v.r(r))
	}
	v.flat(n, 2, []reg64{y, x, gauss}, func(u int, k mask) {
		a, s, t, p := v.r(4*u), v.r(4*u+1), v.r(4*u+2), v.r(4*u+3)
		v.load(at(x, u), a, k)
		VANDPS(sign, a, s)
		VXORPS(s, a, a)
		VFMADD213PS(one, slope, a)
		VDIVPS(a, one, t)
		VMOVUPS(c(3), p)
		for i := 4; i < len(erfConstants); i++ {
			VFMADD213PS(c(i), t, p)
		}
		VMULPS(t, p, p)
		v.load(at(gauss, u), a, k)
		VFNMADD213PS(one, a, p)
		VXORPS(s, p, p)
		v.store(p, at(y, u), k)
	})
	VZEROUPPER()
	RET()
}

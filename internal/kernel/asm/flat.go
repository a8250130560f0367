package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// flat writes a pass over n elements of some arrays. The body handles u vectors of
// unroll, one, and the rest.
func (v isa) flat(n reg64, unroll int, move []reg64, body func(u int, k mask)) {
	rest := v.restMask(n, 15)
	step := func(label string, vectors int) {
		loop(label, n, vectors*v.lanes, func() {
			for u := range vectors {
				body(u, all)
			}
			for _, p := range move {
				ADDQ(I32(int32(vectors*v.bytes())), p)
			}
		})
	}
	step("many", unroll)
	step("one", 1)
	TESTQ(n, n)
	JZ(LabelRef("finished"))
	body(0, rest)
	Label("finished")
}

func (v isa) flatPasses() {
	at := func(p reg64, u int) Mem { return Mem{Base: p, Disp: u * v.bytes()} }

	TEXT("relu"+v.name, NOSPLIT, "func(y, x *float32, n int)")
	y, x, n := pointer("y"), pointer("x"), pointer("n")
	zero := v.r(14)
	v.zero(zero)
	v.flat(n, 4, []reg64{y, x}, func(u int, k mask) {
		v.load(at(x, u), v.r(u), k)
		VMAXPS(v.r(u), zero, v.r(u))
		v.store(v.r(u), at(y, u), k)
	})
	VZEROUPPER()
	RET()

	TEXT("reluGrad"+v.name, NOSPLIT, "func(dx, y, dy *float32, n int)")
	dx, y, dy, n := pointer("dx"), pointer("y"), pointer("dy"), pointer("n")
	v.zero(zero)
	v.flat(n, 4, []reg64{dx, y, dy}, func(u int, k mask) {
		v.load(at(y, u), v.r(2*u), k)
		v.load(at(dy, u), v.r(2*u+1), k)
		v.gate(v.r(2*u), zero, v.r(2*u+1))
		v.store(v.r(2*u+1), at(dx, u), k)
	})
	VZEROUPPER()
	RET()

	TEXT("add"+v.name, NOSPLIT, "func(y, a, b *float32, n int, floor float32)")
	y, a, b, n := pointer("y"), pointer("a"), pointer("b"), pointer("n")
	v.broadcast("floor", v.r(14))
	v.flat(n, 4, []reg64{y, a, b}, func(u int, k mask) {
		v.load(at(a, u), v.r(2*u), k)
		v.load(at(b, u), v.r(2*u+1), k)
		VADDPS(v.r(2*u+1), v.r(2*u), v.r(2*u))
		VMAXPS(v.r(2*u), v.r(14), v.r(2*u))
		v.store(v.r(2*u), at(y, u), k)
	})
	VZEROUPPER()
	RET()

	v.step()
	v.adamStep()
	v.squares(false)
	v.squares(true)
}

func (v isa) step() {
	TEXT("step"+v.name, NOSPLIT, "func(w, grad, velocity *float32, n int, lr, momentum, scale, decay, keep, look float32)")
	w, grad, velocity, n := pointer("w"), pointer("grad"), pointer("velocity"), pointer("n")
	names := []string{"lr", "momentum", "scale", "decay", "keep", "look"}
	for i, name := range names {
		v.broadcast(name, v.r(6+i))
	}
	lr, momentum, scale, decay, keep, look := v.r(6), v.r(7), v.r(8), v.r(9), v.r(10), v.r(11)
	at := func(p reg64, u int) Mem { return Mem{Base: p, Disp: u * v.bytes()} }
	v.flat(n, 2, []reg64{w, grad, velocity}, func(u int, k mask) {
		ws, g, vs := v.r(3*u), v.r(3*u+1), v.r(3*u+2)
		v.load(at(w, u), ws, k)
		v.load(at(grad, u), g, k)
		VMULPS(scale, g, g)
		VFMADD231PS(ws, decay, g)
		v.load(at(velocity, u), vs, k)
		VFMADD213PS(g, momentum, vs)
		v.store(vs, at(velocity, u), k)
		VMULPS(keep, g, g)
		VFMADD231PS(vs, look, g)
		VFNMADD231PS(lr, g, ws)
		v.store(ws, at(w, u), k)
	})
	VZEROUPPER()
	RET()
}

func (v isa) adamStep() {
	TEXT("adamStep"+v.name, NOSPLIT, "func(w, grad, mean, square *float32, n int, scale, keep, beta1, rest1, beta2, rest2, root, epsilon, size float32)")
	w, grad, mean, square, n := pointer("w"), pointer("grad"), pointer("mean"), pointer("square"), pointer("n")
	names := []string{"scale", "keep", "beta1", "rest1", "beta2", "rest2", "root", "epsilon", "size"}
	for i, name := range names {
		v.broadcast(name, v.r(4+i))
	}
	scale, keep, beta1, rest1, beta2, rest2, root, epsilon, size := v.r(4), v.r(5), v.r(6), v.r(7), v.r(8), v.r(9), v.r(10), v.r(11), v.r(12)
	v.flat(n, 1, []reg64{w, grad, mean, square}, func(u int, k mask) {
		ws, g, m, s := v.r(0), v.r(1), v.r(2), v.r(3)
		v.load(Mem{Base: grad}, g, k)
		VMULPS(scale, g, g)
		v.load(Mem{Base: mean}, m, k)
		VMULPS(beta1, m, m)
		VFMADD231PS(g, rest1, m)
		v.store(m, Mem{Base: mean}, k)
		VMULPS(g, g, g)
		v.load(Mem{Base: square}, s, k)
		VMULPS(beta2, s, s)
		VFMADD231PS(g, rest2, s)
		v.store(s, Mem{Base: square}, k)
		VSQRTPS(s, s)
		VFMADD213PS(epsilon, root, s)
		VMULPS(size, m, m)
		VDIVPS(s, m, m)
		v.load(Mem{Base: w}, ws, k)
		VFMSUB213PS(m, keep, ws)
		v.store(ws, Mem{Base: w}, k)
	})
	VZEROUPPER()
	RET()
}

// squares sums in float64, half a vector at a time.
func (v isa) squares(both bool) {
	name, signature := "squares"+v.name, "func(w *float32, n int) float64"
	if both {
		name, signature = "squaresDecayed"+v.name, "func(w, grad *float32, n int, decay float32) (ww, gg float64)"
	}
	TEXT(name, NOSPLIT, signature)
	w, n := pointer("w"), pointer("n")
	move := []reg64{w}
	var grad reg64
	if both {
		grad = pointer("grad")
		move = append(move, grad)
		v.broadcast("decay", v.r(14))
	}
	for i := range 4 {
		v.zero(v.r(i))
	}
	square := func(x, low, high int, sum int) {
		// The halves of x, widened.
		if v.wide {
			VEXTRACTF64X4(U8(1), zmm[x], ymm[high])
			VCVTPS2PD(ymm[x], zmm[low])
			VCVTPS2PD(ymm[high], zmm[high])
		} else {
			VEXTRACTF128(U8(1), ymm[x], xmm[high])
			VCVTPS2PD(xmm[x], ymm[low])
			VCVTPS2PD(xmm[high], ymm[high])
		}
		VFMADD231PD(v.r(low), v.r(low), v.r(sum))
		VFMADD231PD(v.r(high), v.r(high), v.r(sum+1))
	}
	v.flat(n, 1, move, func(u int, k mask) {
		v.load(Mem{Base: w}, v.r(4), k)
		square(4, 5, 6, 0)
		if both {
			v.load(Mem{Base: grad}, v.r(7), k)
			VFMADD231PS(v.r(14), v.r(4), v.r(7))
			square(7, 8, 9, 2)
		}
	})
	total := func(i int) {
		VADDPD(v.r(i+1), v.r(i), v.r(i))
		if v.wide {
			VEXTRACTF64X4(U8(1), zmm[i], ymm[i+1])
			VADDPD(ymm[i+1], ymm[i], ymm[i])
		}
		VEXTRACTF128(U8(1), ymm[i], xmm[i+1])
		VADDPD(xmm[i+1], xmm[i], xmm[i])
		VHADDPD(xmm[i], xmm[i], xmm[i])
	}
	total(0)
	if both {
		total(2)
		VZEROUPPER()
		Store(xmm[0], Return("ww"))
		Store(xmm[2], Return("gg"))
	} else {
		VZEROUPPER()
		Store(xmm[0], ReturnIndex(0))
	}
	RET()
}

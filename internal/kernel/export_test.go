package kernel

import "math"

// Implementations names the implementations that run on this processor.
func Implementations() []string {
	var names []string
	for _, m := range machines() {
		names = append(names, m.name)
	}
	return names
}

// Widened is the implementation name whose bfloat16 products are those of float32.
const Widened = " widened"

// NewPoolOf is NewPool for one implementation.
func NewPoolOf(workers int, name string) *Pool {
	for _, m := range machines() {
		if m.name == name {
			return newPool(workers, m)
		}
		if m.name+Widened == name {
			w := *m
			w.half = widenedHalf(m.winograd4, m.winograd2)
			return newPool(workers, &w)
		}
	}
	panic("kernel: no implementation " + name)
}

// PeakLoop returns a function in which every worker multiplies panels that stay in
// its first-level cache, and its floating-point operations.
func PeakLoop(p *Pool, rounds int) (run func(), work int64) {
	return func() { p.multiplyCached(rounds) }, p.cachedWork(rounds)
}

// UsesWinograd reports whether a convolution is not direct unless told to be exact.
func UsesWinograd(g Conv) bool { return winogradTile(g, g.P, g.Q, 4) > 0 }

// RoundBF16 rounds to bfloat16.
func RoundBF16(v float32) float32 { return math.Float32frombits(half(v) << 16) }

// Pairs runs the inner loops of bfloat16 operands of an implementation: a product of
// rows×cols over k pairs, with the sum first or last, and what it computed from.
func Pairs(name string, rows, cols, k int, sumFirst bool, a, b, c []float32) {
	for _, m := range machines() {
		if m.name != name {
			continue
		}
		t := &tile{a: &a[0], b: &b[0], c: &c[0], lda: k, ldb: cols, ldc: cols, rows: rows, cols: cols, k: k}
		if sumFirst {
			t.lda = rows
			m.half.multiplyCols(t)
		} else {
			m.half.multiplyRows(t)
		}
	}
}

package stream

import "testing"

func TestStreamsAreNamed(t *testing.T) {
	first := func(seed uint64, purpose string, c ...uint64) uint64 { return New(seed, purpose, c...).Uint64() }
	base := first(1, "augment", 2, 3)
	if base != first(1, "augment", 2, 3) {
		t.Fatal("the same name gave two streams")
	}
	for name, got := range map[string]uint64{
		"seed":    first(2, "augment", 2, 3),
		"purpose": first(1, "shuffle", 2, 3),
		"order":   first(1, "augment", 3, 2),
		"fewer":   first(1, "augment", 2),
		"more":    first(1, "augment", 2, 3, 0),
	} {
		if got == base {
			t.Errorf("a different %s gave the same stream", name)
		}
	}
}

// A stream is part of what a run's results depend on: its values may not change
// from one release to the next.
func TestStreamValuesAreFixed(t *testing.T) {
	if got, want := New(0, "test", 1).Uint64(), uint64(0x2141422d23e6b5e0); got != want {
		t.Errorf("got %#x, want %#x", got, want)
	}
}

// Neighbouring coordinates must not give correlated uniforms.
func TestNeighboursAreIndependent(t *testing.T) {
	const n = 20000
	var sum, prod float64
	prev := New(7, "x", 0).Float64()
	for i := uint64(1); i <= n; i++ {
		v := New(7, "x", i).Float64()
		sum += v
		prod += (v - .5) * (prev - .5)
		prev = v
	}
	if mean := sum / n; mean < .49 || mean > .51 {
		t.Errorf("mean %.4f, want 0.5", mean)
	}
	if corr := prod / n * 12; corr < -.03 || corr > .03 {
		t.Errorf("correlation of neighbours %.4f, want 0", corr)
	}
}

package main

import "onnxclr/internal/kernel"

// exactUsage explains --exact; docs/benchmarks.md has the measurements.
const exactUsage = "no Winograd: convolutions within 1e-6 of their largest output instead of 3.1e-6, slower"

// kernels says which kernels will do the work where they are the slow ones, or -v asks.
func (t *terminal) kernels() { t.announce(kernel.Implementation()) }

// announce speaks of kernels by their name; reason says why there are no faster ones
// than the portable, and is "" for all others.
func (t *terminal) announce(name, reason string) {
	if reason != "" {
		t.say("%s kernels, slow (%s)", name, reason)
	} else {
		t.detail("%s kernels", name)
	}
}

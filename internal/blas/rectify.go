package blas

// Rectify replaces values below 0 by it.
func Rectify(values []float64) { used.rectifyAll(values) }

func (mach *machine) rectifyAll(values []float64) {
	whole := len(values) / mach.expStep * mach.expStep
	if whole > 0 {
		mach.rectify(&values[0], whole)
	}
	if whole < len(values) {
		rectify(&values[whole], len(values)-whole)
	}
}

// Gate replaces values by 0 where by is not above it: Rectify's gradient, of what it has
// written.
func Gate(values, by []float64) { used.gateAll(values, by) }

func (mach *machine) gateAll(values, by []float64) {
	by = by[:len(values)]
	whole := len(values) / mach.expStep * mach.expStep
	if whole > 0 {
		mach.gate(&values[0], &by[0], whole)
	}
	if whole < len(values) {
		gate(&values[whole], &by[whole], len(values)-whole)
	}
}

package blas

// ExpSum replaces the values by e^(value−top), 0 where that is below e^−708, and returns
// their sum. top is not below any of them. The results are within two units in the last
// place; the order of the sum depends on the length alone.
func ExpSum(values []float64, top float64) float64 { return used.expAll(values, top) }

func (mach *machine) expAll(values []float64, top float64) float64 {
	whole := len(values) / mach.expStep * mach.expStep
	var sum float64
	if whole > 0 {
		sum = mach.expSum(&values[0], whole, top)
	}
	if rest := values[whole:]; len(rest) > 0 {
		// The same function for the rest, in a vector filled up with what comes to 0.
		var last [16]float64
		for i := copy(last[:], rest); i < mach.expStep; i++ {
			last[i] = top - 1000
		}
		sum += mach.expSum(&last[0], mach.expStep, top)
		copy(rest, last[:])
	}
	return sum
}

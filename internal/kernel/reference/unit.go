package reference

import "math"

// minNorm is the floor of a row's norm before it divides, as in
// torch.nn.functional.normalize.
const minNorm = 1e-12

// unitRows returns the rows of z [rows,d] divided by their L2 norms, and the norms
// raised to at least minNorm.
func unitRows[T Float](rows, d int, z []T) (unit, norms []float64) {
	unit = make([]float64, rows*d)
	norms = make([]float64, rows)
	for i := range rows {
		row := z[i*d:][:d]
		norms[i] = max(math.Sqrt(dot(row, row)), minNorm)
		for j, v := range row {
			unit[i*d+j] = float64(v) / norms[i]
		}
	}
	return unit, norms
}

// unitRowsGrad turns the gradient with respect to the unit rows u into the one with
// respect to z: dz = (du − (du·u)·u)/‖z‖. Where the norm was raised to minNorm it
// is a constant, and dz = du/minNorm. du is overwritten.
func unitRowsGrad[T Float](rows, d int, dz []T, du, unit, norms []float64) {
	for i := range rows {
		grad, row := du[i*d:][:d], unit[i*d:][:d]
		if norms[i] > minNorm {
			axpy(grad, -dot(grad, row), row)
		}
		for j, v := range grad {
			dz[i*d+j] = T(v / norms[i])
		}
	}
}

package reference

// ReLU writes y = max(x, 0); a NaN stays NaN. y and x have equal length and may be
// the same slice.
func ReLU[T Float](y, x []T) {
	mustLen("ReLU", "y", len(y), len(x))
	for i, v := range x {
		y[i] = max(v, 0)
	}
}

// ReLUGrad writes dx = dy where y > 0 and 0 elsewhere, y being ReLU's output; as in
// PyTorch the gradient at 0 is 0, and a NaN in y lets dy through. dx, y and dy have
// equal length; dx may be y or dy.
func ReLUGrad[T Float](dx, y, dy []T) {
	mustLen("ReLUGrad", "dx", len(dx), len(y))
	mustLen("ReLUGrad", "dy", len(dy), len(y))
	for i, v := range y {
		if v <= 0 {
			dx[i] = 0
		} else {
			dx[i] = dy[i]
		}
	}
}

// Add writes y = a + b. All have equal length; y may be a or b. The gradient with
// respect to each operand is dy itself.
func Add[T Float](y, a, b []T) {
	mustLen("Add", "y", len(y), len(a))
	mustLen("Add", "b", len(b), len(a))
	for i, v := range a {
		y[i] = v + b[i]
	}
}

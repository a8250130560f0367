package reference

// GlobalAveragePool writes the mean of every plane: y[i] = Σ_j x[i,j] / hw. y is
// [nc], x [nc,hw]; nc is images times channels, hw the pixels. Source: ONNX
// GlobalAveragePool.
func GlobalAveragePool[T Float](nc, hw int, y, x []T) {
	mustLen("GlobalAveragePool", "y", len(y), nc)
	mustLen("GlobalAveragePool", "x", len(x), nc*hw)
	for i := range nc {
		var sum float64
		for _, v := range x[i*hw:][:hw] {
			sum += float64(v)
		}
		y[i] = T(sum / float64(hw))
	}
}

// GlobalAveragePoolGrad spreads every gradient evenly: dx[i,j] = dy[i] / hw.
// dx is [nc,hw], dy [nc].
func GlobalAveragePoolGrad[T Float](nc, hw int, dx, dy []T) {
	mustLen("GlobalAveragePoolGrad", "dx", len(dx), nc*hw)
	mustLen("GlobalAveragePoolGrad", "dy", len(dy), nc)
	for i, v := range dy {
		share := T(float64(v) / float64(hw))
		for j := i * hw; j < (i+1)*hw; j++ {
			dx[j] = share
		}
	}
}

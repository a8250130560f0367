package onnx

import "fmt"

// inferSame: one output of the shape of the first input.
func inferSame(_ *call, x [][]int) ([][]int, error) { return [][]int{x[0]}, nil }

// inferSameTwice: Dropout's output and mask.
func inferSameTwice(_ *call, x [][]int) ([][]int, error) { return [][]int{x[0], x[0]}, nil }

// inferBroadcast: multidirectional (NumPy) broadcasting of all inputs.
func inferBroadcast(_ *call, x [][]int) ([][]int, error) {
	out := []int{}
	for _, s := range x {
		var err error
		if out, err = broadcast(out, s); err != nil {
			return nil, err
		}
	}
	return [][]int{out}, nil
}

func broadcast(a, b []int) ([]int, error) {
	if len(a) < len(b) {
		a, b = b, a
	}
	out := append([]int{}, a...)
	shift := len(a) - len(b)
	for i, d := range b {
		switch e := a[shift+i]; {
		case d == e || d == 1:
		case e == 1:
			out[shift+i] = d
		default:
			return nil, fmt.Errorf("shapes %v and %v do not broadcast", a, b)
		}
	}
	return out, nil
}

// inferBatchNormalization: Y like X; running and saved statistics [C]. C is what most
// of the parameters and the input say.
func inferBatchNormalization(c *call, x [][]int) ([][]int, error) {
	if len(x[0]) < 2 {
		return nil, fmt.Errorf("input has shape %v, want at least [N,C]", x[0])
	}
	channels, votes := x[0][1], map[int]int{x[0][1]: 1}
	for i := 1; i < min(len(x), 5); i++ {
		if len(x[i]) != 1 {
			continue
		}
		n := x[i][0]
		if votes[n]++; votes[n] > votes[channels] {
			channels = n
		}
	}
	var m misfit
	if x[0][1] != channels {
		m.addf("input %q has %d channels, the parameters are for %d", c.n.Inputs[0], x[0][1], channels)
	}
	for i, what := range []string{1: "scale", 2: "bias", 3: "mean", 4: "variance"} {
		if i == 0 || i >= len(x) || x[i] == nil {
			continue
		}
		if len(x[i]) != 1 || x[i][0] != channels {
			m.addf("%s %q has shape %v, want [%d]", what, c.n.Inputs[i], x[i], channels)
		}
	}
	y := append([]int{}, x[0]...)
	y[1] = channels
	out := [][]int{y}
	for range c.n.Outputs[1:] {
		out = append(out, []int{channels})
	}
	return out, m.orNil()
}

// inferLayerNormalization: Y like X; mean and inverse deviation with the normalised
// axes, axis and those behind it, reduced to 1.
func inferLayerNormalization(c *call, x [][]int) ([][]int, error) {
	axis, err := axisOf(c.n.Int("axis", -1), len(x[0]))
	if err != nil {
		return nil, err
	}
	stats := append([]int{}, x[0]...)
	for i := axis; i < len(stats); i++ {
		stats[i] = 1
	}
	return [][]int{x[0], stats, stats}, nil
}

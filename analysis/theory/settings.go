package theory

// The settings of the figures. The paper's text leaves most of them open; these are
// those of its published programs where those show what the figure claims, and
// otherwise ones under which the claim can be seen, with the reason beside them.

// base is what all figures share, as in the published programs.
var base = Config{
	Dim: 16, Temperature: 0.1, Pool: 10000, Batch: 128, Steps: 10000,
}

// StrongAugmentation is figure 3's: one layer, x′ augmented by variance k in the last
// half of the coordinates. The mean squared difference of two samples is 1 in every
// coordinate, as the paper's normalisation says, so the variance is ½ and the threshold
// k = 1. Weights begin small, as the theory needs.
func StrongAugmentation(k float64) Config {
	c := base
	c.Layers, c.Loss, c.Variance, c.Noise = 1, Eq2, 0.5, halfNoise(c.Dim, k)
	c.LR, c.Init = 0.05, Init{Scale: 0.25}
	return c
}

// Alignment is figure 5's. The theorem needs singular values that stay distinct; the
// published settings let them grow equal, and their vectors turn freely. Augmentation
// that differs between coordinates keeps them apart.
func Alignment() Config {
	c := base
	c.Layers, c.Loss, c.Variance, c.Noise = 2, Eq2, 1, rampNoise(c.Dim, 0.05, 0.5)
	c.Steps, c.LR, c.DropAt, c.LRDrop = 40000, 0.1, 24000, 0.1
	c.Init = Init{Spectral: true, Scale: 0.3, Decay: 0.1}
	return c
}

// Dynamics is figure 6's: two layers, weak augmentation in all coordinates.
func Dynamics() Config {
	c := base
	c.Layers, c.Loss, c.Variance, c.Noise = 2, Eq2, 1, evenNoise(c.Dim, 0.001)
	c.LR, c.Init = 0.05, Init{Spectral: true, Scale: 1, Decay: 0.35, Uniform: true}
	return c
}

// Depth is figure 11's, of so many layers, with the loss, temperature and learning rate
// of the published programs: its curves are flat, then drop, as the paper's do.
func Depth(layers int, relu bool) Config {
	c := Dynamics()
	c.Layers, c.ReLU, c.Loss, c.LR = layers, relu, Dot, 0.01
	c.BothViews, c.Noise = true, evenNoise(c.Dim, 2e-6) // 0.001·N(0,1) on either view
	return c
}

package reference

import "math"

// n samples  c channels  hw pixels (1 for BatchNorm1d)  groups of n/groups samples
// m = n/groups·hw values per channel and group
// x̂ = (x−mean)/√(variance+eps)

// BatchStats writes the mean (row 0) and the biased variance (row 1) of every
// channel of every group. stats is [groups,2,c], x [n,c,hw]; the groups are equal
// consecutive parts of the batch, such as the two views of a contrastive batch.
// Two passes: the variance is that of the differences from the mean. Source:
// arXiv:1502.03167, Algorithm 1.
func BatchStats[T Float](groups, n, c, hw int, stats, x []T) {
	mustFitBatch("BatchStats", groups, n, c, hw, len(x), len(stats))
	per := n / groups
	m := float64(per * hw)
	for g := range groups {
		for ch := range c {
			var sum float64
			for i := g * per; i < (g+1)*per; i++ {
				for _, v := range x[(i*c+ch)*hw:][:hw] {
					sum += float64(v)
				}
			}
			mean := sum / m
			var squares float64
			for i := g * per; i < (g+1)*per; i++ {
				for _, v := range x[(i*c+ch)*hw:][:hw] {
					d := float64(v) - mean
					squares += d * d
				}
			}
			stats[2*g*c+ch] = T(mean)
			stats[(2*g+1)*c+ch] = T(squares / m)
		}
	}
}

// BatchNorm writes y = γ·x̂ + β with the statistics of each sample's group. y and x
// are [n,c,hw] and may be the same slice; stats is [groups,2,c] (mean, variance),
// gamma and beta are [c]; eps is added to the variance. With groups = 1 and the
// running statistics in stats it is the inference mode. Source: ONNX
// BatchNormalization (opset 15).
func BatchNorm[T Float](groups, n, c, hw int, eps float64, y, x, stats, gamma, beta []T) {
	mustFitBatch("BatchNorm", groups, n, c, hw, len(x), len(stats))
	mustLen("BatchNorm", "y", len(y), len(x))
	mustLen("BatchNorm", "gamma", len(gamma), c)
	mustLen("BatchNorm", "beta", len(beta), c)
	per := n / groups
	for i := range n {
		for ch := range c {
			mean, inverse := moments(stats, i/per, c, ch, eps)
			scale, shift := float64(gamma[ch])*inverse, float64(beta[ch])
			at := (i*c + ch) * hw
			for j := at; j < at+hw; j++ {
				y[j] = T((float64(x[j])-mean)*scale + shift)
			}
		}
	}
}

// BatchNormGradSums writes Σ dy (row 0) and Σ dy·x̂ (row 1) of every channel of
// every group: the gradients of β and γ, still to be summed over the groups by
// GroupSum, and what BatchNormGradInput needs. sums and stats are [groups,2,c],
// x and dy [n,c,hw]. With groups = 1 and the running statistics in stats these are
// the gradients of β and γ in inference mode.
func BatchNormGradSums[T Float](groups, n, c, hw int, eps float64, sums, x, stats, dy []T) {
	mustFitBatch("BatchNormGradSums", groups, n, c, hw, len(x), len(stats))
	mustLen("BatchNormGradSums", "dy", len(dy), len(x))
	mustLen("BatchNormGradSums", "sums", len(sums), 2*groups*c)
	per := n / groups
	for g := range groups {
		for ch := range c {
			mean, inverse := moments(stats, g, c, ch, eps)
			var sum, product float64
			for i := g * per; i < (g+1)*per; i++ {
				at := (i*c + ch) * hw
				for j := at; j < at+hw; j++ {
					sum += float64(dy[j])
					product += float64(dy[j]) * (float64(x[j]) - mean)
				}
			}
			sums[2*g*c+ch] = T(sum)
			sums[(2*g+1)*c+ch] = T(product * inverse)
		}
	}
}

// BatchNormGradInput writes the gradient with respect to x of BatchNorm over
// BatchStats, that is with mean and variance differentiated too:
//
//	dx = γ/√(variance+eps) · (dy − Σdy/m − x̂·Σ(dy·x̂)/m)
//
// dx, x and dy are [n,c,hw] (dx may be x or dy), stats and sums (from
// BatchNormGradSums) [groups,2,c], gamma [c].
func BatchNormGradInput[T Float](groups, n, c, hw int, eps float64, dx, x, stats, gamma, dy, sums []T) {
	mustFitBatch("BatchNormGradInput", groups, n, c, hw, len(x), len(stats))
	mustLen("BatchNormGradInput", "dx", len(dx), len(x))
	mustLen("BatchNormGradInput", "dy", len(dy), len(x))
	mustLen("BatchNormGradInput", "gamma", len(gamma), c)
	mustLen("BatchNormGradInput", "sums", len(sums), 2*groups*c)
	per := n / groups
	m := float64(per * hw)
	for i := range n {
		for ch := range c {
			g := i / per
			mean, inverse := moments(stats, g, c, ch, eps)
			scale := float64(gamma[ch]) * inverse
			meanGrad := float64(sums[2*g*c+ch]) / m
			meanProduct := float64(sums[(2*g+1)*c+ch]) / m
			at := (i*c + ch) * hw
			for j := at; j < at+hw; j++ {
				normal := (float64(x[j]) - mean) * inverse
				dx[j] = T(scale * (float64(dy[j]) - meanGrad - normal*meanProduct))
			}
		}
	}
}

// FrozenBatchNormGradInput writes the gradient with respect to x of BatchNorm in
// inference mode, where mean and variance are constants: dx = dy·γ/√(variance+eps).
// dx and dy are [n,c,hw] and may be the same slice, stats is [1,2,c], gamma [c].
func FrozenBatchNormGradInput[T Float](n, c, hw int, eps float64, dx, stats, gamma, dy []T) {
	mustFitBatch("FrozenBatchNormGradInput", 1, n, c, hw, len(dy), len(stats))
	mustLen("FrozenBatchNormGradInput", "dx", len(dx), len(dy))
	mustLen("FrozenBatchNormGradInput", "gamma", len(gamma), c)
	for i := range n {
		for ch := range c {
			_, inverse := moments(stats, 0, c, ch, eps)
			scale := float64(gamma[ch]) * inverse
			at := (i*c + ch) * hw
			for j := at; j < at+hw; j++ {
				dx[j] = T(float64(dy[j]) * scale)
			}
		}
	}
}

// GroupSum adds one row of sums over the groups: out[ch] = Σ_g sums[g,row,ch].
// sums is [groups,2,c], row 0 or 1, out [c]. Row 0 of BatchNormGradSums gives the
// gradient of β, row 1 that of γ.
func GroupSum[T Float](groups, c, row int, out, sums []T) {
	mustLen("GroupSum", "sums", len(sums), 2*groups*c)
	mustLen("GroupSum", "out", len(out), c)
	for ch := range c {
		var sum float64
		for g := range groups {
			sum += float64(sums[(2*g+row)*c+ch])
		}
		out[ch] = T(sum)
	}
}

// UpdateRunning moves the running statistics toward those of each group, group
// after group, as PyTorch does when it sees one view after the other:
//
//	mean     ← (1−momentum)·mean     + momentum·(batch mean)
//	variance ← (1−momentum)·variance + momentum·(batch variance)·m/(m−1)
//
// mean and variance are [c], stats is [groups,2,c] with biased variances, m the
// number of values per channel and group. momentum is PyTorch's (0.1), which is
// 1 minus ONNX's (0.9). One value has no unbiased variance: PyTorch refuses to
// train on it, and so must the caller; here m < 2 panics. Source:
// torch.nn.BatchNorm2d.
func UpdateRunning[T Float](groups, c, m int, momentum float64, mean, variance, stats []T) {
	mustLen("UpdateRunning", "stats", len(stats), 2*groups*c)
	mustLen("UpdateRunning", "mean", len(mean), c)
	mustLen("UpdateRunning", "variance", len(variance), c)
	if m < 2 {
		panic("reference.UpdateRunning: the unbiased variance needs at least 2 values per channel")
	}
	unbias := float64(m) / float64(m-1)
	for g := range groups {
		for ch := range c {
			batchMean := float64(stats[2*g*c+ch])
			batchVariance := float64(stats[(2*g+1)*c+ch]) * unbias
			mean[ch] = T((1-momentum)*float64(mean[ch]) + momentum*batchMean)
			variance[ch] = T((1-momentum)*float64(variance[ch]) + momentum*batchVariance)
		}
	}
}

// moments returns the mean of channel ch in group g and 1/√(variance+eps).
func moments[T Float](stats []T, g, c, ch int, eps float64) (mean, inverse float64) {
	return float64(stats[2*g*c+ch]), 1 / math.Sqrt(float64(stats[(2*g+1)*c+ch])+eps)
}

func mustFitBatch(op string, groups, n, c, hw, lenX, lenStats int) {
	mustDivide(op, n, groups)
	mustLen(op, "x", lenX, n*c*hw)
	mustLen(op, "stats", lenStats, 2*groups*c)
}

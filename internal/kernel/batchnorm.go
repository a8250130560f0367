package kernel

import "math"

// rows = images times pixels  c channels  groups of rows/groups rows
// m = rows/groups values per channel and group
// x̂ = (x−mean)/√(variance+eps)

// Affine is a scale and a shift for every channel, such as BatchNorm is once its
// statistics are known: x' = x·scale + shift, then max(x', 0) with ReLU. Scale and
// Shift are [Groups,C]; the groups are equal consecutive parts of the batch.
type Affine struct {
	Groups       int
	Scale, Shift []float32
	ReLU         bool
}

func (a *Affine) check(op string, n, c int) {
	mustDivide(op, n, a.Groups)
	mustLen(op, "scale", len(a.Scale), a.Groups*c)
	mustLen(op, "shift", len(a.Shift), a.Groups*c)
}

// channelArgs are the operands of a pass over [rows,c] with values per channel.
type channelArgs struct {
	groups, rows, c int
	chunk, chunks   int // rows a chunk, chunks a group
	y, x, dy        []float32
	mask, res       []float32
	stats, sums     []float32
	gamma           []float32
	scale, shift    []float32
	rscale, rshift  []float32
	rgroups         int
	floor           float32
	eps             float64
}

// channelChunk is about how many elements one task takes, momentRows how many rows
// are summed in float32 before float64 takes over.
const (
	channelChunk = 1 << 15
	momentRows   = 128
)

// start splits every group of rows into fixed chunks and runs a task for each.
func (p *Pool) start(a channelArgs, run func(p *Pool, task int, w *worker)) {
	a.split()
	p.channel = a
	p.dispatch(a.groups*a.chunks, run)
}

func (a *channelArgs) split() {
	per := a.rows / a.groups
	a.chunk = min(per, roundUp(max(1, channelChunk/a.c), momentRows))
	a.chunks = ceilDiv(per, a.chunk)
}

// part returns the group of a task and its rows [from, from+n).
func (a *channelArgs) part(task int) (group, from, n int) {
	per := a.rows / a.groups
	group = task / a.chunks
	first := task % a.chunks * a.chunk
	return group, group*per + first, min(a.chunk, per-first)
}

// ChannelSum writes the sum of every column of x: sum is [c], x [rows,c]. It is the
// gradient of a bias.
func ChannelSum(p *Pool, rows, c int, sum, x []float32) {
	mustLen("ChannelSum", "x", len(x), rows*c)
	mustLen("ChannelSum", "sum", len(sum), c)
	p.mu.Lock()
	defer p.mu.Unlock()
	a := channelArgs{groups: 1, rows: rows, c: c, x: x}
	a.split()
	sums := p.partials(a.chunks * c)
	p.start(a, func(p *Pool, task int, w *worker) {
		a := &p.channel
		_, from, n := a.part(task)
		total := p.partial[task*a.c:][:a.c]
		clear(total)
		for i := 0; i < n; i += momentRows {
			part := w.memory[:a.c]
			p.m.sumRows(&part[0], &a.x[(from+i)*a.c], a.c, min(momentRows, n-i), a.c)
			for j, v := range part {
				total[j] += float64(v)
			}
		}
	})
	for j := range c {
		var total float64
		for i := range p.channel.chunks {
			total += sums[i*c+j]
		}
		sum[j] = float32(total)
	}
	p.channel = channelArgs{}
}

// BatchStats writes the mean (row 0) and the biased variance (row 1) of every
// channel of every group: stats is [groups,2,c], x [rows,c]. Blocks of rows are
// summed about their own mean in float32 and merged in float64, so a large mean
// does not cost the variance its digits. Source: arXiv:1502.03167, Algorithm 1;
// merging: Chan, Golub and LeVeque, 1979.
func BatchStats(p *Pool, groups, rows, c int, stats, x []float32) {
	mustDivide("BatchStats", rows, groups)
	mustLen("BatchStats", "x", len(x), rows*c)
	mustLen("BatchStats", "stats", len(stats), 2*groups*c)
	p.mu.Lock()
	defer p.mu.Unlock()
	a := channelArgs{groups: groups, rows: rows, c: c, x: x}
	a.split()
	p.partials(2 * groups * a.chunks * c)
	p.start(a, func(p *Pool, task int, w *worker) {
		a := &p.channel
		_, from, n := a.part(task)
		c := a.c
		total := p.partial[2*task*c:][:2*c]
		mean, squares := w.memory[:c], w.memory[roundUp(c, 16):][:c]
		for i := 0; i < n; i += momentRows {
			rows := min(momentRows, n-i)
			p.m.moments(&mean[0], &squares[0], &a.x[(from+i)*c], c, rows, c)
			mergeMoments(total[:c], total[c:], i, mean, squares, rows)
		}
	})
	per := rows / groups
	chunk, chunks := p.channel.chunk, p.channel.chunks
	for g := range groups {
		total := p.partial[2*g*chunks*c:]
		for i := 1; i < chunks; i++ {
			next := total[2*i*c:]
			mergeMoments(total[:c], total[c:2*c], i*chunk, next[:c], next[c:2*c], min(chunk, per-i*chunk))
		}
		finishStats(stats[2*g*c:][:2*c], total[:2*c], per)
	}
	p.channel = channelArgs{}
}

// mergeMoments adds the mean and the squares of m more values to those of n.
func mergeMoments[T float32 | float64](mean, squares []float64, n int, otherMean, otherSquares []T, m int) {
	if n == 0 {
		for j := range mean {
			mean[j], squares[j] = float64(otherMean[j]), float64(otherSquares[j])
		}
		return
	}
	share := float64(m) / float64(n+m)
	weight := float64(n) * share
	for j := range mean {
		d := float64(otherMean[j]) - mean[j]
		mean[j] += d * share
		squares[j] += float64(otherSquares[j]) + d*d*weight
	}
}

// finishStats turns means and squares of m values, [2,c], to means and variances.
func finishStats(stats []float32, moments []float64, m int) {
	c := len(stats) / 2
	for j := range c {
		stats[j] = float32(moments[j])
		stats[c+j] = float32(moments[c+j] / float64(m))
	}
}

// BatchNormAffine writes the scale γ/√(variance+eps) and the shift β − mean·scale
// of every group and channel: scale and shift are [groups,c], stats [groups,2,c],
// gamma and beta [c].
func BatchNormAffine(groups, c int, eps float64, scale, shift, stats, gamma, beta []float32) {
	mustLen("BatchNormAffine", "scale", len(scale), groups*c)
	mustLen("BatchNormAffine", "shift", len(shift), groups*c)
	mustLen("BatchNormAffine", "stats", len(stats), 2*groups*c)
	mustLen("BatchNormAffine", "gamma", len(gamma), c)
	mustLen("BatchNormAffine", "beta", len(beta), c)
	for g := range groups {
		for j := range c {
			s := float64(gamma[j]) / math.Sqrt(float64(stats[(2*g+1)*c+j])+eps)
			scale[g*c+j] = float32(s)
			shift[g*c+j] = float32(float64(beta[j]) - float64(stats[2*g*c+j])*s)
		}
	}
}

// ScaleShift writes y = a(x), plus the residual if there is one, which
// residualAffine transforms first if it is not nil; then max(y, 0) if relu. y, x and
// residual are [rows,c] and may be the same slice; the groups of the affines are
// equal parts of the rows. The ReLU of a is applied before the residual is added.
func ScaleShift(p *Pool, groups, rows, c int, y, x []float32, a Affine, residual []float32, residualAffine *Affine, relu bool) {
	const op = "ScaleShift"
	mustDivide(op, rows, groups)
	mustLen(op, "x", len(x), rows*c)
	mustLen(op, "y", len(y), rows*c)
	if a.Groups != groups {
		mustLen(op, "groups of the affine", a.Groups, groups)
	}
	a.check(op, rows, c)
	p.mu.Lock()
	defer p.mu.Unlock()
	args := channelArgs{groups: groups, rows: rows, c: c, y: y, x: x, scale: a.Scale, shift: a.Shift,
		floor: floorOf(relu || a.ReLU && residual == nil), rgroups: 1}
	if residual == nil {
		p.start(args, func(p *Pool, task int, w *worker) {
			a := &p.channel
			g, from, n := a.part(task)
			i := from * a.c
			p.m.affineRows(&a.y[i], a.c, &a.x[i], a.c, n, a.c, &a.scale[g*a.c], &a.shift[g*a.c], a.floor)
		})
		p.channel = channelArgs{}
		return
	}
	mustLen(op, "residual", len(residual), rows*c)
	args.res = residual
	args.rscale, args.rshift = p.constants(c)
	if residualAffine != nil {
		residualAffine.check(op+" residual", rows, c)
		args.rscale, args.rshift, args.rgroups = residualAffine.Scale, residualAffine.Shift, residualAffine.Groups
	}
	if a.ReLU || residualAffine != nil && residualAffine.ReLU {
		panic("kernel.ScaleShift: a ReLU before the residual addition is not supported")
	}
	p.start(args, func(p *Pool, task int, w *worker) {
		a := &p.channel
		g, from, n := a.part(task)
		per := a.rows / a.rgroups
		// The groups of the residual may be other parts of the rows.
		for n > 0 {
			rg := from / per
			m := min(n, (rg+1)*per-from)
			i := from * a.c
			p.m.joinRows(&a.y[i], a.c, &a.x[i], a.c, &a.res[i], a.c, m, a.c,
				&a.scale[g*a.c], &a.shift[g*a.c], &a.rscale[rg*a.c], &a.rshift[rg*a.c], a.floor)
			from, n = from+m, n-m
		}
	})
	p.channel = channelArgs{}
}

// BatchNormGradSums writes Σ dy (row 0) and Σ dy·x̂ (row 1) of every channel of
// every group: the gradients of β and γ, still to be summed by GroupSum, and what
// BatchNormGradInput needs. sums and stats are [groups,2,c], x and dy [rows,c]. mask
// is nil or the output of the ReLU that follows: then dy counts only where it is
// above 0.
func BatchNormGradSums(p *Pool, groups, rows, c int, eps float64, sums, x, stats, dy, mask []float32) {
	const op = "BatchNormGradSums"
	mustFitBatch(op, groups, rows, c, x, stats, dy, mask)
	mustLen(op, "sums", len(sums), 2*groups*c)
	p.mu.Lock()
	defer p.mu.Unlock()
	a := channelArgs{groups: groups, rows: rows, c: c, x: x, dy: dy, mask: mask, stats: stats}
	a.split()
	p.partials(2 * groups * a.chunks * c)
	p.start(a, func(p *Pool, task int, w *worker) {
		a := &p.channel
		g, from, n := a.part(task)
		c := a.c
		total := p.partial[2*task*c:][:2*c]
		clear(total)
		sum, product := w.memory[:c], w.memory[roundUp(c, 16):][:c]
		for i := 0; i < n; i += momentRows {
			e := (from + i) * c
			p.m.gradSums(&sum[0], &product[0], &a.x[e], &a.dy[e], a.gate(e), c, min(momentRows, n-i), c, &a.stats[2*g*c])
			for j := range c {
				total[j] += float64(sum[j])
				total[c+j] += float64(product[j])
			}
		}
	})
	chunks := p.channel.chunks
	for g := range groups {
		total := p.partial[2*g*chunks*c:]
		for i := 1; i < chunks; i++ {
			for j, v := range total[2*i*c:][:2*c] {
				total[j] += v
			}
		}
		for j := range c {
			sums[2*g*c+j] = float32(total[j])
			sums[(2*g+1)*c+j] = float32(total[c+j] / math.Sqrt(float64(stats[(2*g+1)*c+j])+eps))
		}
	}
	p.channel = channelArgs{}
}

// gate returns the mask from element e on, or nil.
func (a *channelArgs) gate(e int) *float32 {
	if a.mask == nil {
		return nil
	}
	return &a.mask[e]
}

// BatchNormGradInput writes the gradient with respect to x of BatchNorm whose mean
// and variance are those of the batch:
//
//	dx = γ/√(variance+eps) · (dy − Σdy/m − x̂·Σ(dy·x̂)/m)
//
// dx, x and dy are [rows,c] (dx may be x or dy), stats and sums (from
// BatchNormGradSums with the same mask) [groups,2,c], gamma [c].
func BatchNormGradInput(p *Pool, groups, rows, c int, eps float64, dx, x, stats, gamma, dy, sums, mask []float32) {
	const op = "BatchNormGradInput"
	mustFitBatch(op, groups, rows, c, x, stats, dy, mask)
	mustLen(op, "dx", len(dx), len(x))
	mustLen(op, "gamma", len(gamma), c)
	mustLen(op, "sums", len(sums), 2*groups*c)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.start(channelArgs{groups: groups, rows: rows, c: c, eps: eps, y: dx, x: x, dy: dy, mask: mask, stats: stats, sums: sums, gamma: gamma},
		func(p *Pool, task int, w *worker) {
			a := &p.channel
			g, from, n := a.part(task)
			c, m := a.c, float64(a.rows/a.groups)
			width := roundUp(c, 16)
			dyScale, xScale, shift := w.memory[:c], w.memory[width:][:c], w.memory[2*width:][:c]
			for j := range c {
				inverse := 1 / math.Sqrt(float64(a.stats[(2*g+1)*c+j])+a.eps)
				scale := float64(a.gamma[j]) * inverse
				dyScale[j] = float32(scale)
				xScale[j] = float32(-scale * inverse * float64(a.sums[(2*g+1)*c+j]) / m)
				shift[j] = float32(-scale * float64(a.sums[2*g*c+j]) / m)
			}
			e := from * c
			p.m.gradRows(&a.y[e], &a.x[e], &a.dy[e], a.gate(e), c, n, c, &a.stats[2*g*c], &dyScale[0], &xScale[0], &shift[0])
		})
	p.channel = channelArgs{}
}

// FrozenBatchNormGradInput writes the gradient with respect to x of BatchNorm in
// inference mode, dx = dy·γ/√(variance+eps): dx and dy are [rows,c] and may be the
// same slice, stats is [1,2,c], gamma [c].
func FrozenBatchNormGradInput(p *Pool, rows, c int, eps float64, dx, stats, gamma, dy []float32) {
	const op = "FrozenBatchNormGradInput"
	mustFitBatch(op, 1, rows, c, dy, stats, dy, nil)
	mustLen(op, "dx", len(dx), len(dy))
	mustLen(op, "gamma", len(gamma), c)
	p.mu.Lock()
	defer p.mu.Unlock()
	_, zeros := p.constants(c)
	p.start(channelArgs{groups: 1, rows: rows, c: c, eps: eps, y: dx, dy: dy, stats: stats, gamma: gamma, shift: zeros},
		func(p *Pool, task int, w *worker) {
			a := &p.channel
			_, from, n := a.part(task)
			c := a.c
			scale := w.memory[:c]
			for j := range c {
				scale[j] = float32(float64(a.gamma[j]) / math.Sqrt(float64(a.stats[c+j])+a.eps))
			}
			p.m.affineRows(&a.y[from*c], c, &a.dy[from*c], c, n, c, &scale[0], &a.shift[0], negInf)
		})
	p.channel = channelArgs{}
}

// GroupSum adds one row of sums over the groups: out[ch] = Σ_g sums[g,row,ch]. sums
// is [groups,2,c], row 0 or 1, out [c].
func GroupSum(groups, c, row int, out, sums []float32) {
	mustLen("GroupSum", "sums", len(sums), 2*groups*c)
	mustLen("GroupSum", "out", len(out), c)
	for j := range c {
		var sum float64
		for g := range groups {
			sum += float64(sums[(2*g+row)*c+j])
		}
		out[j] = float32(sum)
	}
}

func mustFitBatch(op string, groups, rows, c int, x, stats, dy, mask []float32) {
	mustDivide(op, rows, groups)
	mustLen(op, "x", len(x), rows*c)
	mustLen(op, "dy", len(dy), rows*c)
	mustLen(op, "stats", len(stats), 2*groups*c)
	if mask != nil {
		mustLen(op, "mask", len(mask), rows*c)
	}
}

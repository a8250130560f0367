package kernel

import "math"

// The portable implementation: the meaning of every function of a machine, and the
// one used on processors without a faster.

var portableMachine = machine{
	name: "portable", rows: 4, cols: 4, lane: 4,
	multiplyRows:   func(t *tile) { multiply(t, t.lda, 1) },
	multiplyCols:   func(t *tile) { multiply(t, 1, t.lda) },
	copyRows:       copyRows,
	prefetch:       func(src *float32, lds, rows, cols int) {},
	affineRows:     affineRows,
	joinRows:       joinRows,
	sumRows:        sumRows,
	moments:        moments,
	gradSums:       gradSums,
	maskSums:       maskSums,
	gradRows:       gradRows,
	transpose:      transpose,
	relu:           relu,
	reluGrad:       reluGrad,
	exp:            expAll,
	sigmoid:        sigmoidAll,
	erf:            erfAll,
	add:            add,
	step:           step,
	adamStep:       adamStep,
	squares:        squares,
	winograd4:      &portableWinograd4,
	winograd2:      &portableWinograd2,
	winogradStride: &portableWinogradStride,
	half:           &portableHalf,
	windowMax:      windowMax,
	windowGrad:     windowGrad,
}

// multiply writes or adds c[i,j] = Σ_l a[i,l]·b[l,j], where a[i,l] is stored at
// i·row + l·col.
func multiply(t *tile, row, col int) {
	a := view(t.a, (t.rows-1)*row+(t.k-1)*col+1)
	b := view(t.b, (t.k-1)*t.ldb+t.cols)
	c := view(t.c, (t.rows-1)*t.ldc+t.cols)
	var sum [16]float32
	if t.rows == 4 && t.cols == 4 {
		multiply4x4(&sum, t.k, a, row, col, b, t.ldb)
	} else {
		for i := range t.rows {
			for j := range t.cols {
				var s float32
				for l := range t.k {
					s += a[i*row+l*col] * b[l*t.ldb+j]
				}
				sum[i*4+j] = s
			}
		}
	}
	for i := range t.rows {
		out := c[i*t.ldc:][:t.cols]
		for j := range out {
			if t.add != 0 {
				out[j] += sum[i*4+j]
			} else {
				out[j] = sum[i*4+j]
			}
		}
	}
}

func multiply4x4(sum *[16]float32, k int, a []float32, row, col int, b []float32, ldb int) {
	var s00, s01, s02, s03, s10, s11, s12, s13 float32
	var s20, s21, s22, s23, s30, s31, s32, s33 float32
	for l := range k {
		v := (*[4]float32)(b[l*ldb:])
		i := l * col
		a0, a1, a2, a3 := a[i], a[i+row], a[i+2*row], a[i+3*row]
		s00 += a0 * v[0]
		s01 += a0 * v[1]
		s02 += a0 * v[2]
		s03 += a0 * v[3]
		s10 += a1 * v[0]
		s11 += a1 * v[1]
		s12 += a1 * v[2]
		s13 += a1 * v[3]
		s20 += a2 * v[0]
		s21 += a2 * v[1]
		s22 += a2 * v[2]
		s23 += a2 * v[3]
		s30 += a3 * v[0]
		s31 += a3 * v[1]
		s32 += a3 * v[2]
		s33 += a3 * v[3]
	}
	*sum = [16]float32{s00, s01, s02, s03, s10, s11, s12, s13, s20, s21, s22, s23, s30, s31, s32, s33}
}

// copyRows copies a block of rows.
func copyRows(dst *float32, ldd int, src *float32, lds, rows, cols int) {
	for i := range rows {
		copy(view(at(dst, i*ldd), cols), view(at(src, i*lds), cols))
	}
}

// affineRows writes dst = max(src·scale + shift, floor), with a scale and a shift
// for each column.
func affineRows(dst *float32, ldd int, src *float32, lds, rows, cols int, scale, shift *float32, floor float32) {
	s, b := view(scale, cols), view(shift, cols)
	for i := range rows {
		x, y := view(at(src, i*lds), cols), view(at(dst, i*ldd), cols)
		for j, v := range x {
			y[j] = max(v*s[j]+b[j], floor)
		}
	}
}

// joinRows writes dst = max(src·scale + shift + res·rscale + rshift, floor).
func joinRows(dst *float32, ldd int, src *float32, lds int, res *float32, ldr, rows, cols int, scale, shift, rscale, rshift *float32, floor float32) {
	s, b, rs, rb := view(scale, cols), view(shift, cols), view(rscale, cols), view(rshift, cols)
	for i := range rows {
		x, y, r := view(at(src, i*lds), cols), view(at(dst, i*ldd), cols), view(at(res, i*ldr), cols)
		for j, v := range x {
			y[j] = max((v*s[j]+b[j])+(r[j]*rs[j]+rb[j]), floor)
		}
	}
}

// sumRows writes the sum of every column.
func sumRows(sum *float32, x *float32, ldx, rows, cols int) {
	total := view(sum, cols)
	clear(total)
	for i := range rows {
		for j, v := range view(at(x, i*ldx), cols) {
			total[j] += v
		}
	}
}

// moments writes the mean of every column and the sum of the squared differences
// from it.
func moments(mean, squares *float32, x *float32, ldx, rows, cols int) {
	m, q := view(mean, cols), view(squares, cols)
	sumRows(mean, x, ldx, rows, cols)
	for j := range m {
		m[j] *= 1 / float32(rows)
	}
	clear(q)
	for i := range rows {
		for j, v := range view(at(x, i*ldx), cols) {
			d := v - m[j]
			q[j] += d * d
		}
	}
}

// gradSums writes Σ dy and Σ dy·(x−mean) of every column; with a mask, dy counts
// only where the mask is above 0 or NaN.
func gradSums(sum, product *float32, x, dy, mask *float32, ld, rows, cols int, mean *float32) {
	s, p, m := view(sum, cols), view(product, cols), view(mean, cols)
	clear(s)
	clear(p)
	for i := range rows {
		xs, grad := view(at(x, i*ld), cols), view(at(dy, i*ld), cols)
		var gate []float32
		if mask != nil {
			gate = view(at(mask, i*ld), cols)
		}
		for j, g := range grad {
			if gate != nil && gate[j] <= 0 {
				continue
			}
			s[j] += g
			p[j] += g * (xs[j] - m[j])
		}
	}
}

// maskSums clears dy where mask ≤ 0 and writes the sums of gradSums of what is left.
func maskSums(sum, product *float32, x, dy, mask *float32, ld, rows, cols int, mean *float32) {
	for i := range rows {
		reluGrad(at(dy, i*ld), at(mask, i*ld), at(dy, i*ld), cols)
	}
	gradSums(sum, product, x, dy, nil, ld, rows, cols, mean)
}

// gradRows writes dx = dy·dyScale + (x−mean)·xScale + shift, with the mask as in
// gradSums.
func gradRows(dx, x, dy, mask *float32, ld, rows, cols int, mean, dyScale, xScale, shift *float32) {
	m, a, b, d := view(mean, cols), view(dyScale, cols), view(xScale, cols), view(shift, cols)
	for i := range rows {
		xs, grad, out := view(at(x, i*ld), cols), view(at(dy, i*ld), cols), view(at(dx, i*ld), cols)
		var gate []float32
		if mask != nil {
			gate = view(at(mask, i*ld), cols)
		}
		for j, g := range grad {
			if gate != nil && gate[j] <= 0 {
				g = 0
			}
			out[j] = g*a[j] + ((xs[j]-m[j])*b[j] + d[j])
		}
	}
}

// transpose writes dst[j,i] = src[i,j] for the rows and columns of src.
func transpose(dst *float32, ldd int, src *float32, lds, rows, cols int) {
	if rows == 0 || cols == 0 {
		return
	}
	out := view(dst, (cols-1)*ldd+rows)
	for i := range rows {
		for j, v := range view(at(src, i*lds), cols) {
			out[j*ldd+i] = v
		}
	}
}

// relu writes y = max(x, 0).
func relu(y, x *float32, n int) {
	ys := view(y, n)
	for i, v := range view(x, n) {
		ys[i] = max(v, 0)
	}
}

// reluGrad writes dx = dy, and 0 where y ≤ 0.
func reluGrad(dx, y, dy *float32, n int) {
	out, grad := view(dx, n), view(dy, n)
	for i, v := range view(y, n) {
		if v <= 0 {
			out[i] = 0
		} else {
			out[i] = grad[i]
		}
	}
}

// add writes y = max(a + b, floor).
func add(y, a, b *float32, n int, floor float32) {
	out, bs := view(y, n), view(b, n)
	for i, v := range view(a, n) {
		out[i] = max(v+bs[i], floor)
	}
}

// stepScalars are the constants of a momentum step.
type stepScalars struct {
	lr, momentum float32
	scale, decay float32 // of the gradient and of the weights
	keep, look   float32 // the step is keep·gradient + look·velocity
}

// step writes g = scale·grad + decay·w, velocity = momentum·velocity + g and
// w −= lr·(keep·g + look·velocity).
func step(w, grad, velocity *float32, n int, s *stepScalars) {
	ws, gs, vs := view(w, n), view(grad, n), view(velocity, n)
	for i := range ws {
		g := s.scale*gs[i] + s.decay*ws[i]
		v := s.momentum*vs[i] + g
		vs[i] = v
		ws[i] -= s.lr * (s.keep*g + s.look*v)
	}
}

// adamScalars are the constants of a step of Adam.
type adamScalars struct {
	scale, keep   float32 // of the gradient, of the weights
	beta1, rest1  float32 // β and 1−β of the mean
	beta2, rest2  float32 // of the mean square
	root, epsilon float32 // the divisor is root·√square + epsilon
	size          float32
}

// adamStep writes g = scale·grad, mean = beta1·mean + rest1·g,
// square = beta2·square + rest2·g² and w = keep·w − size·mean/(root·√square + epsilon).
func adamStep(w, grad, mean, square *float32, n int, s *adamScalars) {
	ws, gs, ms, ss := view(w, n), view(grad, n), view(mean, n), view(square, n)
	for i := range ws {
		g := s.scale * gs[i]
		m := s.beta1*ms[i] + s.rest1*g
		v := s.beta2*ss[i] + s.rest2*(g*g)
		ms[i], ss[i] = m, v
		ws[i] = s.keep*ws[i] - s.size*m/(s.root*float32(math.Sqrt(float64(v)))+s.epsilon)
	}
}

// squares returns Σ w² and Σ (grad + decay·w)². grad may be nil: then only the
// first.
func squares(w, grad *float32, n int, decay float32) (ww, gg float64) {
	ws := view(w, n)
	if grad == nil {
		for _, v := range ws {
			ww += float64(v) * float64(v)
		}
		return ww, 0
	}
	gs := view(grad, n)
	for i, v := range ws {
		g := float64(gs[i] + decay*v)
		ww += float64(v) * float64(v)
		gg += g * g
	}
	return ww, gg
}

// windowMax writes the largest of r×s pixels, ldh and ldw floats apart, of every
// one of c channels. NaN wins.
func windowMax(y, x *float32, ldh, ldw, r, s, c int) {
	out := view(y, c)
	for j := range out {
		out[j] = float32(math.Inf(-1))
	}
	for i := range r {
		for l := range s {
			for j, v := range view(at(x, i*ldh+l*ldw), c) {
				if v > out[j] || v != v {
					out[j] = v
				}
			}
		}
	}
}

// windowGrad adds dy to the pixel of dx whose pixel of x is the largest of the
// window: the first of equal ones, the last of NaNs.
func windowGrad(dx, x, dy *float32, ldh, ldw, r, s, c int) {
	for j, g := range view(dy, c) {
		best := -1
		var high float32
		for i := range r {
			for l := range s {
				e := i*ldh + l*ldw + j
				if v := *at(x, e); best < 0 || v > high || v != v {
					best, high = e, v
				}
			}
		}
		*at(dx, best) += g
	}
}

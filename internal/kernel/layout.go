package kernel

// windowArgs are the operands of a pass over matrices, planes or windows.
type windowArgs struct {
	g             Window
	rows, cols    int
	stride, parts int
	y, x, dy      []float32
}

// window runs tasks over w.
func (p *Pool) windows(args windowArgs, tasks int, run func(p *Pool, task int, w *worker)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.window = args
	p.dispatch(tasks, run)
	p.window = windowArgs{}
}

// transposeBlock is the side of the squares that a transposition moves at once:
// both sides stay in the first-level cache.
const transposeBlock = 64

// Transpose2D writes dst[j,i] = src[i,j]: dst is [cols,rows], src [rows,cols], not
// overlapping.
func Transpose2D(p *Pool, rows, cols int, dst, src []float32) {
	transposeAll(p, "Transpose2D", 1, rows, cols, dst, src)
}

// ToNHWC writes dst [n,hw,c] from src [n,c,hw].
func ToNHWC(p *Pool, n, c, hw int, dst, src []float32) {
	transposeAll(p, "ToNHWC", n, c, hw, dst, src)
}

// ToNCHW writes dst [n,c,hw] from src [n,hw,c].
func ToNCHW(p *Pool, n, c, hw int, dst, src []float32) {
	transposeAll(p, "ToNCHW", n, hw, c, dst, src)
}

// transposeAll transposes n matrices [rows,cols], a task for every strip of rows.
func transposeAll(p *Pool, op string, n, rows, cols int, dst, src []float32) {
	mustLen(op, "dst", len(dst), n*rows*cols)
	mustLen(op, "src", len(src), n*rows*cols)
	if len(src) == 0 {
		return
	}
	strip := max(transposeBlock, roundUp(flatChunk/cols, transposeBlock))
	parts := ceilDiv(rows, strip)
	p.windows(windowArgs{rows: rows, cols: cols, stride: strip, parts: parts, y: dst, x: src}, n*parts,
		func(p *Pool, task int, w *worker) {
			a := &p.window
			start := task / a.parts * a.rows * a.cols
			from := task % a.parts * a.stride
			to := min(from+a.stride, a.rows)
			for i := from; i < to; i += transposeBlock {
				for j := 0; j < a.cols; j += transposeBlock {
					p.m.transpose(&a.y[start+j*a.rows+i], a.rows, &a.x[start+i*a.cols+j], a.cols,
						min(transposeBlock, to-i), min(transposeBlock, a.cols-j))
				}
			}
		})
}

// SliceColumns writes the columns [from,to) of x: y is [rows,to−from], x
// [rows,cols]. It is DirectCLR's head, z = r[0:d₀] (arXiv:2110.09348, section 6.2).
func SliceColumns(p *Pool, rows, cols, from, to int, y, x []float32) {
	mustFitSlice("SliceColumns", rows, cols, from, to, "x", len(x), "y", len(y))
	width := to - from
	for i := range rows {
		copy(y[i*width:(i+1)*width], x[i*cols+from:])
	}
}

// SliceColumnsGrad writes dy into the columns [from,to) of dx and zeros into the
// others: dx is [rows,cols], dy [rows,to−from].
func SliceColumnsGrad(p *Pool, rows, cols, from, to int, dx, dy []float32) {
	mustFitSlice("SliceColumnsGrad", rows, cols, from, to, "dx", len(dx), "dy", len(dy))
	width := to - from
	for i := range rows {
		row := dx[i*cols:][:cols]
		clear(row[:from])
		copy(row[from:to], dy[i*width:])
		clear(row[to:])
	}
}

func mustFitSlice(op string, rows, cols, from, to int, x string, lenX int, y string, lenY int) {
	if from < 0 || from > to || to > cols {
		panic("kernel." + op + ": the columns do not lie in the matrix")
	}
	mustLen(op, x, lenX, rows*cols)
	mustLen(op, y, lenY, rows*(to-from))
}

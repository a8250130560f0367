package kernel

import (
	"fmt"
	"math"
)

// columnArgs are the operands of a loss of columns.
type columnArgs struct {
	n, d    int     // pairs, dimensions
	ddof    int     // subtracted from n in a variance
	epsilon float64 // added to a variance
	divide  bool    // columns by their spread
	size    int     // of m: the shorter of a column, n, and a row, d
	z, dz   []float32
	x       []float32 // [2n,d] columns of each view, centred or standardised
	dx      []float32 // [2n,d]
	m       []float32 // products of columns [d,d], or of rows [2,n,n]
	spread  []float64 // [2d] √(variance + epsilon)
	own     []float64 // [2d] what a column's gradient has of itself, or of its like
	sums    []float64 // what tasks contribute to a sum

	weight, scale, pull float64 // of dx, of all, of the other view
}

// columnBlock is how many columns one task takes: a cache line.
const columnBlock = 16

// byRows reports whether a loss takes products of rows instead of columns. The sum of
// the squares of XᵀY [d,d] is that of the elements of XXᵀ and YYᵀ [n,n] times each
// other, and Y(XᵀY)ᵀ is (YYᵀ)X: n²d products instead of nd². Below two columns a row
// what columns have in common is the lesser part of such sums, and would be lost.
func byRows(n, d int) bool { return 2*n <= d }

// columnLossWorkspace is what BarlowTwins and VICReg need.
func columnLossWorkspace(n, d int) int {
	m := d * d
	if byRows(n, d) {
		m = 2 * n * n
	}
	return 4*n*d + m
}

// columnLoss lays out the workspace and centres the columns.
func (p *Pool) columnLoss(a columnArgs, ws []float32) columnArgs {
	both := 2 * a.n * a.d
	a.x, ws = ws[:both], ws[both:]
	a.dx, ws = ws[:both], ws[both:]
	a.size, a.m = a.d, ws[:columnLossWorkspace(a.n, a.d)-2*both]
	if byRows(a.n, a.d) {
		a.size = a.n
	}
	sums := p.partials(4*a.d + max(2*a.d, a.n))
	a.spread, a.own, a.sums = sums[:2*a.d], sums[2*a.d:][:2*a.d], sums[4*a.d:]
	p.overColumns(a, a.blocks(), centreTask)
	return a
}

// overColumns runs the tasks and returns the sum, in their order, of what each wrote
// to its place in a.sums.
func (p *Pool) overColumns(a columnArgs, tasks int, run func(p *Pool, task int, w *worker)) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(a.sums[:tasks])
	p.columns = a
	p.dispatch(tasks, run)
	p.columns = columnArgs{}
	var sum float64
	for _, v := range a.sums[:tasks] {
		sum += v
	}
	return sum
}

// blocks returns the number of tasks that cover the columns of both views.
func (a *columnArgs) blocks() int { return 2 * ceilDiv(a.d, columnBlock) }

// block returns the view of a task and its columns [from, from+n).
func (a *columnArgs) block(task int) (view, from, n int) {
	blocks := ceilDiv(a.d, columnBlock)
	from = task % blocks * columnBlock
	return task / blocks, from, min(columnBlock, a.d-from)
}

// rows returns the rows of a view in x, dx or z.
func (a *columnArgs) rows(of []float32, view int) []float32 {
	return of[view*a.n*a.d:][:a.n*a.d]
}

// centreTask writes a block of columns of x, and their spreads.
func centreTask(p *Pool, task int, w *worker) {
	a := &p.columns
	v, from, cols := a.block(task)
	z, x := a.rows(a.z, v), a.rows(a.x, v)
	var mean, squares, scale [columnBlock]float64
	for i := range a.n {
		for j, v := range z[i*a.d+from:][:cols] {
			mean[j] += float64(v)
		}
	}
	for j := range cols {
		mean[j] /= float64(a.n)
	}
	for i := range a.n {
		for j, v := range z[i*a.d+from:][:cols] {
			v := float64(v) - mean[j]
			squares[j] += v * v
		}
	}
	for j := range cols {
		spread := math.Sqrt(squares[j]/float64(a.n-a.ddof) + a.epsilon)
		a.spread[v*a.d+from+j] = spread
		scale[j] = 1
		if a.divide {
			scale[j] = 1 / spread
		}
	}
	for i := range a.n {
		x := x[i*a.d+from:][:cols]
		for j, v := range z[i*a.d+from:][:cols] {
			x[j] = float32((float64(v) - mean[j]) * scale[j])
		}
	}
}

// products sums the elements of row i of m, each times its like in another matrix.
func (a *columnArgs) products(i int, with []float32) float64 {
	var sum float64
	for j, v := range a.m[i*a.size:][:a.size] {
		sum += float64(v) * float64(with[i*a.size+j])
	}
	return sum
}

// offDiagonalTask sums the squares of a row of m but for the diagonal's.
func offDiagonalTask(p *Pool, task int, w *worker) {
	a := &p.columns
	var sum float64
	for j, v := range a.m[task*a.d:][:a.d] {
		if j != task {
			sum += float64(v) * float64(v)
		}
	}
	a.sums[task] = sum
}

func mustFitColumns(op string, n, d, lenZ, workspace int) {
	if n < 2 || d < 1 {
		panic(fmt.Sprintf("kernel.%s: n %d must be at least 2 and d %d at least 1", op, n, d))
	}
	mustLen(op, "z", lenZ, 2*n*d)
	mustHold(op, "ws", workspace, columnLossWorkspace(n, d))
}

package graph

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"onnxclr/importer/onnx"
	"onnxclr/internal/kernel/reference"
	"onnxclr/internal/vm"
)

// lowerMatMul: ONNX MatMul, which is NumPy's. A product with one matrix for all of x's
// rows, such as a weight, is a linear layer of these rows.
func lowerMatMul(b *builder, n *onnx.Node) error {
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	w, err := b.node(n, 1)
	if err != nil {
		return err
	}
	out, err := b.result(n, 0)
	if err != nil {
		return err
	}
	// A vector is a matrix of one row, or on the right of one column.
	if x.Dims() == 1 {
		if x, err = reshape(x, tensor.Shape{1, x.Shape()[0]}); err != nil {
			return err
		}
	}
	if w.Dims() == 1 {
		if w, err = reshape(w, tensor.Shape{w.Shape()[0], 1}); err != nil {
			return err
		}
	}
	var y *G.Node
	if w.Dims() == 2 {
		inputs := []*G.Node{x, w}
		if n.Input(2) != "" {
			bias, err := b.param(n, 2)
			if err != nil {
				return err
			}
			inputs = append(inputs, bias)
		}
		y, err = linearRows(inputs)
	} else {
		y, err = matMul(false, false, x, w)
	}
	if err != nil {
		return err
	}
	if !y.Shape().Eq(out) {
		if y, err = reshape(y, out); err != nil {
			return err
		}
	}
	b.set(n.Outputs[0], y)
	return nil
}

// linearRows multiplies x [..,In] by w [In,Out] and adds the bias [Out], if there is one.
func linearRows(inputs []*G.Node) (y *G.Node, err error) {
	x, w := inputs[0], inputs[1]
	s := x.Shape()
	in := s[len(s)-1]
	if in != w.Shape()[0] {
		return nil, fmt.Errorf("input has %d features, the weight wants %d", in, w.Shape()[0])
	}
	if len(s) > 2 {
		if x, err = reshape(x, tensor.Shape{s.TotalSize() / in, in}); err != nil {
			return nil, err
		}
	}
	inputs = append([]*G.Node{x, w}, inputs[2:]...)
	rows, out := x.Shape()[0], w.Shape()[1]
	return apply(op{
		name:  "MatMul",
		instr: vm.Gemm{M: rows, N: out, K: in},
		out:   tensor.Shape{rows, out},
		eval: func(y []float32, v [][]float32) {
			single := []int{0}
			reference.MatMul(false, false, rows, out, in, single, single, y, v[0], v[1])
			for i := range y {
				if len(v) > 2 {
					y[i] += v[2][i%out]
				}
			}
		},
		diff: []bool{true, true, true}[:len(inputs)],
		grad: func(v G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			dx, err := product("MatMulGradInput", false, true, rows, in, out, dy, v[1])
			if err != nil {
				return nil, err
			}
			dw, err := product("MatMulGradWeight", true, false, in, out, rows, v[0], dy)
			grads := G.Nodes{dx, dw}
			if err != nil || len(v) < 3 {
				return grads, err
			}
			db, err := channelSum(dy)
			return append(grads, db), err
		},
	}, inputs...)
}

// product is op(a) [m,k] · op(b) [k,n], without gradient.
func product(name string, transA, transB bool, m, n, k int, a, b *G.Node) (*G.Node, error) {
	return apply(op{
		name:  name,
		instr: vm.Gemm{TransA: transA, TransB: transB, M: m, N: n, K: k},
		out:   tensor.Shape{m, n},
		eval: func(c []float32, v [][]float32) {
			single := []int{0}
			reference.MatMul(transA, transB, m, n, k, single, single, c, v[0], v[1])
		},
	}, a, b)
}

// matMul multiplies pairs of matrices: op(a) [..,M,K] by op(b) [..,K,N], which are
// transposed where asked; the axes before broadcast.
func matMul(transA, transB bool, a, b *G.Node) (*G.Node, error) {
	sa, sb := a.Shape(), b.Shape()
	if len(sa) < 2 || len(sb) < 2 {
		return nil, fmt.Errorf("inputs %v and %v: want matrices", []int(sa), []int(sb))
	}
	m, k := ends(sa, transA)
	k2, n := ends(sb, transB)
	if k != k2 {
		return nil, fmt.Errorf("inputs %v and %v do not fit: %d columns, %d rows", []int(sa), []int(sb), k, k2)
	}
	batch, err := broadcastShape(sa[:len(sa)-2], sb[:len(sb)-2])
	if err != nil {
		return nil, err
	}
	ofA, ofB := matrices(sa[:len(sa)-2], batch), matrices(sb[:len(sb)-2], batch)
	return apply(op{
		name:  "MatMul",
		instr: vm.MatMul{TransA: transA, TransB: transB, M: m, N: n, K: k, OfA: ofA, OfB: ofB},
		out:   append(batch.Clone(), m, n),
		eval: func(c []float32, in [][]float32) {
			reference.MatMul(transA, transB, m, n, k, ofA, ofB, c, in[0], in[1])
		},
		diff: []bool{true, true},
		grad: func(in G.Nodes, _, dc *G.Node) (G.Nodes, error) {
			var da, db *G.Node
			var err error
			if transA {
				da, err = matMul(transB, true, in[1], dc)
			} else {
				da, err = matMul(false, !transB, dc, in[1])
			}
			if err != nil {
				return nil, err
			}
			if transB {
				db, err = matMul(true, transA, dc, in[0])
			} else {
				db, err = matMul(!transA, false, in[0], dc)
			}
			if err != nil {
				return nil, err
			}
			if da, err = sumTo(da, sa.Clone(), 1); err != nil {
				return nil, err
			}
			db, err = sumTo(db, sb.Clone(), 1)
			return G.Nodes{da, db}, err
		},
	}, a, b)
}

// ends are the last two dimensions, swapped if asked.
func ends(s tensor.Shape, swap bool) (rows, cols int) {
	rows, cols = s[len(s)-2], s[len(s)-1]
	if swap {
		return cols, rows
	}
	return rows, cols
}

// matrices numbers the matrices of an operand whose leading axes are s, for every
// product of the batch.
func matrices(s, batch tensor.Shape) []int {
	total := 1
	for _, d := range batch {
		total *= d
	}
	numbers, strides := make([]int, total), reference.Strides(s, batch)
	for i := range numbers {
		rest := i
		for axis := len(batch) - 1; axis >= 0; axis-- {
			numbers[i] += rest % batch[axis] * strides[axis]
			rest /= batch[axis]
		}
	}
	return numbers
}

// lowerGemm: ONNX Gemm, Y = alpha·op(A)·op(B) + beta·C. As linear layers use it, with
// A [N,In], B [Out,In] (transB) or [In,Out] and C [Out], it is one.
func lowerGemm(b *builder, n *onnx.Node) error {
	alpha, beta := float64(n.Float("alpha", 1)), float64(n.Float("beta", 1))
	x, err := b.node(n, 0)
	if err != nil {
		return err
	}
	w, err := b.node(n, 1)
	if err != nil {
		return err
	}
	if x.Dims() != 2 || w.Dims() != 2 {
		return fmt.Errorf("input %v and weight %v: want two matrices", []int(x.Shape()), []int(w.Shape()))
	}
	if n.Int("transA", 0) != 0 {
		if x, err = transpose(x); err != nil {
			return err
		}
	}
	if n.Int("transB", 0) == 0 {
		if w, err = transpose(w); err != nil {
			return err
		}
	}
	if in := x.Shape()[1]; w.Shape()[1] != in {
		return fmt.Errorf("input has %d features, the weight wants %d", in, w.Shape()[1])
	}
	inputs := []*G.Node{x, w}
	var c *G.Node
	if n.Input(2) != "" && beta != 0 {
		if c, err = b.node(n, 2); err != nil {
			return err
		}
		out := tensor.Shape{x.Shape()[0], w.Shape()[0]}
		if alpha == 1 && beta == 1 && isChannels(c.Shape(), out) {
			if c.Dims() > 1 {
				if c, err = reshape(c, tensor.Shape{out[1]}); err != nil {
					return err
				}
			}
			inputs, c = append(inputs, c), nil
		}
	}
	y, err := linear(inputs)
	if err == nil && alpha != 1 {
		y, err = scaled(y, alpha)
	}
	if err == nil && c != nil {
		if beta != 1 {
			c, err = scaled(c, beta)
		}
		if err == nil {
			y, err = pairwises["Add"].apply("Add", y, c)
		}
	}
	if err != nil {
		return err
	}
	b.set(n.Outputs[0], y)
	return nil
}

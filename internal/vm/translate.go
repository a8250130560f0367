package vm

import (
	"fmt"
	"slices"
	"sort"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// doer is the part of gorgonia.Op that an operator without kernels needs.
type doer interface {
	Do(...G.Value) (G.Value, error)
	String() string
}

// translator turns the graph into instructions over values, in the order of node
// ids, which is a topological one.
type translator struct {
	values   map[int64]*value
	other    map[*value]*value // the same array in the other layout
	leaves   []*value
	code     []*instruction
	constant map[*value]G.Value
}

func translate(g *G.ExprGraph, keep []*G.Node) (*translator, error) {
	nodes, err := reachable(g, keep)
	if err != nil {
		return nil, err
	}
	t := &translator{values: map[int64]*value{}, other: map[*value]*value{}, constant: map[*value]G.Value{}}
	for _, n := range nodes {
		if err := t.node(g, n); err != nil {
			return nil, fmt.Errorf("vm: node %q: %w", n.Name(), err)
		}
	}
	for _, n := range keep {
		v := t.rowMajor(t.values[n.ID()])
		if v.leaf || v.keep {
			continue
		}
		v.keep, v.node = true, n
	}
	return t, nil
}

// reachable lists the nodes that keep depends on, by ascending id.
func reachable(g *G.ExprGraph, keep []*G.Node) ([]*G.Node, error) {
	if len(keep) == 0 {
		return nil, fmt.Errorf("vm: nothing to compute: no node is kept")
	}
	seen := map[int64]bool{}
	var nodes []*G.Node
	stack := slices.Clone(keep)
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if n == nil {
			return nil, fmt.Errorf("vm: a node to keep is nil")
		}
		if seen[n.ID()] {
			continue
		}
		seen[n.ID()] = true
		nodes = append(nodes, n)
		for it := g.From(n.ID()); it.Next(); {
			stack = append(stack, it.Node().(*G.Node))
		}
	}
	sort.Slice(nodes, func(i, j int) bool { return nodes[i].ID() < nodes[j].ID() })
	return nodes, nil
}

func (t *translator) node(g *G.ExprGraph, n *G.Node) error {
	if n.Dtype() != tensor.Float32 {
		return fmt.Errorf("type %v, want float32", n.Dtype())
	}
	v := t.newValue(n.Name(), n.Shape())
	t.values[n.ID()] = v
	op := n.Op()
	if c, ok := op.(interface{ Value() G.Value }); ok {
		v.leaf = true
		t.constant[v] = c.Value()
		return nil
	}
	if op == nil {
		v.leaf, v.node = true, n
		t.leaves = append(t.leaves, v)
		return nil
	}
	var in []*value
	for it := g.From(n.ID()); it.Next(); {
		child, ok := t.values[it.Node().ID()]
		if !ok {
			return fmt.Errorf("operand %v comes later in the graph", it.Node())
		}
		in = append(in, child)
	}
	i := &instruction{name: op.String(), in: in, out: []*value{v}}
	switch own, ok := op.(Op); {
	case ok && own.Instr() != nil:
		i.op = own.Instr()
	case isAdd(op) && len(in) == 2 && slices.Equal(in[0].shape, in[1].shape):
		i.op, i.name = Add{}, "Add"
	default:
		i.op = call{op}
	}
	t.layout(i)
	t.code = append(t.code, i)
	return nil
}

// isAdd recognises Gorgonia's own addition, which Grad uses to accumulate.
func isAdd(op G.Op) bool {
	s := op.String()
	return s == "+ false" || s == "+"
}

func (t *translator) newValue(name string, shape []int) *value {
	return &value{name: name, shape: slices.Clone(shape), size: volume(shape)}
}

// layout gives the operands the layout that the instruction wants, and says in
// which one the result is.
func (t *translator) layout(i *instruction) {
	out := i.out[0]
	if g, ok := i.op.(general); ok {
		g.arrange(t, i)
		return
	}
	switch i.op.(type) {
	case Reshape:
		// Merging the pixels' axes keeps images as they are stored.
		v := i.in[0]
		if v.pixelMajor && ordered(out.shape) && slices.Equal(out.shape[:2], v.shape[:2]) {
			out.pixelMajor = true
		} else {
			i.in[0] = t.rowMajor(v)
		}
	case Conv, MaxPool, MaxPoolGrad, BatchNorm, BatchNormGradInput, FrozenBatchNormGradInput:
		t.images(i, isFilter(i.op))
		out.pixelMajor = ordered(out.shape)
	case ConvGradInput:
		i.in[1] = t.pixelMajor(i.in[1])
		out.pixelMajor = ordered(out.shape)
	case GlobalAveragePoolGrad:
		out.pixelMajor = ordered(out.shape)
	case ConvGradFilter, BatchStats, BatchNormGradSums, GlobalAveragePool, ChannelSum:
		t.images(i, -1)
	case ReLU, ReLUGrad, Add:
		// The order of the elements does not matter, only that it is the same.
		pixel := false
		for _, v := range i.in {
			pixel = pixel || v.pixelMajor
		}
		if pixel {
			t.images(i, -1)
			out.pixelMajor = true
		}
	default:
		for k, v := range i.in {
			i.in[k] = t.rowMajor(v)
		}
	}
}

// isFilter returns the operand of a convolution that is no activation, or -1.
func isFilter(op Instr) int {
	if _, ok := op.(Conv); ok {
		return 1
	}
	return -1
}

// images turns the activations among the operands to pixel-major order.
func (t *translator) images(i *instruction, except int) {
	for k, v := range i.in {
		if k != except && !isStatistics(i.op, k) {
			i.in[k] = t.pixelMajor(v)
		}
	}
}

// isStatistics reports whether operand k is [groups,2,C], which is no activation.
func isStatistics(op Instr, k int) bool {
	switch op.(type) {
	case BatchNorm, BatchNormGradSums:
		return k == 1
	case BatchNormGradInput:
		return k == 1 || k == 4
	case FrozenBatchNormGradInput:
		return k == 0
	}
	return false
}

func (t *translator) pixelMajor(v *value) *value {
	if v.pixelMajor || !ordered(v.shape) {
		return v
	}
	n, c, hw := imageShape(v.shape)
	return t.convert(v, toPixelMajor{n, c, hw}, true)
}

func (t *translator) rowMajor(v *value) *value {
	if !v.pixelMajor {
		return v
	}
	n, c, hw := imageShape(v.shape)
	return t.convert(v, toRowMajor{n, c, hw}, false)
}

func (t *translator) convert(v *value, op Instr, pixel bool) *value {
	if w, ok := t.other[v]; ok {
		return w
	}
	w := t.newValue(v.name, v.shape)
	w.pixelMajor = pixel
	t.other[v], t.other[w] = w, v
	t.code = append(t.code, &instruction{op: op, name: "Layout", in: []*value{v}, out: []*value{w}})
	return w
}

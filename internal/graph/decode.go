package graph

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	onnxgo "github.com/owulveryck/onnx-go"
	"gonum.org/v1/gonum/graph"

	"onnxclr/importer/onnx"
)

// decode has onnx-go read the model's topology, from a skeleton without data, and
// returns the nodes in the order in which it applied them. Names, attributes and bytes
// are the model's own. Where onnx-go connected the operators differently, it has
// misread the file, and nothing built on that would be right.
func decode(m *onnx.Model) ([]*onnx.Node, error) {
	if len(m.Graph.Nodes) == 0 {
		return nil, fmt.Errorf("the graph has no nodes")
	}
	b := &backend{}
	if err := unmarshal(b, onnx.Skeleton(m)); err != nil {
		return nil, fmt.Errorf("the graph cannot be decoded: onnx-go: %w", err)
	}
	if len(b.applied) != len(m.Graph.Nodes) {
		return nil, fmt.Errorf("onnx-go applied %d operations, the graph has %d nodes", len(b.applied), len(m.Graph.Nodes))
	}
	for i, a := range b.applied {
		n := m.Graph.Nodes[i]
		if n.OpType != a.op || !sameNames(n.Inputs, a.inputs) || !sameNames(n.Outputs, a.outputs) {
			return nil, fmt.Errorf("onnx-go read %s(%s) → %s where the file has node %q: %s(%s) → %s", a.op, strings.Join(a.inputs, ", "), strings.Join(a.outputs, ", "),
				n.Name, n.OpType, strings.Join(n.Inputs, ", "), strings.Join(n.Outputs, ", "))
		}
	}
	return m.Graph.Nodes, nil
}

// sameNames reports whether onnx-go's operands are those of the file. The skeleton
// gives absent ones a name inside a list and drops them at its end; onnx-go invents an
// input for a node that has none.
func sameNames(file, read []string) bool {
	for len(file) > 0 && file[len(file)-1] == "" {
		file = file[:len(file)-1]
	}
	return len(file) == 0 || slices.EqualFunc(file, read, func(f, r string) bool { return f == r || f == "" })
}

// unmarshal runs onnx-go, whatever it does: it was written for well-formed files,
// and of 48,000 mutated ones 7 made it panic. Nothing of ours runs inside but the
// bookkeeping below.
func unmarshal(b *backend, skeleton []byte) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return onnxgo.NewModel(b).UnmarshalBinary(skeleton)
}

// fence turns a panic of a third-party package into an error. A runtime error, such
// as an index out of range, is a bug of ours as likely as not, since our operators
// run inside Gorgonia's functions: it panics on.
func fence(what string, f func() error) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case runtime.Error:
			panic(r)
		default:
			err = fmt.Errorf("%s: %v", what, r)
		}
	}()
	return f()
}

// backend implements onnx-go's Backend. Its nodes carry a name and no data, so that
// onnx-go decodes structure only; it keeps the operations applied, with the operands
// that the edges set before gave them.
type backend struct {
	nodes   []*structNode
	edges   []structEdge // since the last operation
	applied []operation
}

type operation struct {
	op              string
	inputs, outputs []string
}

type structNode struct {
	id   int64
	name string
}

func (n *structNode) ID() int64        { return n.id }
func (n *structNode) SetName(s string) { n.name = s }
func (n *structNode) GetName() string  { return n.name }

type structEdge struct {
	from, to graph.Node
	weight   float64
}

func (e structEdge) From() graph.Node         { return e.from }
func (e structEdge) To() graph.Node           { return e.to }
func (e structEdge) Weight() float64          { return e.weight }
func (e structEdge) ReversedEdge() graph.Edge { return structEdge{e.to, e.from, e.weight} }

// ApplyOperation hears of every node of the file, in order. Edges point from a result
// to its operands and weigh the operand's position; every result has them all.
func (b *backend) ApplyOperation(o onnxgo.Operation, results ...graph.Node) error {
	a := operation{op: o.Name}
	for _, r := range results {
		a.outputs = append(a.outputs, r.(*structNode).name)
	}
	for _, e := range b.edges {
		if e.from == results[0] {
			a.inputs = append(a.inputs, e.to.(*structNode).name)
		}
	}
	b.edges = b.edges[:0]
	b.applied = append(b.applied, a)
	return nil
}

func (b *backend) NewNode() graph.Node  { return &structNode{id: int64(len(b.nodes))} }
func (b *backend) AddNode(n graph.Node) { b.nodes = append(b.nodes, n.(*structNode)) }
func (b *backend) NewWeightedEdge(f, t graph.Node, w float64) graph.WeightedEdge {
	return structEdge{f, t, w}
}
func (b *backend) SetWeightedEdge(e graph.WeightedEdge)             { b.edges = append(b.edges, e.(structEdge)) }
func (b *backend) Node(id int64) graph.Node                         { return b.nodes[id] }
func (b *backend) Nodes() graph.Nodes                               { return graph.Empty }
func (b *backend) From(int64) graph.Nodes                           { return graph.Empty }
func (b *backend) To(int64) graph.Nodes                             { return graph.Empty }
func (b *backend) HasEdgeBetween(int64, int64) bool                 { return false }
func (b *backend) HasEdgeFromTo(int64, int64) bool                  { return false }
func (b *backend) Edge(int64, int64) graph.Edge                     { return nil }
func (b *backend) WeightedEdge(int64, int64) graph.WeightedEdge     { return nil }
func (b *backend) Weight(int64, int64) (weight float64, known bool) { return 0, false }

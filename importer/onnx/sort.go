package onnx

import "slices"

// Sort puts the nodes into topological order, as ONNX demands and some converters (of
// float16, for one) forget: a node that reads what a later one computes goes behind it.
// Others keep their order, and so does everything when nodes depend on themselves,
// which Check reports. It says whether anything moved. Inner graphs are left as they
// are.
func (g *Graph) Sort() bool {
	producer := make(map[string]int, len(g.Nodes))
	for i, n := range g.Nodes {
		for _, out := range n.Outputs {
			if _, twice := producer[out]; out != "" && !twice {
				producer[out] = i
			}
		}
	}
	needs := make([][]int, len(g.Nodes))
	sorted := true
	for i, n := range g.Nodes {
		n.reads(func(name string) {
			if j, ok := producer[name]; ok {
				needs[i] = append(needs[i], j)
				sorted = sorted && j < i
			}
		})
	}
	if sorted {
		return false
	}
	// Depth first, without recursion: graphs may be long chains in the wrong order.
	const waiting, done = 1, 2
	state := make([]int, len(g.Nodes))
	out := make([]*Node, 0, len(g.Nodes))
	for i := range g.Nodes {
		for stack := []int{i}; len(stack) > 0; {
			at := stack[len(stack)-1]
			if state[at] == 0 {
				state[at] = waiting
				for _, j := range slices.Backward(needs[at]) {
					switch state[j] {
					case 0:
						stack = append(stack, j)
					case waiting:
						return false
					}
				}
				continue
			}
			stack = stack[:len(stack)-1]
			if state[at] == waiting {
				state[at] = done
				out = append(out, g.Nodes[at])
			}
		}
	}
	g.Nodes = out
	return true
}

// reads calls f for every tensor that the node reads, those that its inner graphs take
// from outside among them.
func (n *Node) reads(f func(name string)) {
	for _, name := range n.Inputs {
		f(name)
	}
	n.inner(func(g *Graph) {
		for _, in := range g.Nodes {
			in.reads(f)
		}
		for _, out := range g.Outputs {
			f(out.Name)
		}
	})
}

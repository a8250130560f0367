package onnx

import "fmt"

// AddInitializer appends t; its name must be new.
func (g *Graph) AddInitializer(t *Tensor) {
	if !g.current() {
		g.reindex()
	}
	g.index[t.Name] = len(g.Initializers)
	g.Initializers = append(g.Initializers, t)
	g.settle()
}

// DataInputs returns the graph inputs that are not initializers: files from before
// IR version 4 list both.
func (g *Graph) DataInputs() []*ValueInfo {
	initialized := make(map[string]bool, len(g.Initializers))
	for _, t := range g.Initializers {
		initialized[t.Name] = true
	}
	var out []*ValueInfo
	for _, v := range g.Inputs {
		if !initialized[v.Name] {
			out = append(out, v)
		}
	}
	return out
}

// Uses counts, by tensor, the inputs of nodes, in inner graphs too, and the graph
// outputs that read it.
func (g *Graph) Uses() map[string]int {
	uses := map[string]int{}
	g.countUses(uses)
	return uses
}

func (g *Graph) countUses(uses map[string]int) {
	for _, v := range g.Outputs {
		uses[v.Name]++
	}
	for _, n := range g.Nodes {
		for _, name := range n.Inputs {
			if name != "" {
				uses[name]++
			}
		}
		n.inner(func(inner *Graph) { inner.countUses(uses) })
	}
}

// inner calls f for the graphs in a node's attributes.
func (n *Node) inner(f func(*Graph)) {
	for _, a := range n.Attributes {
		if a.G != nil {
			f(a.G)
		}
		for _, g := range a.Graphs {
			f(g)
		}
	}
}

// Rename gives tensors new names (old → new) wherever they occur, in inner graphs
// too. It changes nothing and fails when two would get the same name, or a new name
// is already in use.
func (g *Graph) Rename(names map[string]string) error {
	taken, target := map[string]bool{}, map[string]string{}
	g.allNames(taken)
	for old, new := range names {
		if new == "" {
			return fmt.Errorf("onnx: tensor %q cannot lose its name", old)
		}
		if other, ok := target[new]; ok {
			return fmt.Errorf("onnx: tensors %q and %q cannot both be named %q", min(old, other), max(old, other), new)
		}
		target[new] = old
		if _, moved := names[new]; taken[new] && !moved {
			return fmt.Errorf("onnx: tensor %q cannot be named %q: there is one", old, new)
		}
	}
	g.rename(names)
	g.reindex()
	return nil
}

func (g *Graph) allNames(into map[string]bool) {
	for name := range g.Names() {
		into[name] = true
	}
	for _, v := range g.ValueInfo {
		into[v.Name] = true
	}
	for _, n := range g.Nodes {
		n.inner(func(inner *Graph) { inner.allNames(into) })
	}
}

func (g *Graph) rename(names map[string]string) {
	apply := func(name *string) {
		if new, ok := names[*name]; ok {
			*name = new
		}
	}
	for _, n := range g.Nodes {
		for i := range n.Inputs {
			apply(&n.Inputs[i])
		}
		for i := range n.Outputs {
			apply(&n.Outputs[i])
		}
		n.inner(func(inner *Graph) { inner.rename(names) })
	}
	for _, list := range [][]*ValueInfo{g.Inputs, g.Outputs, g.ValueInfo} {
		for _, v := range list {
			apply(&v.Name)
		}
	}
	for _, t := range g.Initializers {
		apply(&t.Name)
	}
}

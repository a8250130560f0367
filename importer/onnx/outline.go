package onnx

import "slices"

// inlined is a call of a function that Inline replaced by nodes.
type inlined struct {
	node *Node
	body []*Node
	was  []Node // what they were then
}

// remember lets outlined find the call again. Nodes that hold graphs are not
// compared, so calls with such are not remembered.
func remember(n *Node, body []*Node) {
	c := &inlined{node: n, body: slices.Clone(body)}
	for _, b := range body {
		if slices.ContainsFunc(b.Attributes, func(a *Attribute) bool { return a.G != nil || a.Graphs != nil }) {
			return
		}
		was := *b
		was.Inputs, was.Outputs, was.Attributes = slices.Clone(b.Inputs), slices.Clone(b.Outputs), slices.Clone(b.Attributes)
		c.was = append(c.was, was)
	}
	for _, b := range body {
		b.inlined = c
	}
}

// outlined returns the nodes of g with calls in the place of the nodes that Inline
// made of them, where those are still there and the same but for the names of the
// call's operands, and nothing else reads what is inside.
func (g *Graph) outlined() []*Node {
	if !slices.ContainsFunc(g.Nodes, func(n *Node) bool { return n.inlined != nil }) {
		return g.Nodes
	}
	defined, uses := g.Names(), g.Uses()
	var out []*Node
	for i := 0; i < len(g.Nodes); {
		n := g.Nodes[i]
		if c := n.inlined; c != nil && len(c.body) <= len(g.Nodes)-i && slices.Equal(g.Nodes[i:i+len(c.body)], c.body) {
			if again := c.again(defined, uses); again != nil {
				out = append(out, again)
				i += len(c.body)
				continue
			}
		}
		out = append(out, n)
		i++
	}
	return out
}

// again is the call with the operands' present names; nil when something else has
// changed.
func (c *inlined) again(defined map[string]bool, uses map[string]int) *Node {
	operand := map[string]bool{}
	for _, list := range [][]string{c.node.Inputs, c.node.Outputs} {
		for _, name := range list {
			operand[name] = true
		}
	}
	names := map[string]string{}
	same := func(was, is []string) bool {
		return slices.EqualFunc(was, is, func(was, is string) bool {
			if first, ok := names[was]; ok && first != is || was != is && (was == "" || is == "" || !operand[was]) {
				return false
			}
			names[was] = is
			return true
		})
	}
	for i, b := range c.body {
		was := &c.was[i]
		if b.OpType != was.OpType || b.Domain != was.Domain || !slices.Equal(b.Attributes, was.Attributes) || !same(was.Inputs, b.Inputs) || !same(was.Outputs, b.Outputs) {
			return nil
		}
	}
	inside := map[string]int{}
	for _, b := range c.body {
		for _, name := range b.Inputs {
			inside[name]++
		}
	}
	for i, b := range c.body {
		for k, name := range c.was[i].Outputs {
			if name != "" && !operand[name] && uses[b.Outputs[k]] > inside[b.Outputs[k]] {
				return nil
			}
		}
	}
	again := *c.node
	again.Inputs, again.Outputs = slices.Clone(c.node.Inputs), slices.Clone(c.node.Outputs)
	for _, list := range [][]string{again.Inputs, again.Outputs} {
		for i, name := range list {
			if is, ok := names[name]; ok {
				list[i] = is
			} else if name != "" && !defined[name] {
				return nil // an operand that the function does not use, and that has gone
			}
		}
	}
	return &again
}

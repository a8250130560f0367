package onnx

import "slices"

// inlined is a call of a function that Inline replaced by nodes.
type inlined struct {
	node   *Node // with the names of the graph
	domain Opset // that the caller imports the function by
	body   []*Node
	outer  *inlined // the call that this one was a part of
}

// origin is what outlined knows of a node.
type origin struct {
	call *inlined // the innermost that it is a part of
	was  Node     // what Inline made
}

// remember lets outlined find the call again. Nodes that hold graphs are not
// compared, so calls with such are not remembered.
func remember(n *Node, domain Opset, body []*Node) {
	if slices.ContainsFunc(body, func(b *Node) bool {
		return slices.ContainsFunc(b.Attributes, func(a *Attribute) bool { return a.G != nil || a.Graphs != nil })
	}) {
		return
	}
	c := &inlined{node: n, domain: domain, body: slices.Clone(body)}
	for _, b := range body {
		if b.origin == nil {
			b.origin = &origin{call: c, was: *b}
			was := &b.origin.was
			was.Inputs, was.Outputs, was.Attributes = slices.Clone(b.Inputs), slices.Clone(b.Outputs), slices.Clone(b.Attributes)
			continue
		}
		inner := b.origin.call
		for inner.outer != nil {
			inner = inner.outer
		}
		if inner != c {
			inner.outer = c
		}
	}
}

// outlined returns the nodes of g with calls in the place of the nodes that Inline
// made of them, where those are still there and the same but for the names of the
// call's operands, and nothing else reads what is inside. Of a call that is no longer
// whole, those that it was made of are written. domains are those of the functions
// called.
func (g *Graph) outlined() (nodes []*Node, domains []Opset) {
	if !slices.ContainsFunc(g.Nodes, func(n *Node) bool { return n.origin != nil }) {
		return g.Nodes, nil
	}
	defined, uses := g.Names(), g.Uses()
	broken := map[*inlined]bool{}
	var calls []*inlined
	for i := 0; i < len(g.Nodes); {
		n := g.Nodes[i]
		calls = calls[:0]
		if n.origin != nil {
			for c := n.origin.call; c != nil; c = c.outer {
				calls = append(calls, c)
			}
		}
		var again *Node
		for _, c := range slices.Backward(calls) { // the outermost first
			if c.body[0] != n || broken[c] {
				continue
			}
			if len(c.body) <= len(g.Nodes)-i && slices.Equal(g.Nodes[i:i+len(c.body)], c.body) {
				again = c.again(defined, uses)
			}
			if again != nil {
				domains = append(domains, c.domain)
				i += len(c.body)
				break
			}
			broken[c] = true
		}
		if again == nil {
			again = n
			i++
		}
		nodes = append(nodes, again)
	}
	return nodes, domains
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
	for _, b := range c.body {
		was := &b.origin.was
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
	for _, b := range c.body {
		for k, name := range b.origin.was.Outputs {
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

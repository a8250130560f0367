package torch

// Plain containers by their constructors.

func newDict(m *machine, name string, args Tuple) any {
	d := m.dict(className(name), nil)
	if name == "collections.defaultdict" && len(args) > 0 {
		args = args[1:] // the factory, which is not called
	}
	if len(args) == 0 {
		return d
	}
	switch from := args[0].(type) {
	case *Dict:
		for k, v := range from.All() {
			m.setItems(d, []any{k, v})
		}
	case *List:
		for _, item := range from.Items {
			pair, ok := item.(Tuple)
			if p, isList := item.(*List); isList {
				pair, ok = p.Items, true
			}
			if !ok || len(pair) != 2 {
				m.failf("makes %s from something else than pairs", name)
				break
			}
			m.setItems(d, pair)
		}
	default:
		m.failf("makes %s from %s", name, describe(args[0]))
	}
	if len(args) > 1 {
		m.failf("makes %s from %d arguments", name, len(args))
	}
	return d
}

func className(name string) string {
	switch name {
	case "builtins.dict", "__builtin__.dict":
		return ""
	}
	return name
}

func newList(m *machine, name string, args Tuple) any {
	return m.list(m.elements(name, args))
}

func newTuple(m *machine, name string, args Tuple) any {
	return m.tuple(m.elements(name, args))
}

func newSet(m *machine, name string, args Tuple) any {
	return m.set(m.elements(name, args))
}

// elements returns what a sequence is made from; a deque's second argument, its
// greatest length, is left out.
func (m *machine) elements(name string, args Tuple) []any {
	if len(args) == 0 {
		return nil
	}
	switch from := args[0].(type) {
	case *List:
		return from.Items
	case Tuple:
		return from
	case *Set:
		return from.Items
	}
	m.failf("makes %s from %s", name, describe(args[0]))
	return nil
}

func newBytes(m *machine, name string, args Tuple) any {
	if len(args) == 0 {
		return []byte{}
	}
	if b, ok := args[0].([]byte); ok && len(args) == 1 {
		return b
	}
	if _, ok := args[0].(string); ok && len(args) == 2 {
		return encode(m, name, args)
	}
	m.failf("makes %s from %s", name, describe(args[0]))
	return nil
}

// encode is how protocol 2 writes bytes: as a string of code points up to 255.
func encode(m *machine, name string, args Tuple) any {
	if len(args) == 2 {
		s, ok := args[0].(string)
		codec, _ := args[1].(string)
		if ok && (codec == "latin1" || codec == "latin-1") {
			m.charge(len(s))
			out := make([]byte, 0, len(s))
			for _, r := range s {
				if r > 255 {
					m.failf("%q is not latin-1", r)
					return nil
				}
				out = append(out, byte(r))
			}
			return out
		}
	}
	m.failf("%s is only understood for latin-1", name)
	return nil
}

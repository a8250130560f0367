package torch

import "onnxclr/importer/weights"

// global pushes the name of a class, function or constant. It is only a name.
func (m *machine) global(module, name string) {
	m.charge(objectCost + len(module) + len(name))
	m.push(&Opaque{Name: module + "." + name})
}

// reduce pushes what calling a name on arguments stands for, if the vocabulary says
// so.
func (m *machine) reduce(callable, args any) {
	if m.err != nil {
		return
	}
	fn, ok := callable.(*Opaque)
	if !ok || fn.Args != nil {
		m.failf("calls %s", describe(callable))
		return
	}
	tuple, ok := args.(Tuple)
	if !ok {
		m.failf("calls %s on %s, want a tuple of arguments", fn.Name, describe(args))
		return
	}
	// The old way to spell class.__new__(class[, contents]), of protocols 0 and 1.
	if isReconstructor(fn.Name) && len(tuple) == 3 {
		if class, ok := tuple[0].(*Opaque); ok && class.Args == nil {
			fn = class
			if tuple = tuple[2:]; tuple[0] == nil { // no contents of a built-in base class
				tuple = Tuple{}
			}
		}
	}
	if construct, ok := vocabulary[fn.Name]; ok {
		m.push(construct(m, fn.Name, tuple))
		return
	}
	if isHarmless(fn.Name) {
		m.push(m.opaque(fn.Name, tuple))
		return
	}
	m.refuse(fn, "")
}

// refuse ends the reading at a call that is not understood.
func (m *machine) refuse(callable any, how string) {
	if fn, ok := callable.(*Opaque); ok {
		if why, known := unsupported[fn.Name]; known {
			m.fail(unsupportedf("%s at byte %d: %s (%s)", m.file, m.op, why, fn.Name))
			return
		}
		name := fn.Name
		if how != "" {
			name += " " + how
		}
		m.fail(&CallError{Name: name, File: m.file, Byte: m.op})
		return
	}
	m.failf("calls %s %s", describe(callable), how)
}

// build sets the state of an object: what Python's __setstate__ or __dict__ would
// take.
func (m *machine) build(on, state any) {
	if m.err != nil {
		return
	}
	switch o := on.(type) {
	case *Dict:
		attrs, ok := state.(*Dict)
		if !ok {
			m.failf("sets %s as the attributes of %s", describe(state), describe(on))
			return
		}
		o.Attrs = attrs
	case *Opaque:
		if o.Args == nil {
			m.refuse(o, "(its state is set)")
			return
		}
		o.State = state
	case *weights.Tensor:
		if m.arrays[o] {
			m.fillArray(o, state)
			return
		}
		m.failf("sets the state of %s", describe(on))
	default:
		m.failf("sets the state of %s", describe(on))
	}
}

func (m *machine) opaque(name string, args Tuple) *Opaque {
	m.charge(objectCost)
	return &Opaque{Name: name, Args: args}
}

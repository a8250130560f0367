package torch

import (
	"math/big"
	"slices"
)

// Building containers. The items passed in lie on the stack and are copied.

func (m *machine) dict(class string, pairs []any) *Dict {
	m.charge(objectCost)
	d := &Dict{Class: class}
	m.setItems(d, pairs)
	return d
}

func (m *machine) list(items []any) *List {
	m.charge(objectCost)
	l := &List{}
	m.appendItems(l, items)
	return l
}

func (m *machine) set(items []any) *Set {
	m.charge(objectCost)
	s := &Set{}
	m.addItems(s, items)
	return s
}

func (m *machine) tuple(items []any) Tuple {
	m.charge(objectCost/2 + 16*len(items))
	if m.err != nil {
		return nil
	}
	if len(items) == 0 {
		return Tuple{}
	}
	return slices.Clone(items)
}

// setItems sets keys and values, which alternate, on a dictionary. Python would
// call __setitem__ of anything else.
func (m *machine) setItems(on any, pairs []any) {
	if m.err != nil {
		return
	}
	d, ok := on.(*Dict)
	if !ok {
		m.failf("sets items on %s, which is no dictionary", describe(on))
		return
	}
	if len(pairs)%2 != 0 {
		m.failf("sets a key without a value")
		return
	}
	m.charge(2 * slotCost * len(pairs))
	for i := 0; i < len(pairs) && m.err == nil; i += 2 {
		m.charge(keyCost(pairs[i])) // a recalled key costs nothing to write but is hashed
		if !d.Set(pairs[i], pairs[i+1]) {
			m.failf("%s is the key of a dictionary", describe(pairs[i]))
		}
	}
}

func (m *machine) appendItems(on any, items []any) {
	if m.err != nil {
		return
	}
	l, ok := on.(*List)
	if !ok {
		m.failf("appends to %s, which is no list", describe(on))
		return
	}
	m.charge(slotCost * len(items))
	if m.err == nil {
		l.Items = append(l.Items, items...)
	}
}

func (m *machine) addItems(on any, items []any) {
	if m.err != nil {
		return
	}
	s, ok := on.(*Set)
	if !ok {
		m.failf("adds items to %s, which is no set", describe(on))
		return
	}
	m.charge(slotCost * len(items))
	if m.err == nil {
		s.Items = append(s.Items, items...)
	}
}

// keyCost is what hashing a key costs, in bytes.
func keyCost(key any) int {
	switch k := key.(type) {
	case string:
		return len(k)
	case []byte:
		return len(k)
	case *big.Int:
		return k.BitLen()
	case Tuple:
		n := slotCost * len(k)
		for _, v := range k {
			if s, ok := v.(string); ok {
				n += len(s)
			}
		}
		return n
	}
	return 0
}

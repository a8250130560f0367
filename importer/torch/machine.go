package torch

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"onnxclr/importer/weights"
)

// Bounds on what a pickle may ask for. Real checkpoints stay far below them: a
// ResNet-50's pickle runs 20,000 opcodes and nests 5 deep.
const (
	maxDepth = 256     // containers within containers
	maxStack = 1 << 20 // values waiting to be put into a container
	maxMarks = 4 * maxDepth
	maxLong  = 1024    // bytes of an integer
	maxTree  = 1 << 22 // values met when the tree is walked, shared ones each time

	objectCost = 128 // bytes charged for any object beside its contents
	slotCost   = 64  // bytes charged for a value held in a container or memo
)

// machine interprets one pickle, protocols 0 to 5. The first error stops it and
// stays in err; nothing it does depends on anything but the pickle.
type machine struct {
	b    []byte
	pos  int // next byte
	op   int // where the current opcode is
	file string

	stack []any
	marks []int // heights of the stack
	memo  map[uint64]any
	left  int // bytes it may still allocate

	// storages, by key, and the tensors that wait for their bytes
	storages map[string]*Storage
	pending  []view

	// arrays are, in a pickle of its own, the numpy arrays by whether they still wait for
	// their contents; nil in files of torch.save.
	arrays map[*weights.Tensor]bool

	err error
}

// newMachine prepares the interpreting of a pickle in b, which errors call by the
// name; size is that of the whole checkpoint.
func newMachine(b []byte, name string, size int) *machine {
	return &machine{b: b, file: name, left: 4*size + headroom, storages: make(map[string]*Storage)}
}

// run interprets the pickle that begins at m.pos and returns its value; m.pos is then
// behind it.
func (m *machine) run() any {
	m.stack, m.marks, m.memo = m.stack[:0], m.marks[:0], make(map[uint64]any)
	start := m.pos
	for m.err == nil {
		m.op = m.pos
		code := byte(m.uint8())
		if code == opStop && m.err == nil {
			v := m.pop()
			if len(m.stack) > 0 || len(m.marks) > 0 {
				m.failf("%d values are left over at the end", len(m.stack)+len(m.marks))
			}
			return v
		}
		if code == opProto && m.op != start {
			m.failf("a second pickle begins")
		}
		m.step(code)
	}
	return nil
}

// step executes one opcode.
func (m *machine) step(code byte) {
	switch code {
	case opProto:
		if v := m.uint8(); v > 5 {
			m.fail(unsupportedf("%s is of pickle protocol %d, 0 to 5 are read", m.file, v))
		}
	case opFrame: // only a hint for buffering
		if n := m.uint64(); n > uint64(len(m.b)-m.pos) {
			m.failf("truncated: frame of %d bytes, %d left", n, len(m.b)-m.pos)
		}

	// scalars
	case opNone:
		m.push(nil)
	case opTrue:
		m.push(true)
	case opFalse:
		m.push(false)
	case opInt:
		m.int(m.line())
	case opLong:
		m.push(m.decimal(strings.TrimSuffix(m.line(), "L")))
	case opBinInt:
		m.push(int64(int32(uint32(m.uint32()))))
	case opBinInt1:
		m.push(int64(m.uint8()))
	case opBinInt2:
		m.push(int64(m.uint16()))
	case opLong1:
		m.push(m.long(m.uint8()))
	case opLong4:
		m.push(m.long(m.length()))
	case opFloat:
		s := m.line()
		v, err := strconv.ParseFloat(s, 64)
		if err != nil && m.err == nil {
			m.failf("%q is not a number", s)
		}
		m.push(v)
	case opBinFloat:
		m.push(m.float())
	case opString:
		m.push(m.quoted(m.line()))
	case opUnicode:
		m.push(m.unescape(latin1(m.line()), "uU"))
	case opBinString, opBinUnicode:
		m.push(m.text(m.length()))
	case opShortBinString, opShortBinUnicode:
		m.push(m.text(m.uint8()))
	case opBinUnicode8:
		m.push(m.text(m.uint64()))
	case opBinBytes:
		m.push(m.blob(m.uint32()))
	case opShortBinBytes:
		m.push(m.blob(m.uint8()))
	case opBinBytes8, opByteArray8:
		m.push(m.blob(m.uint64()))

	// containers
	case opEmptyDict:
		m.push(m.dict("", nil))
	case opEmptyList:
		m.push(m.list(nil))
	case opEmptyTuple:
		m.push(Tuple{})
	case opEmptySet:
		m.push(m.set(nil))
	case opDict:
		m.push(m.dict("", m.popMark()))
	case opList:
		m.push(m.list(m.popMark()))
	case opTuple:
		m.push(m.tuple(m.popMark()))
	case opTuple1:
		m.push(m.tuple(m.popN(1)))
	case opTuple2:
		m.push(m.tuple(m.popN(2)))
	case opTuple3:
		m.push(m.tuple(m.popN(3)))
	case opFrozenSet:
		m.push(m.set(m.popMark()))
	case opSetItem:
		items := m.popN(2)
		m.setItems(m.top(), items)
	case opSetItems:
		items := m.popMark()
		m.setItems(m.top(), items)
	case opAppend:
		items := m.popN(1)
		m.appendItems(m.top(), items)
	case opAppends:
		items := m.popMark()
		m.appendItems(m.top(), items)
	case opAddItems:
		items := m.popMark()
		m.addItems(m.top(), items)

	// stack and memo
	case opMark:
		if len(m.marks) >= maxMarks {
			m.failf("more than %d marks at a time", maxMarks)
			return
		}
		m.marks = append(m.marks, len(m.stack))
	case opPop:
		if len(m.stack) == m.base() && len(m.marks) > 0 {
			m.marks = m.marks[:len(m.marks)-1]
		} else {
			m.pop()
		}
	case opPopMark:
		m.popMark()
	case opDup:
		m.push(m.top())
	case opPut:
		m.put(m.index(m.line()))
	case opBinPut:
		m.put(m.uint8())
	case opLongBinPut:
		m.put(m.uint32())
	case opMemoize:
		m.put(uint64(len(m.memo)))
	case opGet:
		m.get(m.index(m.line()))
	case opBinGet:
		m.get(m.uint8())
	case opLongBinGet:
		m.get(m.uint32())

	// names and calls
	case opGlobal:
		module := m.line()
		m.global(module, m.line())
	case opStackGlobal:
		name, ok1 := m.pop().(string)
		module, ok2 := m.pop().(string)
		if !ok1 || !ok2 {
			m.failf("names a class by something else than two strings")
			return
		}
		m.global(module, name)
	case opReduce, opNewObj:
		args := m.pop()
		m.reduce(m.pop(), args)
	case opNewObjEx:
		kwargs, args := m.pop(), m.pop()
		class := m.pop()
		if d, ok := kwargs.(*Dict); !ok || d.Len() > 0 {
			m.refuse(class, "with keyword arguments")
			return
		}
		m.reduce(class, args)
	case opInst:
		module := m.line()
		name := m.line()
		args := m.popMark()
		m.global(module, name)
		m.reduce(m.pop(), m.tuple(args))
	case opObj:
		args := m.popMark()
		if len(args) == 0 {
			m.failf("builds an object of no class")
			return
		}
		m.reduce(args[0], m.tuple(args[1:]))
	case opBuild:
		state := m.pop()
		m.build(m.top(), state)
	case opBinPersID:
		m.push(m.persistent(m.pop()))
	case opPersID:
		m.failf("storage %q is named by a string, want a tuple", m.line())

	case opExt1, opExt2, opExt4:
		m.fail(unsupportedf("%s at byte %d uses a copyreg extension code, which only the program that wrote it can resolve", m.file, m.op))
	case opNextBuffer, opReadonlyBuffer:
		m.fail(unsupportedf("%s at byte %d refers to a buffer outside the pickle", m.file, m.op))
	default:
		m.failf("unknown opcode 0x%02x", code)
	}
}

// fail records the first error.
func (m *machine) fail(err error) {
	if m.err == nil {
		m.err = err
	}
}

// failf is fail with a FormatError that says where.
func (m *machine) failf(format string, args ...any) {
	if m.err == nil {
		m.err = formatf("%s at byte %d: "+format, append([]any{m.file, m.op}, args...)...)
	}
}

// charge takes n bytes from what may still be allocated.
func (m *machine) charge(n int) {
	if n > m.left {
		m.left = 0
		m.failf("it asks for more memory than a checkpoint of this size can need")
		return
	}
	m.left -= n
}

func (m *machine) push(v any) {
	if len(m.stack) >= maxStack {
		m.failf("more than %d values on the stack", maxStack)
	}
	if n := len(m.stack); n == cap(m.stack) {
		m.charge(2 * 16 * n) // append doubles it
	}
	if m.err == nil {
		m.stack = append(m.stack, v)
	}
}

// base is the height below which the current opcode may not reach.
func (m *machine) base() int {
	if n := len(m.marks); n > 0 {
		return m.marks[n-1]
	}
	return 0
}

func (m *machine) top() any {
	if len(m.stack) <= m.base() {
		m.failf("takes a value from an empty stack")
	}
	if m.err != nil {
		return nil
	}
	return m.stack[len(m.stack)-1]
}

func (m *machine) pop() any {
	v := m.top()
	if m.err == nil {
		m.stack = m.stack[:len(m.stack)-1]
	}
	return v
}

// popN takes n values in the order they were pushed. They are valid until the next
// push.
func (m *machine) popN(n int) []any {
	if len(m.stack)-m.base() < n {
		m.failf("takes %d values from a stack of %d", n, len(m.stack)-m.base())
	}
	if m.err != nil {
		return nil
	}
	h := len(m.stack) - n
	items := m.stack[h:]
	m.stack = m.stack[:h]
	return items
}

// popMark takes the values above the last mark, as popN does.
func (m *machine) popMark() []any {
	if len(m.marks) == 0 {
		m.failf("no mark on the stack")
	}
	if m.err != nil {
		return nil
	}
	h := m.base()
	m.marks = m.marks[:len(m.marks)-1]
	items := m.stack[h:]
	m.stack = m.stack[:h]
	return items
}

func (m *machine) put(i uint64) {
	v := m.top()
	m.charge(slotCost)
	if m.err == nil {
		m.memo[i] = v
	}
}

func (m *machine) get(i uint64) {
	v, ok := m.memo[i]
	if !ok {
		m.failf("recalls value %d, which was never stored", i)
	}
	m.push(v)
}

func (m *machine) index(s string) uint64 {
	i, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		m.failf("%q is not a memo index", s)
	}
	return i
}

// int pushes protocol 0's integer, which is also how it writes booleans.
func (m *machine) int(s string) {
	switch s {
	case "00":
		m.push(false)
	case "01":
		m.push(true)
	default:
		m.push(m.decimal(s))
	}
}

// latin1 decodes a string whose bytes are code points.
func latin1(s string) string {
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		out = utf8.AppendRune(out, rune(s[i]))
	}
	return string(out)
}

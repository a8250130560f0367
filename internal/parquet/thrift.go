package parquet

import (
	"encoding/binary"
	"fmt"
)

// thrift reads Thrift's compact protocol; the first failure sticks.
// Format: https://github.com/apache/thrift, doc/specs/thrift-compact-protocol.md.
type thrift struct {
	b     []byte
	at    int
	depth int
	err   error
}

// kinds of fields
const (
	isTrue   = 1
	isFalse  = 2
	isInt    = 5 // 4 and 6 are shorter and longer ones
	isBytes  = 8
	isList   = 9
	isStruct = 12
)

func (t *thrift) fail(what string) {
	if t.err == nil {
		t.err = FormatError(fmt.Sprintf("%s at byte %d of %d of its metadata", what, t.at, len(t.b)))
	}
	t.at = len(t.b)
}

// fields calls read for every field of a structure, which has to read it or pass it.
func (t *thrift) fields(read func(id int64, kind byte)) {
	if t.depth++; t.depth > 32 {
		t.fail("nested too deep")
	}
	var id int64
	for t.err == nil {
		head := t.byte()
		if head == 0 {
			break
		}
		if delta := head >> 4; delta != 0 {
			id += int64(delta)
		} else {
			id = t.signed()
		}
		kind := head & 15
		if kind == 4 || kind == 6 {
			kind = isInt
		}
		read(id, kind)
	}
	t.depth--
}

// list calls read for every element of a list.
func (t *thrift) list(read func(kind byte)) {
	head := t.byte()
	n := uint64(head >> 4)
	if n == 15 {
		n = t.unsigned()
	}
	if n > uint64(len(t.b)-t.at) { // an element has at least a byte
		t.fail(fmt.Sprintf("a list of %d", n))
	}
	for ; n > 0 && t.err == nil; n-- {
		read(head & 15)
	}
}

// pass skips a value.
func (t *thrift) pass(kind byte) {
	switch kind {
	case isTrue, isFalse:
	case 3:
		t.byte()
	case 4, isInt, 6:
		t.signed()
	case 7:
		t.take(8)
	case isBytes:
		t.bytes()
	case isList, 10:
		t.list(func(kind byte) {
			if kind == isTrue || kind == isFalse {
				kind = 3 // in lists they take a byte
			}
			t.pass(kind)
		})
	case isStruct:
		t.fields(func(_ int64, kind byte) { t.pass(kind) })
	default:
		t.fail(fmt.Sprintf("a value of type %d", kind))
	}
}

func (t *thrift) byte() byte {
	if b := t.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (t *thrift) bytes() []byte { return t.take(t.unsigned()) }

func (t *thrift) take(n uint64) []byte {
	if n > uint64(len(t.b)-t.at) {
		t.fail(fmt.Sprintf("%d bytes are declared and not there", n))
		return nil
	}
	t.at += int(n)
	return t.b[t.at-int(n) : t.at]
}

func (t *thrift) unsigned() uint64 {
	v, n := binary.Uvarint(t.b[t.at:])
	if n <= 0 {
		t.fail("no number")
		return 0
	}
	t.at += n
	return v
}

func (t *thrift) signed() int64 {
	v := t.unsigned()
	return int64(v>>1) ^ -int64(v&1)
}

package parquet

import (
	"encoding/binary"
	"fmt"
)

// FormatError reports a file that is not what it claims to be.
type FormatError string

func (e FormatError) Error() string { return "not a valid Parquet file: " + string(e) }

const (
	magic     = "PAR1"
	maxFooter = 64 << 20 // bytes; a column of a row group takes about 100
)

// metadata is what stands at the end of a file.
type metadata struct {
	rows   int64
	schema []element // depth first, the first is the root
	groups []group
}

// element is a node of the schema.
type element struct {
	name       string
	physical   int64 // −1 for groups
	length     int64 // of fixed_len_byte_array
	repetition int64 // required, optional, repeated
	children   int64
	converted  int64 // the older way to say what it is; −1 is none
	logical    int64 // the newer; 0 is none
	unsigned   bool
}

const (
	required = 0
	optional = 1
	repeated = 2
)

// group is a row group.
type group struct {
	rows    int64
	columns []extent
}

// extent is where a column of a row group lies.
type extent struct {
	codec, values, size, data, dictionary int64
	elsewhere                             bool // in another file, or encrypted
}

func readMetadata(b []byte) (*metadata, error) {
	if len(b) < 12 || string(b[:4]) != magic {
		return nil, FormatError(fmt.Sprintf("starts with %q, want %q", b[:min(4, len(b))], magic))
	}
	if end := string(b[len(b)-4:]); end != magic {
		return nil, FormatError(fmt.Sprintf("ends with %q, want %q: truncated, or encrypted", end, magic))
	}
	n := int64(binary.LittleEndian.Uint32(b[len(b)-8:]))
	if n > int64(len(b)-12) || n > maxFooter {
		return nil, FormatError(fmt.Sprintf("metadata of %d bytes in a file of %d", n, len(b)))
	}
	m := &metadata{}
	t := &thrift{b: b[len(b)-8-int(n) : len(b)-8]}
	t.fields(func(id int64, kind byte) {
		switch {
		case id == 2 && kind == isList:
			t.list(func(byte) { m.schema = append(m.schema, t.element()) })
		case id == 3 && kind == isInt:
			m.rows = t.signed()
		case id == 4 && kind == isList:
			t.list(func(byte) { m.groups = append(m.groups, t.group()) })
		default:
			t.pass(kind)
		}
	})
	if t.err != nil {
		return nil, t.err
	}
	var rows int64
	for _, g := range m.groups {
		if g.rows < 0 || g.rows > 1<<48 {
			return nil, FormatError(fmt.Sprintf("a row group of %d rows", g.rows))
		}
		rows += g.rows
	}
	if rows != m.rows {
		return nil, FormatError(fmt.Sprintf("%d rows are declared, its row groups have %d", m.rows, rows))
	}
	return m, nil
}

// numbers reads a structure whose fields in to are whole numbers or booleans.
func (t *thrift) numbers(to map[int64]*int64) {
	t.fields(func(id int64, kind byte) {
		switch p := to[id]; {
		case p != nil && kind == isInt:
			*p = t.signed()
		case p != nil && (kind == isTrue || kind == isFalse):
			*p = int64(isFalse - kind)
		default:
			t.pass(kind)
		}
	})
}

func (t *thrift) element() element {
	e := element{physical: -1, converted: -1}
	numbers := map[int64]*int64{1: &e.physical, 2: &e.length, 3: &e.repetition, 5: &e.children, 6: &e.converted}
	t.fields(func(id int64, kind byte) {
		switch p := numbers[id]; {
		case p != nil && kind == isInt:
			*p = t.signed()
		case id == 4 && kind == isBytes:
			e.name = string(t.bytes())
		case id == 10 && kind == isStruct:
			t.fields(func(member int64, kind byte) {
				if e.logical = member; member == logicalInt && kind == isStruct {
					signed := int64(1)
					t.numbers(map[int64]*int64{2: &signed})
					e.unsigned = signed == 0
					return
				}
				t.pass(kind)
			})
		default:
			t.pass(kind)
		}
	})
	return e
}

func (t *thrift) group() (g group) {
	t.fields(func(id int64, kind byte) {
		switch {
		case id == 1 && kind == isList:
			t.list(func(byte) { g.columns = append(g.columns, t.extent()) })
		case id == 3 && kind == isInt:
			g.rows = t.signed()
		default:
			t.pass(kind)
		}
	})
	return g
}

func (t *thrift) extent() (e extent) {
	e.elsewhere = true
	t.fields(func(id int64, kind byte) {
		if id == 3 && kind == isStruct {
			e.elsewhere = false
			t.numbers(map[int64]*int64{4: &e.codec, 5: &e.values, 7: &e.size, 9: &e.data, 11: &e.dictionary})
			return
		}
		t.pass(kind)
	})
	return e
}

// header is what precedes a page.
type header struct {
	kind, size, packed int64 // size in bytes, also as compressed
	values, encoding   int64
	levels             [2]int64 // of version 2: bytes of repetition and definition levels
	whole              bool     // of version 2: not compressed
}

const (
	dataPage       = 0
	dictionaryPage = 2
	dataPageV2     = 3
)

// readHeader reads the header at the start of b and returns its length.
func readHeader(b []byte) (h header, n int, err error) {
	t := &thrift{b: b}
	compressed := int64(1)
	top := map[int64]*int64{1: &h.kind, 2: &h.size, 3: &h.packed}
	inner := map[int64]map[int64]*int64{
		5: {1: &h.values, 2: &h.encoding},
		7: {1: &h.values, 2: &h.encoding},
		8: {1: &h.values, 4: &h.encoding, 5: &h.levels[1], 6: &h.levels[0], 7: &compressed},
	}
	t.fields(func(id int64, kind byte) {
		switch {
		case top[id] != nil && kind == isInt:
			*top[id] = t.signed()
		case inner[id] != nil && kind == isStruct:
			t.numbers(inner[id])
		default:
			t.pass(kind)
		}
	})
	h.whole = compressed == 0
	return h, t.at, t.err
}

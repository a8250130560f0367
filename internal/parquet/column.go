package parquet

import (
	"fmt"
	"math/bits"

	"onnxclr/internal/file"
)

// column is one at the top level of the schema.
type column struct {
	name  string
	leaf  int // which of the file's leaves it is
	list  bool
	kind  kind
	holds string // in words

	element    element
	repetition int // the highest level: 1 in a list
	definition int // the highest level: that of a value that is there
}

// kind is what the values of a column are to us.
type kind int

const (
	other kind = iota // nothing
	real
	whole // integers and booleans
	text
)

func (k kind) number() bool { return k == real || k == whole }

// physical types
const (
	boolean   = 0
	int32Type = 1
	int64Type = 2
	float     = 4
	double    = 5
	byteArray = 6
	fixed     = 7
)

// logical types
const (
	logicalString  = 1
	logicalEnum    = 4
	logicalInt     = 10
	logicalFloat16 = 15
)

// kindOf says what an element holds.
func kindOf(e element) kind {
	str := e.logical == logicalString || e.logical == logicalEnum || e.logical == 0 && (e.converted == -1 || e.converted == 0 || e.converted == 4)
	integer := e.logical == logicalInt || e.logical == 0 && (e.converted == -1 || e.converted >= 11 && e.converted <= 18)
	switch e.physical {
	case boolean:
		return whole
	case int32Type, int64Type:
		if integer {
			return whole
		}
	case float, double:
		return real
	case fixed:
		if e.logical == logicalFloat16 && e.length == 2 {
			return real
		}
	case byteArray:
		if str {
			return text
		}
	}
	return other
}

// source is an open file and its columns at the top level.
type source struct {
	*metadata
	b       []byte
	mapping *file.Mapping // of b, if any
	columns []*column
}

func (s *source) close() error {
	if s.mapping == nil {
		return nil
	}
	return s.mapping.Close()
}

// open maps a file and reads its schema.
func open(path string) (*source, error) {
	m, err := file.Map(path)
	if err != nil {
		return nil, err
	}
	s, err := decode(m.Bytes)
	if err != nil {
		m.Close()
		return nil, err
	}
	s.mapping = m
	return s, nil
}

// decode reads the schema of a file held in b.
func decode(b []byte) (*source, error) {
	m, err := readMetadata(b)
	if err != nil {
		return nil, err
	}
	s := &source{metadata: m, b: b}
	return s, s.describe()
}

// describe finds the columns in the schema.
func (s *source) describe() error {
	if len(s.schema) == 0 {
		return FormatError("no schema")
	}
	rest, leaf := s.schema[1:], 0
	for range s.schema[0].children {
		if len(rest) == 0 {
			return FormatError("its schema ends early")
		}
		c := &column{name: rest[0].name, leaf: leaf}
		leaves := 0
		var err error
		if rest, err = c.walk(rest, 0, 0, 0, &leaves); err != nil {
			return err
		}
		switch depth := c.repetition; {
		case leaves != 1:
			c.kind, c.holds = other, "groups of columns"
		case depth > 1:
			c.kind, c.holds = other, "lists of lists"
		case depth == 1:
			c.list, c.holds = true, "lists of "+words(c)
		default:
			c.holds = words(c)
		}
		s.columns = append(s.columns, c)
		leaf += leaves
	}
	if len(rest) > 0 {
		return FormatError("its schema goes on after the last column")
	}
	return nil
}

func words(c *column) string {
	return [...]string{"values of another type", "numbers", "numbers", "text"}[c.kind]
}

// walk reads an element and what is below it, and keeps the last leaf.
func (c *column) walk(rest []element, depth, repetition, definition int, leaves *int) ([]element, error) {
	if depth > 32 || len(rest) == 0 {
		return nil, FormatError("its schema ends early or is too deep")
	}
	e := rest[0]
	rest = rest[1:]
	switch e.repetition {
	case optional:
		definition++
	case repeated:
		definition++
		repetition++
	}
	if e.children <= 0 {
		*leaves++
		c.element, c.kind, c.repetition, c.definition = e, kindOf(e), repetition, definition
		return rest, nil
	}
	for range e.children {
		var err error
		if rest, err = c.walk(rest, depth+1, repetition, definition, leaves); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// width is how many bits a level up to most takes.
func width(most int) int { return bits.Len(uint(most)) }

// chunk opens the values of a column in row group g.
func (s *source) chunk(g int, c *column) (*chunk, error) {
	if c.leaf >= len(s.groups[g].columns) {
		return nil, FormatError(fmt.Sprintf("row group %d lacks column %q", g, c.name))
	}
	e := s.groups[g].columns[c.leaf]
	if e.elsewhere {
		return nil, fmt.Errorf("column %q lies in another file or is encrypted", c.name)
	}
	b, ok := s.bytes(e)
	if e.values == 0 {
		return &chunk{column: c}, nil
	}
	if !ok {
		return nil, FormatError(fmt.Sprintf("column %q, row group %d: %d bytes at %d are declared in a file of %d", c.name, g, e.size, e.data, len(s.b)))
	}
	return &chunk{column: c, codec: e.codec, rest: b, left: e.values}, nil
}

// bytes are where a column of a row group lies, its dictionary first.
func (s *source) bytes(e extent) ([]byte, bool) {
	start, all := e.data, int64(len(s.b))
	if e.dictionary > 0 && e.dictionary < start {
		start = e.dictionary
	}
	if start < 4 || e.size < 0 || start > all || e.size > all-start {
		return nil, false
	}
	return s.b[start : start+e.size], true
}

// forget tells the system that the bytes of a row group will not be read again soon.
func (s *source) forget(g int) {
	for _, e := range s.groups[g].columns {
		if b, ok := s.bytes(e); ok && s.mapping != nil {
			s.mapping.Forget(b)
		}
	}
}

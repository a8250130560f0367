package parquet

import (
	"encoding/binary"
	"fmt"
	"math"

	"onnxclr/importer/weights"
)

var errShort = FormatError("a page ends early")

// runs reads whole numbers of some bits, as runs of one value or packed groups of eight.
type runs struct {
	b     []byte
	width int
	same  uint64 // values left of a run
	value int
	group uint64 // values left that are packed
	bit   uint64 // where the next of them starts, in b
	limit []byte // behind the packed ones
}

func newRuns(b []byte, width int) runs { return runs{b: b, width: width} }

func (r *runs) next() (int, error) {
	for {
		if r.same > 0 {
			r.same--
			return r.value, nil
		}
		if r.group > 0 {
			r.group--
			var window uint64
			from := r.bit >> 3
			for k := range min(5, uint64(len(r.b))-from) {
				window |= uint64(r.b[from+k]) << (8 * k)
			}
			v := window >> (r.bit & 7) & (1<<r.width - 1)
			if r.bit += uint64(r.width); r.group == 0 {
				r.b = r.limit
			}
			return int(v), nil
		}
		head, n := binary.Uvarint(r.b)
		if n <= 0 {
			return 0, errShort
		}
		r.b = r.b[n:]
		if head&1 == 0 {
			size := (r.width + 7) / 8
			if len(r.b) < size {
				return 0, errShort
			}
			r.same, r.value = head>>1, 0
			for k, v := range r.b[:size] {
				r.value |= int(v) << (8 * k)
			}
			r.b = r.b[size:]
			continue
		}
		groups := head >> 1
		if groups > uint64(len(r.b)) && r.width > 0 || groups*uint64(r.width) > uint64(len(r.b)) {
			groups = uint64(len(r.b)) / uint64(max(r.width, 1)) // the last may be cut short
			if groups == 0 {
				return 0, errShort
			}
		}
		r.group, r.bit, r.limit = min(8*groups, 1<<32), 0, r.b[groups*uint64(r.width):]
	}
}

// values reads the values of a page; the one of both that the column's kind has.
type values struct {
	number func() (float64, error)
	text   func() ([]byte, error)
	at     func(i int) (float64, []byte, error) // of a dictionary
}

// encodings
const (
	plain           = 0
	plainDictionary = 2
	runLength       = 3
	delta           = 5
	rleDictionary   = 8
	byteStreams     = 9
)

// decoder reads the values of a data page out of b.
func (c *chunk) decoder(h header, b []byte) (values, error) {
	e := c.column.element
	size := elementSize(e)
	switch {
	case h.values == 0:
		return values{}, nil
	case c.column.kind == other:
		return values{}, fmt.Errorf("column %q holds %s", c.column.name, c.column.holds)
	case h.encoding == plain && e.physical == byteArray:
		return values{text: texts(b)}, nil
	case h.encoding == plain && e.physical == boolean:
		i := 0
		return values{number: func() (float64, error) {
			if i>>3 >= len(b) {
				return 0, errShort
			}
			v := b[i>>3] >> (i & 7) & 1
			i++
			return float64(v), nil
		}}, nil
	case h.encoding == runLength && e.physical == boolean:
		if len(b) < 4 {
			return values{}, errShort
		}
		r := newRuns(b[4:], 1)
		return values{number: func() (float64, error) {
			v, err := r.next()
			return float64(v), err
		}}, nil
	case h.encoding == plain:
		get := numberOf(e)
		return values{number: func() (float64, error) {
			if len(b) < size {
				return 0, errShort
			}
			v := get(b)
			b = b[size:]
			return v, nil
		}}, nil
	case h.encoding == byteStreams && size > 0:
		get, n, i := numberOf(e), len(b)/size, 0
		var one [8]byte
		return values{number: func() (float64, error) {
			if i >= n {
				return 0, errShort
			}
			for k := range size {
				one[k] = b[k*n+i]
			}
			i++
			return get(one[:]), nil
		}}, nil
	case h.encoding == delta && (e.physical == int32Type || e.physical == int64Type):
		return deltas(e, b)
	case h.encoding == plainDictionary || h.encoding == rleDictionary:
		if c.dict.at == nil {
			return values{}, FormatError("no dictionary")
		}
		if len(b) == 0 || b[0] > 32 {
			return values{}, errShort
		}
		r, at := newRuns(b[1:], int(b[0])), c.dict.at
		return values{
			number: func() (float64, error) {
				i, err := r.next()
				if err != nil {
					return 0, err
				}
				v, _, err := at(i)
				return v, err
			},
			text: func() ([]byte, error) {
				i, err := r.next()
				if err != nil {
					return nil, err
				}
				_, v, err := at(i)
				return v, err
			},
		}, nil
	}
	return values{}, fmt.Errorf("encoding %d, which is not read; write the column again with plain or dictionary encoding", h.encoding)
}

// newDictionary reads the page of a dictionary of n values.
func newDictionary(c *column, b []byte, n int64) (values, error) {
	if c.element.physical == byteArray {
		var all [][]byte
		for next := texts(b); int64(len(all)) < n; {
			v, err := next()
			if err != nil {
				return values{}, err
			}
			all = append(all, v)
		}
		return values{at: func(i int) (float64, []byte, error) {
			if i >= len(all) {
				return 0, nil, FormatError(fmt.Sprintf("value %d of a dictionary of %d", i, len(all)))
			}
			return 0, all[i], nil
		}}, nil
	}
	size := elementSize(c.element)
	if size == 0 || n > int64(len(b)/size) {
		return values{}, errShort
	}
	get := numberOf(c.element)
	all := make([]float64, n)
	for i := range all {
		all[i] = get(b[i*size:])
	}
	return values{at: func(i int) (float64, []byte, error) {
		if i >= len(all) {
			return 0, nil, FormatError(fmt.Sprintf("value %d of a dictionary of %d", i, len(all)))
		}
		return all[i], nil, nil
	}}, nil
}

// texts reads byte arrays, each behind its length.
func texts(b []byte) func() ([]byte, error) {
	return func() ([]byte, error) {
		if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
			return nil, errShort
		}
		n := int(binary.LittleEndian.Uint32(b))
		v := b[4 : 4+n]
		b = b[4+n:]
		return v, nil
	}
}

// elementSize is how many bytes a number takes, 0 for other types.
func elementSize(e element) int {
	switch e.physical {
	case int32Type, float:
		return 4
	case int64Type, double:
		return 8
	case fixed:
		return 2 // float16, or kindOf had refused it
	}
	return 0
}

// numberOf returns how a number is read from its bytes. Only 64-bit integers beyond
// 2^53 are rounded.
func numberOf(e element) func(b []byte) float64 {
	le := binary.LittleEndian
	switch e.physical {
	case float:
		return func(b []byte) float64 { return float64(math.Float32frombits(le.Uint32(b))) }
	case double:
		return func(b []byte) float64 { return math.Float64frombits(le.Uint64(b)) }
	case int32Type:
		return func(b []byte) float64 { return integer(e, int64(int32(le.Uint32(b)))) }
	case int64Type:
		return func(b []byte) float64 { return integer(e, int64(le.Uint64(b))) }
	}
	return func(b []byte) float64 { return float64(weights.HalfToFloat32(le.Uint16(b))) }
}

// integer is the value of an integer, which may have no sign.
func integer(e element, v int64) float64 {
	switch {
	case !e.unsigned && (e.converted < 11 || e.converted > 14):
		return float64(v)
	case e.physical == int32Type:
		return float64(uint32(v))
	}
	return float64(uint64(v))
}

// deltas reads integers as differences of some bits each, in blocks of miniblocks.
func deltas(e element, b []byte) (values, error) {
	head := &thrift{b: b}
	block, minis, total, v := head.unsigned(), head.unsigned(), head.unsigned(), head.signed()
	if head.err != nil || minis == 0 || block == 0 || block > 1<<20 || minis > block || block%minis != 0 {
		return values{}, errShort
	}
	b = b[head.at:]
	var least int64
	var widths []byte
	var packed []byte
	var bit, inMini uint64
	first := true
	return values{number: func() (float64, error) {
		if total == 0 {
			return 0, errShort
		}
		total--
		if first {
			first = false
			return integer(e, v), nil
		}
		if inMini == 0 {
			if len(widths) == 0 {
				t := &thrift{b: b}
				least = t.signed()
				if widths = t.take(minis); t.err != nil {
					return 0, errShort
				}
				b = b[t.at:]
			}
			if widths[0] > 64 {
				return 0, errShort
			}
			size := min(block/minis*uint64(widths[0])/8, uint64(len(b)))
			inMini, bit, packed, b = block/minis, 0, b[:size], b[size:]
		}
		inMini--
		var difference uint64
		for k := range uint64(widths[0]) {
			at := bit + k
			if at>>3 >= uint64(len(packed)) {
				return 0, errShort
			}
			difference |= uint64(packed[at>>3]>>(at&7)&1) << k
		}
		if bit += uint64(widths[0]); inMini == 0 {
			widths = widths[1:]
		}
		if v += least + int64(difference); e.physical == int32Type {
			v = int64(int32(v))
		}
		return integer(e, v), nil
	}}, nil
}

package npy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"onnxclr/importer/weights"
)

// FormatError reports a file that is not what it claims to be.
type FormatError string

func (e FormatError) Error() string { return "not a valid npy array: " + string(e) }

// UnsupportedError reports a valid file with something this package does not read.
type UnsupportedError string

func (e UnsupportedError) Error() string { return "unsupported npy array: " + string(e) }

// Header is what precedes the elements in a .npy file.
type Header struct {
	DType     weights.DType
	BigEndian bool
	Fortran   bool // first index varies fastest
	Shape     []int
}

const (
	magic = "\x93NUMPY"
	// maxHeader is far above what any supported type needs (about 100 bytes).
	maxHeader = 1 << 16
	maxRank   = 64 // NumPy's own limit
)

// parseHeader reads the header at the start of b and returns the offset of the
// first element.
func parseHeader(b []byte) (Header, int, error) {
	start, size, err := headerSpan(b)
	if err != nil {
		return Header{}, 0, err
	}
	if len(b)-start < size {
		return Header{}, 0, FormatError(fmt.Sprintf("truncated: header of %d bytes, %d there", size, len(b)-start))
	}
	h, err := parseDict(string(b[start : start+size]))
	return h, start + size, err
}

// headerSpan returns where the header's dictionary starts and its length.
func headerSpan(b []byte) (start, size int, err error) {
	if len(b) < 10 {
		return 0, 0, FormatError(fmt.Sprintf("%d bytes are too few for a header", len(b)))
	}
	if !bytes.HasPrefix(b, []byte(magic)) {
		return 0, 0, FormatError(fmt.Sprintf("starts with %q, want %q", b[:6], magic))
	}
	switch b[6] {
	case 1:
		start, size = 10, int(binary.LittleEndian.Uint16(b[8:]))
	case 2, 3:
		if len(b) < 12 {
			return 0, 0, FormatError("truncated in the header")
		}
		n := binary.LittleEndian.Uint32(b[8:])
		if n > maxHeader {
			return 0, 0, FormatError(fmt.Sprintf("header of %d bytes, at most %d expected", n, maxHeader))
		}
		start, size = 12, int(n)
	default:
		return 0, 0, UnsupportedError(fmt.Sprintf("format version %d.%d, versions 1 to 3 are read", b[6], b[7]))
	}
	return start, size, nil
}

// parseDict reads the Python dictionary literal of a header. Only the grammar
// NumPy writes is understood: three keys, a string, a boolean and a tuple.
func parseDict(s string) (Header, error) {
	p := &literal{s: s}
	var h Header
	var descr, order, shape bool
	p.want("{")
	for p.err == nil && !p.take("}") {
		key := p.str()
		p.want(":")
		switch {
		case key == "descr" && !descr:
			descr = true
			if p.peek("[") {
				return h, UnsupportedError("structured element type; save the columns as one plain 2-D float array")
			}
			text := p.str()
			if p.err == nil {
				if h.DType, h.BigEndian, p.err = parseDescr(text); p.err != nil {
					return h, p.err
				}
			}
		case key == "fortran_order" && !order:
			order = true
			if h.Fortran = p.take("True"); !h.Fortran {
				p.want("False")
			}
		case key == "shape" && !shape:
			shape = true
			h.Shape = p.tuple()
		default:
			p.fail("unexpected or repeated key %q", key)
		}
		if !p.take(",") && !p.peek("}") {
			p.fail("want , or }")
		}
	}
	if p.err == nil && strings.Trim(p.s[p.i:], " \n\t\x00") != "" {
		p.fail("text after the closing brace")
	}
	if p.err == nil && !(descr && order && shape) {
		p.fail("needs the keys descr, fortran_order and shape")
	}
	if p.err != nil {
		return h, p.err
	}
	if _, err := weights.ByteSize(h.Shape, h.DType); err != nil {
		return h, FormatError(err.Error())
	}
	return h, nil
}

// parseDescr reads a type string such as "<f4": byte order, kind, bytes.
func parseDescr(s string) (d weights.DType, big bool, err error) {
	order, code := byte('='), s
	if s != "" && strings.IndexByte("<>=|", s[0]) >= 0 {
		order, code = s[0], s[1:]
	}
	if strings.HasPrefix(code, "O") {
		return 0, false, UnsupportedError("it holds pickled Python objects, which are never executed; save it again with a numeric dtype, e.g. arr.astype(numpy.float32)")
	}
	for _, t := range descrs {
		if t.code == code {
			return t.dtype, order == '>', nil
		}
	}
	return 0, false, UnsupportedError(fmt.Sprintf("element type %q, want float16/32/64, an integer or bool", s))
}

var descrs = []struct {
	code  string
	dtype weights.DType
}{
	{"f4", weights.Float32}, {"f8", weights.Float64}, {"f2", weights.Float16},
	{"i8", weights.Int64}, {"i4", weights.Int32}, {"i2", weights.Int16}, {"i1", weights.Int8},
	{"u8", weights.Uint64}, {"u4", weights.Uint32}, {"u2", weights.Uint16}, {"u1", weights.Uint8},
	{"b1", weights.Bool}, {"?", weights.Bool},
}

// literal scans the few Python literals of a header; the first failure sticks.
type literal struct {
	s   string
	i   int
	err error
}

func (p *literal) fail(format string, args ...any) {
	if p.err == nil {
		p.err = FormatError(fmt.Sprintf("header, byte %d: ", p.i) + fmt.Sprintf(format, args...))
	}
}

func (p *literal) peek(token string) bool {
	for p.i < len(p.s) && strings.IndexByte(" \n\t", p.s[p.i]) >= 0 {
		p.i++
	}
	return p.err == nil && strings.HasPrefix(p.s[p.i:], token)
}

func (p *literal) take(token string) bool {
	ok := p.peek(token)
	if ok {
		p.i += len(token)
	}
	return ok
}

func (p *literal) want(token string) {
	if !p.take(token) {
		p.fail("want %s", token)
	}
}

func (p *literal) str() string {
	for _, quote := range []string{"'", `"`} {
		if p.take(quote) {
			end := strings.Index(p.s[p.i:], quote)
			if end < 0 {
				break
			}
			text := p.s[p.i : p.i+end]
			p.i += end + 1
			return text
		}
	}
	p.fail("want a quoted string")
	return ""
}

func (p *literal) tuple() []int {
	shape := []int{}
	p.want("(")
	for p.err == nil && !p.take(")") {
		p.peek("")
		end := p.i
		for end < len(p.s) && p.s[end] >= '0' && p.s[end] <= '9' {
			end++
		}
		n, err := strconv.Atoi(p.s[p.i:end])
		if err != nil {
			p.fail("want a dimension (0 or more, within %d bits)", strconv.IntSize)
			return nil
		}
		p.i = end
		p.take("L") // Python 2's long
		if shape = append(shape, n); len(shape) > maxRank {
			p.fail("more than %d dimensions", maxRank)
		}
		if !p.take(",") && !p.peek(")") {
			p.fail("want , or )")
		}
	}
	return shape
}

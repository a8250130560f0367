package torch

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/big"
	"strconv"
)

// The arguments of opcodes. Each reader checks what is left before it takes, and
// after a failure returns a zero value.

func (m *machine) take(n uint64) []byte {
	if m.err != nil {
		return nil
	}
	if left := uint64(len(m.b) - m.pos); n > left {
		m.failf("truncated: %d bytes needed, %d left", n, left)
		return nil
	}
	s := m.b[m.pos : m.pos+int(n)]
	m.pos += int(n)
	return s
}

func (m *machine) uint8() uint64 {
	if s := m.take(1); s != nil {
		return uint64(s[0])
	}
	return 0
}

func (m *machine) uint16() uint64 {
	if s := m.take(2); s != nil {
		return uint64(binary.LittleEndian.Uint16(s))
	}
	return 0
}

func (m *machine) uint32() uint64 {
	if s := m.take(4); s != nil {
		return uint64(binary.LittleEndian.Uint32(s))
	}
	return 0
}

func (m *machine) uint64() uint64 {
	if s := m.take(8); s != nil {
		return binary.LittleEndian.Uint64(s)
	}
	return 0
}

// length reads a signed 32-bit length.
func (m *machine) length() uint64 {
	n := int32(uint32(m.uint32()))
	if n < 0 {
		m.failf("negative length %d", n)
		return 0
	}
	return uint64(n)
}

func (m *machine) float() float64 {
	if s := m.take(8); s != nil {
		return math.Float64frombits(binary.BigEndian.Uint64(s))
	}
	return 0
}

// text reads n bytes as a string. Python writes UTF-8 that may hold lone
// surrogates, which stay as they are.
func (m *machine) text(n uint64) string {
	s := m.take(n)
	m.charge(len(s))
	return string(s)
}

func (m *machine) blob(n uint64) []byte {
	s := m.take(n)
	if m.arrays != nil {
		return s[:len(s):len(s)] // the array's elements
	}
	m.charge(len(s))
	return bytes.Clone(s)
}

// line reads up to a newline and drops it.
func (m *machine) line() string {
	if m.err != nil {
		return ""
	}
	n := bytes.IndexByte(m.b[m.pos:], '\n')
	if n < 0 {
		m.failf("truncated: a line without an end")
		return ""
	}
	s := m.text(uint64(n))
	m.pos++
	return s
}

// long reads a two's complement little-endian integer of n bytes.
func (m *machine) long(n uint64) any {
	s := m.take(n)
	if len(s) <= 8 {
		var v int64
		for i, c := range s {
			v |= int64(c) << (8 * i)
		}
		if k := len(s); k > 0 && k < 8 && s[k-1]&0x80 != 0 {
			v |= -1 << (8 * k)
		}
		return v
	}
	if len(s) > maxLong {
		m.failf("integer of %d bytes", len(s))
		return nil
	}
	m.charge(2*len(s) + objectCost)
	be := make([]byte, len(s))
	for i, c := range s {
		be[len(s)-1-i] = c
	}
	v := new(big.Int).SetBytes(be)
	if be[0]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(s))))
	}
	return small(v)
}

// small returns an int64 where the value is one.
func small(v *big.Int) any {
	if v.IsInt64() {
		return v.Int64()
	}
	return v
}

// decimal parses the integer of protocol 0.
func (m *machine) decimal(s string) any {
	if len(s) > 2*maxLong {
		m.failf("integer of %d digits", len(s))
		return nil
	}
	v, ok := new(big.Int).SetString(s, 10)
	if !ok {
		m.failf("%q is not an integer", s)
		return nil
	}
	m.charge(objectCost)
	return small(v)
}

// quoted parses the string of protocol 0, a Python literal.
func (m *machine) quoted(s string) string {
	if len(s) < 2 || (s[0] != '\'' && s[0] != '"') || s[len(s)-1] != s[0] {
		m.failf("string %q is not quoted", s)
		return ""
	}
	return m.unescape(s[1:len(s)-1], "\\'\"abfnrtvx")
}

// unescape undoes Python's backslash escapes of the kinds listed.
func (m *machine) unescape(s, kinds string) string {
	if m.err != nil || bytes.IndexByte([]byte(s), '\\') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out = append(out, s[i])
			continue
		}
		if i++; i == len(s) {
			m.failf("string %q ends in a backslash", s)
			return ""
		}
		c := s[i]
		if bytes.IndexByte([]byte(kinds), c) < 0 {
			out = append(out, '\\', c) // Python keeps what it does not know
			continue
		}
		switch c {
		case 'x', 'u', 'U':
			n := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
			if len(s)-i-1 < n {
				m.failf("string %q ends within an escape", s)
				return ""
			}
			v, err := strconv.ParseUint(s[i+1:i+1+n], 16, 32)
			if err != nil {
				m.failf("string %q has a malformed escape", s)
				return ""
			}
			i += n
			if c == 'x' {
				out = append(out, byte(v))
			} else {
				out = append(out, string(rune(v))...)
			}
		default:
			if r, ok := escapes[c]; ok {
				c = r
			}
			out = append(out, c)
		}
	}
	return string(out)
}

var escapes = map[byte]byte{'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}

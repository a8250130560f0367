package safetensors

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strconv"
)

// header is the parsed JSON.
type header struct {
	tensors  []entry // in the order of the text
	metadata map[string]string
}

// entry is what the header says of one tensor; the offsets count from the header's
// end.
type entry struct {
	name, dtype string
	shape       []int
	begin, end  uint64
}

// maxRank is far above any array library's limit.
const maxRank = 256

// parser reads JSON by tokens, because package json silently lets the last of two
// equal keys win. The first error stays in err.
type parser struct {
	dec *json.Decoder
	err error
}

func parseHeader(text []byte) (*header, error) {
	p := &parser{dec: json.NewDecoder(bytes.NewReader(text))}
	p.dec.UseNumber()
	h := &header{}
	p.object("the header", func(name string) {
		if name == metadataKey {
			h.metadata = make(map[string]string)
			p.object("the metadata", func(key string) { h.metadata[key] = p.string(key) })
			return
		}
		h.tensors = append(h.tensors, p.entry(name))
	})
	if p.err == nil {
		if _, err := p.dec.Token(); err != io.EOF {
			p.failf("the header goes on behind its closing brace")
		}
	}
	return h, p.err
}

func (p *parser) failf(format string, args ...any) {
	if p.err == nil {
		p.err = formatf(format, args...)
	}
}

func (p *parser) token() json.Token {
	if p.err != nil {
		return nil
	}
	t, err := p.dec.Token()
	if err != nil {
		p.failf("the header is not JSON: %v", err)
	}
	return t
}

// object reads an object and calls member at each value; it refuses a key that comes
// twice.
func (p *parser) object(what string, member func(key string)) {
	if p.token() != json.Delim('{') {
		p.failf("%s is no JSON object", what)
	}
	var seen keys
	for p.err == nil {
		t := p.token()
		if t == json.Delim('}') {
			return
		}
		key, _ := t.(string)
		if !seen.add(key) {
			p.failf("%q is in %s twice", key, what)
		}
		if p.err == nil {
			member(key)
		}
	}
}

// keys is a set that costs no map while it is as small as a tensor's attributes.
type keys struct {
	few  []string
	many map[string]bool
}

// add reports whether the key is new.
func (k *keys) add(key string) bool {
	const few = 4
	if k.many[key] || slices.Contains(k.few, key) {
		return false
	}
	if len(k.few) < few {
		k.few = append(k.few, key)
		return true
	}
	if k.many == nil {
		k.many = make(map[string]bool)
	}
	k.many[key] = true
	return true
}

func (p *parser) entry(name string) entry {
	e := entry{name: name, shape: []int{}}
	var hasType, hasShape, hasOffsets bool
	p.object(strconv.Quote(name), func(key string) {
		switch key {
		case "dtype":
			hasType = true
			e.dtype = p.string(name)
		case "shape":
			hasShape = true
			p.integers(name, func(v uint64) {
				if v > 1<<62 || len(e.shape) >= maxRank {
					p.failf("tensor %q has an impossible shape", name)
					return
				}
				e.shape = append(e.shape, int(v))
			})
		case "data_offsets":
			hasOffsets = true
			var offsets []uint64
			p.integers(name, func(v uint64) {
				if len(offsets) < 3 {
					offsets = append(offsets, v)
				}
			})
			if len(offsets) != 2 {
				p.failf("tensor %q has data_offsets that are not two numbers", name)
				return
			}
			e.begin, e.end = offsets[0], offsets[1]
		default:
			p.failf("tensor %q has an unknown attribute %q", name, key)
		}
	})
	if !hasType || !hasShape || !hasOffsets {
		p.failf("tensor %q lacks one of dtype, shape and data_offsets", name)
	}
	return e
}

func (p *parser) string(of string) string {
	s, ok := p.token().(string)
	if !ok {
		p.failf("%q has a value that is no string", of)
	}
	return s
}

// integers reads an array of non-negative integers.
func (p *parser) integers(of string, each func(uint64)) {
	if p.token() != json.Delim('[') {
		p.failf("tensor %q: want an array of integers", of)
	}
	for p.err == nil {
		t := p.token()
		if t == json.Delim(']') {
			return
		}
		n, _ := t.(json.Number)
		v, err := strconv.ParseUint(string(n), 10, 64)
		if err != nil {
			p.failf("tensor %q: %v is not a non-negative integer", of, t)
			return
		}
		each(v)
	}
}

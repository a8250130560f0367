package torch

import (
	"encoding/binary"
	"slices"
)

// attach gives every tensor its bytes, once the storages have theirs: a part of the
// storage where that is contiguous and little-endian, else a copy.
func (m *machine) attach(bigEndian bool) {
	for _, v := range m.pending {
		if m.err != nil {
			return
		}
		t := v.tensor
		size := t.DType.Size()
		n := t.Len() * size
		swap := bigEndian && size > 1
		switch {
		case n == 0:
			t.Data = []byte{}
		case v.contiguous() && !swap:
			start := v.offset * size
			t.Data = v.storage.data[start : start+n : start+n]
		default:
			m.charge(n)
			if m.err != nil {
				m.err = unsupportedf("a tensor of shape %v and strides %v over a storage of %d bytes would expand beyond what a checkpoint of this size may take", t.Shape, v.strides, v.storage.bytes)
				return
			}
			t.Data = make([]byte, n)
			v.gather(t.Data)
			if swap {
				reverse(t.Data, size)
			}
		}
	}
	m.pending = nil
}

// gather copies the elements in row-major order, by runs along the longest
// contiguous tail.
func (v *view) gather(dst []byte) {
	size := v.tensor.DType.Size()
	shape, strides := squeeze(v.tensor.Shape, v.strides)
	run := size
	if n := len(shape); n > 0 && strides[n-1] == 1 {
		run *= shape[n-1]
		shape, strides = shape[:n-1], strides[:n-1]
	}
	index := make([]int, len(shape))
	at := v.offset * size
	for len(dst) > 0 {
		switch run { // constant lengths become single moves
		case 4:
			binary.LittleEndian.PutUint32(dst, binary.LittleEndian.Uint32(v.storage.data[at:]))
		default:
			copy(dst[:run], v.storage.data[at:])
		}
		dst = dst[run:]
		for i := len(shape) - 1; i >= 0; i-- {
			at += strides[i] * size
			if index[i]++; index[i] < shape[i] {
				break
			}
			at -= shape[i] * strides[i] * size
			index[i] = 0
		}
	}
}

// squeeze drops dimensions of size 1 and joins those that follow each other in
// memory.
func squeeze(shape, strides []int) (s, t []int) {
	for i, n := range shape {
		if n == 1 {
			continue
		}
		if k := len(s) - 1; k >= 0 && t[k] == n*strides[i] {
			s[k] *= n
			t[k] = strides[i]
			continue
		}
		s = append(s, n)
		t = append(t, strides[i])
	}
	return s, t
}

// reverse changes the byte order of elements of the size given.
func reverse(b []byte, size int) {
	for e := range slices.Chunk(b, size) {
		slices.Reverse(e)
	}
}

package augment

import "encoding/binary"

// Two 8-bit values are weighted at a time, in the halves of a 64-bit integer: pairs
// add and scale as their halves do, as long as sums fit these. Weights that sum to
// one keep them below 2^31, the negative ones of a cubic included.
const (
	pairHalf = half | half<<32 // rounds both halves
	pairLow  = 0x000000ff_000000ff
)

// upper is the upper half of a pair, less what a negative lower half borrowed.
func upper(pair int64) int32 { return int32((pair + 1<<31) >> 32) }

// rowPair computes the rows dst0 and dst1 from src0 and src1, one in each half of the
// pairs; both may be the same.
func (ws *Workspace) rowPair(dst0, dst1, src0, src1 []uint8) {
	t := &ws.across
	ws.lanes[0] = grow(ws.lanes[0], len(src0))
	pairs := ws.lanes[0]
	src1 = src1[:len(src0)]
	for i, v := range src0 {
		pairs[i] = uint64(v) | uint64(src1[i])<<32
	}
	for i, first := range t.first {
		r, g, b := int64(pairHalf), int64(pairHalf), int64(pairHalf)
		p := pairs[3*first : 3*(first+t.width)]
		w := t.weight[i*t.width:][:t.width]
		k := 0
		if len(w) == 4 { // every enlargement, bicubic
			w0, w1, w2, w3, q := int64(w[0]), int64(w[1]), int64(w[2]), int64(w[3]), (*[12]uint64)(p)
			r += w0*int64(q[0]) + w1*int64(q[3]) + w2*int64(q[6]) + w3*int64(q[9])
			g += w0*int64(q[1]) + w1*int64(q[4]) + w2*int64(q[7]) + w3*int64(q[10])
			b += w0*int64(q[2]) + w1*int64(q[5]) + w2*int64(q[8]) + w3*int64(q[11])
			k = 4
		}
		for ; k+2 <= len(w); k += 2 {
			w0, w1, q := int64(w[k]), int64(w[k+1]), (*[6]uint64)(p[3*k:])
			r += w0*int64(q[0]) + w1*int64(q[3])
			g += w0*int64(q[1]) + w1*int64(q[4])
			b += w0*int64(q[2]) + w1*int64(q[5])
		}
		if k < len(w) {
			w, q := int64(w[k]), (*[3]uint64)(p[3*k:])
			r += w * int64(q[0])
			g += w * int64(q[1])
			b += w * int64(q[2])
		}
		d0, d1 := (*[3]uint8)(dst0[3*i:]), (*[3]uint8)(dst1[3*i:])
		d0[0], d0[1], d0[2] = clip(int32(r)), clip(int32(g)), clip(int32(b))
		d1[0], d1[1], d1[2] = clip(upper(r)), clip(upper(g)), clip(upper(b))
	}
}

// columnPairs computes dst as the weighted sum of rows that lie stride bytes apart,
// byte k of eight in a pair with byte k+4.
func columnPairs(dst, rows []uint8, stride int, weight []int32) {
	n := len(dst)
	i := 0
	for ; i+8 <= n; i += 8 {
		a, b, c, d := int64(pairHalf), int64(pairHalf), int64(pairHalf), int64(pairHalf)
		at, k := i, 0
		for ; k+2 <= len(weight); k += 2 {
			w0, w1 := int64(weight[k]), int64(weight[k+1])
			u, v := binary.LittleEndian.Uint64(rows[at:]), binary.LittleEndian.Uint64(rows[at+stride:])
			a += w0*int64(u&pairLow) + w1*int64(v&pairLow)
			b += w0*int64(u>>8&pairLow) + w1*int64(v>>8&pairLow)
			c += w0*int64(u>>16&pairLow) + w1*int64(v>>16&pairLow)
			d += w0*int64(u>>24&pairLow) + w1*int64(v>>24&pairLow)
			at += 2 * stride
		}
		if k < len(weight) {
			w, v := int64(weight[k]), binary.LittleEndian.Uint64(rows[at:])
			a += w * int64(v&pairLow)
			b += w * int64(v>>8&pairLow)
			c += w * int64(v>>16&pairLow)
			d += w * int64(v>>24&pairLow)
		}
		o := dst[i : i+8 : i+8]
		o[0], o[4] = clip(int32(a)), clip(upper(a))
		o[1], o[5] = clip(int32(b)), clip(upper(b))
		o[2], o[6] = clip(int32(c)), clip(upper(c))
		o[3], o[7] = clip(int32(d)), clip(upper(d))
	}
	for ; i < n; i++ {
		sum := int32(half)
		for k, w := range weight {
			sum += w * int32(rows[k*stride+i])
		}
		dst[i] = clip(sum)
	}
}

// half rounds the shift of clip to nearest.
const half = 1 << (precision - 1)

func clip(s int32) uint8 {
	s >>= precision
	if uint32(s) > 255 {
		return uint8(^s >> 31) // 0 below, 255 above
	}
	return uint8(s)
}

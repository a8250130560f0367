//go:build amd64 && !purego

package augment

// blurVector blurs as blurRows and blurColumns do, several bytes at a time, which takes
// a box of at most five pixels (a standard deviation up to 2.4); it returns false and
// does nothing for others.
func (ws *Workspace) blurVector(img *Image, b box) bool {
	if !vector || b.reach > 1 {
		return false
	}
	const margin = 2 * 3 // bytes of two pixels
	row := 3 * img.W
	whole := (row + 7) &^ 7
	ws.lines = grow(ws.lines, 2*(2*margin+whole))
	from, to := ws.lines[:2*margin+whole], ws.lines[2*margin+whole:]
	for y := range img.H {
		pixels := img.row(y, 0, img.W)
		copy(from[margin:], pixels)
		for range blurPasses {
			for i := 0; i < margin; i += 3 { // the border repeats outwards
				copy(from[i:i+3], from[margin:])
				copy(from[margin+row+i:][:3], from[margin+row-3:])
			}
			b.blend(to[margin:][:whole], [5][]uint8{from, from[3:], from[6:], from[9:], from[12:]})
			from, to = to, from
		}
		copy(pixels, from[margin:])
	}

	size := row * img.H
	ws.planes = grow(ws.planes, 2*size)
	planes := [blurPasses + 1][]uint8{img.Pix[:size], ws.planes[:size], ws.planes[size:], img.Pix[:size]}
	for pass := range blurPasses {
		src, dst := planes[pass], planes[pass+1]
		for y := range img.H {
			var rows [5][]uint8
			for k := range rows {
				at := min(max(y+k-2, 0), img.H-1)
				rows[k] = src[at*row : (at+1)*row]
			}
			b.blend(dst[y*row:][:row], rows)
		}
	}
	return true
}

// blend computes bytes of dst from those at the same place of five rows, or of the
// three in the middle if the box reaches no further.
func (b box) blend(dst []uint8, rows [5][]uint8) {
	n := len(dst) &^ 7
	if n > 0 {
		_, _, _, _, _ = rows[0][n-1], rows[1][n-1], rows[2][n-1], rows[3][n-1], rows[4][n-1]
		if b.reach == 0 {
			boxThreeAVX2(&dst[0], &rows[1][0], &rows[2][0], &rows[3][0], n, uint32(b.inner), uint32(b.outer))
		} else {
			boxFiveAVX2(&dst[0], &rows[0][0], &rows[1][0], &rows[2][0], &rows[3][0], &rows[4][0], n, uint32(b.inner), uint32(b.outer))
		}
	}
	for i := n; i < len(dst); i++ {
		middle, edge := uint32(rows[2][i]), uint32(rows[1][i])+uint32(rows[3][i])
		if b.reach == 1 {
			middle, edge = middle+edge, uint32(rows[0][i])+uint32(rows[4][i])
		}
		dst[i] = uint8((middle*uint32(b.inner) + edge*uint32(b.outer) + 1<<23) >> 24)
	}
}

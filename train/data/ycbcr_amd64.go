//go:build amd64 && !purego

package data

import "golang.org/x/sys/cpu"

//go:generate sh -c "cd asm && go run . -out ../avx2_amd64.s -stubs ../avx2_amd64.go -pkg data"

// vector says that the functions in assembly are used: they give the same bytes as
// the portable ones, sooner. Tests turn it off.
var vector = cpu.X86.HasAVX2

// spread interpolates chroma between two rows, near weighing 3 and far 1, and across
// in the same way. out has room for two values a sample, or one less.
func spread(out []uint8, sums []int32, near, far []uint8) {
	n := len(near)
	done := (n - 2) &^ 15 // samples from 1 on that have one on either side
	if !vector || done <= 0 {
		both(out, sums, near, far, 0, n)
		return
	}
	_, _ = out[2*done+1], far[n-1]
	both(out, sums, near, far, 0, 1)
	spreadAVX2(&out[2], &near[1], &far[1], done)
	both(out, sums, near, far, 1+done, n)
}

// rowToRGB turns a row of pixels into red, green and blue.
func rowToRGB(dst, luma, cb, cr []uint8) {
	n := len(luma) &^ 15
	if vector && n > 0 {
		_, _, _ = dst[3*n-1], cb[n-1], cr[n-1]
		toRGBAVX2(&dst[0], &luma[0], &cb[0], &cr[0], n)
	} else {
		n = 0
	}
	pixelsToRGB(dst[3*n:], luma[n:], cb[n:], cr[n:])
}

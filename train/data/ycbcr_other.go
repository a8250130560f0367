//go:build !amd64 || purego

package data

var vector = false // there are no functions in assembly

// spread interpolates chroma between two rows, near weighing 3 and far 1, and across
// in the same way. out has room for two values a sample, or one less.
func spread(out []uint8, sums []int32, near, far []uint8) { both(out, sums, near, far, 0, len(near)) }

// rowToRGB turns a row of pixels into red, green and blue.
func rowToRGB(dst, luma, cb, cr []uint8) { pixelsToRGB(dst, luma, cb, cr) }

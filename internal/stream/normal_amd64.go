//go:build amd64 && !purego

package stream

import "golang.org/x/sys/cpu"

//go:generate asm/generate.sh

// vectors are the functions in assembly that this processor runs, fastest first.
var vectors = func() (list []func(to *float64, blocks int, deviation float64, state *[4][8]uint64, constants *[numbers]uint64)) {
	if cpu.X86.HasAVX512F {
		list = append(list, normalsAVX512)
	}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		list = append(list, normalsAVX2)
	}
	return list
}()

func (n *Normals) add(to []float64, blocks int, deviation float64) {
	switch {
	case blocks == 0:
	case len(vectors) == 0:
		n.portable(to, blocks, deviation)
	default:
		vectors[0](&to[:blocks*block][0], blocks, deviation, &n.state, &constants)
	}
}

package blas

// Gather writes those rows of a matrix, of n numbers each, that have the indices, in their
// order. Rows may lie far apart: they are asked for before their turn.
func Gather(n int, indices []int, from, to []float64) { used.gatherAll(n, indices, from, to) }

func (mach *machine) gatherAll(n int, indices []int, from, to []float64) {
	if len(indices) == 0 || n == 0 {
		return
	}
	to = to[:len(indices)*n]
	whole := uint(len(from) / n)
	for _, i := range indices {
		if uint(i) >= whole {
			panic("blas: index out of range")
		}
	}
	rows := mach.gather
	if n%mach.weighStep != 0 {
		rows = gather
	}
	rows(len(indices), n, &indices[0], &from[0], &to[0])
}

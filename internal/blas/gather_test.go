package blas

import (
	"math/rand/v2"
	"testing"
)

func TestGather(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 42))
	const rows = 300
	for _, mach := range machines() {
		for _, n := range []int{1, 6, 8, 16, 40} {
			from := random(r, rows*n)
			for _, count := range []int{0, 1, 23, 24, 25, 128} {
				indices, to := make([]int, count), random(r, count*n+1)
				behind := to[count*n]
				for i := range indices {
					indices[i] = r.IntN(rows)
				}
				if count > 1 {
					indices[0], indices[count-1] = 0, rows-1
				}
				mach.gatherAll(n, indices, from, to)
				for i, row := range indices {
					for k := range n {
						if to[i*n+k] != from[row*n+k] {
							t.Fatalf("%s, %d rows of %d: row %d is not row %d", mach.name, count, n, i, row)
						}
					}
				}
				if to[count*n] != behind {
					t.Errorf("%s, %d rows of %d: something is written behind", mach.name, count, n)
				}
			}
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: a row that is not there is no panic", mach.name)
				}
			}()
			mach.gatherAll(16, []int{1, -1}, make([]float64, 64), make([]float64, 32))
		}()
	}
}

package train

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// chunkLen is the number of elements that one goroutine handles at a time. It is
// fixed, so that partial sums do not depend on the number of cores.
const chunkLen = 1 << 15

// chunk is the part lo:hi of the i-th of several slices.
type chunk struct{ i, lo, hi int }

// chunksOf cuts slices of the given lengths.
func chunksOf(lengths []int) []chunk {
	var cs []chunk
	for i, n := range lengths {
		for lo := 0; lo < n; lo += chunkLen {
			cs = append(cs, chunk{i, lo, min(lo+chunkLen, n)})
		}
	}
	return cs
}

// parallel calls f for 0…n−1 on all cores and returns when all calls have.
func parallel(n int, f func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), n)
	if workers < 2 {
		for i := range n {
			f(i)
		}
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}

// sumSquares returns Σx² in float64. It is finite exactly when every element is.
func sumSquares(x []float32) float64 {
	var s0, s1, s2, s3 float64
	i := 0
	for ; i+4 <= len(x); i += 4 {
		a, b, c, d := float64(x[i]), float64(x[i+1]), float64(x[i+2]), float64(x[i+3])
		s0 += a * a
		s1 += b * b
		s2 += c * c
		s3 += d * d
	}
	for ; i < len(x); i++ {
		s0 += float64(x[i]) * float64(x[i])
	}
	return (s0 + s1) + (s2 + s3)
}

//go:build amd64 && !purego

package stream

import (
	"math"
	"testing"
)

// Assembly gives the bits of the portable code, and leaves the streams where it does.
func TestNormalsInAssembly(t *testing.T) {
	for i, vector := range vectors {
		want, got := NewNormals(7, "test"), NewNormals(7, "test")
		x, y := make([]float64, 1<<16), make([]float64, 1<<16)
		for blocks := range 7 {
			blocks += blocks / 6 * 4000
			want.portable(x, blocks, 0.7)
			vector(&y[0], blocks, 0.7, &got.state, &constants)
			for j := range x {
				if math.Float64bits(x[j]) != math.Float64bits(y[j]) {
					t.Fatalf("function %d, %d blocks: number %d is %v, want %v", i, blocks, j, y[j], x[j])
				}
			}
			if got.state != want.state {
				t.Fatalf("function %d leaves another state", i)
			}
		}
	}
}

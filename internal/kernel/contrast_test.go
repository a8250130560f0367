package kernel_test

import (
	"fmt"
	"testing"

	"onnxclr/internal/golden"
	"onnxclr/internal/kernel"
	"onnxclr/internal/kernel/reference"
)

func TestContrastiveLosses(t *testing.T) {
	r := seeded(17, 1)
	for _, s := range []struct {
		n, d int
		tau  float64
	}{{1, 3, 0.5}, {2, 1, 1}, {7, 40, 0.1}, {33, 128, 0.1}, {64, 360, 0.2}, {20, 2048, 0.07}} {
		z := r.tensor(2 * s.n * s.d)
		// Views of one image are alike, one row is zero, and scales differ.
		for i := range s.n * s.d {
			z[s.n*s.d+i] = 3 * (z[i] + 0.5*z[s.n*s.d+i])
		}
		if s.n == 7 {
			clear(z[2*s.d : 3*s.d])
		}
		what := fmt.Sprintf("n %d d %d τ %g", s.n, s.d, s.tau)
		info, nt := reference.InfoNCE(s.n, s.d, s.tau, wide(z)), reference.NTXent(s.n, s.d, s.tau, wide(z))
		infoGrad, ntGrad := make([]float64, len(z)), make([]float64, len(z))
		reference.InfoNCEGrad(s.n, s.d, s.tau, infoGrad, wide(z), 1.5)
		reference.NTXentGrad(s.n, s.d, s.tau, ntGrad, wide(z), 1.5)
		if s.n == 7 {
			// The gradient of the zero row is 1e12 times the others: compare the rest.
			clear(infoGrad[2*s.d : 3*s.d])
			clear(ntGrad[2*s.d : 3*s.d])
		}
		eachMachine(t, func(t *testing.T, p *kernel.Pool) {
			ws := garbage(kernel.NTXentWorkspace(s.n, s.d))
			if s.n > 1 {
				golden.CheckValue(t, "InfoNCE "+what, golden.Loss, kernel.InfoNCE(p, s.n, s.d, s.tau, z, ws), info)
			}
			golden.CheckValue(t, "NTXent "+what, golden.Loss, kernel.NTXent(p, s.n, s.d, s.tau, z, ws), nt)
			dz := garbage(len(z))
			kernel.InfoNCEGrad(p, s.n, s.d, s.tau, dz, z, 1.5, ws)
			if s.n == 7 {
				clear(dz[2*s.d : 3*s.d])
			}
			if s.n > 1 {
				golden.Check(t, "InfoNCEGrad "+what, golden.TorchForward, dz, infoGrad)
			}
			kernel.NTXentGrad(p, s.n, s.d, s.tau, dz, z, 1.5, ws)
			if s.n == 7 {
				clear(dz[2*s.d : 3*s.d])
			}
			if s.d > 1 {
				golden.Check(t, "NTXentGrad "+what, golden.TorchForward, dz, ntGrad)
			}
		})
	}
}

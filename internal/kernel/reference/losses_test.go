package reference

import (
	"fmt"
	"math"
	"testing"

	"onnxclr/internal/golden"
)

// the two losses behind one signature, by the names the golden has for them.
var losses = []struct {
	name string
	loss func(n, d int, temperature float64, z []float64) float64
	grad func(n, d int, temperature float64, dz, z []float64, upstream float64)
	in32 func(n, d int, temperature float64, z []float32) float64
	gr32 func(n, d int, temperature float64, dz, z []float32, upstream float64)
}{
	{"infonce", InfoNCE[float64], InfoNCEGrad[float64], InfoNCE[float32], InfoNCEGrad[float32]},
	{"ntxent", NTXent[float64], NTXentGrad[float64], NTXent[float32], NTXentGrad[float32]},
}

func TestLosses(t *testing.T) {
	eachCase(t, "losses/contrastive.npz", "", func(t *testing.T, a arrays) {
		z := a["z"].F32
		n, d := a["z"].Shape[0]/2, a["z"].Shape[1]
		for _, l := range losses {
			for _, temperature := range []float64{0.1, 0.5} {
				key := fmt.Sprintf("%s_%g", l.name, temperature)
				want, dwant := a[key+"/loss"].F64[0], a[key+"/dz"].F64
				value, grad := golden.Loss, golden.Reference
				if n == 1 { // no negatives: the loss and its gradient are 0
					value, grad = golden.Zero, golden.Zero
				}
				if _, at := golden.MaxError(dwant, make([]float64, len(dwant))); math.Abs(dwant[at]) < 1e-12 {
					grad = golden.Zero
				}
				golden.CheckValue(t, key+" of float32", value, l.in32(n, d, temperature, z), want)
				golden.CheckValue(t, key, value, l.loss(n, d, temperature, widened(z)), want)
				dz, dz64 := filled[float32](len(z)), filled[float64](len(z))
				l.gr32(n, d, temperature, dz, z, 1)
				l.grad(n, d, temperature, dz64, widened(z), 1)
				golden.Check(t, key+" dz of float32", grad, dz, dwant)
				golden.Check(t, key+" dz", grad, dz64, dwant)
				l.grad(n, d, temperature, dz64, widened(z), -2.5)
				for i := range dz64 {
					dz64[i] /= -2.5
				}
				golden.Check(t, key+" dz with a gradient of −2.5 from above", grad, dz64, dwant)
			}
		}
		golden.CheckValue(t, "accuracy", golden.Closed, ContrastiveAccuracy(n, d, z), a["accuracy"].F64[0])
	})
}

func TestLossDifferences(t *testing.T) {
	eachCase(t, "losses/contrastive.npz", "", func(t *testing.T, a arrays) {
		z := widened(a["z"].F32)
		n, d := a["z"].Shape[0]/2, a["z"].Shape[1]
		if _, rows := unitRows(2*n, d, z); n == 1 || rows[0] < 0.1 {
			return // no gradient at all, or rows shorter than the step
		}
		for _, l := range losses {
			dz := make([]float64, len(z))
			l.grad(n, d, 0.5, dz, z, 1)
			if t.Name() == "TestLossDifferences/collapsed" {
				golden.Check(t, l.name+" of equal rows has no gradient", golden.Zero, dz, make([]float64, len(dz)))
				continue
			}
			golden.CheckGradient(t, l.name, func() float64 { return l.loss(n, d, 0.5, z) }, z, dz)
		}
	})
}

// TestLossInvariants are the exact ones of both losses: no change under a common
// rotation, under scaling a row, and under exchanging the views; ln of the number of
// candidates when all rows are equal.
func TestLossInvariants(t *testing.T) {
	const n, d = 6, 8
	z := widened(golden.Uniform("embeddings", 2*n*d, -1, 1))
	rotated := make([]float64, len(z))
	copy(rotated, z)
	for k := range d - 1 { // a product of plane rotations
		c, s := math.Cos(float64(k+1)), math.Sin(float64(k+1))
		for i := range 2 * n {
			a, b := rotated[i*d+k], rotated[i*d+k+1]
			rotated[i*d+k], rotated[i*d+k+1] = c*a-s*b, s*a+c*b
		}
	}
	scaled := make([]float64, len(z))
	for i, v := range z {
		scaled[i] = v * math.Exp(float64(i/d)-5)
	}
	swapped := append(append([]float64(nil), z[n*d:]...), z[:n*d]...)
	equal := make([]float64, len(z))
	for i := range equal {
		equal[i] = z[i%d]
	}
	for i, l := range losses {
		want := l.loss(n, d, 0.1, z)
		golden.CheckValue(t, l.name+" rotated", golden.Closed, l.loss(n, d, 0.1, rotated), want)
		golden.CheckValue(t, l.name+" scaled", golden.Closed, l.loss(n, d, 0.1, scaled), want)
		golden.CheckValue(t, l.name+" swapped", golden.Closed, l.loss(n, d, 0.1, swapped), want)
		candidates := []float64{n, 2*n - 1}[i]
		golden.CheckValue(t, l.name+" collapsed", golden.Closed, l.loss(n, d, 0.1, equal), math.Log(candidates))
	}
}

// TestDirectCLRIsADiagonalProjector: the loss of the first d0 columns is the loss of
// r·diag(1,…,1,0,…,0), and its gradient beyond d0 is exactly zero.
func TestDirectCLRIsADiagonalProjector(t *testing.T) {
	const n, d, d0 = 5, 12, 4
	r := widened(golden.Uniform("representations", 2*n*d, 0, 1))
	masked := make([]float64, len(r))
	for i, v := range r {
		if i%d < d0 {
			masked[i] = v
		}
	}
	z, dz := make([]float64, 2*n*d0), make([]float64, 2*n*d0)
	dr, dmasked := make([]float64, len(r)), make([]float64, len(r))
	SliceColumns(2*n, d, 0, d0, z, r)
	golden.CheckValue(t, "loss", golden.Closed, InfoNCE(n, d0, 0.1, z), InfoNCE(n, d, 0.1, masked))
	InfoNCEGrad(n, d0, 0.1, dz, z, 1)
	SliceColumnsGrad(2*n, d, 0, d0, dr, dz)
	InfoNCEGrad(n, d, 0.1, dmasked, masked, 1)
	for i := range dmasked {
		if i%d >= d0 {
			dmasked[i] = 0 // the projector's own derivative
			golden.CheckValue(t, "gradient beyond d0", golden.Exact, dr[i], 0)
		}
	}
	golden.Check(t, "gradient", golden.Closed, dr, dmasked)
}

// TestLossesStayFinite: logits of ±10⁴ overflow an exponential that is not shifted.
func TestLossesStayFinite(t *testing.T) {
	z := widened(golden.Uniform("extreme", 6*4, -1, 1))
	for _, l := range losses {
		dz := make([]float64, len(z))
		l.grad(3, 4, 1e-4, dz, z, 1)
		for _, v := range append(dz, l.loss(3, 4, 1e-4, z)) {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Fatalf("%s at temperature 1e-4: %v", l.name, v)
			}
		}
	}
}

func widened(values []float32) []float64 {
	wide := make([]float64, len(values))
	for i, v := range values {
		wide[i] = float64(v)
	}
	return wide
}

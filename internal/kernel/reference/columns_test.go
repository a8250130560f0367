package reference

import (
	"math"
	"testing"

	"onnxclr/internal/golden"
)

// columnLoss is a loss of columns with its weights, in one type.
type columnLoss[T Float] struct {
	loss func(n, d int, z []T) float64
	grad func(n, d int, dz, z []T, upstream float64)
}

func barlowTwins[T Float](lambda, scale float64) columnLoss[T] {
	return columnLoss[T]{
		func(n, d int, z []T) float64 { return BarlowTwins(n, d, lambda, scale, z) },
		func(n, d int, dz, z []T, up float64) { BarlowTwinsGrad(n, d, lambda, scale, dz, z, up) },
	}
}

func vicReg[T Float](invariance, variance, covariance float64) columnLoss[T] {
	return columnLoss[T]{
		func(n, d int, z []T) float64 { return VICReg(n, d, invariance, variance, covariance, z) },
		func(n, d int, dz, z []T, up float64) {
			VICRegGrad(n, d, invariance, variance, covariance, dz, z, up)
		},
	}
}

// the losses of columns by the names the golden has for them.
var columnLosses = []struct {
	name string
	wide columnLoss[float64]
	in32 columnLoss[float32]
}{
	{"barlow_0.0051_1", barlowTwins[float64](0.0051, 1), barlowTwins[float32](0.0051, 1)},
	{"barlow_0.5_0.024", barlowTwins[float64](0.5, 0.024), barlowTwins[float32](0.5, 0.024)},
	{"vicreg_25_25_1", vicReg[float64](25, 25, 1), vicReg[float32](25, 25, 1)},
	{"vicreg_1_2_3", vicReg[float64](1, 2, 3), vicReg[float32](1, 2, 3)},
}

func TestColumnLosses(t *testing.T) {
	eachCase(t, "losses/columns.npz", "", func(t *testing.T, a arrays) {
		z := a["z"].F32
		n, d := a["z"].Shape[0]/2, a["z"].Shape[1]
		for _, l := range columnLosses {
			want, dwant := a[l.name+"/loss"].F64[0], a[l.name+"/dz"].F64
			wide, single := golden.Closed, golden.Reference
			if _, at := golden.MaxError(dwant, make([]float64, len(dwant))); math.Abs(dwant[at]) < 1e-12 {
				wide, single = golden.Zero, golden.Zero // equal rows: no direction is better
			}
			golden.CheckValue(t, l.name+" of float32", golden.Loss, l.in32.loss(n, d, z), want)
			golden.CheckValue(t, l.name, golden.Closed, l.wide.loss(n, d, widened(z)), want)
			dz, dz64 := filled[float32](len(z)), filled[float64](len(z))
			l.in32.grad(n, d, dz, z, 1)
			l.wide.grad(n, d, dz64, widened(z), 1)
			golden.Check(t, l.name+" dz of float32", single, dz, dwant)
			golden.Check(t, l.name+" dz", wide, dz64, dwant)
			l.wide.grad(n, d, dz64, widened(z), -2.5)
			for i := range dz64 {
				dz64[i] /= -2.5
			}
			golden.Check(t, l.name+" dz with a gradient of −2.5 from above", wide, dz64, dwant)
		}
	})
}

func TestColumnLossDifferences(t *testing.T) {
	const n, d = 7, 5
	z := widened(golden.Uniform("columns", 2*n*d, -1.5, 1.5)) // variances on both sides of 1
	for _, l := range columnLosses {
		dz := make([]float64, len(z))
		l.wide.grad(n, d, dz, z, 1)
		golden.CheckGradient(t, l.name, func() float64 { return l.wide.loss(n, d, z) }, z, dz)
	}
}

// TestColumnLossInvariants: neither loss sees the order of the images or of the
// columns, the views' order or what is added to a column of a view; Barlow Twins does
// not see the scale of a column either, but for its epsilon.
func TestColumnLossInvariants(t *testing.T) {
	const n, d = 6, 4
	z := widened(golden.Uniform("columns", 2*n*d, -1, 1))
	change := func(f func(view, i, j int) float64) []float64 {
		y := make([]float64, len(z))
		for k := range y {
			y[k] = f(k/(n*d), k/d%n, k%d)
		}
		return y
	}
	at := func(view, i, j int) float64 { return z[view*n*d+i*d+j] }
	shifted := change(func(view, i, j int) float64 { return at(view, i, j) + float64(3*j) })
	apart := change(func(view, i, j int) float64 { return at(view, i, j) + float64(view+j) })
	images := change(func(view, i, j int) float64 { return at(view, (i+1)%n, j) })
	columns := change(func(view, i, j int) float64 { return at(view, i, (j+1)%d) })
	views := change(func(view, i, j int) float64 { return at(1-view, i, j) })
	for k, l := range columnLosses {
		want := l.wide.loss(n, d, z)
		for name, y := range map[string][]float64{"shifted": shifted, "images": images, "columns": columns, "views": views} {
			golden.CheckValue(t, l.name+" "+name, golden.Closed, l.wide.loss(n, d, y), want)
		}
		if k < 2 {
			golden.CheckValue(t, l.name+" apart", golden.Closed, l.wide.loss(n, d, apart), want)
		}
	}
	big := change(func(view, i, j int) float64 { return 1e8 * at(view, i, j) })
	bigger := change(func(view, i, j int) float64 { return 1e8 * float64(j+1) * at(view, i, j) })
	golden.CheckValue(t, "Barlow Twins scaled", golden.Closed, BarlowTwins(n, d, 0.1, 1, bigger), BarlowTwins(n, d, 0.1, 1, big))
}

// TestColumnLossesInClosedForm: views that are equal, with columns that are the
// characters of a group and so uncorrelated, leave nothing of either loss; when all
// rows are equal, Barlow Twins is D and VICReg what its variances fall short of 1.
func TestColumnLossesInClosedForm(t *testing.T) {
	const n, d = 8, 7
	perfect := make([]float64, 2*n*d)
	for k := range perfect {
		row, column := k/d%n, k%d+1
		perfect[k] = 1e6
		for b := row & column; b > 0; b &= b - 1 { // parity of the common bits
			perfect[k] = -perfect[k]
		}
	}
	golden.CheckValue(t, "Barlow Twins of uncorrelated columns", golden.Zero, BarlowTwins(n, d, 1, 1, perfect), 0)
	golden.CheckValue(t, "VICReg of uncorrelated columns", golden.Zero, VICReg(n, d, 25, 25, 1, perfect), 0)
	equal := make([]float64, 2*n*d)
	for k := range equal {
		equal[k] = float64(k % d)
	}
	golden.CheckValue(t, "Barlow Twins of equal rows", golden.Closed, BarlowTwins(n, d, 1, 2, equal), 2*d)
	golden.CheckValue(t, "VICReg of equal rows", golden.Closed, VICReg(n, d, 25, 25, 1, equal), 25*0.99)
}

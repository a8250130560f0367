package reference

import (
	"testing"

	"onnxclr/internal/golden"
)

func TestBatchNormTrain(t *testing.T) {
	eachCase(t, "ops/batchnorm_train.npz", "", func(t *testing.T, a arrays) {
		t.Run("float64", func(t *testing.T) { testBatchNormTrain[float64](t, a) })
		if s := a["shape"].Ints(); s[1]/s[0]*s[3] == 2 {
			return // x̂ is ±1 whatever x is; dx is what eps leaves of nothing
		}
		t.Run("float32", func(t *testing.T) { testBatchNormTrain[float32](t, a) })
	})
}

func testBatchNormTrain[T Float](t *testing.T, a arrays) {
	s := a["shape"].Ints()
	views, n, c, hw, eps := s[0], s[1], s[2], s[3], a["eps"].F64[0]
	x, gamma, beta, dy := of[T](a, "x"), of[T](a, "gamma"), of[T](a, "beta"), of[T](a, "dy")
	stats, sums := filled[T](2*views*c), filled[T](2*views*c)
	y, dx, dgamma, dbeta := filled[T](len(x)), filled[T](len(x)), filled[T](c), filled[T](c)

	BatchStats(views, n, c, hw, stats, x)
	BatchNorm(views, n, c, hw, eps, y, x, stats, gamma, beta)
	agree(t, "y", y, a["y"])

	BatchNormGradSums(views, n, c, hw, eps, sums, x, stats, dy)
	BatchNormGradInput(views, n, c, hw, eps, dx, x, stats, gamma, dy, sums)
	GroupSum(views, c, 1, dgamma, sums)
	GroupSum(views, c, 0, dbeta, sums)
	agree(t, "dx", dx, a["dx"])
	agree(t, "dgamma", dgamma, a["dgamma"])
	agree(t, "dbeta", dbeta, a["dbeta"])

	mean, variance := of[T](a, "mean0"), of[T](a, "var0")
	UpdateRunning(views, c, n/views*hw, a["momentum"].F64[0], mean, variance, stats)
	agree(t, "running mean", mean, a["mean1"])
	agree(t, "running variance", variance, a["var1"])
}

// TestRunningVarianceIsUnbiased: two values, 0 and 2, have biased variance 1 and
// unbiased variance 2; normalisation uses the first, the running variance the second.
func TestRunningVarianceIsUnbiased(t *testing.T) {
	stats, y := make([]float64, 2), make([]float64, 2)
	x := []float64{0, 2}
	BatchStats(1, 2, 1, 1, stats, x)
	golden.Check(t, "mean and biased variance", golden.Exact, stats, []float64{1, 1})
	BatchNorm(1, 2, 1, 1, 0, y, x, stats, []float64{1}, []float64{0})
	golden.Check(t, "y", golden.Closed, y, []float64{-1, 1})
	mean, variance := []float64{0}, []float64{1}
	UpdateRunning(1, 1, 2, 0.25, mean, variance, stats)
	golden.CheckValue(t, "running mean", golden.Closed, mean[0], 0.25)
	golden.CheckValue(t, "running variance", golden.Closed, variance[0], 0.75+0.25*2)
}

func TestBatchNormTrainDifferences(t *testing.T) {
	eachCase(t, "ops/batchnorm_train.npz", "train", func(t *testing.T, a arrays) {
		s := a["shape"].Ints()
		views, n, c, hw, eps := s[0], s[1], s[2], s[3], a["eps"].F64[0]
		x, gamma, beta, dy := of[float64](a, "x"), of[float64](a, "gamma"), of[float64](a, "beta"), of[float64](a, "dy")
		stats, sums, y := make([]float64, 2*views*c), make([]float64, 2*views*c), make([]float64, len(x))
		dx, dgamma, dbeta := make([]float64, len(x)), make([]float64, c), make([]float64, c)
		f := func() float64 {
			BatchStats(views, n, c, hw, stats, x)
			BatchNorm(views, n, c, hw, eps, y, x, stats, gamma, beta)
			return weighted(y, dy)
		}
		f()
		BatchNormGradSums(views, n, c, hw, eps, sums, x, stats, dy)
		BatchNormGradInput(views, n, c, hw, eps, dx, x, stats, gamma, dy, sums)
		GroupSum(views, c, 1, dgamma, sums)
		GroupSum(views, c, 0, dbeta, sums)
		golden.CheckGradient(t, "dx", f, x, dx)
		golden.CheckGradient(t, "dgamma", f, gamma, dgamma)
		golden.CheckGradient(t, "dbeta", f, beta, dbeta)
	})
}

func TestBatchNormEval(t *testing.T) {
	eachCase(t, "ops/batchnorm_eval.npz", "", func(t *testing.T, a arrays) {
		t.Run("float32", func(t *testing.T) { testBatchNormEval[float32](t, a) })
		t.Run("float64", func(t *testing.T) { testBatchNormEval[float64](t, a) })
	})
}

func testBatchNormEval[T Float](t *testing.T, a arrays) {
	s := a["shape"].Ints()
	n, c, hw, eps := s[1], s[2], s[3], a["eps"].F64[0]
	x, gamma, beta, dy := of[T](a, "x"), of[T](a, "gamma"), of[T](a, "beta"), of[T](a, "dy")
	stats := append(of[T](a, "mean"), of[T](a, "var")...)
	y, dx, sums, dgamma, dbeta := filled[T](len(x)), filled[T](len(x)), filled[T](2*c), filled[T](c), filled[T](c)
	BatchNorm(1, n, c, hw, eps, y, x, stats, gamma, beta)
	FrozenBatchNormGradInput(n, c, hw, eps, dx, stats, gamma, dy)
	BatchNormGradSums(1, n, c, hw, eps, sums, x, stats, dy)
	GroupSum(1, c, 1, dgamma, sums)
	GroupSum(1, c, 0, dbeta, sums)
	agree(t, "y", y, a["y"])
	agree(t, "dx", dx, a["dx"])
	agree(t, "dgamma", dgamma, a["dgamma"])
	agree(t, "dbeta", dbeta, a["dbeta"])
}

func TestBatchNormEvalDifferences(t *testing.T) {
	eachCase(t, "ops/batchnorm_eval.npz", "", func(t *testing.T, a arrays) {
		s := a["shape"].Ints()
		n, c, hw, eps := s[1], s[2], s[3], a["eps"].F64[0]
		x, gamma, beta, dy := of[float64](a, "x"), of[float64](a, "gamma"), of[float64](a, "beta"), of[float64](a, "dy")
		stats := append(of[float64](a, "mean"), of[float64](a, "var")...)
		y, dx, sums := make([]float64, len(x)), make([]float64, len(x)), make([]float64, 2*c)
		f := func() float64 {
			BatchNorm(1, n, c, hw, eps, y, x, stats, gamma, beta)
			return weighted(y, dy)
		}
		FrozenBatchNormGradInput(n, c, hw, eps, dx, stats, gamma, dy)
		BatchNormGradSums(1, n, c, hw, eps, sums, x, stats, dy)
		golden.CheckGradient(t, "dx", f, x, dx)
		golden.CheckGradient(t, "dgamma", f, gamma, sums[c:])
		golden.CheckGradient(t, "dbeta", f, beta, sums[:c])
	})
}

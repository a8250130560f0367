package theory

import "math"

// Threshold returns the strength of augmentation, as variance of x′−x in a direction,
// above which that direction collapses: twice the data's variance in it, which is the
// mean of (xᵢ−xⱼ)² over pairs. It is where X = Σ̂₀ − Σ̂₁ changes sign while the weights
// are small and all α equal; only x′ is augmented. (Lemma 2 and theorem 1 with α = 1/N.)
func Threshold(variance float64) float64 { return 2 * variance }

// EarlyRate returns the rate at which a singular value of a single layer grows while
// the weights are small: σ(t) = σ(0)·exp(rate·t), t the learning rate times the steps,
// in a direction of this data variance and augmentation variance, with batches of n.
func EarlyRate(variance, augmentation float64, n int) float64 {
	return (2*variance - augmentation) * (1 - 1/float64(n))
}

// TwoLayers returns the singular value σ₁(t) of the first of two aligned linear layers
// under a fixed X, whose quadratic form in that direction is lambda, from σ₁(0) and
// σ₂(0) (theorem 3): with u = σ₁² and the conserved C = σ₁² − σ₂²,
//
//	u(t) = C / (1 − (1 − C/u₀) e^{2λCt})    or, for C = 0,   u₀/(1 − 2λu₀t)
//
// It grows without bound in finite time where lambda is positive, and is +Inf from
// then on. (The paper's σ₁² = σ₂² + C makes its equation σ̇₁ = σ₁(σ₁² − C)λ.)
func TwoLayers(sigma1, sigma2, lambda, t float64) float64 {
	u0, c := sigma1*sigma1, sigma1*sigma1-sigma2*sigma2
	if u0 == 0 {
		return 0
	}
	x := 2 * lambda * c * t
	growth := 1.0 // (e^x − 1)/x
	if x != 0 {
		growth = math.Expm1(x) / x
	}
	u := u0 / (math.Exp(x) - 2*lambda*t*u0*growth) // the same, without 0/0
	if u < 0 || math.IsNaN(u) {
		return math.Inf(1)
	}
	return math.Sqrt(u)
}

package train

import (
	"fmt"

	"onnxclr/importer/weights"
	"onnxclr/internal/kernel"
)

// Param is a parameter as an optimizer sees it.
type Param struct {
	Name  string
	Shape []int
	Value []float32 // updated in place
}

// Optimizer updates parameters in place. Its state is keyed by parameter name, so
// that it survives in a file.
type Optimizer interface {
	// Step moves params[i] by its gradient scale·grads[i], which is only read. The
	// parameters are the same, in the same order, at every step; a learning rate
	// of 0 still feeds the moving sums. scale is above 0; see ClipScale.
	Step(params []Param, grads [][]float32, lr, scale float64)
	// State returns the state as tensors that a file can hold, in the order of
	// the parameters: nothing before the first step.
	State() []*weights.Tensor
	// SetState takes what State returned, for the same parameters. It fails when
	// a parameter's tensor is missing or mis-shaped, or one is left over.
	SetState(params []Param, state []*weights.Tensor) error
}

// newOptimizer returns the recipe's.
func newOptimizer(r *Recipe, pool *kernel.Pool) Optimizer {
	rules := r.rules()
	switch r.Optimizer {
	case "lars":
		return &LARS{Pool: pool, Variant: r.LarsVariant, Momentum: r.Momentum, Eta: r.LarsEta, Rules: rules}
	case "adamw":
		return &AdamW{Pool: pool, Beta1: r.AdamBeta1, Beta2: r.AdamBeta2, Epsilon: r.AdamEps, Rules: rules}
	}
	return &SGD{Pool: pool, Momentum: r.Momentum, Nesterov: r.Nesterov, Rules: rules}
}

// movingSums returns how many numbers beside each trained value the recipe's
// optimizer keeps.
func movingSums(r *Recipe) int {
	if r.Optimizer == "adamw" {
		return 2
	}
	return 1
}

// clipEpsilon is torch.nn.utils.clip_grad_norm_'s.
const clipEpsilon = 1e-6

// ClipScale returns what gradients whose norm over all parameters is norm are
// multiplied by so that it is at most limit, as torch.nn.utils.clip_grad_norm_:
// limit/(norm+1e-6), no more than 1. A limit of 0 means none.
func ClipScale(norm, limit float64) float64 {
	if limit == 0 {
		return 1
	}
	return min(limit/(norm+clipEpsilon), 1)
}

// is1D reports whether a parameter is a bias or belongs to a normalisation, which
// the published LARS neither decays nor scales: it has one dimension.
func (p Param) is1D() bool { return len(p.Shape) == 1 }

// poolOr returns a pool of the caller's goroutine alone when there is none.
func poolOr(p *kernel.Pool) *kernel.Pool {
	if p == nil {
		return kernel.NewPool(1) // owns no goroutine
	}
	return p
}

// checkGroups returns an error unless every group has a parameter.
func checkGroups(groups []Group, params []Param) error {
	for i, g := range groups {
		found := false
		for _, p := range params {
			found = found || g.matches(p.Name)
		}
		if !found {
			return fmt.Errorf("parameter_groups[%d]: %q matches no trained parameter; they have names such as %q and %q", i, g.Match, params[0].Name, params[len(params)-1].Name)
		}
	}
	return nil
}

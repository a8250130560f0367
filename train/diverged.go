package train

import (
	"fmt"
	"math"

	"onnxclr/internal/graph"
	"onnxclr/internal/vm"
)

// DivergedError says that training left the finite numbers.
type DivergedError struct {
	Step  int     // from 0; the weights before it were finite
	Loss  float32 // of that step
	Where string  // what was the first not to be finite, in forward order
	// Checkpoint is the newest one from which at least one step was made; "" when there
	// is none.
	Checkpoint string
	Resumed    string // the one the run was continued from, if that was the very step
}

func (e *DivergedError) Error() string {
	text := fmt.Sprintf("training diverged at step %d: the loss is %v, and %s not finite", e.Step, e.Loss, e.Where)
	if e.Resumed != "" {
		text += fmt.Sprintf("; %s, which it was resumed from, does not survive a step", e.Resumed)
	}
	advice := "; try a lower lr or a longer warm-up"
	switch {
	case e.Checkpoint != "" && e.Resumed != "":
		text += fmt.Sprintf("; the last good checkpoint is %s, remove the newer one to go back to it", e.Checkpoint)
	case e.Checkpoint != "":
		text += "; the last good checkpoint is " + e.Checkpoint
		advice += ", in a new run or from there (--resume --accept-changes --lr …)"
	}
	return text + advice
}

// notFinite names the first layer, in forward order, that shows a value that is not
// finite: in the statistics of its input, which tell where the forward pass broke,
// or else in a parameter's gradient.
func (l *learner) notFinite(grads [][]float32) string {
	if where := brokenNorm(l.program, l.machine); where != "" && l.micro == nil {
		return where
	}
	for i, p := range l.params {
		if notFinite(grads[i]) >= 0 {
			return fmt.Sprintf("the gradient of %q is the first, in forward order, that is", p.Name)
		}
	}
	return "only the loss is"
}

// brokenNorm names the first batch normalisation whose statistics are not finite, "" if
// all are.
func brokenNorm(p *graph.Program, m *vm.Machine) string {
	for _, n := range p.Norms {
		if notFinite(m.Values(n.Stats)) >= 0 {
			return fmt.Sprintf("the input of batch normalisation %q is the first in the forward pass that is", n.Name)
		}
	}
	return ""
}

// checkFinite fails unless all that a checkpoint holds is finite: a last step can
// leave weights that the next one would stumble over.
func (l *learner) checkFinite() error {
	for _, p := range l.params {
		if notFinite(p.Value) >= 0 {
			return l.broken(fmt.Sprintf("parameter %q, after the update, is", p.Name))
		}
	}
	for _, n := range l.program.Norms {
		if notFinite(n.Mean) >= 0 || notFinite(n.Var) >= 0 {
			return l.broken(fmt.Sprintf("the running statistics of %q are", n.Name))
		}
	}
	return nil
}

func (l *learner) broken(where string) error {
	return &DivergedError{Step: l.step - 1, Loss: float32(math.NaN()), Where: where}
}

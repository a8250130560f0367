package train

import (
	"fmt"
	"strings"

	"onnxclr/importer/onnx"
)

// frozen says which parameters of a model the recipe leaves as they are: all of the
// modules in freeze (PyTorch's requires_grad False together with eval() of them), and
// with freeze_bn those of the encoder's batch normalisations (torchvision's
// FrozenBatchNorm2d). A module that has no parameter is an error. What the head has fixed is
// never trained.
func frozen(r *Recipe, g *onnx.Graph) (func(parameter string) bool, error) {
	var modules []string
	if r.Freeze != "" {
		for _, name := range strings.Split(r.Freeze, ",") {
			modules = append(modules, strings.TrimSpace(name))
		}
	}
	of := func(module, parameter string) bool {
		return module != "" && (parameter == module || strings.HasPrefix(parameter, module+"."))
	}
	for _, module := range modules {
		found := false
		var top []string // what could have been meant
		for _, t := range g.Initializers {
			found = found || of(module, t.Name)
			if name, _, ok := strings.Cut(t.Name, "."); ok && t.DType.IsFloat() && (len(top) == 0 || top[len(top)-1] != name) {
				top = append(top, name)
			}
		}
		if !found {
			return nil, fmt.Errorf("freeze names %q, of which the model has no parameter; its modules are %s", module, strings.Join(top, ", "))
		}
	}
	fixed := map[string]bool{}
	for _, n := range g.Nodes {
		if r.FreezeBN && n.OpType == "BatchNormalization" && n.Standard() && !of("projector", n.Input(1)) {
			fixed[n.Input(1)], fixed[n.Input(2)] = true, true
		}
	}
	if r.FreezeBN && len(fixed) == 0 {
		return nil, fmt.Errorf("freeze_bn: the model has no BatchNormalization outside the projector")
	}
	for _, name := range r.Head().Fixed() {
		fixed[name] = true
	}
	return func(parameter string) bool {
		for _, module := range modules {
			if of(module, parameter) {
				return true
			}
		}
		return fixed[parameter]
	}, nil
}

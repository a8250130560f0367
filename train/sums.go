package train

import (
	"fmt"
	"slices"

	"onnxclr/importer/weights"
)

// sums are the moving sums that an optimizer keeps, one or several for every
// parameter.
type sums struct {
	params []Param
	rules  []rule
	buffer [][][]float32 // by name, parameter
}

// start allocates zeros for params, one for each name, unless that has been done.
func (s *sums) start(names []string, params []Param, rules *Rules) {
	if s.buffer == nil {
		s.params, s.buffer = slices.Clone(params), make([][][]float32, len(names))
		for k := range names {
			s.buffer[k] = make([][]float32, len(params))
			for i, p := range params {
				s.buffer[k][i] = make([]float32, len(p.Value))
			}
		}
	}
	if s.rules == nil {
		for _, p := range params {
			s.rules = append(s.rules, rules.of(p))
		}
	}
}

// state is NAME.SUM for every parameter and sum.
func (s *sums) state(names []string) []*weights.Tensor {
	var ts []*weights.Tensor
	for i, p := range s.params {
		for k, name := range names {
			ts = append(ts, weights.FromFloat32(p.Name+"."+name, p.Shape, s.buffer[k][i]))
		}
	}
	return ts
}

func (s *sums) setState(names []string, params []Param, state []*weights.Tensor) error {
	if len(state) == 0 {
		*s = sums{}
		return nil
	}
	byName := map[string]*weights.Tensor{}
	for _, t := range state {
		byName[t.Name] = t
	}
	if want := len(names) * len(params); len(byName) != want || len(state) != want {
		return fmt.Errorf("optimizer state has %d tensors, want %d for each of %d parameters", len(state), len(names), len(params))
	}
	fresh := sums{params: slices.Clone(params), buffer: make([][][]float32, len(names))}
	for _, p := range params {
		for k, name := range names {
			t := byName[p.Name+"."+name]
			if t == nil {
				return fmt.Errorf("optimizer state has no tensor %q", p.Name+"."+name)
			}
			if t.DType != weights.Float32 || !slices.Equal(t.Shape, p.Shape) {
				return fmt.Errorf("optimizer state %q is %v %v, want float32 %v", t.Name, t.DType, t.Shape, p.Shape)
			}
			v, err := t.Float32s()
			if err != nil {
				return fmt.Errorf("optimizer state: %w", err)
			}
			fresh.buffer[k] = append(fresh.buffer[k], v)
		}
	}
	*s = fresh
	return nil
}

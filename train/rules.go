package train

import (
	"path"
	"strings"
)

// Group gives the parameters whose names match a pattern settings of their own.
type Group struct {
	Match       string   // pattern of names: * any characters, ? one, [abc] one of these
	LRFactor    float64  // multiplies the learning rate
	WeightDecay *float64 // nil: as the rest of the recipe says
	LARS        *bool    // whether LARS scales the rate; nil: as the rest of the recipe says
}

// matches reports whether the group takes the parameter of this name.
func (g Group) matches(name string) bool {
	ok, _ := path.Match(oneLevel(g.Match), oneLevel(name))
	return ok
}

// oneLevel turns slashes, which path.Match's * does not cross, into dots: in names,
// both separate modules.
func oneLevel(s string) string { return strings.ReplaceAll(s, "/", ".") }

// Rules say how each parameter is decayed and scaled. The first group that matches
// a parameter decides; what it leaves open, and all other parameters, follow
// WeightDecay and Exclude1D.
type Rules struct {
	WeightDecay float64
	Exclude1D   bool // no decay and no LARS scaling for parameters of one dimension
	Groups      []Group
}

// rule is what holds for one parameter.
type rule struct {
	factor float64 // of the learning rate
	decay  float64
	adapt  bool // LARS scales it
}

func (r *Rules) of(p Param) rule {
	out := rule{1, r.WeightDecay, true}
	if r.Exclude1D && p.is1D() {
		out.decay, out.adapt = 0, false
	}
	for _, g := range r.Groups {
		if !g.matches(p.Name) {
			continue
		}
		out.factor = g.LRFactor
		if g.WeightDecay != nil {
			out.decay = *g.WeightDecay
		}
		if g.LARS != nil {
			out.adapt = *g.LARS
		}
		break
	}
	return out
}

func (r *Recipe) rules() Rules {
	return Rules{WeightDecay: r.WeightDecay, Exclude1D: r.ExcludeNorm, Groups: r.Groups}
}

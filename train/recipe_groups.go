package train

import (
	"errors"
	"fmt"
	"math"
	"path"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

var groupsType = reflect.TypeFor[[]Group]()

// groupKeys are the keys of one of parameter_groups.
var groupKeys = []string{"match", "lr_factor", "weight_decay", "lars"}

// String is the group as YAML in a line.
func (g Group) String() string {
	out := "{match: " + strconv.Quote(g.Match)
	if g.LRFactor != 1 {
		out += ", lr_factor: " + number(g.LRFactor)
	}
	if g.WeightDecay != nil {
		out += ", weight_decay: " + number(*g.WeightDecay)
	}
	if g.LARS != nil {
		out += fmt.Sprintf(", lars: %v", *g.LARS)
	}
	return out + "}"
}

// readGroups reads a YAML list of groups, or the text of one as a flag has it.
func readGroups(key string, n *yaml.Node) ([]Group, error) {
	const want = "want a list such as [{match: \"projector.*\", lr_factor: 10}]"
	if n.Kind == yaml.ScalarNode {
		if n.Value == "" {
			return nil, fmt.Errorf("%s has no value, %s", key, want)
		}
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(n.Value), &doc); err != nil || len(doc.Content) != 1 || doc.Content[0].Kind == yaml.ScalarNode {
			return nil, fmt.Errorf("%s is %q, %s", key, n.Value, want)
		}
		clearLines(doc.Content[0])
		n = doc.Content[0]
	}
	if n.Kind != yaml.SequenceNode {
		return nil, fmt.Errorf("%s is a %s, %s", key, kindName(n.Kind), want)
	}
	var groups []Group
	var errs []error
	for i, item := range n.Content {
		g := Group{LRFactor: 1}
		fail := func(line int, format string, a ...any) {
			errs = append(errs, &lineError{line, fmt.Errorf("%s[%d]%s", key, i, fmt.Sprintf(format, a...))})
		}
		if item.Kind == yaml.AliasNode {
			item = item.Alias
		}
		if item.Kind != yaml.MappingNode {
			fail(item.Line, " is a %s, want a mapping with %s", kindName(item.Kind), strings.Join(groupKeys, ", "))
			continue
		}
		seen := map[string]bool{}
		for j := 0; j+1 < len(item.Content); j += 2 {
			k, v := item.Content[j], item.Content[j+1]
			if seen[k.Value] {
				fail(k.Line, " has %s twice", k.Value)
			}
			seen[k.Value] = true
			if err := g.set(k.Value, v); err != nil {
				fail(v.Line, "%s", err)
			}
		}
		if !seen["match"] {
			fail(item.Line, " has no match, want the names it is for")
		}
		groups = append(groups, g)
	}
	return groups, errors.Join(errs...)
}

// clearLines forgets the lines of a text that is none of a file.
func clearLines(n *yaml.Node) {
	n.Line = 0
	for _, c := range n.Content {
		clearLines(c)
	}
}

// set gives a key of the group its value. Its errors follow "parameter_groups[0]".
func (g *Group) set(key string, n *yaml.Node) error {
	scalar := n.Kind == yaml.ScalarNode && n.ShortTag() != "!!null"
	switch key {
	case "match":
		if _, err := path.Match(n.Value, ""); err != nil || n.Value == "" || n.Kind != yaml.ScalarNode {
			return fmt.Errorf(".match is %q, want a pattern of parameter names such as projector.*", n.Value)
		}
		g.Match = n.Value
	case "lr_factor", "weight_decay":
		x, err := strconv.ParseFloat(n.Value, 64)
		if err != nil || !scalar {
			return fmt.Errorf(".%s is %q, want a number", key, n.Value)
		}
		if key == "lr_factor" {
			g.LRFactor = x
		} else {
			g.WeightDecay = &x
		}
	case "lars":
		if n.Value != "true" && n.Value != "false" || !scalar {
			return fmt.Errorf(".lars is %q, want true or false", n.Value)
		}
		on := n.Value == "true"
		g.LARS = &on
	default:
		return fmt.Errorf(" has an unknown key %q%s", key, meant(key, map[string]string{"lr": "lr_factor", "name": "match", "pattern": "match", "wd": "weight_decay"}, groupKeys))
	}
	return nil
}

// groupProblems are what is out of range or contradictory in parameter_groups.
func (r *Recipe) groupProblems() (ps []problem) {
	add := func(i int, format string, a ...any) {
		ps = append(ps, problem{fmt.Sprintf("parameter_groups[%d]", i), fmt.Sprintf(format, a...)})
	}
	for i, g := range r.Groups {
		if !(g.LRFactor > 0 && g.LRFactor <= 1e6) {
			add(i, "has lr_factor %s, want a number greater than 0, up to 1000000 (freeze holds parameters still)", number(g.LRFactor))
		}
		if d := g.WeightDecay; d != nil && (math.IsNaN(*d) || *d < 0 || *d >= 1) {
			add(i, "has weight_decay %s, want a number from 0 up to, not including, 1", number(*d))
		}
		if g.LARS != nil && r.Optimizer != "lars" {
			add(i, "sets lars, but the optimizer is %s", r.Optimizer)
		}
	}
	return ps
}

package train

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"onnxclr/importer"
)

// Setting is one key of a recipe with its value and where it was written:
// "recipe.yaml:12" or "--lr".
type Setting struct {
	Key   string
	Value *yaml.Node
	Where string
}

// A recipe of a few hundred lines is long; this bounds what is read of a file
// that is not one.
const maxRecipeBytes = 1 << 20

// ReadRecipe returns the settings of a YAML file in their order.
func ReadRecipe(path string) ([]Setting, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxRecipeBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return ParseRecipe(path, src)
}

// ParseRecipe is ReadRecipe on bytes; name stands for the file in messages. It
// fails on bad YAML, on more than one document, on anything but a mapping and on
// a key given twice. Unknown keys are Resolve's business.
func ParseRecipe(name string, src []byte) (settings []Setting, err error) {
	if len(src) > maxRecipeBytes {
		return nil, fmt.Errorf("%s: larger than %d bytes, not a recipe", name, maxRecipeBytes)
	}
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var doc yaml.Node
	if err := dec.Decode(&doc); err == io.EOF {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var second yaml.Node
	if dec.Decode(&second) != io.EOF {
		return nil, fmt.Errorf("%s: more than one YAML document, want one recipe", name)
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		if len(doc.Content) == 1 && doc.Content[0].ShortTag() == "!!null" {
			return nil, nil // a file of comments
		}
		return nil, fmt.Errorf("%s:%d: want \"key: value\" lines", name, doc.Line)
	}
	top := doc.Content[0]
	seen := map[string]int{}
	var errs []error
	for i := 0; i+1 < len(top.Content); i += 2 {
		k, v := top.Content[i], top.Content[i+1]
		if line, dup := seen[k.Value]; dup {
			errs = append(errs, fmt.Errorf("%s:%d: %s is given twice, first in line %d", name, k.Line, k.Value, line))
			continue
		}
		seen[k.Value] = k.Line
		settings = append(settings, Setting{k.Value, v, fmt.Sprintf("%s:%d", name, k.Line)}.today()...)
	}
	return settings, errors.Join(errs...)
}

// today returns the setting by the keys of today: runs of before have projector_norm.
func (s Setting) today() []Setting {
	if s.Key != "projector_norm" {
		return []Setting{s}
	}
	value := *s.Value
	switch value.Value {
	case "true":
		value.Value = importer.LayersAll
	case "false":
		value.Value = importer.LayersHidden
	}
	return []Setting{{"projector_batchnorm", &value, s.Where}, {"projector_bias", &value, s.Where}}
}

// Flag returns the setting of a command-line flag, such as Flag("d0", "64").
func Flag(name, value string) Setting {
	key := strings.ReplaceAll(name, "-", "_")
	return Setting{key, &yaml.Node{Kind: yaml.ScalarNode, Value: value}, "--" + name}
}

// Resolve lays settings over the defaults of the method they choose (simclr if
// none does); of equal keys the last wins. The warnings name settings that have
// no effect. The error joins everything wrong, each with where it was written:
// unknown keys with the nearest known one, wrong types, and what Validate finds.
func Resolve(settings ...Setting) (Recipe, []string, error) {
	method := "simclr"
	for _, s := range settings {
		if s.Key == "method" && slices.Contains(choices["method"], s.Value.Value) {
			method = s.Value.Value
		}
	}
	r := Defaults(method)
	var errs []error
	where := map[string]string{}
	broken := map[string]bool{}
	v := reflect.ValueOf(&r).Elem()
	for _, s := range settings {
		if err := setField(v, s.Key, s.Value); err != nil {
			errs = append(errs, located(s, err)...)
			broken[s.Key] = true
			continue
		}
		where[s.Key] = s.Where
	}
	if at, given := where["lr"]; given && r.LR == 0 {
		errs = append(errs, fmt.Errorf("%s: lr is 0, want a number greater than 0 (leave it out for the default)", at))
	}
	// A flag is what somebody wants now, whatever a recipe counts in.
	for epochs, steps := range map[string]string{"epochs": "steps", "warmup_epochs": "warmup_steps"} {
		if strings.HasPrefix(where[epochs], "--") && !strings.HasPrefix(where[steps], "--") {
			field(v, steps).SetZero()
			delete(where, steps)
		}
	}
	r.Given = map[string]bool{}
	for key := range where {
		r.Given[key] = true
	}
	r.adapt()
	warnings := r.dropUnused(where)
	for _, p := range r.problems() {
		key, _, _ := strings.Cut(p.key, "[") // of an element
		if broken[key] {
			continue
		}
		text := p.key + " " + p.text
		if at, ok := where[key]; ok {
			text = at + ": " + text
		}
		if last := len(errs) - 1; last >= 0 && errs[last].Error() == text {
			continue // of both views
		}
		errs = append(errs, errors.New(text))
	}
	return r, warnings, errors.Join(errs...)
}

// dropUnused clears settings that the others leave without effect, so that equal
// runs have equal recipes, and names those that somebody wrote: not those of a recipe
// that a flag leaves without effect, as --steps does its epochs.
func (r *Recipe) dropUnused(where map[string]string) (warnings []string) {
	v := reflect.ValueOf(r).Elem()
	unused := r.unused()
	for _, key := range Keys() {
		because, ok := unused[key]
		if !ok {
			continue
		}
		field(v, key).SetZero()
		at, given := where[key]
		cause, _, _ := strings.Cut(because, " ")
		if flag := strings.HasPrefix(where[cause], "--") && !strings.HasPrefix(at, "--"); given && !flag {
			warnings = append(warnings, fmt.Sprintf("%s: %s has no effect with %s", at, key, because))
		}
	}
	return warnings
}

// located puts where a setting was written before each of its errors.
func located(s Setting, err error) []error {
	file := s.Where[:max(strings.LastIndexByte(s.Where, ':'), 0)]
	var errs []error
	for _, e := range unjoin(err) {
		var at *lineError
		if errors.As(e, &at) && at.line > 0 { // a flag has no line
			errs = append(errs, fmt.Errorf("%s:%d: %w", file, at.line, at.err))
			continue
		}
		errs = append(errs, fmt.Errorf("%s: %w", s.Where, e))
	}
	return errs
}

func unjoin(err error) []error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()
	}
	return []error{err}
}

package train

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// YAML returns the recipe as a commented file that ReadRecipe and Resolve turn
// into the same recipe. Settings without effect are left out.
func (r *Recipe) YAML() []byte {
	var out bytes.Buffer
	out.WriteString("# Every setting of a training run; \"onnxclr train --recipe\" repeats it.\n")
	v := reflect.ValueOf(*r)
	unused := r.unused()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if group := f.Tag.Get("group"); group != "" {
			fmt.Fprintf(&out, "\n# %s\n", group)
		}
		key := keyOf(f)
		if key == "-" || unused[key] != "" || (optional[key] && v.Field(i).IsZero()) {
			continue
		}
		fmt.Fprintf(&out, "%-40s # %s\n", key+": "+yamlValue(v.Field(i)), f.Tag.Get("note"))
	}
	return out.Bytes()
}

// binding returns the settings that can change a bit of the result, as YAML by key.
func (r *Recipe) binding() map[string]string {
	v := reflect.ValueOf(*r)
	unused, all := r.unused(), map[string]string{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key := keyOf(f)
		if key == "-" || f.Tag.Get("free") == "true" || unused[key] != "" || (optional[key] && v.Field(i).IsZero()) {
			continue
		}
		all[key] = yamlValue(v.Field(i))
	}
	return all
}

// fromBinding returns what binding returned as settings.
func fromBinding(name string, all map[string]string) ([]Setting, error) {
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&text, "%s: %s\n", key, all[key])
	}
	return ParseRecipe(name, []byte(text.String()))
}

// Keys whose zero value says that they are not set.
var optional = map[string]bool{"data": true, "views": true, "freeze": true, "freeze_bn": true, "lr": true, "projector_dim": true, "projector_hidden": true, "clip_gradient": true, "parameter_groups": true, "steps": true, "warmup_steps": true, "monitor_every": true, "monitor_data": true}

func yamlValue(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		b, err := yaml.Marshal(v.String())
		if err != nil || bytes.Count(b, []byte("\n")) != 1 {
			return strconv.Quote(v.String()) // a string of several lines
		}
		return strings.TrimSuffix(string(b), "\n")
	case reflect.Float64:
		return number(v.Float())
	case reflect.Slice:
		var items []string
		if groups, ok := v.Interface().([]Group); ok {
			for _, g := range groups {
				items = append(items, g.String())
			}
			return "[" + strings.Join(items, ", ") + "]"
		}
		for i := range v.Len() {
			items = append(items, number(v.Index(i).Float()))
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	return fmt.Sprint(v.Interface())
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// Difference is one setting that two recipes disagree on.
type Difference struct {
	Key  string
	A, B string // as YAML
	Free bool   // it cannot change a bit of the result
	// Built says that it went into the model when the run began; a checkpoint's model
	// has it for good.
	Built bool
}

func (d Difference) String() string { return fmt.Sprintf("%s is %s, was %s", d.Key, d.B, d.A) }

// Diff lists the settings in which b differs from a, in the order of Keys.
func Diff(a, b Recipe) []Difference {
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	var diffs []Difference
	for i := range va.NumField() {
		f := va.Type().Field(i)
		x, y := yamlValue(va.Field(i)), yamlValue(vb.Field(i))
		if keyOf(f) != "-" && x != y {
			diffs = append(diffs, Difference{keyOf(f), x, y, f.Tag.Get("free") == "true", f.Tag.Get("built") == "true"})
		}
	}
	return diffs
}

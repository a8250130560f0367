package train

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"onnxclr/internal/nearest"
)

// lineError is an error in a line of its own, such as one element of a list.
type lineError struct {
	line int
	err  error
}

func (e *lineError) Error() string { return e.err.Error() }
func (e *lineError) Unwrap() error { return e.err }

// Keys lists the keys of a recipe in the order in which they are written.
func Keys() []string {
	t := reflect.TypeFor[Recipe]()
	var keys []string
	for i := range t.NumField() {
		if key := keyOf(t.Field(i)); key != "-" {
			keys = append(keys, key)
		}
	}
	return keys
}

// Note returns what a key means, in a few words, or "" for an unknown key.
func Note(key string) string {
	t := reflect.TypeFor[Recipe]()
	for i := range t.NumField() {
		if keyOf(t.Field(i)) == key {
			return t.Field(i).Tag.Get("note")
		}
	}
	return ""
}

// Free reports whether a key cannot change a bit of the result: it may change when a run
// is resumed.
func Free(key string) bool {
	t := reflect.TypeFor[Recipe]()
	for i := range t.NumField() {
		if keyOf(t.Field(i)) == key {
			return t.Field(i).Tag.Get("free") == "true"
		}
	}
	return false
}

// Kind returns what a key takes: "text", "bool", "int", "number", "numbers" or
// "groups"; "" for an unknown key.
func Kind(key string) string {
	f := field(reflect.ValueOf(Recipe{}), key)
	if f.IsValid() && f.Type() == groupsType {
		return "groups"
	}
	switch f.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "bool"
	case reflect.Int, reflect.Uint64:
		return "int"
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		return "numbers"
	}
	return ""
}

func keyOf(f reflect.StructField) string { return f.Tag.Get("yaml") }

// field returns the field of key in the recipe v, invalid when there is none.
func field(v reflect.Value, key string) reflect.Value {
	for i := range v.NumField() {
		if keyOf(v.Type().Field(i)) == key && key != "-" {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

// setField gives the key of a recipe v the value of a YAML node. Its errors say
// what was found and what is wanted; they do not say where, except a lineError.
func setField(v reflect.Value, key string, n *yaml.Node) error {
	f := field(v, key)
	if !f.IsValid() {
		return fmt.Errorf("unknown key %q%s", key, didYouMean(key))
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if f.Type() == groupsType {
		groups, err := readGroups(key, n)
		if err == nil {
			f.Set(reflect.ValueOf(groups))
		}
		return err
	}
	if f.Kind() == reflect.Slice {
		list, err := numberList(key, n)
		if err == nil {
			f.Set(reflect.ValueOf(list))
		}
		return err
	}
	if n.Kind != yaml.ScalarNode {
		return fmt.Errorf("%s is a %s, want %s", key, kindName(n.Kind), wanted(f.Kind()))
	}
	if n.ShortTag() == "!!null" && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 && f.Kind() != reflect.String {
		return fmt.Errorf("%s has no value, want %s", key, wanted(f.Kind()))
	}
	text := n.Value
	var err error
	switch f.Kind() {
	case reflect.String:
		if n.ShortTag() == "!!null" {
			text = ""
		}
		f.SetString(text)
	case reflect.Bool:
		switch text {
		case "true", "false":
			f.SetBool(text == "true")
		default:
			err = errors.New("")
		}
	case reflect.Int:
		var i int64
		if i, err = strconv.ParseInt(text, 10, strconv.IntSize); err == nil {
			f.SetInt(i)
		}
	case reflect.Uint64:
		var u uint64
		if u, err = strconv.ParseUint(text, 10, 64); err == nil {
			f.SetUint(u)
		}
	case reflect.Float64:
		var x float64
		if x, err = strconv.ParseFloat(text, 64); err == nil {
			f.SetFloat(x)
		}
	}
	if err != nil {
		return fmt.Errorf("%s is %q, want %s", key, text, wanted(f.Kind()))
	}
	return nil
}

// numberList reads a YAML list of numbers, or numbers with commas between them as
// a flag has them.
func numberList(key string, n *yaml.Node) ([]float64, error) {
	items := n.Content
	switch {
	case n.Kind == yaml.ScalarNode && n.Value == "":
		return nil, fmt.Errorf("%s has no value, want a list of numbers", key)
	case n.Kind == yaml.ScalarNode:
		items = nil
		for _, s := range strings.Split(n.Value, ",") {
			items = append(items, &yaml.Node{Kind: yaml.ScalarNode, Value: strings.TrimSpace(s), Line: n.Line})
		}
	case n.Kind != yaml.SequenceNode:
		return nil, fmt.Errorf("%s is a %s, want a list of numbers", key, kindName(n.Kind))
	}
	list := make([]float64, 0, len(items))
	var errs []error
	for i, item := range items {
		x, err := strconv.ParseFloat(item.Value, 64)
		if err != nil || item.Kind != yaml.ScalarNode {
			errs = append(errs, &lineError{item.Line, fmt.Errorf("%s[%d] is %q, want a number", key, i, item.Value)})
		}
		list = append(list, x)
	}
	return list, errors.Join(errs...)
}

func kindName(k yaml.Kind) string {
	switch k {
	case yaml.SequenceNode:
		return "list"
	case yaml.MappingNode:
		return "mapping"
	}
	return "value of another kind"
}

func wanted(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return "one value"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Uint64:
		return "a whole number from 0"
	}
	return "a number"
}

// What other tools call our keys.
var otherNames = map[string]string{
	"learning_rate": "lr", "base_lr": "lr", "batch_size": "batch", "wd": "weight_decay", "tau": "temperature",
	"dim": "d0", "mode": "method", "img_size": "image_size", "size": "image_size", "lr_schedule": "schedule",
	"trust_coefficient": "lars_eta", "eta": "lars_eta", "num_workers": "workers", "max_epochs": "epochs",
	"adam_betas": "adam_beta1", "beta1": "adam_beta1", "beta2": "adam_beta2", "eps": "adam_eps", "epsilon": "adam_eps",
	"clip_grad": "clip_gradient", "gradient_clip_val": "clip_gradient", "clip_grad_norm": "clip_gradient", "max_grad_norm": "clip_gradient",
	"param_groups": "parameter_groups", "groups": "parameter_groups", "scale_lr": "lr_scaling",
	"max_steps": "steps", "opt": "optimizer", "nesterov_momentum": "nesterov",
}

// OtherName returns the key that other tools call by this name, with dashes or
// underscores, or "".
func OtherName(name string) string { return otherNames[strings.ReplaceAll(name, "-", "_")] }

// didYouMean names the known key nearest to an unknown one, when one is near.
func didYouMean(key string) string { return meant(key, otherNames, Keys()) }

func meant(key string, others map[string]string, known []string) string {
	key = strings.ToLower(strings.ReplaceAll(key, "-", "_"))
	near := others[key]
	if near == "" {
		near = nearest.To(key, known, min(3, len(key)))
	}
	if near == "" {
		return "; known are " + strings.Join(known, ", ")
	}
	return fmt.Sprintf("; did you mean %q?", near)
}

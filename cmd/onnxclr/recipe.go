package main

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"

	"onnxclr/train"
)

type recipeOptions struct {
	resolved, asJSON bool
}

var recipeVerb = &verb{
	name:    "recipe",
	args:    "list | show RECIPE | diff RECIPE RECIPE",
	summary: "list, show and compare recipes of training",
	about: `
A RECIPE is one of those that come with the program, a YAML file, or the folder of a run; train
and augment take it with --recipe.

list prints the program's own: the published ones of the paper, such of CIFAR-10 size, and the
conventions of other code bases (google-research/simclr, lightly, solo-learn). show prints one
as it is written, with the source of every line, and with --resolved every setting that follows.
diff prints the settings in which two differ, defaults included.`,
	example: "onnxclr recipe diff simclr-mlp-imagenet lightly-simclr-imagenet",
	prepare: func(f *pflag.FlagSet) action {
		o := &recipeOptions{}
		f.BoolVar(&o.resolved, "resolved", false, "show every setting, defaults included")
		f.BoolVar(&o.asJSON, "json", false, "print JSON (list, diff)")
		return o.run
	},
}

func (o *recipeOptions) run(_ context.Context, t *terminal, args []string) error {
	switch {
	case len(args) == 0:
		return usagef("say what: list, show RECIPE or diff RECIPE RECIPE")
	case args[0] != "list" && args[0] != "show" && args[0] != "diff":
		return usagef("knows list, show and diff, %q given", args[0])
	case args[0] == "list" && len(args) != 1:
		return usagef("list takes nothing more, %q given", args[1])
	case args[0] == "show" && len(args) != 2:
		return usagef("show takes one recipe, %d given", len(args)-1)
	case args[0] == "diff" && len(args) != 3:
		return usagef("diff takes two recipes, %d given", len(args)-1)
	case o.resolved && args[0] != "show":
		return usagef("--resolved is for show")
	case o.asJSON && args[0] == "show":
		return usagef("--json is for list and diff")
	}
	switch args[0] {
	case "list":
		return o.list(t)
	case "show":
		return o.show(t, args[1])
	}
	return o.diff(t, args[1], args[2])
}

func (o *recipeOptions) list(t *terminal) error {
	type line struct {
		Name    string `json:"name"`
		Summary string `json:"summary"`
	}
	var lines []line
	for _, s := range train.ShippedRecipes() {
		lines = append(lines, line{s.Name, s.Summary})
	}
	if o.asJSON {
		return printJSON(t, lines)
	}
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	for _, l := range lines {
		if _, err := w.Write([]byte(l.Name + "\t" + l.Summary + "\n")); err != nil {
			return err
		}
	}
	return w.Flush()
}

func (o *recipeOptions) show(t *terminal, name string) error {
	if !o.resolved {
		for _, s := range train.ShippedRecipes() {
			if s.Name == name {
				t.print("%s", s.Source)
				return nil
			}
		}
	}
	r, err := resolveRecipe(t, name)
	if err != nil {
		return err
	}
	t.print("%s", r.YAML())
	return nil
}

// resolveRecipe returns a recipe with all its settings; the learning rate is that of
// its batch where none is given.
func resolveRecipe(t *terminal, name string) (train.Recipe, error) {
	settings, err := train.OpenRecipe(name)
	if err != nil {
		return train.Recipe{}, err
	}
	r, warnings, err := train.Resolve(settings...)
	for _, w := range warnings {
		t.warn("%s", w)
	}
	if r.LR == 0 && err == nil {
		r.LR = train.DefaultLR(r.Optimizer, r.Batch)
	}
	return r, err
}

func (o *recipeOptions) diff(t *terminal, nameA, nameB string) error {
	a, err := resolveRecipe(t, nameA)
	if err != nil {
		return err
	}
	b, err := resolveRecipe(t, nameB)
	if err != nil {
		return err
	}
	type line struct {
		Key string `json:"key"`
		A   string `json:"a"`
		B   string `json:"b"`
	}
	lines := []line{}
	for _, d := range train.Diff(a, b) {
		lines = append(lines, line{d.Key, d.A, d.B})
	}
	if x, y := a.PeakLR(), b.PeakLR(); x != y && (a.LRScaling != "none" || b.LRScaling != "none") {
		lines = append(lines, line{"peak learning rate", strconv.FormatFloat(x, 'g', 6, 64), strconv.FormatFloat(y, 'g', 6, 64)})
	}
	switch {
	case o.asJSON:
		return printJSON(t, lines)
	case len(lines) == 0:
		t.say("no setting differs")
		return nil
	}
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	lines = append([]line{{"", nameA, nameB}}, lines...)
	for _, l := range lines {
		for _, text := range []*string{&l.A, &l.B} {
			if *text == "" || *text == `""` {
				*text = "-"
			}
		}
		if _, err := w.Write([]byte(strings.Join([]string{l.Key, l.A, l.B}, "\t") + "\n")); err != nil {
			return err
		}
	}
	return w.Flush()
}

func printJSON(t *terminal, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		t.print("%s\n", text)
	}
	return err
}

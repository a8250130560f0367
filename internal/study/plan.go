package study

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"onnxclr/internal/file"
	"onnxclr/internal/nearest"
	"onnxclr/train"
)

// Options say how large a grid is.
type Options struct {
	Data string
	// Images are the fingerprints of the training and of the test images.
	Images []string
	Seeds  int
	Scale  Scale
	// Set are settings of every run, key=value, behind those of scale and variant.
	Set []string
	// Arch overrides the network, "" leaves it to scale and study.
	Arch string
	// Dim is the width of the network's representation.
	Dim int
	// ProbeEpochs are those of the linear probe.
	ProbeEpochs int
}

// Plan is a grid: what is run, and how. Equal plans give equal results.
type Plan struct {
	Study  string   `json:"study"`
	Scale  string   `json:"scale"`
	Arch   string   `json:"arch"`
	Recipe string   `json:"recipe"`
	Data   string   `json:"data"`
	Images []string `json:"images,omitempty"` // fingerprints of training and test images
	D0     int      `json:"d0"`
	Cells  []Cell   `json:"cells"`
}

// Cell is one variant with one seed.
type Cell struct {
	Variant string `json:"variant"`
	Label   string `json:"label"`
	Seed    int    `json:"seed"`
	Steps   []Step `json:"steps"`
}

// Step is one command line of a cell and the file, below the grid's folder, that says it
// is done. Arguments that begin with Below are files there too.
type Step struct {
	Args []string `json:"args"`
	Done string   `json:"done"`
}

// Below marks arguments that are files of the grid.
const Below = "@/"

// In returns the command line for a grid in dir.
func (s Step) In(dir string) []string {
	args := slices.Clone(s.Args)
	for i, a := range args {
		if file, ok := strings.CutPrefix(a, Below); ok {
			args[i] = filepath.Join(dir, filepath.FromSlash(file))
		}
	}
	return args
}

// Folder is where a cell's files lie, below the grid's.
func (c *Cell) Folder() string { return cellFolder(c.Variant, c.Seed) }

func cellFolder(variant string, seed int) string {
	return filepath.ToSlash(filepath.Join("cells", variant, fmt.Sprintf("seed%d", seed)))
}

// Find returns the study of that name.
func Find(name string) (Study, error) {
	for _, s := range Studies {
		if s.Name == name {
			return s, nil
		}
	}
	return Study{}, fmt.Errorf("unknown study %q%s; there are %s, and theory", name, nearest.Hint(name, Names()), strings.Join(Names(), ", "))
}

// Network is the architecture that a study is trained with.
func (s Study) Network(o Options) string {
	switch {
	case o.Arch != "":
		return o.Arch
	case o.Scale.Arch != "":
		return o.Scale.Arch
	}
	return s.Small
}

// paperD0 and paperDim are the paper's sub-vector: d0 is scaled to other widths.
const paperD0, paperDim = 360, 2048

// Plan lays the grid out, all variants of a seed one after the other.
func (s Study) Plan(o Options) (*Plan, error) {
	p := &Plan{Study: s.Name, Scale: o.Scale.Name, Arch: s.Network(o), Recipe: o.Scale.Recipe, Data: o.Data, Images: o.Images, D0: (paperD0*o.Dim + paperDim/2) / paperDim}
	names := map[string]int{"d0": p.D0}
	var corrupt []string // what training passes over, the others leave out
	if slices.Contains(o.Set, "corrupt=skip") {
		corrupt = []string{"--corrupt", "skip"}
	}
	for seed := range o.Seeds {
		for _, v := range s.Variants {
			c := Cell{Variant: v.Name, Label: expand(v.Label, names, o.Dim), Seed: seed}
			run := cellFolder(v.Name, seed) + "/run"
			if v.SameAs != "" {
				run = cellFolder(v.SameAs, seed) + "/run"
			} else {
				c.Steps = append(c.Steps, p.train(v, o, seed, run, names)...)
			}
			on := expand(v.On, names, o.Dim)
			if on == "" {
				on = "r"
			}
			for _, kind := range []string{"knn", "linear"} {
				args := []string{"probe", "--model", Below + run, "--data", o.Data, "--kind", kind, "--on", on, "--cache", Below + "features", "-o", Below + c.Folder(), "--force", "-q"}
				if kind == "linear" {
					args = append(args, "--epochs", strconv.Itoa(o.ProbeEpochs), "--lr-schedule", o.Scale.ProbeRate, "--seed", strconv.Itoa(seed))
				}
				c.Steps = append(c.Steps, Step{append(args, corrupt...), c.Folder() + "/probe-" + kind + ".json"})
			}
			if v.SameAs == "" {
				c.Steps = append(c.Steps, Step{
					append([]string{"spectrum", Below + run, "--data", o.Data, "--node", "representation", "--node", "embedding", "--label", c.Label,
						"-o", Below + c.Folder() + "/spectra.png", "--json", Below + c.Folder() + "/spectra.json", "--force", "-q"}, corrupt...),
					c.Folder() + "/spectra.json",
				})
			}
			if v.Gradient {
				c.Steps = append(c.Steps, Step{
					append([]string{"spectrum", Below + run, "--data", o.Data, "--gradient", "--label", c.Label,
						"-o", Below + c.Folder() + "/gradient.png", "--json", Below + c.Folder() + "/gradient.json", "--force", "-q"}, corrupt...),
					c.Folder() + "/gradient.json",
				})
			}
			p.Cells = append(p.Cells, c)
		}
	}
	return p, nil
}

// train returns the steps that make a run.
func (p *Plan) train(v Variant, o Options, seed int, run string, names map[string]int) []Step {
	model := fmt.Sprintf("models/%s-seed%d.onnx", p.Arch, seed)
	args := []string{"train", "--recipe", p.Recipe, "--model", Below + model, "--data", o.Data, "--seed", strconv.Itoa(seed), "-o", Below + run, "--resume"}
	for _, setting := range append(append([]string(nil), v.Settings...), o.Set...) {
		key, value, _ := strings.Cut(setting, "=")
		args = append(args, "--"+strings.ReplaceAll(key, "_", "-")+"="+expand(value, names, o.Dim))
	}
	return []Step{
		{[]string{"init", p.Arch, "--seed", strconv.Itoa(seed), "--zero-init-residual", "-o", Below + model, "-q"}, model},
		{args, run + "/model.onnx"},
	}
}

// Resolve returns the recipe of a step that trains, without its model and seed.
func (p *Plan) Resolve(s Step) (train.Recipe, error) {
	settings, err := train.OpenRecipe(p.Recipe)
	if err != nil {
		return train.Recipe{}, err
	}
	settings = append(settings, train.Flag("data", p.Data))
	for _, arg := range s.Args {
		if key, value, ok := strings.Cut(strings.TrimPrefix(arg, "--"), "="); ok && strings.HasPrefix(arg, "--") {
			settings = append(settings, train.Flag(key, value))
		}
	}
	r, _, err := train.Resolve(settings...)
	return r, err
}

var braces = regexp.MustCompile(`\{dim/([0-9.]+)\}`)

// expand replaces {d0} and {dim/x}.
func expand(text string, names map[string]int, dim int) string {
	for name, v := range names {
		text = strings.ReplaceAll(text, "{"+name+"}", strconv.Itoa(v))
	}
	return braces.ReplaceAllStringFunc(text, func(m string) string {
		parts, err := strconv.ParseFloat(braces.FindStringSubmatch(m)[1], 64)
		if err != nil {
			return m
		}
		return strconv.Itoa(int(float64(dim)/parts + 0.5))
	})
}

// Only keeps the cells of the variants named, and those that they need.
func (p *Plan) Only(variants []string, s Study) error {
	keep := map[string]bool{}
	for _, name := range variants {
		i := slices.IndexFunc(s.Variants, func(v Variant) bool { return v.Name == name })
		if i < 0 {
			var names []string
			for _, v := range s.Variants {
				names = append(names, v.Name)
			}
			return fmt.Errorf("%s has no variant %q%s; it has %s", s.Name, name, nearest.Hint(name, names), strings.Join(names, ", "))
		}
		keep[name] = true
		if same := s.Variants[i].SameAs; same != "" {
			keep[same] = true
		}
	}
	// Of a copy: the cells of the whole grid stay as they are.
	p.Cells = slices.DeleteFunc(slices.Clone(p.Cells), func(c Cell) bool { return !keep[c.Variant] })
	return nil
}

const planFile = "plan.json"

// Begin writes the plan of the whole grid into dir, or compares it with the one that lies
// there: a grid that is half done is finished as it was begun.
func (p *Plan) Begin(dir string) error {
	path := filepath.Join(dir, planFile)
	b, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	if err != nil {
		if err := vacant(dir); err != nil {
			return err
		}
	} else {
		var was Plan
		if err := json.Unmarshal(b, &was); err != nil {
			return damaged(path, err)
		}
		if err := p.compare(&was, dir); err != nil || was.has(p.Cells) {
			return err
		}
	}
	return file.Write(path, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		return e.Encode(p)
	})
}

// anywhere is a command line without where the images lie.
func anywhere(args []string) []string {
	args = slices.Clone(args)
	if i := slices.Index(args, "--data"); i >= 0 && i+1 < len(args) {
		args[i+1] = ""
	}
	return args
}

// flagsOf returns the flags of a command line by their names, each with its value.
func flagsOf(args []string) map[string]string {
	all := map[string]string{}
	for i, arg := range args {
		if !strings.HasPrefix(arg, "-") {
			continue
		}
		name, _, whole := strings.Cut(arg, "=")
		if !whole && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
			arg += " " + args[i+1]
		}
		all[name] = arg // of those given twice the last holds
	}
	return all
}

// has reports whether the plan has all of these cells.
func (p *Plan) has(cells []Cell) bool {
	names := map[string]bool{}
	for i := range p.Cells {
		names[p.Cells[i].Folder()] = true
	}
	return !slices.ContainsFunc(cells, func(c Cell) bool { return !names[c.Folder()] })
}

// vacant fails on a folder of something else, in which a grid would replace files. One
// with cells is a grid that has lost its plan.
func vacant(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "cells")); err == nil {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, "recipe.yaml")); err == nil {
		return fmt.Errorf("%s holds a run, and no grid; take another folder", dir)
	}
	for _, name := range []string{"report.html", "results.json", "cells.csv", "spectra-r.png", "spectra-z.png", "gradient.png"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return fmt.Errorf("%s holds no grid, but %s, which one would replace; take another folder", dir, name)
		}
	}
	return nil
}

// compare fails, naming the first difference, unless the cells that both plans have are
// equal; a plan may have more seeds than the one before, and the images may have moved.
func (p *Plan) compare(was *Plan, dir string) error {
	differ := func(what string, was, is any) error {
		return fmt.Errorf("%s holds another grid: its %s is %v, asked for is %v; take another folder, or the settings that it was begun with", dir, what, was, is)
	}
	for _, c := range []struct{ what, was, is string }{
		{"study", was.Study, p.Study}, {"scale", was.Scale, p.Scale}, {"network", was.Arch, p.Arch}, {"recipe", was.Recipe, p.Recipe},
	} {
		if c.was != c.is {
			return differ(c.what, c.was, c.is)
		}
	}
	switch {
	case was.Images == nil && was.Data != p.Data:
		return differ("data", was.Data, p.Data)
	case was.Images != nil && !slices.Equal(was.Images, p.Images) && was.Data != p.Data:
		return fmt.Errorf("%s holds a grid of other images, those of %s; take another folder", dir, was.Data)
	case was.Images != nil && !slices.Equal(was.Images, p.Images):
		return fmt.Errorf("%s holds a grid of other images: they have changed since it was begun; take another folder", dir)
	}
	for _, c := range p.Cells {
		for _, old := range was.Cells {
			if old.Variant != c.Variant || old.Seed != c.Seed || reflect.DeepEqual(old, c) {
				continue
			}
			for i := range min(len(c.Steps), len(old.Steps)) {
				before, now := anywhere(old.Steps[i].Args), anywhere(c.Steps[i].Args)
				if slices.Equal(before, now) {
					continue
				}
				what := fmt.Sprintf("%s of %s", c.Steps[i].Args[0], c.Variant)
				was, is := flagsOf(before), flagsOf(now)
				for _, f := range slices.Sorted(maps.Keys(is)) {
					if was[f] != is[f] {
						return differ(what, cmp.Or(was[f], "without "+f), is[f])
					}
				}
				for _, f := range slices.Sorted(maps.Keys(was)) {
					if is[f] == "" {
						return differ(what, was[f], "without it")
					}
				}
				return differ(what, strings.Join(before, " "), strings.Join(now, " "))
			}
			if len(old.Steps) != len(c.Steps) || old.Label != c.Label {
				return differ("cell "+c.Variant, "another", "this")
			}
		}
	}
	return nil
}

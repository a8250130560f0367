package train

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// findCheckpoint returns the checkpoint that a resumed run continues from, nil when
// there is none. It fails, naming the differences, when recipe or data are not those of
// the run, unless the options accept that: then it warns.
func findCheckpoint(r *Recipe, o Options, source Source, warn func(string)) (*state, error) {
	if !o.Resume || !isRun(o.Dir) {
		return nil, nil
	}
	settings, err := RunRecipe(o.Dir)
	if err != nil {
		return nil, err
	}
	changed, err := recipeChanges(settings, r)
	if err != nil {
		return nil, err
	}
	if changed.any() && !o.Accept {
		return nil, changed.refusal(o.Dir)
	}
	saved, err := newestCheckpoint(o.Dir, warn)
	if err != nil {
		return nil, err
	}
	if saved == nil { // nothing tells whether data elsewhere are the same
		if changed.settings = changed.moved; changed.any() && !o.Accept {
			return nil, changed.refusal(o.Dir)
		}
		return nil, nil
	}
	if saved.Recipe != nil { // recipe.yaml may have been edited since
		settings, err := fromBinding(filepath.Join(checkpointPath(o.Dir, saved.Step), stateName), saved.Recipe)
		if err != nil {
			return nil, err
		}
		if changed, err = recipeChanges(settings, r); err != nil {
			return nil, err
		}
	}
	if now := source.Fingerprint(); saved.Data != now {
		changed.data = dataChange(saved.Data, now)
		changed.settings = append(changed.moved, changed.settings...)
	}
	if changed.any() {
		if !o.Accept || changed.built != nil {
			return nil, changed.refusal(o.Dir)
		}
		for _, c := range changed.list() {
			warn(fmt.Sprintf("continuing from step %d with a change: %s", saved.Step, c))
		}
	}
	if total := r.Total(source.StepsPerEpoch()); saved.Step > total {
		return nil, fmt.Errorf("cannot resume %s: its checkpoint is of step %d, the run has %d", o.Dir, saved.Step, total)
	}
	return saved, nil
}

// changes are what differs, of what could change the result, between a run and what it
// is to be continued with.
type changes struct {
	settings []string
	built    []string // settings that a checkpoint's model was built with
	moved    []string // where the data lie, which is no change if they are the same
	data     string   // "" if the data are the same
}

// recipeChanges compares the settings of a run, nil if there are none, with a recipe.
func recipeChanges(settings []Setting, r *Recipe) (c changes, err error) {
	if settings == nil {
		return c, nil
	}
	old, _, err := Resolve(settings...)
	if err != nil {
		return c, fmt.Errorf("the run's own recipe: %w", err)
	}
	for _, d := range Diff(old, *r) {
		switch {
		case d.Free:
		case d.Key == "data" || d.Key == "views":
			c.moved = append(c.moved, d.String())
		case d.Built:
			c.built = append(c.built, d.String())
		default:
			c.settings = append(c.settings, d.String())
		}
	}
	return c, nil
}

func (c *changes) any() bool { return c.settings != nil || c.built != nil || c.data != "" }

func (c *changes) list() []string {
	all := append(append([]string{}, c.built...), c.settings...)
	if c.data != "" {
		all = append(all, c.data)
	}
	return all
}

// refusal says what differs and what can be done.
func (c *changes) refusal(dir string) error {
	what := "another recipe"
	switch {
	case c.settings == nil && c.built == nil:
		what = "other data"
	case c.data != "":
		what = "another recipe and other data"
	}
	text := fmt.Sprintf("cannot resume %s with %s: %s; ", dir, what, strings.Join(c.list(), "; "))
	switch {
	case c.built != nil:
		text += fmt.Sprintf("the checkpoint's model was built with the settings in %s; use them, or start anew in another directory", filepath.Join(dir, recipeName))
	case c.settings != nil:
		text += fmt.Sprintf("use the settings in %s, start anew in another directory, or go on with the change: --accept-changes", filepath.Join(dir, recipeName))
	default:
		text += "use the data that the run began with, start anew in another directory, or go on with the change: --accept-changes"
	}
	return errors.New(text)
}

// dataChange names the difference of two fingerprints, lists "NAME VALUE, NAME VALUE"
// or "COUNT NAME".
func dataChange(was, is string) string {
	a, b := strings.Split(was, ", "), strings.Split(is, ", ")
	if len(a) != len(b) {
		return fmt.Sprintf("they are %s, were %s", is, was)
	}
	var differ []string
	for i := range a {
		if a[i] == b[i] {
			continue
		}
		name, value, _ := strings.Cut(a[i], " ")
		other, _, _ := strings.Cut(b[i], " ")
		switch {
		case value == "images":
			return fmt.Sprintf("they are %s, were %s", b[i], a[i])
		case name != other || len(a) == 1:
			return fmt.Sprintf("they are %s, were %s", is, was)
		}
		differ = append(differ, name)
	}
	return "the " + strings.Join(differ, " and ") + " of the images have changed"
}

package study

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"onnxclr/analysis"
	"onnxclr/internal/file"
	"onnxclr/train"
)

// Reuse are the steps of other grids, whose results need not be computed again.
type Reuse struct {
	plan  *Plan
	own   map[string]string   // key of a step by its file
	other map[string][]origin // by key
}

// origin is a step of another grid.
type origin struct {
	dir  string // of the grid
	cell *Cell
	step Step
}

// NewReuse reads the plans of the grids in dirs, of which those with other images than
// p's are left out and returned. It fails on a folder that holds no grid.
func NewReuse(p *Plan, dirs []string) (r *Reuse, foreign []string, err error) {
	r = &Reuse{p, p.keys(), map[string][]origin{}}
	for _, dir := range dirs {
		var other Plan
		b, err := os.ReadFile(filepath.Join(dir, planFile))
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil, fmt.Errorf("%s holds no grid: it has no %s", dir, planFile)
		}
		if err == nil {
			err = json.Unmarshal(b, &other)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", filepath.Join(dir, planFile), err)
		}
		if !other.sameImages(p) {
			foreign = append(foreign, dir)
			continue
		}
		keys := other.keys()
		for i := range other.Cells {
			c := &other.Cells[i]
			if _, err := os.Stat(filepath.Join(dir, c.Folder())); err != nil {
				continue // nothing of it was begun
			}
			for _, s := range c.Steps {
				key := keys[s.Done]
				r.other[key] = append(r.other[key], origin{dir, c, s})
			}
		}
	}
	return r, foreign, nil
}

// sameImages reports whether both plans look at the same images.
func (p *Plan) sameImages(q *Plan) bool {
	return len(p.Images) > 0 && slices.Equal(p.Images, q.Images)
}

// keys returns, by the file that says a step is done, what determines its results: the
// command line, in which files that other steps make stand for the keys of those, and
// neither other files of the grid nor the label matter, nor where the images lie, which
// are the same ones.
func (p *Plan) keys() map[string]string {
	keys := map[string]string{}
	for _, c := range p.Cells {
		for _, s := range c.Steps {
			parts := anywhere(s.Args)
			for i, arg := range s.Args {
				path, below := strings.CutPrefix(arg, Below)
				switch {
				case i > 0 && s.Args[i-1] == "--label":
					parts[i] = ""
				case !below:
				case i > 0 && (s.Args[i-1] == "-o" || s.Args[i-1] == "--json" || s.Args[i-1] == "--cache"):
					parts[i] = Below
				case keys[path+"/model.onnx"] != "": // a run's folder
					parts[i] = keys[path+"/model.onnx"]
				case keys[path] != "":
					parts[i] = keys[path]
				}
			}
			keys[s.Done] = fmt.Sprintf("%q", parts)
		}
	}
	return keys
}

// Has reports whether the results of a step can be taken.
func (r *Reuse) Has(s Step) bool {
	for _, o := range r.other[r.own[s.Done]] {
		if _, err := os.Stat(filepath.Join(o.dir, o.step.Done)); err == nil {
			return true
		}
	}
	return false
}

// takenFile says, in a cell's folder, which of its steps were taken from where.
const takenFile = "taken.txt"

// Take copies the results of a step of cell c, in the grid in dir, from a grid where an
// equal one is done, and returns the folder of the cell that it was; "" if there is none.
// The file that says that the step is done is written last.
func (r *Reuse) Take(dir string, c *Cell, s Step) (from string, err error) {
	for _, o := range r.other[r.own[s.Done]] {
		if _, err := os.Stat(filepath.Join(o.dir, o.step.Done)); err != nil {
			continue
		}
		if s.Args[0] == "train" {
			err = r.takeRun(dir, s, o)
		} else {
			err = o.copyFiles(dir, c, s)
		}
		if err != nil {
			return "", err
		}
		from = filepath.Join(o.dir, filepath.FromSlash(o.cell.Folder()))
		return from, c.note(dir, s.Args[0]+" is of "+from)
	}
	return "", nil
}

func (r *Reuse) takeRun(dir string, s Step, o origin) error {
	recipe, err := r.plan.Resolve(s)
	if err != nil {
		return err
	}
	args := s.In(dir)
	recipe.Model = args[slices.Index(args, "--model")+1]
	return train.CopyRun(filepath.Join(o.dir, filepath.Dir(o.step.Done)), filepath.Join(dir, filepath.Dir(s.Done)), &recipe)
}

// copyFiles copies the file that says that the step is done and those beside it that are
// called like it; spectra are given the label of c.
func (o *origin) copyFiles(dir string, c *Cell, s Step) error {
	from, to := filepath.Join(o.dir, o.step.Done), filepath.Join(dir, s.Done)
	stem := func(path string) string { return strings.TrimSuffix(path, filepath.Ext(path)) }
	if s.Args[0] == "spectrum" && c.Label != o.cell.Label {
		return relabel(from, to, stem(to)+".png", o.cell.Label, c.Label)
	}
	beside, err := os.ReadDir(filepath.Dir(from))
	if err != nil {
		return err
	}
	name := stem(filepath.Base(from))
	for _, e := range beside {
		end, ok := strings.CutPrefix(e.Name(), name)
		if !ok || e.Name() == filepath.Base(from) || !strings.HasPrefix(end, ".") && !strings.HasPrefix(end, "-") {
			continue
		}
		if err := file.Copy(filepath.Join(filepath.Dir(from), e.Name()), stem(to)+end); err != nil {
			return err
		}
	}
	return file.Copy(from, to)
}

// relabel copies spectra, as spectrum would write them with another label.
func relabel(from, to, png, was, is string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	spectra, err := analysis.ReadJSON(f)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	for _, s := range spectra {
		s.Label = is + strings.TrimPrefix(s.Label, was)
	}
	chart := analysis.Chart{Log: analysis.Ln, DPI: 200}
	if err := file.Write(png, func(w io.Writer) error { return chart.Write(w, ".png", spectra) }); err != nil {
		return err
	}
	return file.Write(to, func(w io.Writer) error { return analysis.WriteJSON(w, spectra) })
}

// note adds a line to what the cell was taken from.
func (c *Cell) note(dir, line string) error {
	path := filepath.Join(dir, c.Folder(), takenFile)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	was, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return file.Write(path, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s%s\n", was, line)
		return err
	})
}

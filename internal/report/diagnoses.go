package report

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"onnxclr/analysis/diagnosis"
)

// DiagnosisFile is what the verb diagnose calls its findings in their folder.
const DiagnosisFile = "diagnosis.json"

// Diagnosis is by which mechanisms a representation collapses, as the verb diagnose
// writes it.
type Diagnosis struct {
	label string
	style int // of the run's line; −1 where it is of none
	found *diagnosis.Diagnosis
}

// ReadDiagnosis reads what the verb diagnose wrote.
func ReadDiagnosis(path, label string) (*Diagnosis, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d, err := diagnosis.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Diagnosis{label: label, style: -1, found: d}, nil
}

// readDiagnoses reads the findings that lie in a run or in folders of it.
func readDiagnoses(dir, label string) ([]*Diagnosis, error) {
	places := []string{dir}
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.IsDir() {
			places = append(places, filepath.Join(dir, e.Name()))
		}
	}
	var all []*Diagnosis
	for _, place := range places {
		d, err := ReadDiagnosis(filepath.Join(place, DiagnosisFile), label)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// verdicts is the section of the runs' diagnoses and of those given beside.
type verdicts struct {
	Verdicts     []verdict
	Augmentation *table
	Weights      *table
}

// verdict is what one diagnosis says, the conclusion last.
type verdict struct {
	Key        *key
	Label      string
	Conclusion string
	Evidence   []string
}

func diagnoses(runs []*Run, given []*Diagnosis) *verdicts {
	var all []*Diagnosis
	for i, r := range runs {
		for _, d := range r.diagnoses {
			d.style = i
			all = append(all, d)
		}
	}
	all = append(all, given...)
	if len(all) == 0 {
		return nil
	}
	v := &verdicts{}
	augmentation := &table{
		Head: []string{"mechanism 1: augmentation", "at", "dim", "pairs of views", "negative directions", "variance in them", "least eigenvalue of X", "tr Σ̂₁/tr Σ̂₀"},
		Note: "X = Σ̂₀ − Σ̂₁, the weighted covariances of data and of augmentation (arXiv:2110.09348, section 4). A negative direction is one in which augmentation varies more than the data on both halves of the pairs.",
	}
	weights := &table{
		Head: []string{"mechanism 2: weights", "layer", "shape", "effective rank", "live singular values", "overlap with the layer before", "by chance"},
		Note: "Effective rank of the singular values of the weights as a matrix, of so many; those above a thousandth of the largest are live; overlap is the part of the leading directions of the layer before that lies in this one's (section 5).",
	}
	for _, d := range all {
		said := d.found.Verdict.Sentences
		last := len(said) - 1
		one := verdict{Label: d.label, Conclusion: said[last], Evidence: said[:last]}
		if d.style >= 0 {
			one.Key = &key{d.style, d.label}
		}
		v.Verdicts = append(v.Verdicts, one)
		for _, a := range d.found.Augmentation {
			least := ""
			if n := len(a.Eigenvalues); n > 0 {
				least = fmt.Sprintf("%.3g", a.Eigenvalues[n-1])
			}
			augmentation.Rows = append(augmentation.Rows, row{one.Key, d.label, []string{
				a.Place, thousands(a.Dim), thousands(a.Pairs), thousands(a.Negative),
				fmt.Sprintf("%.2g", a.NegativeVariance), least, fmt.Sprintf("%.2f", a.Ratio),
			}})
		}
		if d.found.Weights == nil {
			continue
		}
		for _, l := range d.found.Weights.Layers {
			r := row{one.Key, d.label, []string{
				l.Name, times(l.Shape), fmt.Sprintf("%.1f of %d", l.EffectiveRank, len(l.SingularValues)), thousands(l.Live), "", "",
			}}
			for _, a := range d.found.Weights.Alignments {
				if a.Second == l.Name {
					r.Cells[4], r.Cells[5] = fmt.Sprintf("%.2f", a.Subspace), fmt.Sprintf("%.2f", a.Chance)
				}
			}
			weights.Rows = append(weights.Rows, r)
		}
	}
	if len(augmentation.Rows) > 0 {
		augmentation.drop()
		v.Augmentation = augmentation
	}
	if len(weights.Rows) > 0 {
		weights.drop()
		v.Weights = weights
	}
	return v
}

// times writes a shape.
func times(shape []int) string {
	parts := make([]string, len(shape))
	for i, n := range shape {
		parts[i] = fmt.Sprint(n)
	}
	return strings.Join(parts, "×")
}

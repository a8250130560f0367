package diagnosis

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Read reads a diagnosis that was written as JSON. It fails when that is not what r
// holds.
func Read(r io.Reader) (*Diagnosis, error) {
	d := &Diagnosis{}
	if err := json.NewDecoder(r).Decode(d); err != nil {
		return nil, fmt.Errorf("not a diagnosis in JSON: %w", err)
	}
	if len(d.Verdict.Sentences) == 0 {
		return nil, errors.New(`not a diagnosis in JSON: no "verdict" with "sentences", as diagnose writes them`)
	}
	for i, a := range d.Augmentation {
		switch {
		case a == nil:
			return nil, fmt.Errorf("not a diagnosis in JSON: augmentation %d is null", i)
		case a.Dim < 1 || a.Negative < 0 || a.Negative > a.Dim:
			return nil, fmt.Errorf("not a diagnosis in JSON: %d negative directions of %d at %q", a.Negative, a.Dim, a.Place)
		}
	}
	return d, nil
}

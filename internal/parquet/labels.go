package parquet

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// These bound what a column of labels can take in memory.
const (
	maxNames  = 1 << 16
	maxLabels = 1 << 28
)

// Labels reads one label a row from a column of whole numbers, or of text, whose values
// are numbered in their order; names are then what the numbers stand for. Column "" takes
// the only one that can be labels.
func Labels(path, name string) (labels []int64, names []string, err error) {
	s, err := open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	defer s.close()
	c, err := s.labels(path, name)
	if err == nil {
		labels, names, err = s.readLabels(c)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return labels, names, nil
}

// labels finds the column of labels.
func (s *source) labels(path, name string) (*column, error) {
	var fit []*column
	for _, c := range s.columns {
		if ok := !c.list && (c.kind == whole || c.kind == text); ok && name == "" {
			fit = append(fit, c)
		} else if c.name == name && name != "" {
			if !ok {
				return nil, fmt.Errorf("column %q holds %s, want one whole number or text a row", name, c.holds)
			}
			return c, nil
		}
	}
	switch {
	case name != "":
		return nil, &MissingError{Name: name, Columns: strings.Split(namesOf(s.columns), ", ")}
	case len(fit) == 0:
		return nil, fmt.Errorf("no column of whole numbers or text for labels; it holds %s", namesOf(s.columns))
	case len(fit) > 1:
		return nil, fmt.Errorf("several columns can be labels, name one: %s:NAME of %s", path, namesOf(fit))
	}
	return fit[0], nil
}

func (s *source) readLabels(c *column) (labels []int64, names []string, err error) {
	if s.rows > maxLabels {
		return nil, nil, fmt.Errorf("%d rows, at most %d labels are read", s.rows, maxLabels)
	}
	ids := map[string]int64{}
	for g := range s.groups {
		k, err := s.chunk(g, c)
		if err != nil {
			return nil, nil, err
		}
		for {
			v, err := k.next()
			if err == io.EOF {
				break
			}
			if int64(len(labels)) == s.rows {
				return nil, nil, FormatError(fmt.Sprintf("column %q has more than the %d rows that are declared", c.name, s.rows))
			}
			switch row := len(labels); {
			case err != nil:
				return nil, nil, fmt.Errorf("column %q, row %d: %w", c.name, row, err)
			case v.definition < c.definition:
				return nil, nil, fmt.Errorf("column %q, row %d: null, want a label", c.name, row)
			case c.kind == whole:
				labels = append(labels, int64(v.number))
				continue
			}
			id, ok := ids[string(v.text)]
			if !ok {
				if id = int64(len(ids)); id == maxNames {
					return nil, nil, fmt.Errorf("column %q holds more than %d different texts: are these labels?", c.name, maxNames)
				}
				ids[string(v.text)] = id
			}
			labels = append(labels, id)
		}
	}
	if int64(len(labels)) != s.rows {
		return nil, nil, FormatError(fmt.Sprintf("column %q has %d rows, %d are declared", c.name, len(labels), s.rows))
	}
	if c.kind == whole {
		return labels, nil, nil
	}
	names = slices.Sorted(maps.Keys(ids))
	place := make([]int64, len(ids))
	for i, name := range names {
		place[ids[name]] = int64(i)
	}
	for i, id := range labels {
		labels[i] = place[id]
	}
	return labels, names, nil
}

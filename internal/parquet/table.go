package parquet

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// Table is rows of numbers [N,D]: D columns of N numbers, or one column of N lists of D.
type Table struct {
	path    string
	source  *source
	columns []*column // one of lists, or D of numbers
	dim     int
}

// Open maps the Parquet file at path. Columns names those the rows are made of, with
// commas between them and * for any text; "" takes the only column of lists of numbers
// or, where there is none, all columns, which then have to be numbers. Close it.
func Open(path, columns string) (*Table, error) {
	s, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	t, err := s.table(path, columns)
	if err != nil {
		s.close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// table is the rows of some columns; path is what to call the file in errors.
func (s *source) table(path, columns string) (*Table, error) {
	t := &Table{path: path, source: s}
	if err := t.choose(columns); err != nil {
		return nil, err
	}
	return t, t.measure()
}

// Len returns N, as the file declares it; Each holds it to that.
func (t *Table) Len() int { return int(t.source.rows) }

// Dim returns D.
func (t *Table) Dim() int { return t.dim }

// Close releases the file.
func (t *Table) Close() error { return t.source.close() }

// choose finds the columns that are asked for.
func (t *Table) choose(names string) error {
	all := t.source.columns
	if names == "" {
		var lists []*column
		for _, c := range all {
			if c.list && c.kind.number() {
				lists = append(lists, c)
			}
		}
		switch {
		case len(lists) == 1:
			t.columns = lists
		case len(lists) > 1:
			return fmt.Errorf("holds several columns of lists, name one: %s:NAME of %s", t.path, namesOf(lists))
		default:
			t.columns = all
		}
	} else {
		for _, pattern := range strings.Split(names, ",") {
			n := len(t.columns)
			for _, c := range all {
				if ok, err := path.Match(pattern, c.name); err != nil {
					return fmt.Errorf("column %q: %w", pattern, err)
				} else if ok || c.name == pattern {
					t.columns = append(t.columns, c)
				}
			}
			if len(t.columns) == n {
				return &MissingError{Name: pattern, Columns: strings.Split(namesOf(all), ", ")}
			}
		}
	}
	for _, c := range t.columns {
		switch {
		case !c.kind.number() && names == "":
			return fmt.Errorf("column %q holds %s, no numbers; name the columns of numbers: %s:NAME,… of %s (* stands for any text)", c.name, c.holds, t.path, namesOf(all))
		case !c.kind.number():
			return fmt.Errorf("column %q holds %s, want numbers or lists of them", c.name, c.holds)
		case c.list && len(t.columns) > 1:
			return fmt.Errorf("column %q holds lists, which are rows of their own; name it alone", c.name)
		}
	}
	return nil
}

// MissingError reports a column that is not there.
type MissingError struct {
	Name    string
	Columns []string
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("no column %q; it holds %s", e.Name, strings.Join(e.Columns, ", "))
}

// namesOf lists columns, the first and the last of many.
func namesOf(columns []*column) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	if n := len(names); n > 24 {
		names = append(append(names[:20:20], "…"), names[n-1])
	}
	return strings.Join(names, ", ")
}

// measure finds out how long the rows are: as long as the first.
func (t *Table) measure() error {
	if len(t.columns) == 0 {
		return errors.New("holds no columns")
	}
	if !t.columns[0].list {
		t.dim = len(t.columns)
		return nil
	}
	for g := range t.source.groups {
		c, err := t.source.chunk(g, t.columns[0])
		if err != nil {
			return err
		}
		if t.dim, err = c.list(0, nil); err != io.EOF {
			return err
		}
	}
	return nil
}

// Each hands on all rows, in order, row-major, some at a time; the slice is used again.
// It fails on a list of another length than the first, on nulls, and on a file that
// does not hold what it declares.
func (t *Table) Each(rows int, take func(rows []float64) error) error {
	block := make([]float64, 0, rows*t.dim)
	first := 0 // row of the row group
	flush := func() error {
		if len(block) == 0 {
			return nil
		}
		err := take(block)
		block = block[:0]
		return err
	}
	for g, group := range t.source.groups {
		chunks := make([]*chunk, len(t.columns))
		for i, column := range t.columns {
			var err error
			if chunks[i], err = t.source.chunk(g, column); err != nil {
				return err
			}
		}
		for row := first; ; row++ {
			more, err := t.row(row, chunks, &block)
			switch n := int(group.rows); {
			case err != nil:
				return err
			case !more && row != first+n:
				return FormatError(fmt.Sprintf("row group %d declares %d rows and holds %d", g, n, row-first))
			case more && row == first+n:
				return FormatError(fmt.Sprintf("row group %d declares %d rows and holds more", g, n))
			}
			if !more {
				break
			}
			if len(block) == cap(block) {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		t.source.forget(g)
		first += int(group.rows)
	}
	return flush()
}

// row appends the next row of a row group, and reports whether there was one.
func (t *Table) row(row int, chunks []*chunk, block *[]float64) (bool, error) {
	if t.columns[0].list {
		start := len(*block)
		n, err := chunks[0].list(row, block)
		switch {
		case err == io.EOF:
			return false, nil
		case err != nil:
			return false, err
		case n != t.dim:
			*block = (*block)[:start]
			return false, fmt.Errorf("column %q, row %d: a list of %d numbers, the first has %d", t.columns[0].name, row, n, t.dim)
		}
		return true, nil
	}
	for i, c := range chunks {
		v, err := c.next()
		switch {
		case err == io.EOF && i == 0:
			return false, nil
		case err == io.EOF:
			return false, fmt.Errorf("column %q ends at row %d, column %q does not", t.columns[i].name, row, t.columns[0].name)
		case err != nil:
			return false, fmt.Errorf("column %q, row %d: %w", t.columns[i].name, row, err)
		case v.definition < t.columns[i].definition:
			return false, fmt.Errorf("column %q, row %d: null, want a number", t.columns[i].name, row)
		}
		*block = append(*block, v.number)
	}
	return true, nil
}

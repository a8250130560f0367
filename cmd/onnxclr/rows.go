package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"onnxclr/importer/safetensors"
	"onnxclr/importer/weights"
	"onnxclr/internal/file"
	"onnxclr/internal/nearest"
	"onnxclr/internal/npy"
	"onnxclr/internal/parquet"
)

// rowFile is a file of embeddings, samples × features, that is read from end to end as
// often as wanted.
type rowFile struct {
	path     string
	from, to int // columns; to −1 is the last
	dim      int // of a row, after choosing columns
	n        int // rows; −1 where they are counted by reading
	views    int // rows of a sample that follow each other; 1 but for arrays [N,views,D]
	read     func(take func(rows []float64) error) error
	close    func() error
}

// rowBlock is how many rows are read at a time.
const rowBlock = 256

var sliced = regexp.MustCompile(`^(.+)\[(\d*):(\d*)\]$`)

// named are the formats that hold several arrays or columns, which FILE:NAME chooses from.
var named = []string{".npz:", ".safetensors:", ".parquet:"}

// openRows opens a .npy, .npz, .safetensors, .parquet or .csv file. FILE:NAME chooses one
// of several arrays, or columns, [A:B] behind it columns by number.
func openRows(spec string) (*rowFile, error) {
	r := &rowFile{path: spec, to: -1, views: 1, close: func() error { return nil }}
	if m := sliced.FindStringSubmatch(spec); m != nil {
		r.path = m[1]
		var err error
		if m[2] != "" {
			if r.from, err = strconv.Atoi(m[2]); err != nil {
				return nil, fmt.Errorf("%s: %w", spec, err)
			}
		}
		if m[3] != "" {
			if r.to, err = strconv.Atoi(m[3]); err != nil {
				return nil, fmt.Errorf("%s: %w", spec, err)
			}
			if r.to <= r.from {
				return nil, fmt.Errorf("%s: columns %d up to, not including, %d are none", spec, r.from, r.to)
			}
		}
	}
	var name string
	r.path, name = splitName(r.path)
	if at, err := modelPath(r.path); err == nil && strings.EqualFold(filepath.Ext(at), ".onnx") {
		return nil, fmt.Errorf("%s: holds a model, not embeddings: embed computes them from images, as do spectrum and probe with --data", r.path)
	}
	var err error
	switch strings.ToLower(filepath.Ext(r.path)) {
	case ".npz":
		err = r.openZip(name)
	case ".safetensors":
		err = r.openSafetensors(name)
	case ".parquet":
		err = r.openParquet(name)
	case ".csv", ".tsv", ".txt":
		if err = wrongKind(r.path, nil); err == nil {
			err = r.openText()
		}
	case ".pkl", ".pickle", ".pt", ".pth":
		return nil, fmt.Errorf("%s: pickles are not read as embeddings; save them as .npy (numpy.save) or .safetensors", r.path)
	default:
		var a *npy.Array
		if a, err = npy.Open(r.path); err == nil {
			r.close = a.Close
			err = r.array(a)
		}
	}
	if err == nil {
		err = r.choose()
	}
	if err != nil {
		r.close()
		return nil, wrongKind(r.path, err)
	}
	return r, nil
}

// inputPath is the file that a source is read from.
func inputPath(spec string) string {
	if m := sliced.FindStringSubmatch(spec); m != nil {
		spec = m[1]
	}
	path, _ := splitName(spec)
	return path
}

// splitName splits FILE:NAME, where the file is of a format that holds several.
func splitName(spec string) (path, name string) {
	for _, ext := range named {
		if i := strings.LastIndex(strings.ToLower(spec), ext); i >= 0 {
			return spec[:i+len(ext)-1], spec[i+len(ext):]
		}
	}
	return spec, ""
}

// array reads from an array of numbers.
func (r *rowFile) array(a *npy.Array) error {
	switch len(a.Shape) {
	case 2:
	case 3: // the views of a sample are rows of their own
		if r.views = a.Shape[1]; a.Fortran {
			return fmt.Errorf("%s: array of shape %v in Fortran order, want C order", r.path, a.Shape)
		}
		a.Shape = []int{a.Shape[0] * a.Shape[1], a.Shape[2]}
	default:
		return fmt.Errorf("%s: array has shape %v, want two dimensions, samples × features, or three, samples × views × features", r.path, a.Shape)
	}
	r.n, r.dim = a.Shape[0], a.Shape[1]
	rows := make([]float64, rowBlock*r.dim)
	r.read = func(take func([]float64) error) error {
		for first := 0; first < r.n; first += rowBlock {
			k := min(rowBlock, r.n-first)
			if err := a.Rows(first, k, rows); err != nil {
				return err
			}
			if err := take(rows[:k*a.Shape[1]]); err != nil {
				return err
			}
			a.Forget(first, k)
		}
		return nil
	}
	return nil
}

func (r *rowFile) openZip(name string) error {
	z, err := npy.ReadZip(r.path)
	if err != nil {
		return err
	}
	r.close = z.Close
	if name == "" {
		if len(z.Names) == 0 {
			return fmt.Errorf("%s: holds no array", r.path)
		}
		if len(z.Names) > 1 {
			return fmt.Errorf("%s: holds several arrays, name one: %s:NAME of %s", r.path, r.path, strings.Join(z.Names, ", "))
		}
		name = z.Names[0]
	}
	a, err := z.Get(name)
	if err != nil {
		return fmt.Errorf("%s: %w", r.path, err)
	}
	return r.array(a)
}

func (r *rowFile) openSafetensors(name string) error {
	m, err := file.Map(r.path)
	if err != nil {
		return err
	}
	r.close = m.Close
	tensors, _, err := safetensors.Read(m.Bytes)
	if err != nil {
		return fmt.Errorf("%s: %w", r.path, err)
	}
	var found *weights.Tensor
	var names []string
	for _, t := range tensors {
		names = append(names, t.Name)
		if t.Name == name || name == "" && len(tensors) == 1 {
			found = t
		}
	}
	switch {
	case found == nil && name == "":
		return fmt.Errorf("%s: holds several tensors, name one: %s:NAME of %s", r.path, r.path, strings.Join(names, ", "))
	case found == nil:
		return fmt.Errorf("%s: no tensor %q%s It holds %s", r.path, name, sentence(nearest.Hint(name, names)), strings.Join(names, ", "))
	}
	a, err := npy.OfTensor(found)
	if err != nil {
		return fmt.Errorf("%s: tensor %q: %w", r.path, found.Name, err)
	}
	return r.array(a)
}

// openParquet reads a column of lists, or columns of numbers.
func (r *rowFile) openParquet(columns string) error {
	p, err := parquet.Open(r.path, columns)
	var missing *parquet.MissingError
	if errors.As(err, &missing) {
		return fmt.Errorf("%w%s", err, nearest.Hint(missing.Name, missing.Columns))
	}
	if err != nil {
		return err
	}
	r.close, r.n, r.dim = p.Close, p.Len(), p.Dim()
	r.read = func(take func([]float64) error) error { return p.Each(rowBlock, take) }
	return nil
}

// openText finds out how many columns a file of numbers in text has: comma, semicolon,
// tab or space between them, one row a line; a first line that is no number is a
// heading.
func (r *rowFile) openText() error {
	f, err := os.Open(r.path)
	if err != nil {
		return err
	}
	defer f.Close()
	r.n = -1
	first, index := true, false
	err = eachLine(f, func(line int, fields []string) error {
		if first && heading(fields) {
			first, index = false, fields[0] == ""
			return nil
		}
		r.dim = len(fields)
		return io.EOF
	})
	if err != nil && err != io.EOF {
		return fmt.Errorf("%s: %w", r.path, err)
	}
	if index && r.from == 0 {
		return fmt.Errorf("%s: its first column has no name: an index, as pandas writes it? %s[1:] leaves it out", r.path, r.path)
	}
	if r.dim == 0 {
		return fmt.Errorf("%s: holds no row of numbers", r.path)
	}
	dim := r.dim
	r.read = func(take func([]float64) error) error {
		f, err := os.Open(r.path)
		if err != nil {
			return err
		}
		defer f.Close()
		rows := make([]float64, 0, rowBlock*dim)
		first := true
		err = eachLine(f, func(line int, fields []string) error {
			named := first && heading(fields)
			if first = false; named {
				return nil
			}
			if len(fields) != dim {
				return fmt.Errorf("line %d has %d columns, the first %d", line, len(fields), dim)
			}
			for j, text := range fields {
				v, err := strconv.ParseFloat(text, 64)
				if err != nil {
					return fmt.Errorf("line %d, column %d: %q is not a number", line, j+1, text)
				}
				rows = append(rows, v)
			}
			if len(rows) == cap(rows) {
				err := take(rows)
				rows = rows[:0]
				return err
			}
			return nil
		})
		if err == nil && len(rows) > 0 {
			err = take(rows)
		}
		return err
	}
	return nil
}

// heading tells whether the fields of a first line are names of columns: no numbers, or
// the numbers of the columns.
func heading(fields []string) bool {
	counted := len(fields) > 1
	for i, text := range fields {
		if _, err := strconv.ParseFloat(text, 64); err != nil {
			return true
		}
		counted = counted && text == strconv.Itoa(i)
	}
	return counted
}

// eachLine splits lines into fields; empty lines are left out.
func eachLine(r io.Reader, f func(line int, fields []string) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 16<<20)
	for line := 1; s.Scan(); line++ {
		text := strings.TrimSpace(strings.TrimPrefix(s.Text(), "\ufeff")) // which Excel begins with
		if text == "" {
			continue
		}
		fields := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' || r == '\t' || r == ' ' })
		if len(fields) == 0 {
			return fmt.Errorf("line %d holds no number", line)
		}
		if text[0] == ',' || text[0] == ';' {
			fields = append([]string{""}, fields...)
		}
		for i := range fields {
			fields[i] = strings.Trim(fields[i], `"`)
		}
		if err := f(line, fields); err != nil {
			return err
		}
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("a line is longer than 16 MiB")
	}
	return s.Err()
}

// choose restricts the rows to the columns asked for.
func (r *rowFile) choose() error {
	all := r.dim
	to := r.to
	if to < 0 {
		to = all
	}
	if r.from > 0 && r.from >= all || to > all {
		return fmt.Errorf("%s: columns %d to %d asked of %d", r.path, r.from, to, all)
	}
	if r.from == 0 && to == all {
		return nil
	}
	r.dim = to - r.from
	whole := r.read
	cut := make([]float64, rowBlock*r.dim)
	r.read = func(take func([]float64) error) error {
		return whole(func(rows []float64) error {
			n := len(rows) / all
			for i := range n {
				copy(cut[i*r.dim:][:r.dim], rows[i*all+r.from:])
			}
			return take(cut[:n*r.dim])
		})
	}
	return nil
}

// each reads all rows, some at a time; first is the number of the first of them.
func (r *rowFile) each(ctx context.Context, take func(first int, rows []float64) error) error {
	first := 0
	err := r.read(func(rows []float64) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := take(first, rows); err != nil {
			return err
		}
		first += len(rows) / max(r.dim, 1)
		return nil
	})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%s: %w", r.path, err)
	}
	return err
}

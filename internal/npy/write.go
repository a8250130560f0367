package npy

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"onnxclr/importer/weights"
)

// Write writes one array in row-major order, byte for byte as numpy.save does.
// data is a []float32, []float64 or []int64 with as many elements as shape says.
func Write(w io.Writer, shape []int, data any) error {
	d, n, err := kindOf(data)
	if err != nil {
		return err
	}
	nw, err := NewWriter(w, d, shape)
	if err != nil {
		return err
	}
	if n != nw.left {
		return fmt.Errorf("%d elements given for shape %v, which has %d", n, shape, nw.left)
	}
	if err := nw.Append(data); err != nil {
		return err
	}
	return nw.Close()
}

// Writer writes one array whose elements arrive piece by piece.
type Writer struct {
	w     *bufio.Writer
	dtype weights.DType
	left  int // elements still to come
}

// NewWriter writes the header of an array of float32, float64 or int64 elements.
func NewWriter(w io.Writer, d weights.DType, shape []int) (*Writer, error) {
	head, err := header(d, shape)
	if err != nil {
		return nil, err
	}
	size, _ := weights.ByteSize(shape, d) // checked by header
	nw := &Writer{w: bufio.NewWriterSize(w, 1<<16), dtype: d, left: size / d.Size()}
	_, err = nw.w.WriteString(head)
	return nw, err
}

// Append writes the next elements in row-major order: a []float32, []float64 or
// []int64, as given to NewWriter. It fails on another type and on elements beyond
// the shape.
func (w *Writer) Append(data any) error {
	d, n, err := kindOf(data)
	if err != nil {
		return err
	}
	if d != w.dtype || n > w.left {
		return fmt.Errorf("%d elements of %v given, at most %d of %v expected", n, d, w.left, w.dtype)
	}
	w.left -= n
	var b [8]byte
	switch v := data.(type) {
	case []float32:
		for _, x := range v {
			binary.LittleEndian.PutUint32(b[:4], math.Float32bits(x))
			if _, err := w.w.Write(b[:4]); err != nil {
				return err
			}
		}
	case []float64:
		for _, x := range v {
			binary.LittleEndian.PutUint64(b[:], math.Float64bits(x))
			if _, err := w.w.Write(b[:]); err != nil {
				return err
			}
		}
	case []int64:
		for _, x := range v {
			binary.LittleEndian.PutUint64(b[:], uint64(x))
			if _, err := w.w.Write(b[:]); err != nil {
				return err
			}
		}
	}
	return nil
}

// Close flushes what Append buffered; it does not close the underlying writer. It
// fails when elements are missing.
func (w *Writer) Close() error {
	if w.left != 0 {
		return fmt.Errorf("array is incomplete: %d elements were never written", w.left)
	}
	return w.w.Flush()
}

func kindOf(data any) (weights.DType, int, error) {
	switch v := data.(type) {
	case []float32:
		return weights.Float32, len(v), nil
	case []float64:
		return weights.Float64, len(v), nil
	case []int64:
		return weights.Int64, len(v), nil
	}
	return 0, 0, fmt.Errorf("elements of type %T, want []float32, []float64 or []int64", data)
}

// header returns a version 1 header. NumPy leaves room for the first dimension to
// grow to 21 digits and aligns the elements to 64 bytes; so do we.
func header(d weights.DType, shape []int) (string, error) {
	var descr string
	switch d {
	case weights.Float32, weights.Float64, weights.Int64:
	default:
		return "", fmt.Errorf("cannot write elements of %v, want float32, float64 or int64", d)
	}
	for _, t := range descrs {
		if t.dtype == d {
			descr = "<" + t.code
		}
	}
	if len(shape) > maxRank {
		return "", fmt.Errorf("shape %v has more than %d dimensions", shape, maxRank)
	}
	if _, err := weights.ByteSize(shape, d); err != nil {
		return "", err
	}
	dims, grow := "", 0
	for i, n := range shape {
		if i > 0 {
			dims += " "
		}
		dims += strconv.Itoa(n) + ","
	}
	if len(shape) > 0 {
		grow = 21 - len(strconv.Itoa(shape[0]))
	}
	if len(shape) > 1 {
		dims = strings.TrimSuffix(dims, ",")
	}
	dict := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, dims)
	dict += strings.Repeat(" ", grow)
	pad := 64 - (len(magic)+4+len(dict)+1)%64
	dict += strings.Repeat(" ", pad) + "\n"
	return magic + "\x01\x00" + string(binary.LittleEndian.AppendUint16(nil, uint16(len(dict)))) + dict, nil
}

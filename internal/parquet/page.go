package parquet

import (
	"encoding/binary"
	"fmt"
	"io"
)

// chunk is the values of one column in one row group, in order.
type chunk struct {
	column *column
	codec  int64
	rest   []byte // pages not yet read
	left   int64  // values that are declared and not yet read
	dict   values // its dictionary

	inPage                 int64 // values left in the page
	repetition, definition runs
	values                 values

	pending bool // back was called
	last    cell
}

// cell is one value or the lack of it.
type cell struct {
	repetition, definition int
	number                 float64
	text                   []byte
}

// maxPage bounds what a page may take when decompressed; writers aim at 1 MiB.
const maxPage = 1 << 30

// next returns the next value, io.EOF after the last.
func (c *chunk) next() (cell, error) {
	if c.pending {
		c.pending = false
		return c.last, nil
	}
	for c.inPage == 0 {
		if len(c.rest) == 0 || c.left == 0 {
			if c.left != 0 {
				return cell{}, FormatError(fmt.Sprintf("%d values are declared and not there", c.left))
			}
			return cell{}, io.EOF
		}
		if err := c.page(); err != nil {
			return cell{}, err
		}
	}
	c.inPage--
	c.left--
	v := cell{definition: c.column.definition}
	var err error
	if c.column.repetition > 0 {
		if v.repetition, err = c.repetition.next(); err != nil {
			return v, err
		}
	}
	if c.column.definition > 0 {
		if v.definition, err = c.definition.next(); err != nil {
			return v, err
		}
	}
	if v.definition > c.column.definition || v.repetition > c.column.repetition {
		return v, FormatError("a level above the highest")
	}
	if v.definition == c.column.definition {
		if c.column.kind == text {
			v.text, err = c.values.text()
		} else {
			v.number, err = c.values.number()
		}
	}
	c.last = v
	return v, err
}

// back has next return the last value again.
func (c *chunk) back() { c.pending = true }

// page opens the next page.
func (c *chunk) page() error {
	h, n, err := readHeader(c.rest)
	if err != nil {
		return err
	}
	c.rest = c.rest[n:]
	if h.packed < 0 || h.packed > int64(len(c.rest)) {
		return FormatError(fmt.Sprintf("a page of %d bytes where %d are left", h.packed, len(c.rest)))
	}
	if h.size < 0 || h.size > maxPage {
		return FormatError(fmt.Sprintf("a page of %d bytes", h.size))
	}
	b := c.rest[:h.packed]
	c.rest = c.rest[h.packed:]
	switch h.kind {
	case dataPage, dictionaryPage:
		if b, err = decompress(c.codec, b, h.size); err != nil {
			return err
		}
	case dataPageV2:
		levels := h.levels[0] + h.levels[1]
		if h.levels[0] < 0 || h.levels[1] < 0 || levels > h.packed || levels > h.size {
			return FormatError("levels longer than their page")
		}
		c.repetition = newRuns(b[:h.levels[0]], width(c.column.repetition))
		c.definition = newRuns(b[h.levels[0]:levels], width(c.column.definition))
		if b = b[levels:]; !h.whole {
			if b, err = decompress(c.codec, b, h.size-levels); err != nil {
				return err
			}
		}
	default:
		return nil // an index
	}
	if h.values < 0 || h.kind != dictionaryPage && h.values > c.left {
		return FormatError(fmt.Sprintf("a page of %d values, %d are left", h.values, c.left))
	}
	if h.kind == dictionaryPage {
		c.dict, err = newDictionary(c.column, b, h.values)
		return err
	}
	if h.kind == dataPage {
		for _, level := range []struct {
			to   *runs
			most int
		}{{&c.repetition, c.column.repetition}, {&c.definition, c.column.definition}} {
			if level.most == 0 {
				continue
			}
			if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
				return FormatError("levels longer than their page")
			}
			n := int(binary.LittleEndian.Uint32(b))
			*level.to = newRuns(b[4:4+n], width(level.most))
			b = b[4+n:]
		}
	}
	c.inPage = h.values
	c.values, err = c.decoder(h, b)
	return err
}

// maxList is far above any row of an embedding; a damaged run may go on for ever.
const maxList = 1 << 20

// list reads the next list: row says which for errors. Its numbers are appended to
// where they go, if anywhere. It returns their number, and io.EOF where there is no list.
func (c *chunk) list(row int, to *[]float64) (n int, err error) {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("column %q, row %d: "+format, append([]any{c.column.name, row}, args...)...)
	}
	for {
		v, err := c.next()
		switch {
		case err == io.EOF && n > 0:
			return n, nil
		case err == io.EOF:
			return 0, err
		case err != nil:
			return n, fail("%w", err)
		case n == 0 && v.repetition != 0:
			return n, fail("%w", FormatError("a list without a beginning"))
		case n > 0 && v.repetition == 0: // the first of the next list
			c.back()
			return n, nil
		case v.definition == c.column.definition-1 && c.column.element.repetition == optional:
			return n, fail("null at %d of the list", n)
		case v.definition < c.column.definition:
			return n, fail("null or an empty list, want numbers")
		}
		if n++; n > maxList {
			return n, fail("a list of more than %d numbers", maxList)
		}
		if to != nil {
			*to = append(*to, v.number)
		}
	}
}

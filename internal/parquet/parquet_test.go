package parquet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"onnxclr/internal/golden/bounded"
)

const golden = "../../testdata/golden/parquet/"

// all reads every row of a table, some at a time.
func all(t testing.TB, path, columns string) (*Table, []float64, error) {
	t.Helper()
	table, err := Open(path, columns)
	if err != nil {
		return nil, nil, err
	}
	t.Cleanup(func() { table.Close() })
	var values []float64
	err = table.Each(7, func(rows []float64) error {
		values = append(values, rows...)
		return nil
	})
	return table, values, err
}

// What testdata/gen/parquet.py stores: -3, -2.5, -2, ... in 40 rows of 6, or twice that.
func TestReadsWhatPyarrowWrites(t *testing.T) {
	for _, tc := range []struct {
		file, columns string
		scale         float64
	}{
		{"list_none", "z", 1}, {"list_snappy", "z", 1}, {"list_zstd", "", 1}, {"list_gzip", "z", 1}, {"list_lz4", "z", 1},
		{"list_f8", "", 1}, {"list_f2", "", 1}, {"fixed_f4", "", 1}, {"fixed_f8_v2", "", 1}, {"fixed_f2", "", 1}, {"split", "", 1},
		{"columns", "", 1}, {"mixed", "f*", 1}, {"mixed", "f0,f1,f2,f3,f4,f5", 1}, {"ints", "", 2}, {"delta", "", 2}, {"two_lists", "r", 1},
	} {
		table, got, err := all(t, golden+tc.file+".parquet", tc.columns)
		if err != nil {
			t.Errorf("%s: %v", tc.file, err)
			continue
		}
		if table.Len() != 40 || table.Dim() != 6 || len(got) != 240 {
			t.Errorf("%s: %d×%d, %d numbers, want 40×6", tc.file, table.Len(), table.Dim(), len(got))
		}
		for i, v := range got {
			if want := tc.scale * (float64(i)*.5 - 3); v != want {
				t.Errorf("%s: number %d is %v, want %v", tc.file, i, v, want)
				break
			}
		}
	}
	if table, got, err := all(t, golden+"none.parquet", ""); err != nil || table.Len() != 0 || len(got) != 0 {
		t.Errorf("a table without rows: %v, %v", got, err)
	}
	if _, got, err := all(t, golden+"nan.parquet", ""); err != nil || !math.IsNaN(got[121]) {
		t.Errorf("NaN is read as it is: %v", err)
	}
	if _, got, err := all(t, golden+"mixed.parquet", "f5,f0"); err != nil || got[0] != -.5 || got[1] != -3 {
		t.Errorf("columns come in the order of their names: %v, %v", got, err)
	}
}

func TestLabels(t *testing.T) {
	ids, names, err := Labels(golden+"mixed.parquet", "name")
	if err != nil || !slices.Equal(names, []string{"ant", "cat", "dog"}) || !slices.Equal(ids[:4], []int64{1, 2, 0, 1}) || len(ids) != 40 {
		t.Errorf("text gives %v, %v, %v", ids, names, err)
	}
	ids, names, err = Labels(golden+"list_zstd.parquet", "")
	if err != nil || names != nil || !slices.Equal(ids[:4], []int64{0, 1, 2, 0}) || len(ids) != 40 {
		t.Errorf("whole numbers give %v, %v, %v", ids, names, err)
	}
	for name, say := range map[string]string{"": "several columns", "f0": "want one whole number or text a row", "lable": "no column"} {
		if _, _, err := Labels(golden+"mixed.parquet", name); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%q: %v, want %q", name, err, say)
		}
	}
}

func TestRefuses(t *testing.T) {
	for _, tc := range []struct{ file, columns, say string }{
		{"ragged", "", `column "z", row 20: a list of 4 numbers, the first has 6`},
		{"null_list", "", `column "z", row 20: null or an empty list`},
		{"empty_list", "", `column "z", row 20: null or an empty list`},
		{"null_element", "", `column "z", row 20: null at 1 of the list`},
		{"null_cell", "", `column "f0", row 20: null`},
		{"nested", "", `column "z" holds lists of lists`},
		{"struct", "", `column "z" holds groups of columns`},
		{"dates", "", `column "t" holds`},
		{"two_lists", "", "several columns of lists, name one"},
		{"mixed", "", `column "name" holds text, no numbers; name the columns`},
		{"mixed", "name", `column "name" holds text`},
		{"mixed", "f0,g*", `no column "g*"; it holds f0, f1`},
		{"mixed", "[", "syntax error"},
		{"list_brotli", "z", "compressed by Brotli"},
		{"list_zstd", "id,z", "name it alone"},
	} {
		if _, _, err := all(t, golden+tc.file+".parquet", tc.columns); err == nil || !strings.Contains(err.Error(), tc.say) {
			t.Errorf("%s: %v, want %q", tc.file, err, tc.say)
		}
	}
	if _, err := Open(golden+"mixed.parquet", "f9"); !errors.As(err, new(*MissingError)) {
		t.Errorf("a column that is not there: %v", err)
	}
}

// Damage is an error, never a panic, and what a file declares is not allocated.
func TestDamage(t *testing.T) {
	whole, err := os.ReadFile(golden + "fixed_f4.parquet")
	if err != nil {
		t.Fatal(err)
	}
	try := func(b []byte) (err error) {
		bounded.Allocation(t, len(b), func() {
			s, e := decode(b)
			if e != nil {
				err = e
				return
			}
			for _, columns := range []string{"z", "name", "label"} {
				table, e := s.table("x", columns)
				if e == nil {
					e = table.Each(7, func([]float64) error { return nil })
				}
				if columns == "z" {
					err = e
				}
			}
			for _, c := range s.columns {
				s.readLabels(c)
			}
		})
		return err
	}
	for n := range whole {
		if try(whole[:n]) == nil {
			t.Fatalf("%d of %d bytes are read", n, len(whole))
		}
	}
	for i := 0; i < len(whole); i += 3 { // whatever becomes of it, it comes back
		b := slices.Clone(whole)
		b[i] ^= 0xff
		try(b)
	}
	huge := slices.Clone(whole)
	binary.LittleEndian.PutUint32(huge[len(huge)-8:], 1<<31)
	if err := try(huge); err == nil || !strings.Contains(err.Error(), "metadata of 2147483648 bytes") {
		t.Errorf("a footer of 2 GiB: %v", err)
	}
	// A list of a billion schema elements: field 2, type list, size 15+.
	footer := []byte{0x15, 0x04, 0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x03}
	b := slices.Concat([]byte("PAR1"), footer, binary.LittleEndian.AppendUint32(nil, uint32(len(footer))), []byte("PAR1"))
	if err := try(b); err == nil || !strings.Contains(err.Error(), "a list of 1073741823") {
		t.Errorf("a billion columns: %v", err)
	}
	if err := try([]byte("\x93NUMPY of old")); err == nil || !strings.Contains(err.Error(), "starts with") {
		t.Errorf("another format: %v", err)
	}
	if err := try(bytes.Replace(whole, []byte("PAR1"), []byte("PARE"), 1)); err == nil {
		t.Error("an encrypted file is read")
	}
}

func FuzzTable(f *testing.F) {
	files, err := filepath.Glob(golden + "*.parquet")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		bounded.Allocation(t, 16*len(b), func() {
			s, err := decode(b)
			if err != nil {
				return
			}
			for _, c := range s.columns {
				if table, err := s.table("x", c.name); err == nil && table.Dim() < 1<<10 {
					n := 0
					err = table.Each(64, func(rows []float64) error {
						if n += len(rows) / table.Dim(); n > 1<<20 {
							return io.EOF // a run may be of any length
						}
						return nil
					})
					if err == nil && n != table.Len() {
						t.Errorf("%d rows, %d are declared", n, table.Len())
					}
				}
				if c.kind == text && s.rows < 1<<20 {
					s.readLabels(c)
				}
			}
		})
	})
}

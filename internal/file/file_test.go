package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestWriteLeavesOldFileOnError(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.bin")
	if err := Write(path, func(w io.Writer) error { _, err := io.WriteString(w, "old"); return err }); err != nil {
		t.Fatal(err)
	}
	full := errors.New("no space left")
	err := Write(path, func(w io.Writer) error { io.WriteString(w, "half"); return full })
	if !errors.Is(err, full) {
		t.Fatalf("got %v, want the writer's error", err)
	}
	got, _ := os.ReadFile(path)
	if string(got) != "old" {
		t.Errorf("file holds %q, want the old contents", got)
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 1 {
		t.Errorf("%d entries left behind, want 1", len(entries))
	}
}

// What cannot be written is said of the file asked for, and so is what it is not.
func TestWriteErrors(t *testing.T) {
	dir := t.TempDir()
	source := errors.New("image 3 is damaged")
	ok := func(io.Writer) error { return nil }
	for _, tt := range []struct {
		name, path, want string
		write            func(io.Writer) error
	}{
		{"source", filepath.Join(dir, "a"), "image 3 is damaged", func(io.Writer) error { return source }},
		{"writing", filepath.Join(dir, "b"), filepath.Join(dir, "b") + ": cannot write: ", func(w io.Writer) error {
			w.(*writer).f.Close() // the next write fails
			_, err := w.Write([]byte("x"))
			return fmt.Errorf("encoding: %w", err)
		}},
		{"folder", dir, dir + ": cannot write: it is a folder", ok},
		{"no folder", filepath.Join(dir, "no", "c"), filepath.Join(dir, "no", "c") + ": cannot write: ", ok},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Write(tt.path, tt.write)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), ".tmp-") {
				t.Errorf("error %v, want %q and no temporary name", err, tt.want)
			}
			if entries, _ := os.ReadDir(dir); len(entries) != 0 {
				t.Errorf("left behind: %v", entries)
			}
		})
	}
}

func TestWriteNewRefusesExisting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	write := func(w io.Writer) error { _, err := io.WriteString(w, "x"); return err }
	if err := WriteNew(path, false, write); err != nil {
		t.Fatal(err)
	}
	if err := WriteNew(path, false, write); !errors.Is(err, ErrExists) {
		t.Errorf("got %v, want ErrExists", err)
	}
	if err := WriteNew(path, true, write); err != nil {
		t.Errorf("with force: %v", err)
	}
}

func TestMap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	for _, want := range []string{"", "hello"} {
		os.WriteFile(path, []byte(want), 0o600)
		m, err := Map(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(m.Bytes) != want {
			t.Errorf("got %q, want %q", m.Bytes, want)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := Map(t.TempDir()); err == nil {
		t.Error("a directory was mapped")
	}
}

func TestSpace(t *testing.T) {
	for err, want := range map[error]bool{
		fmt.Errorf("model.onnx: %w", &fs.PathError{Op: "write", Path: "x", Err: full[0]}): true,
		errors.New("no space left"): false,
	} {
		if got := Full(err); got != want {
			t.Errorf("%v: full %v", err, got)
		}
	}
	if n := Free(t.TempDir()); n < 0 || n == 0 && (runtime.GOOS == "linux" || runtime.GOOS == "darwin" || runtime.GOOS == "windows") {
		t.Errorf("%d bytes are free", n)
	}
	if n := Free(filepath.Join(t.TempDir(), "nowhere")); n != 0 {
		t.Errorf("%d bytes are free in a folder that is not there", n)
	}
}

// What a killed process leaves is known by its name, and nothing else is.
func TestUnfinished(t *testing.T) {
	dir := t.TempDir()
	f, err := createBeside(filepath.Join(dir, "a.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if of, ok := Unfinished(filepath.Base(f.Name())); !ok || of != "a.png" {
		t.Errorf("%s was to become %q, %v", f.Name(), of, ok)
	}
	for _, name := range []string{"", ".", "a.png", ".a.png", "a.png.tmp-01234567", ".tmp-01234567", ".a.png.tmp-0123456", ".a.png.tmp-0123456x", ".a.png.tmp-012345678"} {
		if of, ok := Unfinished(name); ok {
			t.Errorf("%s was to become %q", name, of)
		}
	}
}

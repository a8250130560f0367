package file

import (
	"errors"
	"io"
	"os"
	"path/filepath"
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

package golden

import (
	"os"
	"path/filepath"
	"testing"
)

// Path returns the file name below testdata/golden.
func Path(t testing.TB, name string) string {
	t.Helper()
	return Testdata(t, filepath.Join("golden", name))
}

// Testdata returns the file or folder name below testdata.
func Testdata(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(root(t), "testdata", filepath.FromSlash(name))
}

// Shared returns the file or folder name below ../shared/data, seen from the root of
// the repository: data too large to be kept in it. The test is skipped where the
// data are absent.
func Shared(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(root(t), "..", "shared", "data", filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		t.Skipf("%s is not on this machine", filepath.Join("../shared/data", name))
	}
	return path
}

// root walks up from the package under test to the folder of go.mod.
func root(t testing.TB) string {
	t.Helper()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			t.Fatal("no go.mod above the working directory")
		}
		folder = parent
	}
}

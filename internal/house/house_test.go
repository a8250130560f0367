// Package house holds the tests of the project's own rules: which package may
// import which, and how long a file may grow.
package house

import (
	"bufio"
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "onnxclr"

// mayImport is the ladder: what each package (or tree of packages) may import of
// this module, tests aside. Longest path wins; a package not listed is an error.
var mayImport = map[string][]string{
	"cmd/onnxclr":               {"importer", "train", "analysis", "internal", "testdata"},
	"train":                     {"importer", "train/data", "train/augment", "train/tensorboard", "train/probe", "analysis", "internal"},
	"train/probe":               {"importer/weights", "internal/kernel", "internal/stream"},
	"train/data":                {"train/augment", "importer/weights", "internal/file", "internal/memory", "internal/stream", "internal/npy"},
	"train/augment":             {"internal/stream"},
	"train/tensorboard":         {},
	"analysis":                  {"internal/file", "internal/npy", "internal/kernel", "internal/blas", "internal/stream"},
	"importer":                  {"importer", "internal/file", "internal/npy", "internal/stream", "internal/version", "internal/nearest"},
	"importer/onnx":             {"importer/weights", "internal/file"},
	"importer/torch":            {"importer/weights", "internal/file"},
	"importer/safetensors":      {"importer/weights", "internal/file"},
	"importer/weights":          {},
	"internal/graph":            {"importer/onnx", "importer/weights", "internal/vm", "internal/kernel"},
	"internal/vm":               {"internal/kernel"},
	"internal/kernel":           {},
	"internal/blas":             {},
	"internal/kernel/reference": {"internal/kernel"},
	"internal/file":             {},
	"internal/memory":           {},
	"internal/stream":           {},
	"internal/version":          {},
	"internal/nearest":          {},
	"internal/npy":              {"internal/file", "importer/weights"},
	"internal/parquet":          {"internal/file", "importer/weights"},
	"internal/golden":           {"internal/file", "internal/npy", "importer/weights", "internal/stream"},
	"internal/house":            {},
	"internal/report":           {"train", "analysis"},
	"internal/study":            {"train", "analysis", "internal/file", "internal/nearest"},
	"bench":                     {"importer", "train", "analysis", "internal"},
	"docs/gallery":              {"analysis", "internal/stream"},
	"testdata":                  {},
}

// reserved packages may be imported by one package only.
var reserved = map[string]string{
	"github.com/owulveryck/onnx-go": "internal/graph",
	"github.com/chewxy/hm":          "internal/graph",
	"github.com/spf13/pflag":        "cmd/onnxclr",
	"gonum.org/v1/plot":             "analysis",
	"github.com/klauspost/compress": "internal/parquet",
}

func TestImportsPointDown(t *testing.T) {
	eachGoFile(t, func(path, pkg string) {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Error(err)
			return
		}
		allowed, ok := mayImport[longest(pkg)]
		if !ok {
			t.Errorf("%s: package %s has no place in the ladder of internal/house", path, pkg)
			return
		}
		for _, spec := range f.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			for name, owner := range reserved {
				if within(imported, name) && !within(pkg, owner) {
					t.Errorf("%s imports %s, which only %s may", path, imported, owner)
				}
			}
			inside, ours := strings.CutPrefix(imported, module+"/")
			if !ours || within(inside, longest(pkg)) {
				continue
			}
			fine := false
			for _, a := range allowed {
				fine = fine || within(inside, a)
			}
			if !fine {
				t.Errorf("%s imports %s; %s may import %v", path, imported, longest(pkg), allowed)
			}
		}
	})
}

func TestFilesStayShort(t *testing.T) {
	const limit = 600
	eachGoFile(t, func(path, _ string) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			return
		}
		lines := 0
		for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); lines++ {
			if lines < 5 && strings.Contains(s.Text(), "DO NOT EDIT") {
				return
			}
		}
		if lines > limit {
			t.Errorf("%s has %d lines, at most %d are readable", path, lines, limit)
		}
	})
}

// eachGoFile visits every Go file of the module that is not a test.
func eachGoFile(t *testing.T, visit func(path, pkg string)) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != root && (strings.HasPrefix(d.Name(), ".") || isModule(path)) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		visit(path, filepath.ToSlash(rel))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// isModule reports whether a folder is a module of its own (code generators).
func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func within(path, tree string) bool { return path == tree || strings.HasPrefix(path, tree+"/") }

// longest returns the entry of the ladder that pkg belongs to, or pkg itself.
func longest(pkg string) string {
	best := ""
	for p := range mayImport {
		if within(pkg, p) && len(p) > len(best) {
			best = p
		}
	}
	if best == "" {
		return pkg
	}
	return best
}

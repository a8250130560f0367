package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"onnxclr/analysis"
)

// sourceLabels are the names of folders, and those of files without extension, or the
// paths where names repeat. A run and the embeddings of its model may share a name.
func sourceLabels(paths []string) []string {
	labels := make([]string, len(paths))
	for _, folders := range []bool{true, false} {
		var some []string
		var at []int
		for i, p := range paths {
			if st, err := os.Stat(p); (err == nil && st.IsDir()) == folders {
				p = filepath.Clean(p)
				if abs, err := filepath.Abs(p); err == nil && (p == "." || p == "..") {
					p = abs
				}
				some, at = append(some, p), append(at, i)
			}
		}
		for k, label := range fileLabels(some) {
			if folders && label != some[k] {
				label = filepath.Base(some[k]) // the name of a folder has no extension
			}
			labels[at[k]] = label
		}
	}
	return labels
}

// distinguish adds to labels that several spectra have the end of the path of the file
// that each is of, as much of it as tells them apart, and to those of one file a number.
func distinguish(spectra []*analysis.Spectrum, from []string) {
	alike := map[string][]int{}
	for i, s := range spectra {
		alike[s.Label] = append(alike[s.Label], i)
	}
	for label, at := range alike {
		if len(at) < 2 {
			continue
		}
		files := map[string]bool{}
		for _, i := range at {
			files[filepath.Clean(from[i])] = true
		}
		depth := 1
		for ends := map[string]bool{}; len(ends) < len(files); depth++ {
			clear(ends)
			for f := range files {
				ends[pathEnd(f, depth)] = true
			}
		}
		seen := map[string]int{}
		for _, i := range at {
			f := filepath.Clean(from[i])
			seen[f]++
			spectra[i].Label = fmt.Sprintf("%s (%s)", label, pathEnd(f, depth-1))
			if seen[f] > 1 {
				spectra[i].Label = fmt.Sprintf("%s (%s, %d)", label, pathEnd(f, depth-1), seen[f])
			}
		}
	}
}

// pathEnd returns the last n elements of a path.
func pathEnd(path string, n int) string {
	parts := strings.Split(filepath.ToSlash(path), "/")
	return strings.Join(parts[max(len(parts)-n, 0):], "/")
}

package train

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"onnxclr/internal/file"
	"onnxclr/internal/golden"
	"onnxclr/internal/npy"
	"onnxclr/internal/stream"
)

// writeViews writes one batch; the arrays are given as name, shape, data.
func writeViews(t testing.TB, path string, arrays ...npy.Named) {
	t.Helper()
	if err := file.Write(path, func(w io.Writer) error { return npy.WriteZip(w, arrays) }); err != nil {
		t.Fatal(err)
	}
}

// pair is a batch of n images of side×side pixels, random for the seed.
func pair(seed uint64, n, side int) []npy.Named {
	r := stream.New(seed, "views")
	arrays := make([]npy.Named, 2)
	for i, name := range viewNames {
		x := make([]float32, n*3*side*side)
		for j := range x {
			x[j] = float32(r.NormFloat64())
		}
		arrays[i] = npy.Named{Name: name, Shape: []int{n, 3, side, side}, Data: x}
	}
	return arrays
}

func TestViewsComeInNameOrder(t *testing.T) {
	dir := t.TempDir()
	batches := [][]npy.Named{pair(0, 2, 4), pair(1, 2, 4), pair(2, 2, 4)}
	for i, name := range []string{"b.npz", "c.npz", "a.npz"} {
		writeViews(t, filepath.Join(dir, name), batches[i]...)
	}
	os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("not a batch"), 0o644)
	v, err := OpenViews(dir)
	if err != nil {
		t.Fatal(err)
	}
	if n, h, w := v.Size(); n != 2 || h != 4 || w != 4 || v.StepsPerEpoch() != 3 {
		t.Fatalf("%d images of %d×%d, %d steps", n, h, w, v.StepsPerEpoch())
	}
	next := func(what string, want []npy.Named, step int) {
		t.Helper()
		b, err := v.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		golden.Check(t, what+", view 1", golden.Exact, b.Images[:96], want[0].Data.([]float32))
		golden.Check(t, what+", view 2", golden.Exact, b.Images[96:], want[1].Data.([]float32))
		if b.Step != step || b.Epoch != step/3 {
			t.Errorf("%s: step %d of epoch %d, want %d of %d", what, b.Step, b.Epoch, step, step/3)
		}
	}
	for epoch := range 2 {
		for i, k := range []int{2, 0, 1} {
			next("in order", batches[k], 3*epoch+i)
		}
	}
	if err := v.Seek(4); err != nil {
		t.Fatal(err)
	}
	next("after Seek", batches[0], 4)

	before := v.Fingerprint()
	writeViews(t, filepath.Join(dir, "c.npz"), pair(9, 2, 4)...)
	changed, err := OpenViews(dir)
	if err != nil || changed.Fingerprint() == before {
		t.Errorf("the fingerprint did not notice another file: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancel: %v", err)
	}
}

func TestBadViewsAreNamed(t *testing.T) {
	good := pair(0, 2, 4)
	with := func(i int, name string, shape []int, data any) []npy.Named {
		c := append([]npy.Named{}, good...)
		c[i] = npy.Named{Name: name, Shape: shape, Data: data}
		return c
	}
	for _, c := range []struct {
		name string
		bad  []npy.Named
		want string
	}{
		{"missing", good[:1], `two.npz: no array "view2"`},
		{"misnamed", with(0, "x1", []int{2, 3, 4, 4}, make([]float32, 96)), `two.npz: no array "view1" in the archive, it holds: x1, view2`},
		{"float64", with(0, "view1", []int{2, 3, 4, 4}, make([]float64, 96)), "two.npz: view1 is float64, want float32"},
		{"rank", with(1, "view2", []int{2, 48}, make([]float32, 96)), "two.npz: view2 has shape [2 48], want [N,3,H,W]"},
		{"channels last", with(0, "view1", []int{2, 4, 4, 3}, make([]float32, 96)), "want [N,3,H,W]"},
		{"empty", with(0, "view1", []int{0, 3, 4, 4}, []float32{}), "want [N,3,H,W]"},
		{"size", pair(0, 2, 5), "two.npz: view1 has shape [2 3 5 5], want [2 3 4 4] as in one.npz"},
		{"batch", pair(0, 3, 4), "two.npz: view1 has shape [3 3 4 4], want [2 3 4 4] as in one.npz"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			writeViews(t, filepath.Join(dir, "one.npz"), good...)
			writeViews(t, filepath.Join(dir, "two.npz"), c.bad...)
			if _, err := OpenViews(dir); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	dir := t.TempDir()
	check := func(what, want string) {
		t.Helper()
		if _, err := OpenViews(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", what, err, want)
		}
	}
	check("no files", "no .npz file in "+dir)
	writeViews(t, filepath.Join(dir, "a.npz"), pair(0, 1, 4)...)
	check("one image", "batches of 1 image; the contrastive loss needs at least 2")
	writeViews(t, filepath.Join(dir, "a.npz"), good[0], pair(0, 2, 5)[1])
	check("views differ", "view2 has shape [2 3 5 5], view1 has [2 3 4 4]")
	os.WriteFile(filepath.Join(dir, "a.npz"), []byte("PK no"), 0o644)
	check("no archive", "a.npz: not a valid npz")
	dir = filepath.Join(dir, "absent")
	check("no folder", "absent")

	dir = t.TempDir()
	nan := pair(0, 2, 4)
	nan[1].Data.([]float32)[50] = float32(math.NaN())
	writeViews(t, filepath.Join(dir, "a.npz"), nan...)
	v, err := OpenViews(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Next(t.Context()); err == nil || !strings.Contains(err.Error(), "a.npz: view2 holds NaN at element 50 (image 1)") {
		t.Error(err)
	}
}

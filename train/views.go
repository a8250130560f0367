package train

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"

	"onnxclr/importer/weights"
	"onnxclr/internal/npy"
	"onnxclr/train/data"
)

// Views is a folder of ready-made batches: every *.npz file, in the order of the
// names, is one, with arrays view1 and view2 of float32 [N,3,H,W], normalised as
// the model wants them. An epoch is one pass; nothing is shuffled or augmented.
// It implements Source.
type Views struct {
	paths       []string
	shape       []int // [N,3,H,W] of one view
	fingerprint string
	step        int
	batch       data.Batch
}

var viewNames = [2]string{"view1", "view2"}

// OpenViews reads every file of the folder once and fails, naming the file, unless
// all of them hold both views in one common shape.
func OpenViews(dir string) (*Views, error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("views: %w", err)
	}
	v := &Views{}
	sum := sha256.New()
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".npz" || e.IsDir() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		z, arrays, err := v.open(path)
		if err != nil {
			return nil, err
		}
		if v.shape == nil {
			v.shape = slices.Clone(arrays[0].Shape)
		}
		z.Close()
		fmt.Fprintf(sum, "%q ", e.Name())
		if err := hashFile(sum, path); err != nil {
			return nil, fmt.Errorf("views: %w", err)
		}
		v.paths = append(v.paths, path)
	}
	if len(v.paths) == 0 {
		return nil, fmt.Errorf("views: no .npz file in %s; each is one batch with arrays view1 and view2, float32 [N,3,H,W]", dir)
	}
	if v.shape[0] < 2 {
		return nil, fmt.Errorf("views: batches of %d image; the contrastive loss needs at least 2, of which one is the other's negative", v.shape[0])
	}
	v.fingerprint = fmt.Sprintf("%d batches of views %v, sha256 %x", len(v.paths), v.shape, sum.Sum(nil)[:16])
	return v, nil
}

// open reads one file and checks it; once a first file has set the shape, all
// others must have it. The arrays are valid until the archive is closed.
func (v *Views) open(path string) (*npy.Archive, [2]*npy.Array, error) {
	var arrays [2]*npy.Array
	z, err := npy.ReadZip(path)
	if err != nil {
		return nil, arrays, fmt.Errorf("views: %w", err)
	}
	want := v.shape
	for i, name := range viewNames {
		a, err := z.Get(name)
		switch {
		case err != nil:
			err = fmt.Errorf("views: %s: %w", path, err)
		case a.DType != weights.Float32:
			err = fmt.Errorf("views: %s: %s is %v, want float32", path, name, a.DType)
		case len(a.Shape) != 4 || a.Shape[1] != 3 || slices.Min(a.Shape) < 1:
			err = fmt.Errorf("views: %s: %s has shape %v, want [N,3,H,W]", path, name, a.Shape)
		case want != nil && !slices.Equal(a.Shape, want) && i == 1 && v.shape == nil:
			err = fmt.Errorf("views: %s: view2 has shape %v, view1 has %v", path, a.Shape, want)
		case want != nil && !slices.Equal(a.Shape, want):
			err = fmt.Errorf("views: %s: %s has shape %v, want %v as in %s", path, name, a.Shape, want, filepath.Base(v.paths[0]))
		}
		if err != nil {
			z.Close()
			return nil, arrays, err
		}
		arrays[i], want = a, a.Shape
	}
	return z, arrays, nil
}

func hashFile(sum hash.Hash, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(sum, f)
	return err
}

// Size implements Source.
func (v *Views) Size() (batch, height, width int) { return v.shape[0], v.shape[2], v.shape[3] }

// StepsPerEpoch implements Source: the number of files.
func (v *Views) StepsPerEpoch() int { return len(v.paths) }

// Seek implements Source.
func (v *Views) Seek(step int) error {
	v.step = step
	return nil
}

// Fingerprint implements Source. It covers the names and contents of all files.
func (v *Views) Fingerprint() string { return v.fingerprint }

// Next implements Source. It fails, naming the file, when a value is not finite or
// the file is no longer what it was.
func (v *Views) Next(ctx context.Context) (*data.Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k := v.step % len(v.paths)
	path := v.paths[k]
	z, arrays, err := v.open(path)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	size := v.shape[0] * v.shape[1] * v.shape[2] * v.shape[3]
	if v.batch.Images == nil {
		v.batch.Images = make([]float32, 2*size)
	}
	for i, a := range arrays {
		x := v.batch.Images[i*size:][:size]
		if err := a.ReadFloat32s(x); err != nil {
			return nil, fmt.Errorf("views: %s: %w", path, err)
		}
		if at := notFinite(x); at >= 0 {
			return nil, fmt.Errorf("views: %s: %s holds %v at element %d (image %d); the values must be finite", path, viewNames[i], x[at], at, at/(size/v.shape[0]))
		}
	}
	v.batch.Indices, v.batch.Labels = v.batch.Indices[:0], v.batch.Labels[:0]
	for i := range v.shape[0] {
		v.batch.Indices, v.batch.Labels = append(v.batch.Indices, k*v.shape[0]+i), append(v.batch.Labels, -1)
	}
	v.batch.Step, v.batch.Epoch = v.step, v.step/len(v.paths)
	v.step++
	return &v.batch, nil
}

// Close implements Source.
func (v *Views) Close() error { return nil }

// notFinite returns the index of the first NaN or infinity, or -1.
func notFinite(x []float32) int {
	for i, f := range x {
		if math.Float32bits(f)&0x7f800000 == 0x7f800000 {
			return i
		}
	}
	return -1
}

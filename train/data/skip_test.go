package data

import (
	"context"
	"errors"
	"io/fs"
	"reflect"
	"strings"
	"testing"

	"onnxclr/internal/stream"
	"onnxclr/train/augment"
)

// Damaged images are replaced by the next readable ones, the same whatever the number
// of workers and wherever the loader starts; the view is that of the stream of the
// image that is missing.
func TestSkipCorrupt(t *testing.T) {
	const size = 8
	set := func() *memorySet {
		ds := newMemorySet(9)
		ds.bad[3], ds.bad[4], ds.bad[8] = formatf("d is damaged"), unsupportedf("e is of a kind"), formatf("i is damaged")
		return ds
	}
	stands := map[int]int{3: 5, 4: 5, 8: 0}
	type step struct {
		indices, labels, skipped []int
		images                   []float32
	}
	run := func(start, workers, n int) (steps []step) {
		l := training(t, set(), 3, start, workers)
		l.SkipCorrupt()
		for range n {
			b, err := l.Next(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			s := step{append([]int(nil), b.Indices...), append([]int(nil), b.Labels...), nil, append([]float32(nil), b.Images...)}
			for _, k := range b.Skipped {
				s.skipped = append(s.skipped, k.Index)
			}
			steps = append(steps, s)
		}
		return steps
	}
	want := run(0, 1, 9)
	plain := training(t, newMemorySet(9), 3, 0, 1)
	replaced := 0
	for i, s := range want {
		b, err := plain.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for k, planned := range b.Indices {
			instead, bad := stands[planned]
			if !bad {
				instead = planned
			} else {
				replaced++
			}
			if s.indices[k] != instead || s.labels[k] != instead%2 {
				t.Errorf("step %d: image %d with label %d for %d, want %d", i, s.indices[k], s.labels[k], planned, instead)
			}
			var ws augment.Workspace
			view := augment.Contrastive(1, size).Apply(&ws, set().images[instead], stream.New(42, viewStream, uint64(i/3), uint64(planned), 0))
			row := make([]float32, 3*size*size)
			augment.ImageNet.Apply(row, view)
			if !reflect.DeepEqual(row, s.images[k*len(row):][:len(row)]) {
				t.Errorf("step %d: row %d is not image %d in the view of %d", i, k, instead, planned)
			}
		}
	}
	if replaced != 9 { // three an epoch
		t.Errorf("%d images replaced in three epochs, want 9", replaced)
	}
	if got := run(0, 3, 9); !reflect.DeepEqual(got, want) {
		t.Error("three workers skip otherwise")
	}
	if got := run(5, 2, 4); !reflect.DeepEqual(got, want[5:]) {
		t.Error("from step 5 on others are skipped")
	}
}

func TestSkipCorruptHasLimits(t *testing.T) {
	next := func(ds Dataset) error {
		l, err := NewTraining(ds, 2, 8, 1, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		l.SkipCorrupt()
		_, err = l.Next(context.Background())
		return err
	}
	none, gone := newMemorySet(3), newMemorySet(3)
	for i := range 3 {
		none.bad[i] = formatf("is damaged")
		gone.bad[i] = &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}
	}
	if err := next(none); err == nil || !strings.Contains(err.Error(), "none of the 3 images can be read") {
		t.Errorf("error %v where no image is readable", err)
	}
	if err := next(gone); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v where the files are gone", err)
	}
}

func TestReadable(t *testing.T) {
	ds := newMemorySet(7)
	ds.bad[2], ds.bad[6] = formatf("c is damaged"), unsupportedf("g is of a kind")
	r, skipped, err := Readable(t.Context(), ds)
	if err != nil {
		t.Fatal(err)
	}
	if got := listing(t, r); !reflect.DeepEqual(got, []string{"a even", "b odd", "d odd", "e even", "f odd"}) {
		t.Errorf("readable are %q", got)
	}
	if img, err := r.Image(2); err != nil || img != ds.images[3] {
		t.Errorf("image 2 is another, or %v", err)
	}
	if len(skipped) != 2 || skipped[0].Index != 2 || skipped[1].Index != 6 || skipped[1].Err.Error() != "g is of a kind" {
		t.Errorf("skipped %v", skipped)
	}
	ds.bad[4] = fs.ErrNotExist
	if _, _, err := Readable(t.Context(), ds); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v where a file is gone", err)
	}
	for i := range 7 {
		ds.bad[i] = formatf("is damaged")
	}
	if _, _, err := Readable(t.Context(), ds); err == nil || !strings.Contains(err.Error(), "none of the 7") {
		t.Errorf("error %v where none is readable", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Readable(ctx, newMemorySet(3)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after cancelling", err)
	}
}

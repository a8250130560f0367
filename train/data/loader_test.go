package data

import (
	"context"
	"errors"
	"io"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"onnxclr/internal/stream"
	"onnxclr/train/augment"
)

// record is a copy of a batch.
type record struct {
	images          []float32
	indices, labels []int
	epoch, step     int
}

// take reads n batches.
func take(t testing.TB, l *Loader, n int) []record {
	t.Helper()
	var out []record
	for range n {
		b, err := l.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, record{slices.Clone(b.Images), slices.Clone(b.Indices), slices.Clone(b.Labels), b.Epoch, b.Step})
	}
	return out
}

func training(t testing.TB, ds Dataset, batch, start, workers int) *Loader {
	t.Helper()
	l, err := NewTraining(ds, batch, 8, 42, start, workers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestWorkersDoNotMatter(t *testing.T) {
	ds := newMemorySet(13)
	want := take(t, training(t, ds, 4, 0, 1), 8)
	for _, workers := range []int{2, 7} {
		if !reflect.DeepEqual(take(t, training(t, ds, 4, 0, workers), 8), want) {
			t.Errorf("%d workers gave other batches than one", workers)
		}
	}
}

func TestStartAnywhere(t *testing.T) {
	ds := newMemorySet(13)
	want := take(t, training(t, ds, 4, 0, 2), 9)
	for start := range 8 {
		got := take(t, training(t, ds, 4, start, 2), 9-start)
		if !reflect.DeepEqual(got, want[start:]) {
			t.Errorf("from step %d on the batches differ", start)
		}
	}
}

func TestEpochs(t *testing.T) {
	ds := newMemorySet(13)
	l := training(t, ds, 4, 0, 2)
	if l.StepsPerEpoch() != 3 {
		t.Fatalf("%d steps an epoch, want 3: the 13th image does not fill a batch", l.StepsPerEpoch())
	}
	steps := take(t, l, 60)
	left := map[int]bool{}
	for e := range 20 {
		seen := map[int]bool{}
		for _, s := range steps[3*e : 3*e+3] {
			if s.epoch != e {
				t.Errorf("step %d is of epoch %d, want %d", s.step, s.epoch, e)
			}
			for k, i := range s.indices {
				if seen[i] {
					t.Errorf("epoch %d shows image %d twice", e, i)
				}
				seen[i] = true
				if s.labels[k] != i%2 {
					t.Errorf("image %d has label %d", i, s.labels[k])
				}
			}
		}
		for i := range 13 {
			if !seen[i] {
				left[i] = true
			}
		}
		if e > 0 && reflect.DeepEqual(steps[3*e].indices, steps[3*e-3].indices) {
			t.Errorf("epochs %d and %d begin alike", e-1, e)
		}
	}
	if len(left) < 8 {
		t.Errorf("in 20 epochs only images %v were ever left out; the order is not random", left)
	}
	for i, s := range steps {
		if s.step != i {
			t.Errorf("batch %d says it is step %d", i, s.step)
		}
	}
}

// Row k of view v is what the pipeline makes of the image with its own stream.
func TestRows(t *testing.T) {
	ds := newMemorySet(6)
	const size = 8
	for _, s := range take(t, training(t, ds, 3, 0, 2), 4) {
		if len(s.images) != 2*3*3*size*size {
			t.Fatalf("%d values, want [2·3,3,%d,%d]", len(s.images), size, size)
		}
		for v := range 2 {
			for k, i := range s.indices {
				var ws augment.Workspace
				img, _ := ds.Image(i)
				view := augment.Contrastive(v+1, size).Apply(&ws, img, stream.New(42, "augment", uint64(s.epoch), uint64(i), uint64(v)))
				want := make([]float32, 3*size*size)
				augment.ImageNet.Apply(want, view)
				got := s.images[(v*3+k)*len(want):][:len(want)]
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("step %d, view %d, row %d is not image %d", s.step, v+1, k, i)
				}
			}
		}
	}
}

// The values are those of the formula, as floats and as bytes that become floats later.
func TestLoaderNormalizes(t *testing.T) {
	mean, std := [3]float32{0.1, 0.5, 0}, [3]float32{0.25, 2, 1}
	for _, bytes := range []bool{false, true} {
		ds := newMemorySet(3)
		l, err := NewEvaluation(ds, 3, 8, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		l.Normalize(augment.NewNormalization(mean, std))
		if bytes {
			l.KeepBytes()
		}
		b, err := l.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float32, 3*3*8*8)
		b.Rows(got, 0, 3)
		var ws augment.Workspace
		for i := range 3 {
			img, _ := ds.Image(i)
			view := augment.Evaluation(8).Apply(&ws, img, nil)
			for at, v := range view.Pix {
				c := at % 3
				want := (float64(v)/255 - float64(mean[c])) / float64(std[c])
				if x := got[i*192+c*64+at/3]; math.Abs(float64(x)-want) > 1e-6 {
					t.Fatalf("image %d, channel %d, pixel %d: %d becomes %g, want %g", i, c, at/3, v, x, want)
				}
			}
		}
	}
}

func TestEvaluationIsOnePassInOrder(t *testing.T) {
	ds := newMemorySet(10)
	for _, workers := range []int{1, 3} {
		l, err := NewEvaluation(ds, 4, 8, workers)
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		var sizes []int
		for {
			b, err := l.Next(context.Background())
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got, sizes = append(got, b.Indices...), append(sizes, b.N())
			if len(b.Images) != b.N()*3*8*8 {
				t.Errorf("%d values for %d images", len(b.Images), b.N())
			}
			var ws augment.Workspace
			img, _ := ds.Image(b.Indices[0])
			want := make([]float32, 3*8*8)
			augment.ImageNet.Apply(want, augment.Evaluation(8).Apply(&ws, img, nil))
			if !reflect.DeepEqual(b.Images[:len(want)], want) {
				t.Errorf("batch %d does not begin with image %d", b.Step, b.Indices[0])
			}
		}
		if !reflect.DeepEqual(got, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) || !reflect.DeepEqual(sizes, []int{4, 4, 2}) {
			t.Errorf("order %v in batches of %v", got, sizes)
		}
		if _, err := l.Next(context.Background()); err != io.EOF {
			t.Errorf("after the end: %v, want io.EOF again", err)
		}
		l.Close()
	}
}

func TestLoaderRefuses(t *testing.T) {
	for _, c := range []struct {
		images, batch int
		want          string
	}{
		{0, 2, "image"}, {1, 2, "needs at least two"}, {5, 6, "larger than the data set, which holds 5"}, {5, 1, "no negatives"},
	} {
		if _, err := NewTraining(newMemorySet(c.images), c.batch, 8, 1, 0, 1); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d images in batches of %d: error %v, want %q in it", c.images, c.batch, err, c.want)
		}
	}
	if _, err := NewEvaluation(newMemorySet(0), 2, 8, 1); err == nil {
		t.Error("an empty set was accepted")
	}
}

// An unreadable image ends the loader with its error, that of the first one in the
// batch whichever worker was faster, and only when its batch is due.
func TestLoaderErrors(t *testing.T) {
	for range 20 {
		ds := newMemorySet(12)
		ds.bad[7], ds.bad[6] = errors.New("image 7"), errors.New("image 6")
		l, err := NewLoader(ds, Options{Views: []augment.Pipeline{augment.Evaluation(8)}, Size: 8, Batch: 4, Once: true, Workers: 3})
		if err != nil {
			t.Fatal(err)
		}
		take(t, l, 1)
		for range 2 {
			if _, err := l.Next(context.Background()); err == nil || err.Error() != "image 6" {
				t.Fatalf("error %v, want that of image 6", err)
			}
		}
		l.Close()
	}
}

// blockedSet never finishes an image until it is released.
type blockedSet struct {
	*memorySet
	release chan struct{}
}

func (b blockedSet) Image(i int) (*augment.Image, error) {
	<-b.release
	return b.memorySet.Image(i)
}

func TestNextCanBeCancelled(t *testing.T) {
	ds := blockedSet{newMemorySet(8), make(chan struct{})}
	l := training(t, ds, 4, 0, 2)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := l.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the context's", err)
	}
	if l.Wait() < 10*time.Millisecond {
		t.Errorf("waited %v, want the time the context left", l.Wait())
	}
	close(ds.release)
}

func TestCloseStopsEverything(t *testing.T) {
	before := runtime.NumGoroutine()
	for n := range 8 {
		l, err := NewTraining(newMemorySet(9), 3, 8, 1, 0, 4)
		if err != nil {
			t.Fatal(err)
		}
		take(t, l, n%3)
		l.Close()
		l.Close()
		if _, err := l.Next(context.Background()); err == nil {
			t.Error("a closed loader gave a batch")
		}
	}
	// A goroutine that has been waited for may still be on its way out.
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

// A loader that keeps bytes gives the same rows as one that does not.
func TestBytesAreTheImages(t *testing.T) {
	ds := newMemorySet(13)
	want := take(t, training(t, ds, 4, 2, 1), 3)
	l := training(t, ds, 4, 2, 2)
	l.KeepBytes()
	for _, w := range want {
		b, err := l.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if b.Images != nil {
			t.Error("there are floats too")
		}
		got := make([]float32, len(w.images))
		half := len(got) / 2
		b.Rows(got[:half], 0, 4)
		b.Rows(got[half:], 4, 4)
		if !slices.Equal(got, w.images) || !slices.Equal(b.Indices, w.indices) {
			t.Errorf("step %d: other images", b.Step)
		}
	}
}

package data

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"onnxclr/internal/stream"
	"onnxclr/train/augment"
)

// viewStream names the random streams that augmentation draws from; their
// coordinates are epoch, sample and view (0 or 1).
const viewStream = "augment"

// Options say what a Loader delivers.
type Options struct {
	Views   []augment.Pipeline     // what is made of each image, one row each; all must give Size×Size pixels
	Values  *augment.Normalization // what is made of their bytes; nil: augment.ImageNet
	Size    int
	Batch   int  // images a batch
	Shuffle bool // in an order drawn for each epoch, else as they come
	// Once ends after one pass, the last batch being as small as it may be. Otherwise
	// epochs follow each other without end, each without the images that do not fill
	// a batch.
	Once    bool
	Seed    uint64
	Start   int // number of the first batch, counted from the beginning of epoch 0
	Workers int // 0: one for each core; no influence on the batches
	Ahead   int // batches prepared before they are asked for; 0: one
}

// Batch is one step's input.
type Batch struct {
	// Images is [views·N,3,Size,Size], normalised; all of view 1, then all of view 2. It
	// is nil where the loader keeps bytes: see Rows.
	Images  []float32
	Indices []int // [N] which samples they are
	Labels  []int // [N] −1 where there is none
	Epoch   int
	Step    int // counted from 0 over all epochs
	// Skipped are the images that could not be read and that others stand for, in the
	// order of the batch; only after SkipCorrupt.
	Skipped []Skip

	pixels  []uint8 // [views·N,Size,Size,3], instead of Images
	values  *augment.Normalization
	size    int
	views   int
	missing atomic.Int64  // samples still to be made
	done    chan struct{} // closed when none is missing
	mu      sync.Mutex
	failed  int // position of the first sample with an error
	err     error
}

// Rows writes the rows from …, each one view of an image, into dst, which is
// [rows,3,Size,Size]: what Images has or would have there.
func (b *Batch) Rows(dst []float32, from, rows int) {
	plane := len(dst) / rows
	if b.pixels == nil {
		copy(dst, b.Images[from*plane:][:rows*plane])
		return
	}
	for i := range rows {
		img := augment.Image{W: b.size, H: b.size, Pix: b.pixels[(from+i)*plane:][:plane]}
		b.values.Apply(dst[i*plane:][:plane], &img)
	}
}

// N is the number of images, each of which has a row in every view.
func (b *Batch) N() int { return len(b.Indices) }

// Loader prepares batches in worker goroutines ahead of the caller.
type Loader struct {
	ds       Dataset
	o        Options
	perEpoch int
	bytes    bool
	cache    *cache
	skip     bool

	begin sync.Once
	ctx   context.Context
	stop  context.CancelFunc
	free  chan *Batch // buffers to be filled
	ready chan *Batch // in step order; their samples may still be in the making
	wait  atomic.Int64
	group sync.WaitGroup
	lent  *Batch // what Next returned last
	err   error  // what ended the loader
}

// task is one sample of a batch.
type task struct {
	batch    *Batch
	position int
}

// NewTraining returns the batches of a contrastive run: shuffled, two views of every
// image by the paper's pipelines, epochs without end, from global step start on.
func NewTraining(ds Dataset, batch, size int, seed uint64, start, workers int) (*Loader, error) {
	if ds.Len() < 2 {
		return nil, fmt.Errorf("the data set holds %d image; contrastive training needs at least two", ds.Len())
	}
	if batch < 2 {
		return nil, fmt.Errorf("a batch of %d has no negatives to contrast with; use at least 2", batch)
	}
	return NewLoader(ds, Options{
		Views: []augment.Pipeline{augment.Contrastive(1, size), augment.Contrastive(2, size)},
		Size:  size, Batch: batch, Shuffle: true, Seed: seed, Start: start, Workers: workers,
	})
}

// NewEvaluation returns one pass over ds in order, each image once, resized and cut
// as augment.Evaluation; Next ends with io.EOF after the last, possibly smaller,
// batch.
func NewEvaluation(ds Dataset, batch, size, workers int) (*Loader, error) {
	return NewLoader(ds, Options{
		Views: []augment.Pipeline{augment.Evaluation(size)},
		Size:  size, Batch: min(batch, ds.Len()), Once: true, Workers: workers,
	})
}

// NewLoader makes a loader whose workers start with the first call of Next. Close
// must be called to stop them.
func NewLoader(ds Dataset, o Options) (*Loader, error) {
	switch {
	case ds.Len() == 0:
		return nil, errors.New("the data set holds no image")
	case o.Size < 1 || o.Batch < 1 || len(o.Views) == 0 || o.Start < 0:
		return nil, fmt.Errorf("batches of %d images in %d views of %d pixels from step %d: sizes must be at least 1, the step 0", o.Batch, len(o.Views), o.Size, o.Start)
	case o.Batch > ds.Len() && !o.Once:
		return nil, fmt.Errorf("a batch of %d images is larger than the data set, which holds %d; lower the batch", o.Batch, ds.Len())
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	o.Ahead = max(o.Ahead, 1)
	if o.Values == nil {
		o.Values = augment.ImageNet
	}
	l := &Loader{ds: ds, o: o, perEpoch: ds.Len() / o.Batch}
	if o.Once {
		l.perEpoch = (ds.Len() + o.Batch - 1) / o.Batch
	}
	buffers := o.Ahead + 1
	l.free, l.ready = make(chan *Batch, buffers), make(chan *Batch, buffers)
	for range buffers {
		l.free <- &Batch{views: len(o.Views)}
	}
	l.ctx, l.stop = context.WithCancel(context.Background())
	return l, nil
}

// start starts the workers.
func (l *Loader) start() {
	if !l.o.Once {
		l.cache = newCache(l.ds)
	}
	tasks := make(chan task, l.o.Workers)
	l.group.Go(func() { l.dispatch(l.ctx, tasks) })
	for range l.o.Workers {
		l.group.Go(func() { l.work(tasks) })
	}
}

// KeepBytes makes the batches hold bytes instead of floats, a quarter of the memory:
// their Images is nil, Rows gives what it would hold. It is called before the first Next.
func (l *Loader) KeepBytes() { l.bytes = true }

// Augment makes the views with other pipelines than the loader was made with, as many
// and of the same size. It is called before the first Next.
func (l *Loader) Augment(views []augment.Pipeline) { l.o.Views = views }

// Normalize makes floats of the views' bytes by another normalisation than ImageNet's.
// It is called before the first Next.
func (l *Loader) Normalize(n *augment.Normalization) { l.o.Values = n }

// StepsPerEpoch is the number of batches of one pass.
func (l *Loader) StepsPerEpoch() int { return l.perEpoch }

// Wait is the time Next has spent waiting for the workers, all calls together.
func (l *Loader) Wait() time.Duration { return time.Duration(l.wait.Load()) }

// Next returns the following batch. It is the caller's until the next call of Next
// or Close, which take its buffers back. After the last batch of a loader with Once
// the error is io.EOF; an image that cannot be read ends the loader with an error that
// names it. Next is not to be called by two goroutines at once.
func (l *Loader) Next(ctx context.Context) (*Batch, error) {
	if l.lent != nil {
		l.free <- l.lent
		l.lent = nil
	}
	if l.err != nil {
		return nil, l.err
	}
	l.begin.Do(l.start)
	start := time.Now()
	defer func() { l.wait.Add(int64(time.Since(start))) }()
	var b *Batch
	var ok bool
	select {
	case b, ok = <-l.ready:
		if !ok {
			l.err = io.EOF
			return nil, io.EOF
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case <-b.done:
	case <-ctx.Done():
		// The batch is out of its queue and must not be lost to a later call.
		l.err = ctx.Err()
		return nil, l.err
	}
	if b.err != nil {
		l.err = b.err
		return nil, b.err
	}
	sortSkipped(b.Skipped)
	l.lent = b
	return b, nil
}

// Close stops the workers and waits for them. The data set stays open.
func (l *Loader) Close() error {
	l.stop()
	l.group.Wait()
	if l.err == nil {
		l.err = errors.New("the loader is closed")
	}
	l.lent = nil
	return nil
}

// dispatch hands out the samples of one batch after the other.
func (l *Loader) dispatch(ctx context.Context, tasks chan<- task) {
	defer close(tasks)
	defer close(l.ready)
	var order []int
	epoch := -1
	for step := l.o.Start; !l.o.Once || step < l.perEpoch; step++ {
		var b *Batch
		select {
		case b = <-l.free:
		case <-ctx.Done():
			return
		}
		if e := step / l.perEpoch; e != epoch {
			epoch = e
			order = l.order(order, epoch)
		}
		first := step % l.perEpoch * l.o.Batch
		b.prepare(l, order[first:min(first+l.o.Batch, len(order))], epoch, step)
		l.ready <- b // has room for every buffer
		for i := range b.Indices {
			select {
			case tasks <- task{b, i}:
			case <-ctx.Done():
				return
			}
		}
	}
}

// order returns the order of the samples in an epoch, which depends on nothing but
// the seed and the epoch.
func (l *Loader) order(into []int, epoch int) []int {
	if into == nil {
		into = make([]int, l.ds.Len())
	}
	for i := range into {
		into[i] = i
	}
	if l.o.Shuffle {
		r := stream.New(l.o.Seed, "shuffle", uint64(epoch))
		r.Shuffle(len(into), func(i, j int) { into[i], into[j] = into[j], into[i] })
	}
	return into
}

// prepare empties the batch for these samples.
func (b *Batch) prepare(l *Loader, indices []int, epoch, step int) {
	n := b.views * len(indices) * 3 * l.o.Size * l.o.Size
	b.size, b.values = l.o.Size, l.o.Values
	if l.bytes {
		b.pixels = slices.Grow(b.pixels[:0], n)[:n]
	} else {
		b.Images = slices.Grow(b.Images[:0], n)[:n]
	}
	b.Indices = append(b.Indices[:0], indices...)
	b.Labels = b.Labels[:0]
	for _, i := range indices {
		b.Labels = append(b.Labels, l.ds.Label(i))
	}
	b.Epoch, b.Step = epoch, step
	b.failed, b.err = len(indices), nil
	b.Skipped = b.Skipped[:0]
	b.missing.Store(int64(len(indices)))
	b.done = make(chan struct{})
}

// work makes samples until there are no more tasks.
func (l *Loader) work(tasks <-chan task) {
	var ws augment.Workspace
	for t := range tasks {
		if err := l.make(&ws, t.batch, t.position); err != nil {
			t.batch.fail(t.position, err)
		}
		if t.batch.missing.Add(-1) == 0 {
			close(t.batch.done)
		}
	}
}

// fail keeps the error of the first sample that has one, whichever worker came first.
func (b *Batch) fail(position int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if position < b.failed {
		b.failed, b.err = position, err
	}
}

// make decodes a sample and writes its views into the batch.
func (l *Loader) make(ws *augment.Workspace, b *Batch, position int) error {
	index := b.Indices[position]
	img, err := l.image(b, position)
	if err != nil {
		return err
	}
	plane := 3 * l.o.Size * l.o.Size
	for v, pipeline := range l.o.Views {
		r := stream.New(l.o.Seed, viewStream, uint64(b.Epoch), uint64(index), uint64(v))
		view := pipeline.Apply(ws, img, r)
		if view.W != l.o.Size || view.H != l.o.Size {
			return fmt.Errorf("view %d is %d×%d pixels, want %d: %v", v+1, view.W, view.H, l.o.Size, pipeline)
		}
		row := v*b.N() + position
		if l.bytes {
			copy(b.pixels[row*plane:][:plane], view.Pix)
			continue
		}
		l.o.Values.Apply(b.Images[row*plane:][:plane], view)
	}
	return nil
}

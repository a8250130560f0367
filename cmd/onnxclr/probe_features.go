package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"onnxclr/importer"
	"onnxclr/importer/weights"
	"onnxclr/internal/file"
	"onnxclr/internal/kernel"
	"onnxclr/internal/memory"
	"onnxclr/internal/npy"
	"onnxclr/train/augment"
	"onnxclr/train/data"
	"onnxclr/train/probe"
)

// probeSet is what a probe works on.
type probeSet struct {
	train   []*probe.Features // a pass each
	test    *probe.Features
	classes []string
	size    int    // of the images, 0 for ready-made rows
	encoder string // SHA-256 of the weights; "" for ready-made rows
	// unchanged fails if the encoder is not what it was when the rows were computed.
	unchanged func() error
}

// features reads or computes the rows.
func (o *probeOptions) features(ctx context.Context, t *terminal, on columns) (*probeSet, error) {
	const same = "the test %s are the training ones: this measures what is remembered"
	if o.trainFeatures != "" {
		if o.testFeatures == o.trainFeatures {
			t.warn(same, "rows")
		}
		return o.ready()
	}
	train, test, err := o.images()
	if err != nil {
		return nil, err
	}
	defer train.Close()
	defer test.Close()
	if o.testData != "" && fingerprint(train) == fingerprint(test) {
		t.warn(same, "images")
	}
	for _, ds := range []*data.Dataset{&train, &test} {
		if *ds, err = withoutCorrupt(ctx, t, *ds, o.corrupt); err != nil {
			return nil, err
		}
	}
	path, err := modelPath(o.model)
	if err != nil {
		return nil, err
	}
	m, err := importer.OpenModel(path)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	r, err := o.input.settle(t, o.model, m.ONNX, train)
	if err != nil {
		return nil, err
	}
	tensor := on.tensor()
	if on.of == "r" {
		tensor, err = importer.Representation(m.ONNX)
	} else if err = findTensor(m.ONNX, tensor); err != nil {
		err = fmt.Errorf("--on z is the output of a run's projector: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	const images = 64
	e, err := newEmbedder(m.ONNX, tensor, r.ImageSize, images, o.exact)
	if big := (*memory.TooLargeError)(nil); errors.As(err, &big) && big.Batch > 0 {
		e, err = newEmbedder(m.ONNX, tensor, r.ImageSize, big.Batch, o.exact)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer e.close()
	passes := max(o.augment, 1)
	need := 4 * int64(e.dim) * (int64(passes)*int64(train.Len()) + int64(test.Len()))
	if free := memory.Available(); free > 0 && need > free {
		return nil, fmt.Errorf("the rows take %s of memory (%d passes over %d training images, %d test images, %d values each), %s are free; probe fewer images or passes",
			memory.Text(need), passes, train.Len(), test.Len(), e.dim, memory.Text(free))
	}
	before := sealOf(m, e)
	c := &featureCache{dir: o.cache, encoder: fmt.Sprintf("%s %s tensor %s exact %v", before.file, before.weights, tensor, o.exact)}
	set := &probeSet{classes: train.Classes(), size: r.ImageSize, encoder: before.weights}
	plain := evaluation(r, e.batch)
	for pass := range passes {
		options := plain
		if o.augment > 0 {
			options.Views = []augment.Pipeline{{
				augment.RandomResizedCrop{Size: r.ImageSize, Scale: [2]float64{0.08, 1}, Ratio: [2]float64{3. / 4, 4. / 3}, Filter: augment.Bilinear},
				augment.HorizontalFlip{P: 0.5},
			}}
			options.Seed = o.fit.Seed + uint64(pass)
		}
		rows, err := c.rows(ctx, t, e, train, options)
		if err != nil {
			return nil, err
		}
		set.train = append(set.train, probe.NewFeatures(rows, e.dim, labelsOf(train)))
	}
	rows, err := c.rows(ctx, t, e, test, plain)
	if err != nil {
		return nil, err
	}
	set.test = probe.NewFeatures(rows, e.dim, labelsOf(test))
	if err := before.check(sealOf(m, e)); err != nil {
		return nil, err
	}
	set.unchanged = func() error { return before.checkFile(path) }
	return set, nil
}

// warnOfUnseen tells of test rows that nothing can classify rightly.
func (s *probeSet) warnOfUnseen(t *terminal) {
	seen := map[int]bool{}
	for _, label := range s.train[0].Labels {
		seen[label] = true
	}
	unseen, first := 0, 0
	for _, label := range s.test.Labels {
		if !seen[label] {
			if unseen++; unseen == 1 {
				first = label
			}
		}
	}
	if unseen > 0 {
		t.warn("%d of %d test rows are of classes that no training row is of, the first of class %s", unseen, len(s.test.Labels), s.classes[first])
	}
}

// images opens the training and the test images, which have the same classes.
func (o *probeOptions) images() (train, test data.Dataset, err error) {
	source, err := data.OpenSource(o.data)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			source.Close()
		}
	}()
	splits := source.Splits()
	heldOut := slices.Contains(splits, "test") || slices.Contains(splits, "val")
	if o.testData == "" && !(heldOut && slices.Contains(splits, "train")) {
		return nil, nil, fmt.Errorf("data set %s has no train and test (or val) splits to learn from and to test on; name the test images with --test-data", o.data)
	}
	set, err := source.Split(data.Auto)
	if err != nil {
		return nil, nil, err
	}
	train = &owned{set, source}
	if o.testData == "" {
		test, err = source.Split(data.HeldOut)
	} else {
		test, err = data.Open(o.testData, data.HeldOut)
	}
	if err != nil {
		return nil, nil, err
	}
	for _, d := range []struct {
		set  data.Dataset
		path string
	}{{train, o.data}, {test, o.testData}} {
		switch {
		case d.set.Classes() == nil:
			err = fmt.Errorf("data set %s has no labels to probe for: its images are not in a folder a class", d.path)
		case len(d.set.Classes()) == 1:
			err = fmt.Errorf("data set %s has one class, %q: there is nothing to tell apart", d.path, d.set.Classes()[0])
		case !slices.Equal(d.set.Classes(), train.Classes()):
			err = fmt.Errorf("the classes of the test images are others: %s in %s, %s in %s", firstFew(d.set.Classes()), o.testData, firstFew(train.Classes()), o.data)
		}
		if err != nil {
			test.Close()
			return nil, nil, err
		}
	}
	return train, test, nil
}

// owned is a split that closes its source.
type owned struct {
	data.Dataset
	source *data.Source
}

func (o *owned) Close() error { return o.source.Close() }

// fingerprint is data.Fingerprint of the split itself, contents included.
func fingerprint(ds data.Dataset) string {
	if o, ok := ds.(*owned); ok {
		ds = o.Dataset
	}
	return data.Fingerprint(ds)
}

func labelsOf(ds data.Dataset) []int {
	labels := make([]int, ds.Len())
	for i := range labels {
		labels[i] = ds.Label(i)
	}
	return labels
}

// ready reads ready-made rows.
func (o *probeOptions) ready() (*probeSet, error) {
	train, most, err := readFeatures(o.trainFeatures, o.trainLabels)
	if err != nil {
		return nil, err
	}
	test, more, err := readFeatures(o.testFeatures, o.testLabels)
	if err != nil {
		return nil, err
	}
	if train.Dim != test.Dim {
		return nil, fmt.Errorf("%s has rows of %d values, %s of %d", o.trainFeatures, train.Dim, o.testFeatures, test.Dim)
	}
	set := &probeSet{train: []*probe.Features{train}, test: test}
	for c := range max(most, more) + 1 {
		set.classes = append(set.classes, strconv.Itoa(c))
	}
	if len(set.classes) == 1 {
		return nil, fmt.Errorf("%s and %s hold one class only: there is nothing to tell apart", o.trainLabels, o.testLabels)
	}
	return set, nil
}

// readFeatures reads rows and labels and returns the largest of these.
func readFeatures(rows, labels string) (*probe.Features, int, error) {
	r, err := openRows(rows)
	if err != nil {
		return nil, 0, err
	}
	defer r.close()
	if r.views > 1 {
		return nil, 0, fmt.Errorf("%s: holds %d views of every sample, want one row each", rows, r.views)
	}
	var values []float32
	err = r.each(context.Background(), func(_ int, block []float64) error {
		for _, v := range block {
			values = append(values, float32(v))
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	if len(values) == 0 {
		return nil, 0, fmt.Errorf("%s: holds no rows", rows)
	}
	classes, names, err := readLabels(labels)
	switch n := len(values) / r.dim; {
	case err != nil:
		return nil, 0, err
	case names != nil:
		return nil, 0, fmt.Errorf("%s: labels are text, want whole numbers, the same for training and test rows", labels)
	case len(classes) != n:
		return nil, 0, fmt.Errorf("%s: %d labels, want one for each of the %d rows of %s", labels, len(classes), n, rows)
	}
	const limit = 1 << 17
	f := probe.NewFeatures(values, r.dim, make([]int, len(classes)))
	most := 0
	for i, c := range classes {
		if c < 0 || c >= limit {
			return nil, 0, fmt.Errorf("%s: label %d is %d, want 0 to %d", labels, i, c, limit-1)
		}
		f.Labels[i] = int(c)
		most = max(most, int(c))
	}
	return f, most, nil
}

// featureCache keeps computed rows in a folder, or not where that is "".
type featureCache struct{ dir, encoder string }

// rows returns the rows of a data set [N,dim], computed or as they were kept.
func (c *featureCache) rows(ctx context.Context, t *terminal, e *embedder, ds data.Dataset, o data.Options) ([]float32, error) {
	if c.dir == "" {
		rows := make([]float32, 0, ds.Len()*e.dim)
		err := e.each(ctx, t, ds, o, func(r []float32) error {
			rows = append(rows, r...)
			return nil
		})
		return rows, err
	}
	key, err := c.key(ds, o)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(c.dir, key+".npy")
	if _, err := os.Stat(path); err == nil {
		t.say("rows of %d images from %s", ds.Len(), path)
	} else {
		if err := os.MkdirAll(c.dir, 0o755); err != nil {
			return nil, fmt.Errorf("--cache: %w", err)
		}
		err := file.Write(path, func(w io.Writer) error {
			out, err := npy.NewWriter(w, weights.Float32, []int{ds.Len(), e.dim})
			if err != nil {
				return err
			}
			if err := e.each(ctx, t, ds, o, func(r []float32) error { return out.Append(r) }); err != nil {
				return err
			}
			return out.Close()
		})
		if err != nil {
			return nil, err
		}
	}
	a, err := npy.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--cache: %w; remove the file", err)
	}
	defer a.Close()
	if !slices.Equal(a.Shape, []int{ds.Len(), e.dim}) {
		return nil, fmt.Errorf("--cache: %s has shape %v, want [%d %d]; remove it", path, a.Shape, ds.Len(), e.dim)
	}
	return a.Float32s()
}

// key names everything that rows depend on: the encoder, the kernels' rounding, the
// names, order and labels of the images with the pixels of some, and how they were cut.
func (c *featureCache) key(ds data.Dataset, o data.Options) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "rows 2\nencoder %s\nkernels %s\ndata %s\n", c.encoder, kernelsName(), data.Fingerprint(ds))
	fmt.Fprintf(h, "views %v %d mean %v std %v seed %d\n", o.Views[0], o.Size, o.Values.Mean, o.Values.Std, o.Seed)
	const looks = 64
	n := min(looks, ds.Len())
	for i := range n {
		img, err := ds.Image(i * ds.Len() / n)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%d×%d", img.W, img.H)
		h.Write(img.Pix)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:16]), nil
}

// kernelsName is the name of the kernels in use.
func kernelsName() string {
	p := kernel.NewPool(1)
	defer p.Close()
	return p.Implementation()
}

// seal identifies an encoder: the file, and the weights as they are in memory.
type seal struct{ file, weights string }

func sealOf(m *importer.Model, e *embedder) seal {
	h := sha256.New()
	for _, name := range e.weights.Names() {
		fmt.Fprintf(h, "%q", name)
		hashFloats(h, e.weights.Values(name))
	}
	return seal{m.SHA256(), fmt.Sprintf("%x", h.Sum(nil))}
}

func hashFloats(h hash.Hash, values []float32) {
	var b [4096]byte
	for len(values) > 0 {
		n := min(len(values), len(b)/4)
		for i, v := range values[:n] {
			u := math.Float32bits(v)
			b[4*i], b[4*i+1], b[4*i+2], b[4*i+3] = byte(u), byte(u>>8), byte(u>>16), byte(u>>24)
		}
		h.Write(b[:4*n])
		values = values[n:]
	}
}

// check refuses results about an encoder that is no longer what it was.
func (s seal) check(now seal) error {
	switch {
	case s.weights != now.weights:
		return fmt.Errorf("the encoder's weights changed while it was probed (SHA-256 %s, was %s): there is nothing to report", short(now.weights), short(s.weights))
	case s.file != now.file:
		return fmt.Errorf("the encoder's file changed while it was probed (SHA-256 %s, was %s): there is nothing to report", short(now.file), short(s.file))
	}
	return nil
}

// checkFile is check of the file at path; one that is gone, such as an old checkpoint
// of a run that goes on, says nothing.
func (s seal) checkFile(path string) error {
	m, err := file.Map(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer m.Close()
	return s.check(seal{fmt.Sprintf("%x", sha256.Sum256(m.Bytes)), s.weights})
}

func short(sum string) string { return sum[:12] + "…" }

package train

import (
	"context"
	"fmt"

	"onnxclr/train/data"
)

// Source gives the batches of a run: an image loader, or ready-made views. Equal
// sources give equal batches, whatever was asked of them before.
type Source interface {
	// Size returns the images of a batch, which has two views of each, and the
	// height and width of a view in pixels.
	Size() (batch, height, width int)
	// StepsPerEpoch returns the number of batches in one pass over the data.
	StepsPerEpoch() int
	// Seek makes the batch of this step, counted from 0 over all epochs, the next.
	Seek(step int) error
	// Next returns the next batch, Rows [2N,3,H,W], which is valid until the call after
	// it; Images is nil where a step is computed in micro-batches. It returns the
	// context's error when that ends first.
	Next(ctx context.Context) (*data.Batch, error)
	// Fingerprint identifies the data: equal for equal data, and fit for a message.
	Fingerprint() string
	Close() error
}

// openSource opens what the recipe names.
func openSource(r *Recipe, warn func(string)) (Source, error) {
	if r.Views != "" {
		return OpenViews(r.Views)
	}
	return openImages(r, warn)
}

// images augments a data set in worker goroutines, ahead of the trainer.
type images struct {
	source *data.Source
	set    data.Dataset // what is trained on
	loader *data.Loader
	recipe Recipe
	next   int    // step
	print  string // of the data
	warn   func(string)
	bad    map[int]bool // images that could not be read
}

// namedCorrupt is how many unreadable images are warned of one by one.
const namedCorrupt = 5

func openImages(r *Recipe, warn func(string)) (Source, error) {
	source, err := data.OpenSource(r.Data)
	if err != nil {
		return nil, err
	}
	set, err := source.Split(r.Split)
	if err != nil {
		source.Close()
		return nil, err
	}
	if n := set.Len(); n > 1 && n < r.Batch && !r.Given["batch"] && r.Batch == Defaults(r.Method).Batch {
		source.Close()
		return nil, fmt.Errorf("%s: holds %d images, and %d, the paper's batch, is the default; give a smaller one with batch", r.Data, n, r.Batch)
	}
	s := &images{source: source, set: set, recipe: *r, warn: warn, bad: map[int]bool{}}
	s.print = fmt.Sprintf("%d images, %s", set.Len(), data.Fingerprint(set))
	if err := s.start(0); err != nil {
		source.Close()
		return nil, fmt.Errorf("%s: %w", r.Data, err)
	}
	if !r.Given["image_size"] {
		// An image that cannot be read is the loader's business.
		if img, err := set.Image(0); err == nil && 2*max(img.W, img.H) <= r.ImageSize {
			warn(fmt.Sprintf("the images are small (%d×%d) and are enlarged to image_size %d; a smaller image_size trains faster", img.W, img.H, r.ImageSize))
		}
	}
	return s, nil
}

func (s *images) start(step int) (err error) {
	s.loader, err = data.NewTraining(s.set, s.recipe.Batch, s.recipe.ImageSize, s.recipe.Seed, step, s.recipe.Workers)
	if err == nil {
		s.loader.Augment(s.recipe.Augmentation().Pipelines(s.recipe.ImageSize))
		s.loader.Normalize(s.recipe.Normalization())
	}
	if err == nil && s.recipe.micro() > 0 {
		s.loader.KeepBytes()
	}
	s.next = step
	if err == nil && s.recipe.Corrupt == "skip" {
		s.loader.SkipCorrupt()
	}
	return err
}

func (s *images) Size() (batch, height, width int) {
	return s.recipe.Batch, s.recipe.ImageSize, s.recipe.ImageSize
}

func (s *images) StepsPerEpoch() int { return s.loader.StepsPerEpoch() }

// Seek restarts the workers, unless they are preparing that step already.
func (s *images) Seek(step int) error {
	if step == s.next {
		return nil
	}
	if err := s.loader.Close(); err != nil {
		return err
	}
	return s.start(step)
}

func (s *images) Next(ctx context.Context) (*data.Batch, error) {
	s.next++
	b, err := s.loader.Next(ctx)
	if err != nil {
		if s.recipe.Corrupt == "fail" && data.Corrupt(err) {
			err = fmt.Errorf("%w; repair or remove it, or pass over such images with corrupt: skip", err)
		}
		return nil, err
	}
	for _, skip := range b.Skipped {
		if s.bad[skip.Index] {
			continue
		}
		s.bad[skip.Index] = true
		switch n := len(s.bad); {
		case n <= namedCorrupt:
			s.warn(fmt.Sprintf("skipped: %v", skip.Err))
		case n == namedCorrupt+1:
			s.warn("more images that cannot be read are skipped; their number follows at the end")
		}
	}
	return b, nil
}

func (s *images) Fingerprint() string { return s.print }

func (s *images) Close() error {
	s.loader.Close()
	if n := len(s.bad); n > namedCorrupt {
		s.warn(fmt.Sprintf("%d of %d images could not be read and were skipped", n, s.set.Len()))
	}
	return s.source.Close()
}

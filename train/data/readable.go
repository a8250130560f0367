package data

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"onnxclr/train/augment"
)

// Readable returns the images of ds that can be read, in their order, and those that
// are damaged or of a kind that is not read. It reads all of them to know. A file that
// is missing or a disk that fails is an error. Closing the result closes ds.
func Readable(ctx context.Context, ds Dataset) (Dataset, []Skip, error) {
	errs := make([]error, ds.Len())
	var next atomic.Int64
	var stop atomic.Bool
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for !stop.Load() && ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(errs) {
					return
				}
				if _, errs[i] = ds.Image(i); errs[i] != nil && !Corrupt(errs[i]) {
					stop.Store(true)
				}
			}
		})
	}
	group.Wait()
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	r := &readableSet{Dataset: ds}
	var skipped []Skip
	for i, err := range errs {
		switch {
		case err == nil:
			r.at = append(r.at, i)
		case !Corrupt(err):
			return nil, nil, err
		default:
			skipped = append(skipped, Skip{Index: i, Err: err})
		}
	}
	if len(r.at) == 0 {
		return nil, nil, fmt.Errorf("none of the %d images can be read; the first: %w", len(errs), cmp.Or(errs...))
	}
	return r, skipped, nil
}

// readableSet are some of the images of a data set.
type readableSet struct {
	Dataset
	at []int
}

func (r *readableSet) Len() int                            { return len(r.at) }
func (r *readableSet) Label(i int) int                     { return r.Dataset.Label(r.at[i]) }
func (r *readableSet) Name(i int) string                   { return r.Dataset.Name(r.at[i]) }
func (r *readableSet) Image(i int) (*augment.Image, error) { return r.Dataset.Image(r.at[i]) }

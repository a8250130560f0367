package main

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"

	"onnxclr/train/data"
)

// namedCorrupt is how many unreadable images are warned of one by one.
const namedCorrupt = 5

// corruptFlag declares --corrupt with what "skip" does.
func corruptFlag(f *pflag.FlagSet, policy *string, skip string) {
	f.StringVar(policy, "corrupt", "fail", "images that cannot be read: `fail or skip`, which leaves them out"+skip)
}

func checkCorrupt(policy string) error { return oneOf("corrupt", policy, "fail", "skip") }

// unreadable says what to do about an image that cannot be read.
func unreadable(err error) error {
	if data.Corrupt(err) {
		return fmt.Errorf("%w; repair or remove it, or pass over such images with --corrupt skip", err)
	}
	return err
}

// withoutCorrupt returns ds without the images that cannot be read, of which it warns,
// if policy is "skip", and ds if it is "fail".
func withoutCorrupt(ctx context.Context, t *terminal, ds data.Dataset, policy string) (data.Dataset, error) {
	if policy != "skip" {
		return ds, nil
	}
	readable, skipped, err := data.Readable(ctx, ds)
	if err != nil {
		return nil, err
	}
	warnSkipped(t, skipped, ds.Len())
	return readable, nil
}

// warnSkipped names the first of the images that were skipped, of as many as were read.
func warnSkipped(t *terminal, skipped []data.Skip, of int) {
	for _, s := range skipped[:min(len(skipped), namedCorrupt)] {
		t.warn("skipped: %v", s.Err)
	}
	if len(skipped) > namedCorrupt {
		t.warn("%d of %d images could not be read and were skipped", len(skipped), of)
	}
}

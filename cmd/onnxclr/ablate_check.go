package main

import (
	"fmt"
	"slices"
	"strings"

	"onnxclr/internal/nearest"
	"onnxclr/internal/study"
	"onnxclr/train"
	"onnxclr/train/data"
)

// checkSet fails on a setting that there is none of, or that is not one for all runs.
func checkSet(s study.Study, set string) error {
	key, _, ok := strings.Cut(set, "=")
	switch key = strings.ReplaceAll(key, "-", "_"); {
	case !ok:
		return usagef("--set %s: want key=value, such as epochs=5", set)
	case !slices.Contains(train.Keys(), key):
		return usagef("--set %s: there is no setting %q%s; onnxclr recipe show simclr-none-cifar10-32 --resolved lists them", set, key, nearest.Hint(key, train.Keys()))
	case slices.Contains([]string{"model", "data", "views", "seed"}, key):
		return usagef("--set %s: %s is not one for all runs; there are --arch, --data and --seeds", set, key)
	case s.Compares(key):
		return usagef("--set %s: the variants of %s differ in %s; --only chooses among them", set, s.Name, key)
	}
	return nil
}

// checkImages fails on a data set whose cells would train and then have nothing to probe,
// and returns the fingerprints of the training and of the test images.
func checkImages(name string) ([]string, error) {
	source, err := data.OpenSource(name)
	if err != nil {
		return nil, err
	}
	splits := source.Splits()
	if err := source.Close(); err != nil {
		return nil, err
	}
	if !slices.Contains(splits, "train") || !slices.Contains(splits, "test") && !slices.Contains(splits, "val") {
		there := ""
		if len(splits) > 0 {
			there = "; it has " + strings.Join(splits, " and ")
		}
		return nil, fmt.Errorf("data set %s is not divided into train and test (or val) splits, the ones that a run is trained on and probed on%s", name, there)
	}
	training, test, err := (&probeOptions{data: name}).images()
	if err != nil {
		return nil, err
	}
	defer training.Close()
	var prints []string
	for _, ds := range []data.Dataset{training, test} {
		prints = append(prints, fmt.Sprintf("%d images, %s", ds.Len(), fingerprint(ds)))
	}
	return prints, nil
}

// checkRecipes fails, before anything is trained, on settings that train would refuse,
// alone or for these images.
func (o *ablateOptions) checkRecipes(p *study.Plan) error {
	source, err := data.OpenSource(o.data)
	if err != nil {
		return err
	}
	defer source.Close()
	for _, c := range p.Cells {
		for _, s := range c.Steps {
			if s.Args[0] != "train" {
				continue
			}
			r, err := p.Resolve(s)
			if err != nil {
				return usagef("variant %s: %v", c.Variant, err)
			}
			ds, err := source.Split(r.Split)
			if err != nil {
				return usagef("variant %s: %v", c.Variant, err)
			}
			if r.Batch > ds.Len() {
				return usagef("variant %s: a batch of %d images is larger than the training images of %s, which are %d; lower it with --set", c.Variant, r.Batch, o.data, ds.Len())
			}
			if _, err := r.Settle(r.Batch, ds.Len()/r.Batch); err != nil {
				return usagef("variant %s: %v", c.Variant, err)
			}
		}
	}
	return nil
}

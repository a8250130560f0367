package train

import (
	"fmt"
	"slices"

	"onnxclr/internal/stream"
	"onnxclr/train/augment"
	"onnxclr/train/data"
)

// heldOut are the images that a monitor looks at.
type heldOut struct {
	held data.Dataset
	bank data.Dataset // labelled training images, none of them in held; nil for no kNN
	// labelled says that training and held-out images have classes, and the same.
	labelled bool
	notes    []string // what is not as one would expect
	close    func() error
}

// openHeldOut chooses the images for the monitor: of monitor_data, or of the training
// data, the test or val split where there is one. Which ones depends on nothing but
// the data, so that runs can be compared.
func openHeldOut(r *Recipe, source Source) (*heldOut, error) {
	h := &heldOut{close: func() error { return nil }}
	var set, train data.Dataset
	images, _ := source.(*images)
	switch {
	case r.MonitorData != "":
		own, err := data.OpenSource(r.MonitorData)
		if err != nil {
			return nil, err
		}
		h.close = own.Close
		if set, err = own.Split(data.HeldOut); err != nil {
			return nil, err
		}
		if images != nil {
			train = images.set
		} else if slices.Contains(own.Splits(), "train") {
			if train, err = own.Split("train"); err != nil {
				return nil, err
			}
		}
	case images != nil:
		var err error
		if set, err = images.source.Split(data.HeldOut); err != nil {
			return nil, err
		}
		train = images.set
	default:
		return nil, fmt.Errorf("the batches come ready-made and hold no images to look at; name some with monitor_data")
	}
	picked := map[string]bool{}
	h.held = pick(set, "monitor held out", r.MonitorSamples, nil)
	for i := range h.held.Len() {
		picked[h.held.Name(i)] = true
	}
	if h.held.Len() < 2 {
		return nil, fmt.Errorf("%d image has no spectrum, at least 2 are needed", h.held.Len())
	}
	// Names tell images apart within one data set.
	if r.MonitorData != "" {
		picked = nil
	} else {
		trained := 0
		for i := range train.Len() {
			if picked[train.Name(i)] {
				trained++
			}
		}
		if trained > 0 {
			h.notes = append(h.notes, fmt.Sprintf("the data has no test or val split that is not trained on: %d of the monitor's %d images are trained on too", trained, h.held.Len()))
		}
	}
	switch classes := h.held.Classes(); {
	case classes == nil || train == nil || train.Classes() == nil:
		h.notes = append(h.notes, "the images have no labels: kNN and the online probe are off, contrastive_accuracy says whether views find each other")
	case len(classes) < 2:
		h.notes = append(h.notes, "the images are of one class: kNN and the online probe are off")
	case !slices.Equal(classes, train.Classes()):
		h.notes = append(h.notes, "the monitor's images have other classes than the training images: kNN and the online probe are off")
	default:
		h.labelled = true
		if bank := pick(train, "monitor bank", r.KNNBank, picked); bank.Len() > 0 {
			h.bank = bank
		}
	}
	return h, nil
}

// pick returns up to n images of a set that are not among those named, drawn for a
// purpose and in the order of the set.
func pick(ds data.Dataset, purpose string, n int, without map[string]bool) data.Dataset {
	p := &picked{Dataset: ds}
	for _, i := range stream.New(0, purpose).Perm(ds.Len()) {
		if len(p.at) == n {
			break
		}
		if !without[ds.Name(i)] && (ds.Classes() == nil || ds.Label(i) >= 0) {
			p.at = append(p.at, i)
		}
	}
	slices.Sort(p.at)
	return p
}

// picked is some images of a data set.
type picked struct {
	data.Dataset
	at []int
}

func (p *picked) Len() int                            { return len(p.at) }
func (p *picked) Label(i int) int                     { return p.Dataset.Label(p.at[i]) }
func (p *picked) Name(i int) string                   { return p.Dataset.Name(p.at[i]) }
func (p *picked) Image(i int) (*augment.Image, error) { return p.Dataset.Image(p.at[i]) }
func (p *picked) Close() error                        { return nil }

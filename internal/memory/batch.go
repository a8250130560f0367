package memory

import (
	"fmt"
	"math"
)

// TooLargeError says that a computation does not fit into memory, and what would.
type TooLargeError struct {
	What            string // "a training step of 4096 images at 224×224"
	Need, Available int64  // bytes
	Unit            string // what can be smaller: "batch" if empty
	Batch           int    // the largest that fits; 0: none does
	Least           int    // the smallest that makes sense
	Flag            string // what sets it, "" if nothing does
	Also            string // another way out, "" if there is none
}

func (e *TooLargeError) Error() string {
	unit := e.Unit
	if unit == "" {
		unit = "batch"
	}
	advice := fmt.Sprintf("the largest %s that fits is %d", unit, e.Batch)
	switch {
	case e.Batch > 0 && e.Flag != "":
		advice += fmt.Sprintf(": %s %d", e.Flag, e.Batch)
	case e.Batch == 0 && e.Also != "":
		advice = fmt.Sprintf("not even a %s of %d fits", unit, e.Least)
	case e.Batch == 0:
		advice = fmt.Sprintf("not even a %s of %d fits, only smaller images or a smaller model will", unit, e.Least)
	}
	if e.Also != "" {
		advice += "; " + e.Also
	}
	return fmt.Sprintf("%s needs %s of memory, %s are available; %s", e.What, Text(e.Need), Text(e.Available), advice)
}

// Largest returns the largest batch from least up to most that needs no more than
// available bytes, 0 if there is none. need must not fall when the batch grows.
func Largest(least, most int, available int64, need func(batch int) (int64, error)) (int, error) {
	fits := 0
	for least <= most {
		batch := least + (most-least)/2
		n, err := need(batch)
		if err != nil {
			return 0, err
		}
		if n <= available {
			fits, least = batch, batch+1
		} else {
			most = batch - 1
		}
	}
	return fits, nil
}

// Smaller adds to the error of a batch for which there cannot even be a plan the
// largest batch from least up to most that can be planned and fits, if there is one.
// available may be 0, for any.
func Smaller(err error, least, most int, available int64, need func(batch int) (int64, error)) error {
	if available == 0 {
		available = math.MaxInt64 - 1
	}
	batch, _ := Largest(least, most, available, func(batch int) (int64, error) {
		n, err := need(batch)
		if err != nil {
			n = math.MaxInt64
		}
		return n, nil
	})
	if batch == 0 {
		return err
	}
	return fmt.Errorf("%w; the largest batch that fits is %d: --batch %d", err, batch, batch)
}

// Text writes bytes for people: 1.5 MB, 300 MB, 12 GB, in powers of 1024.
func Text(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GB", n>>30)
	case n < 10<<20:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d MB", n>>20)
}

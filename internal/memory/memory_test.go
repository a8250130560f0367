package memory

import (
	"errors"
	"math"
	"runtime/debug"
	"strings"
	"testing"
)

func TestLargest(t *testing.T) {
	need := func(batch int) (int64, error) { return 100 + 7*int64(batch), nil }
	for _, c := range []struct {
		most      int
		available int64
		want      int
	}{
		{4095, 100 + 7*33, 33}, {4095, 100 + 7*34 - 1, 33}, {4095, 113, 0}, {4095, 114, 2},
		{20, 1 << 40, 20}, {2, 1 << 40, 2}, {1, 1 << 40, 0},
	} {
		if got, err := Largest(2, c.most, c.available, need); got != c.want || err != nil {
			t.Errorf("up to %d in %d bytes: %d, %v, want %d", c.most, c.available, got, err, c.want)
		}
	}
	broken := errors.New("no such graph")
	if _, err := Largest(2, 9, 1, func(int) (int64, error) { return 0, broken }); !errors.Is(err, broken) {
		t.Errorf("error %v, want that of the plan", err)
	}
}

func TestSmallerBatchIsNamedWhereNoneCanBePlanned(t *testing.T) {
	broken := errors.New("too many elements")
	need := func(batch int) (int64, error) {
		if batch > 50 {
			return 0, broken
		}
		return int64(batch), nil
	}
	for _, c := range []struct {
		available int64
		want      string
	}{{0, "too many elements; the largest batch that fits is 50: --batch 50"}, {20, "too many elements; the largest batch that fits is 20: --batch 20"}, {1, "too many elements"}} {
		if err := Smaller(broken, 2, 1000, c.available, need); err.Error() != c.want || !errors.Is(err, broken) {
			t.Errorf("in %d bytes: %v, want %q", c.available, err, c.want)
		}
	}
}

func TestTooLargeSaysWhatFits(t *testing.T) {
	e := TooLargeError{What: "a step of 64 images", Need: 40 << 30, Available: 2 << 30, Batch: 3, Least: 2, Flag: "--batch"}
	for _, c := range []struct {
		batch int
		flag  string
		want  string
	}{
		{3, "--batch", "a step of 64 images needs 40 GB of memory, 2048 MB are available; the largest batch that fits is 3: --batch 3"},
		{3, "", "the largest batch that fits is 3"},
		{0, "--batch", "not even a batch of 2 fits"},
	} {
		e.Batch, e.Flag = c.batch, c.flag
		if got := e.Error(); !strings.Contains(got, c.want) || c.flag == "" && strings.Contains(got, "--") {
			t.Errorf("says %q, want %q", got, c.want)
		}
	}
	e.Batch, e.Unit, e.Flag, e.Also = 7, "micro-batch", "--micro-batch", "or wait"
	if got := e.Error(); !strings.HasSuffix(got, "; the largest micro-batch that fits is 7: --micro-batch 7; or wait") {
		t.Errorf("says %q", got)
	}
}

func TestGoMemoryLimitCounts(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	debug.SetMemoryLimit(math.MaxInt64)
	whole := Available()
	debug.SetMemoryLimit(1 << 30)
	if got := Available(); got < 1 || got > 1<<30 {
		t.Errorf("%d bytes available of a limit of 2³⁰, %d without", got, whole)
	}
	debug.SetMemoryLimit(1)
	if got := Available(); got != 1 {
		t.Errorf("%d bytes available where none is left, want the least that is known", got)
	}
}

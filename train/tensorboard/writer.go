package tensorboard

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// prefix begins the names of event files, by which TensorBoard knows them. Where
// others put the time of creation there follows a number, because files of one folder
// are read in the order of their names.
const prefix = "events.out.tfevents."

// IsEventFile reports whether a file of this name is one that a Writer makes.
func IsEventFile(name string) bool {
	_, ok := number(name)
	return ok
}

func number(name string) (int, bool) {
	digits, ok := strings.CutPrefix(name, prefix)
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n >= 0 && name == fileName(n)
}

func fileName(n int) string { return fmt.Sprintf("%s%010d", prefix, n) }

// Writer appends events to one file. It is for one goroutine.
type Writer struct {
	f   *os.File
	now func() time.Time
	buf []byte
}

// Create opens a new event file in dir for events of step and later. It begins by
// saying that whatever earlier files of the folder have of these steps is void, so
// that readers show each step once.
func Create(dir string, step int) (*Writer, error) { return create(dir, step, time.Now) }

func create(dir string, step int, now func() time.Time) (*Writer, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("event files: %w", err)
	}
	next := 0
	for _, e := range entries {
		if n, ok := number(e.Name()); ok {
			next = max(next, n+1)
		}
	}
	f, err := os.OpenFile(filepath.Join(dir, fileName(next)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("event files: %w", err)
	}
	w := &Writer{f: f, now: now}
	err = w.event(0, func(b []byte) []byte {
		b = protowire.AppendTag(b, eventFileVersion, protowire.BytesType)
		return protowire.AppendString(b, "brain.Event:2")
	})
	if err == nil {
		// TensorBoard takes a second start, and each that follows, for a restart.
		err = w.event(step, func(b []byte) []byte {
			b = protowire.AppendTag(b, eventSessionLog, protowire.BytesType)
			start := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 1) // status: START
			return protowire.AppendBytes(b, start)
		})
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return w, nil
}

// Write appends one event with values of a step. The file's reader sees it at once.
func (w *Writer) Write(step int, values ...Value) error {
	if len(values) == 0 {
		return nil
	}
	return w.event(step, func(b []byte) []byte {
		b = protowire.AppendTag(b, eventSummary, protowire.BytesType)
		size := 0
		for _, v := range values {
			size += protowire.SizeTag(1) + protowire.SizeBytes(len(v.message))
		}
		b = protowire.AppendVarint(b, uint64(size))
		for _, v := range values {
			b = protowire.AppendTag(b, 1, protowire.BytesType)
			b = protowire.AppendBytes(b, v.message)
		}
		return b
	})
}

// Sync brings what was written to the disk.
func (w *Writer) Sync() error { return w.f.Sync() }

// Close closes the file.
func (w *Writer) Close() error {
	if err := w.f.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}

// Fields of the message Event.
const (
	eventWallTime    = 1
	eventStep        = 2
	eventFileVersion = 3
	eventSummary     = 5
	eventSessionLog  = 7
)

// event writes one record: an Event with what body appends.
func (w *Writer) event(step int, body func([]byte) []byte) error {
	b := append(w.buf[:0], make([]byte, headerSize)...)
	b = protowire.AppendTag(b, eventWallTime, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, math.Float64bits(float64(w.now().UnixMicro())/1e6))
	if step != 0 {
		b = protowire.AppendTag(b, eventStep, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(step))
	}
	w.buf = frame(body(b))
	_, err := w.f.Write(w.buf)
	return err
}

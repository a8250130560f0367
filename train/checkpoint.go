package train

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"onnxclr/internal/file"
)

// A checkpoint is the directory checkpoints/STEP of a run, where STEP steps have
// been made. It appears whole, by a rename, and holds
//
//	model.onnx                parameters and running statistics
//	model.onnx.data           the same of a model that one file cannot hold
//	masters.safetensors       in float32, those that model.onnx has had to round to its types
//	online_probe.safetensors  the online probe, if there is one
//	optimizer.safetensors     the optimizer's state
//	state.json                a state
const (
	mastersName     = "masters.safetensors"
	onlineProbeName = "online_probe.safetensors"
	optimizerName   = "optimizer.safetensors"
	stateName       = "state.json"
)

// state is the rest of what a run needs to continue, and the proof that the other
// files are whole. Nothing else is needed: randomness and the learning rate are
// functions of the step.
type state struct {
	Version int    `json:"version"`
	Step    int    `json:"step"` // made so far, and the next one to make
	Data    string `json:"data"` // the source's fingerprint
	// Recipe has the settings that can change the result, as YAML.
	Recipe map[string]string `json:"recipe"`

	Epoch epochLoss  `json:"epoch"`          // what has been made of the present one
	Best  *bestEpoch `json:"best,omitempty"` // that of the lowest mean loss

	Files map[string]fileSum `json:"files"`
}

type fileSum struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

const stateVersion = 1

func checkpointPath(dir string, step int) string {
	return filepath.Join(dir, checkpointsName, strconv.Itoa(step))
}

// writeCheckpoint saves s with the files in parts. A crash or error at any point
// leaves the earlier checkpoints as they were; an error leaves nothing of the new one.
func writeCheckpoint(dir string, s state, parts []entry) (err error) {
	parent := filepath.Join(dir, checkpointsName)
	tmp := filepath.Join(parent, fmt.Sprintf(".%d.tmp", s.Step))
	defer func() {
		if err != nil {
			os.RemoveAll(tmp)
			err = fmt.Errorf("saving the checkpoint of step %d: %w", s.Step, err)
		}
	}()
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return err
	}
	s.Version, s.Files = stateVersion, map[string]fileSum{}
	for _, part := range parts {
		sum := &counter{hash: sha256.New()}
		err := file.Write(filepath.Join(tmp, part.name), func(w io.Writer) error { return part.write(io.MultiWriter(w, sum)) })
		if err != nil {
			return err
		}
		s.Files[part.name] = sum.sum()
	}
	err = file.Write(filepath.Join(tmp, stateName), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(s)
	})
	if err != nil {
		return err
	}
	final := checkpointPath(dir, s.Step)
	if err := discard(final); err != nil {
		return err
	}
	if err := os.Rename(tmp, final); err != nil {
		return err
	}
	return file.SyncDir(parent)
}

// pruneCheckpoints removes all checkpoints but the newest, keep of them, and those of the
// steps listed.
func pruneCheckpoints(dir string, keep int, also ...int) error {
	steps, err := checkpointSteps(dir)
	if err != nil {
		return err
	}
	for _, old := range steps[:max(len(steps)-keep, 0)] {
		if slices.Contains(also, old) {
			continue
		}
		if err := discard(checkpointPath(dir, old)); err != nil {
			return fmt.Errorf("removing the checkpoint of step %d: %w", old, err)
		}
	}
	return nil
}

// discard removes a checkpoint so that no half of it is ever seen under its name.
func discard(path string) error {
	gone := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".old")
	if err := os.RemoveAll(gone); err != nil {
		return err
	}
	if err := os.Rename(path, gone); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	return os.RemoveAll(gone)
}

// checkpointSteps lists the steps that have a checkpoint, in ascending order.
func checkpointSteps(dir string) ([]int, error) {
	entries, err := os.ReadDir(filepath.Join(dir, checkpointsName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var steps []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && n >= 0 && e.IsDir() && strconv.Itoa(n) == e.Name() {
			steps = append(steps, n)
		}
	}
	slices.Sort(steps)
	return steps, nil
}

// readCheckpoint returns the state of a checkpoint after verifying every byte of it.
func readCheckpoint(dir string, step int) (state, error) {
	path := checkpointPath(dir, step)
	fail := func(format string, args ...any) (state, error) {
		return state{}, fmt.Errorf("checkpoint %s is damaged: %w", path, fmt.Errorf(format, args...))
	}
	b, err := os.ReadFile(filepath.Join(path, stateName))
	if err != nil {
		return fail("%w", err)
	}
	var s state
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return fail("%s: %w", stateName, err)
	}
	if s.Version != stateVersion {
		return fail("%s has version %d, want %d", stateName, s.Version, stateVersion)
	}
	if s.Step != step {
		return fail("%s is of step %d", stateName, s.Step)
	}
	for _, name := range []string{modelName, optimizerName} {
		if _, ok := s.Files[name]; !ok {
			return fail("%s does not list %s", stateName, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Files)) {
		if name != filepath.Base(name) {
			return fail("%s lists %q, which is no name of a file", stateName, name)
		}
		f, err := os.Open(filepath.Join(path, name))
		if err != nil {
			return fail("%w", err)
		}
		sum := &counter{hash: sha256.New()}
		_, err = io.Copy(sum, f)
		f.Close()
		if err != nil {
			return fail("%s: %w", name, err)
		}
		if got, want := sum.sum(), s.Files[name]; got.Bytes != want.Bytes {
			return fail("%s has %d bytes, want %d", name, got.Bytes, want.Bytes)
		} else if got != want {
			return fail("%s does not have the contents it was saved with", name)
		}
	}
	return s, nil
}

// newestCheckpoint returns the newest checkpoint that is whole, or nil when there is
// none at all. Damaged ones are warned of and put aside; when all are, that is an
// error. What a crash left behind is removed.
func newestCheckpoint(dir string, warn func(string)) (*state, error) {
	if err := sweep(filepath.Join(dir, checkpointsName), func(string) bool { return true }); err != nil {
		return nil, err
	}
	if err := sweep(dir, func(name string) bool { _, ok := file.Unfinished(name); return ok && ofRun(name) }); err != nil {
		return nil, err
	}
	steps, err := checkpointSteps(dir)
	if err != nil {
		return nil, err
	}
	var damage error
	for i := len(steps) - 1; i >= 0; i-- {
		s, err := readCheckpoint(dir, steps[i])
		if err != nil {
			damage = errors.Join(damage, err)
			continue
		}
		for _, bad := range steps[i+1:] {
			path := checkpointPath(dir, bad)
			os.RemoveAll(path + ".damaged")
			if err := os.Rename(path, path+".damaged"); err != nil {
				return nil, err
			}
		}
		if damage != nil {
			warn(fmt.Sprintf("%v; continuing from step %d", damage, s.Step))
		}
		return &s, nil
	}
	if damage != nil {
		return nil, fmt.Errorf("%w; no other checkpoint is left, --force starts anew", damage)
	}
	return nil, nil
}

// sweep removes what a crash left of unfinished and discarded files: those with a dot
// in front that are ours.
func sweep(parent string, ours func(name string) bool) error {
	entries, err := os.ReadDir(parent)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") && ours(e.Name()) {
			if err := os.RemoveAll(filepath.Join(parent, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// counter hashes and counts what is written to it.
type counter struct {
	hash hash.Hash
	n    int64
}

func (c *counter) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	return c.hash.Write(b)
}

func (c *counter) sum() fileSum { return fileSum{c.n, fmt.Sprintf("%x", c.hash.Sum(nil))} }

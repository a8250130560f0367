package train

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func put(text string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
}

// filesOf are the files of a checkpoint of these writers.
func filesOf(model, optimizer func(io.Writer) error) []entry {
	return []entry{{modelName, model}, {optimizerName, optimizer}}
}

func mustWrite(t *testing.T, dir string, step, keep int) {
	t.Helper()
	if err := writeCheckpoint(dir, state{Step: step, Data: "data"}, filesOf(put(fmt.Sprint("model ", step)), put("optimizer"))); err != nil {
		t.Fatal(err)
	}
	if err := pruneCheckpoints(dir, keep); err != nil {
		t.Fatal(err)
	}
}

// tree lists the files below dir with their contents.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestNewestCheckpointsAreKept(t *testing.T) {
	dir := t.TempDir()
	for _, step := range []int{5, 9, 10, 100} {
		mustWrite(t, dir, step, 2)
	}
	mustWrite(t, dir, 100, 2) // again
	steps, err := checkpointSteps(dir)
	if err != nil || !reflect.DeepEqual(steps, []int{10, 100}) {
		t.Errorf("kept %v, %v", steps, err)
	}
	entries, _ := os.ReadDir(filepath.Join(dir, checkpointsName))
	if len(entries) != 2 {
		t.Errorf("left over: %v", entries)
	}
	s, err := readCheckpoint(dir, 10)
	if err != nil || s.Step != 10 || s.Data != "data" {
		t.Errorf("got %+v, %v", s, err)
	}
}

// An error in any part leaves the older checkpoint and nothing of the new one.
func TestFailedCheckpointLeavesTheOlder(t *testing.T) {
	full := errors.New("no space left on device")
	failing := func(w io.Writer) error { io.WriteString(w, "half"); return full }
	for name, p := range map[string][2]func(io.Writer) error{
		"model":     {failing, put("x")},
		"optimizer": {put("x"), failing},
	} {
		dir := t.TempDir()
		mustWrite(t, dir, 1, 1)
		before := tree(t, dir)
		err := writeCheckpoint(dir, state{Step: 2}, filesOf(p[0], p[1]))
		if !errors.Is(err, full) || !strings.Contains(err.Error(), "saving the checkpoint of step 2") {
			t.Errorf("%s: %v", name, err)
		}
		if after := tree(t, dir); !reflect.DeepEqual(before, after) {
			t.Errorf("%s: left %v", name, after)
		}
	}
}

// A checkpoint cut at any byte, or with any byte changed, is not used.
func TestDamageIsNoticed(t *testing.T) {
	newest := func(dir string) (*state, string, error) {
		var warned []string
		s, err := newestCheckpoint(dir, func(w string) { warned = append(warned, w) })
		return s, strings.Join(warned, "\n"), err
	}
	for _, name := range []string{modelName, optimizerName, stateName} {
		dir := t.TempDir()
		mustWrite(t, dir, 3, 3)
		mustWrite(t, dir, 7, 3)
		path := filepath.Join(checkpointPath(dir, 7), name)
		whole, _ := os.ReadFile(path)
		spoil := func(what string, b []byte) {
			t.Helper()
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			os.RemoveAll(checkpointPath(dir, 7))
			mustWrite(t, dir, 7, 3)
			if b == nil {
				os.Remove(path)
			} else {
				os.WriteFile(path, b, 0o644)
			}
			s, warned, err := newest(dir)
			if err != nil || s == nil || s.Step != 3 || !strings.Contains(warned, "is damaged") || !strings.Contains(warned, "continuing from step 3") {
				t.Errorf("%s, %s: %+v, warned %q, %v", name, what, s, warned, err)
			}
			if steps, _ := checkpointSteps(dir); !reflect.DeepEqual(steps, []int{3}) {
				t.Errorf("%s, %s: still counted: %v", name, what, steps)
			}
		}
		spoil("missing", nil)
		for n := 0; n < len(whole)-1; n += max(1, len(whole)/40) { // the last byte of state.json is a newline
			spoil(fmt.Sprintf("cut at %d of %d", n, len(whole)), whole[:n])
		}
		if name != stateName {
			b := append([]byte(nil), whole...)
			b[len(b)/2] ^= 1
			spoil("a changed bit", b)
			spoil("longer", append(b, 0))
		}
	}

	dir := t.TempDir()
	if s, warned, err := newest(dir); s != nil || warned != "" || err != nil {
		t.Errorf("no checkpoint: %+v, %q, %v", s, warned, err)
	}
	mustWrite(t, dir, 3, 3)
	os.Truncate(filepath.Join(checkpointPath(dir, 3), modelName), 1)
	if _, _, err := newest(dir); err == nil || !strings.Contains(err.Error(), "has 1 bytes, want 7") || !strings.Contains(err.Error(), "--force starts anew") {
		t.Errorf("the only checkpoint is damaged: %v", err)
	}
	os.Rename(checkpointPath(dir, 3), checkpointPath(dir, 4))
	if _, err := readCheckpoint(dir, 4); err == nil || !strings.Contains(err.Error(), "of step 3") {
		t.Errorf("renamed: %v", err)
	}
}

// What a crash leaves inside a write or a removal is swept away.
func TestLeftoversAreSwept(t *testing.T) {
	dir := t.TempDir()
	mustWrite(t, dir, 3, 2)
	for _, name := range []string{".8.tmp/model.onnx", ".2.old/state.json"} {
		path := filepath.Join(dir, checkpointsName, name)
		os.MkdirAll(filepath.Dir(path), 0o755)
		os.WriteFile(path, []byte("half"), 0o644)
	}
	s, err := newestCheckpoint(dir, func(w string) { t.Error(w) })
	if err != nil || s.Step != 3 {
		t.Fatal(s, err)
	}
	if files := tree(t, dir); len(files) != 3 {
		t.Errorf("left over: %v", files)
	}
}

// A run that was killed while it wrote a file is rid of what it left when it goes on;
// files of others stay.
func TestResumeSweepsUnfinishedFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	r := recipe(t, append(simclr, "steps", "4")...)
	mustRun(t, dir, r, Options{})
	left := []string{".loss.png.tmp-00000001", ".model.onnx.tmp-deadbeef"}
	others := []string{".notes.txt.tmp-00000001", ".hidden"}
	for _, name := range append(left, others...) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustRun(t, dir, r, Options{Resume: true})
	for _, name := range left {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
	for _, name := range others {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("%s is gone: %v", name, err)
		}
	}
}

// A run that was killed between its last checkpoint and its end keeps no more of them
// than it was told, once it has ended.
func TestResumeOfACompleteRunPrunes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	r := recipe(t, append(simclr, "steps", "4", "checkpoint-every", "1", "keep-checkpoints", "2", "keep-best", "false")...)
	mustRun(t, dir, r, Options{})
	before := outcome(t, dir)
	if err := os.Remove(filepath.Join(dir, modelName)); err != nil {
		t.Fatal(err)
	}
	r.KeepCheckpoints = 1
	mustRun(t, dir, r, Options{Resume: true})
	if steps, err := checkpointSteps(dir); err != nil || len(steps) != 1 || steps[0] != 4 {
		t.Errorf("checkpoints of %v, want the last alone (%v)", steps, err)
	}
	if outcome(t, dir)[modelName] != before[modelName] {
		t.Error("the model is another one")
	}
}

//go:build linux || darwin

package train

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// alone runs a test in a process of its own and reports whether this is another one:
// the limit would meet the files of go test's own too.
func alone(t *testing.T) (elsewhere bool) {
	t.Helper()
	const inside = "ONNXCLR_TEST_ALONE"
	if os.Getenv(inside) != "" {
		return false
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), inside+"=1")
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return true
}

// limitFiles makes every write beyond size bytes of a file fail, as on a full disk,
// and returns what undoes it.
func limitFiles(t *testing.T, size uint64) (undo func()) {
	t.Helper()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Skipf("no file size limit here: %v", err)
	}
	limit := old
	limit.Cur = size
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Skipf("no file size limit here: %v", err)
	}
	return func() { syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old) }
}

// The disk fills up while the second checkpoint is written: the first is whole and
// nothing of the second is left; once there is room again the run goes on.
func TestFullDisk(t *testing.T) {
	if alone(t) {
		return
	}
	whole, dir := t.TempDir(), t.TempDir()
	r := recipe(t, append(simclr, "keep-best", "false")...)
	mustRun(t, whole, r, Options{})
	undo := func() {}
	defer func() { undo() }()
	w := &watcher{step: func(m Metrics) {
		if m.Step == 2 {
			undo = limitFiles(t, 50_000) // half a model
		}
	}}
	err := run(t, dir, r, Options{Reporter: w})
	undo()
	if err == nil || !strings.Contains(err.Error(), "saving the checkpoint of step 4") || !strings.Contains(err.Error(), syscall.EFBIG.Error()) {
		t.Fatalf("got %v", err)
	}
	entries, _ := os.ReadDir(filepath.Join(dir, checkpointsName))
	if len(entries) != 1 || entries[0].Name() != "2" {
		t.Errorf("there are %v, want only the checkpoint of step 2", entries)
	}
	if _, err := readCheckpoint(dir, 2); err != nil {
		t.Error(err)
	}
	mustRun(t, dir, r, Options{Resume: true})
	sameOutcome(t, "after there was room", outcome(t, dir), outcome(t, whole))
}

// The disk is full when a line of metrics is written.
func TestFullDiskInMetrics(t *testing.T) {
	if alone(t) {
		return
	}
	whole, dir := t.TempDir(), t.TempDir()
	r := recipe(t, append(simclr, "keep-best", "false")...)
	mustRun(t, whole, r, Options{})
	undo := func() {}
	defer func() { undo() }()
	w := &watcher{step: func(m Metrics) {
		if m.Step == 2 {
			st, _ := os.Stat(filepath.Join(dir, metricsName))
			undo = limitFiles(t, uint64(st.Size())+10)
		}
	}}
	err := run(t, dir, r, Options{Reporter: w})
	undo()
	if err == nil || !strings.Contains(err.Error(), metricsName) {
		t.Fatalf("got %v", err)
	}
	mustRun(t, dir, r, Options{Resume: true})
	sameOutcome(t, "after there was room", outcome(t, dir), outcome(t, whole))
}

func TestReadOnlyDirectory(t *testing.T) {
	parent := t.TempDir()
	if err := os.Chmod(parent, 0o555); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		t.Skip("root writes everywhere")
	}
	if err := run(t, filepath.Join(parent, "run"), recipe(t, simclr...), Options{}); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("got %v", err)
	}
}

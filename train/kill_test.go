package train

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"onnxclr/internal/stream"
)

// kills is how many runs TestKilledRunsResume kills; more with -tags long.
var kills = 3

// killedRun names the directory in the process that is to be killed.
const killedRun = "ONNXCLR_TEST_KILLED_RUN"

// TestKilledRunsResume kills processes that train, without warning, at random moments,
// every other one while it writes a checkpoint, and resumes each run: it ends as one that
// nobody disturbed.
func TestKilledRunsResume(t *testing.T) {
	const steps = 10
	r := recipe(t, append(simclr, "steps", fmt.Sprint(steps), "checkpoint-every", "1", "keep-checkpoints", "1", "micro-batch", "2")...)
	if dir := os.Getenv(killedRun); dir != "" {
		mustRun(t, dir, r, Options{Resume: true})
		return
	}
	whole := t.TempDir()
	mustRun(t, whole, r, Options{})
	want := outcome(t, whole)
	early := 0
	for k := range kills {
		random := stream.New(7, "kill", uint64(k))
		dir := filepath.Join(t.TempDir(), "run")
		at, writes := random.IntN(steps), k%2 == 1
		child := exec.Command(os.Args[0], "-test.run=^TestKilledRunsResume$")
		child.Env = append(os.Environ(), killedRun+"="+dir)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- child.Wait() }()
		if reached(dir, at, writes, ended) && !writes {
			time.Sleep(time.Duration(random.IntN(20_000)) * time.Microsecond)
		}
		child.Process.Kill()
		<-ended
		if _, err := os.Stat(filepath.Join(dir, modelName)); err != nil {
			early++
		}
		mustRun(t, dir, r, Options{Resume: true})
		sameOutcome(t, fmt.Sprintf("killed at step %d, writing: %v", at, writes), outcome(t, dir), want)
	}
	if 2*early < kills {
		t.Errorf("only %d of %d runs were killed before their end", early, kills)
	}
}

// reached waits until a run has made some steps or, if writes is set, is about to save
// after them. It is false when the process ended before.
func reached(dir string, steps int, writes bool, ended chan error) bool {
	for {
		select {
		case err := <-ended:
			ended <- err
			return false
		default:
		}
		if writes {
			if _, err := os.Stat(filepath.Join(dir, checkpointsName, fmt.Sprintf(".%d.tmp", steps+1))); err == nil {
				return true
			}
		}
		b, _ := os.ReadFile(filepath.Join(dir, metricsName))
		if lines := bytes.Count(b, []byte("\n")); !writes && lines >= steps || lines > steps+1 {
			return true
		}
		time.Sleep(100 * time.Microsecond)
	}
}

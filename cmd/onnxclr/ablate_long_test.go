//go:build long

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"onnxclr/internal/stream"
)

// killedGrid names the grid's folder in the process that is to be killed.
const killedGrid = "ONNXCLR_TEST_KILLED_GRID"

// TestGridsSurviveKills kills processes that run a grid at twenty random moments, without
// warning: the same command line finishes each, in the same bytes as one undisturbed.
func TestGridsSurviveKills(t *testing.T) {
	run := func(dir string) {
		must(t, "ablate", "appendix-f", "--data", "generated:textures?train=64&test=24&size=32", "--arch", "resnet18",
			"--set", "epochs=2", "--set", "batch=16", "--set", "warmup_epochs=0", "--set", "image_size=16", "--set", "checkpoint_every=1",
			"--seeds", "1", "--probe-epochs", "2", "-o", dir)
	}
	if dir := os.Getenv(killedGrid); dir != "" {
		run(dir)
		return
	}
	whole, start := t.TempDir(), time.Now()
	run(whole)
	length := time.Since(start)
	random := stream.New(7, "kill", 0)
	for kills := 0; kills < 20; {
		dir := filepath.Join(t.TempDir(), "grid")
		for finished := false; !finished; {
			child := exec.Command(os.Args[0], "-test.run=^TestGridsSurviveKills$")
			child.Env = append(os.Environ(), killedGrid+"="+dir)
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			alarm := time.AfterFunc(time.Duration(random.Float64()*float64(length)), func() { child.Process.Kill() })
			err := child.Wait()
			alarm.Stop()
			switch {
			case err == nil:
				finished = true
			case child.ProcessState.ExitCode() >= 0:
				t.Fatalf("after %d kills the grid cannot be finished: %v", kills, err)
			default:
				kills++
			}
		}
		for _, name := range []string{"report.html", "results.json", "cells.csv", "spectra-r.png", "spectra-z.png", "plan.json"} {
			a, err := os.ReadFile(filepath.Join(whole, name))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(a) != string(b) {
				t.Errorf("%s differs after %d kills (%v)", name, kills, err)
			}
		}
	}
}

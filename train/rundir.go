package train

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"onnxclr/importer"
	"onnxclr/internal/file"
	"onnxclr/train/tensorboard"
)

// The contents of a run directory.
const (
	recipeName      = "recipe.yaml"   // resolved
	metricsName     = "metrics.jsonl" // one object a step
	lossName        = "loss.png"      // of metrics.jsonl, at checkpoints and at the end
	monitorName     = "monitor.jsonl" // one object for each look of the monitor
	spectrumName    = "spectrum.png"  // of the monitor, at the end
	checkpointsName = "checkpoints"   // one directory for each kept step
	modelName       = "model.onnx"    // in the run directory: the final model
	dataName        = modelName + importer.ExternalSuffix
)

var runFiles = []string{recipeName, metricsName, lossName, monitorName, spectrumName, checkpointsName, modelName, dataName}

// ofRun reports whether a file or folder of this name in a run directory is the run's,
// or was to become so.
func ofRun(name string) bool {
	if of, ok := file.Unfinished(name); ok {
		name = of
	}
	return slices.Contains(runFiles, name) || tensorboard.IsEventFile(name)
}

// removeRun removes everything of a run in dir, and nothing else.
func removeRun(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if ofRun(e.Name()) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// FinalModel returns the path of the trained model of a run: the final one, or
// that of the newest checkpoint when the run has not ended. It fails when the
// directory is no run or has no model yet.
func FinalModel(dir string) (string, error) {
	path := filepath.Join(dir, modelName)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if !isRun(dir) {
		return "", fmt.Errorf("%s is not a run directory: it has neither %s nor %s", dir, modelName, recipeName)
	}
	steps, err := checkpointSteps(dir)
	if err != nil {
		return "", err
	}
	for i := len(steps) - 1; i >= 0; i-- {
		if _, err := readCheckpoint(dir, steps[i]); err == nil {
			return filepath.Join(checkpointPath(dir, steps[i]), modelName), nil
		}
	}
	return "", fmt.Errorf("the run in %s has neither a %s nor a checkpoint yet", dir, modelName)
}

// RunOf returns the directory of the run that a path is of: the path itself, or that of
// the run whose final model or checkpoint's model it is; "" if it is none's.
func RunOf(path string) string {
	dir := filepath.Dir(path)
	candidates := []string{path}
	if filepath.Base(path) == modelName {
		candidates = append(candidates, dir, filepath.Dir(filepath.Dir(dir)))
	}
	for i, c := range candidates {
		if isRun(c) && (i < 2 || filepath.Base(filepath.Dir(dir)) == checkpointsName) {
			return c
		}
	}
	return ""
}

// RunRecipe returns the settings of the run in a directory, for a command that
// resumes it, and none when there is no run yet.
func RunRecipe(dir string) ([]Setting, error) {
	settings, err := ReadRecipe(filepath.Join(dir, recipeName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return settings, err
}

func isRun(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, recipeName))
	return err == nil
}

// checkRunDir decides, before any work and without touching anything, whether a run
// may be written to dir.
func checkRunDir(dir string, resume, force bool) error {
	if dir == "" {
		return errors.New("no run directory is named")
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("run directory: %w", err)
	case len(entries) == 0:
		return nil
	case !isRun(dir) && !force:
		return fmt.Errorf("%s %w and is not a run (it has no %s); name another directory, or --force to write into it", dir, file.ErrExists, recipeName)
	case !isRun(dir):
		for _, e := range entries {
			if ofRun(e.Name()) {
				return fmt.Errorf("%s is not a run (it has no %s), but a run would replace its %s; name another directory", dir, recipeName, e.Name())
			}
		}
	case !resume && !force:
		return fmt.Errorf("%s %w and holds a run; --resume continues it, --force replaces it", dir, file.ErrExists)
	}
	return nil
}

// checkSource fails when the run that a new one replaces holds the model that the
// new one starts from.
func checkSource(dir, model string) error {
	run, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if model, err = filepath.Abs(model); err != nil {
		return err
	}
	if in, err := filepath.Rel(run, model); err == nil {
		if first, _, _ := strings.Cut(filepath.ToSlash(in), "/"); in == "." || ofRun(first) {
			return fmt.Errorf("the model %s belongs to the run in %s, which would be replaced; name another directory", model, dir)
		}
	}
	return nil
}

// abandon removes a run that has not made a step, and the folder too if it was made
// for the run.
func abandon(dir string, created bool) {
	removeRun(dir)
	if created {
		os.Remove(dir)
	}
}

// beginRun makes dir a run directory of this recipe. A new run replaces the files
// of an old one; a continued run keeps its own. The recipe is written first, so
// that whatever exists besides can be told to belong to it.
func beginRun(dir string, r *Recipe, resume bool) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("run directory: %w", err)
	}
	if !resume {
		if err := removeRun(dir); err != nil {
			return fmt.Errorf("run directory: %w", err)
		}
	}
	return file.Write(filepath.Join(dir, recipeName), func(w io.Writer) error {
		_, err := w.Write(r.YAML())
		return err
	})
}

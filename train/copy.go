package train

import (
	"fmt"
	"os"
	"path/filepath"

	"onnxclr/internal/file"
)

// CopyRun makes to what training with r there would leave, out of the finished run in
// from: its recipe, with r's model, its logs and its model, but no checkpoints. The model
// is written last. It fails, having written nothing, if the run was made with another
// value of a setting that r was given; whether models and data are equal is the caller's
// to know.
func CopyRun(from, to string, r *Recipe) error {
	settings, err := ReadRecipe(filepath.Join(from, recipeName))
	if err != nil {
		return err
	}
	was, _, err := Resolve(settings...)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	for _, d := range Diff(was, *r) {
		if r.Given[d.Key] && !d.Free && d.Key != "model" {
			return fmt.Errorf("%s is another run: its %s is %s, not %s", from, d.Key, d.A, d.B)
		}
	}
	was.Model = r.Model
	if err := beginRun(to, &was, false); err != nil {
		return err
	}
	for _, name := range []string{metricsName, monitorName, spectrumName, dataName, modelName} {
		if err := file.Copy(filepath.Join(from, name), filepath.Join(to, name)); err != nil && !(os.IsNotExist(err) && name != modelName) {
			return err
		}
	}
	return nil
}

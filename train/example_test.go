package train_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"onnxclr/train"
)

// Train DirectCLR for three steps on generated images; the run directory then holds
// the recipe, the metrics, checkpoints and the final model.
func ExampleRun() {
	dir, err := os.MkdirTemp("", "run")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	recipe, _, err := train.Resolve(
		train.Flag("model", "../testdata/onnx/basic_op17_training.onnx"),
		train.Flag("data", "generated:textures?train=16&test=1&size=32"),
		train.Flag("method", "directclr"), train.Flag("d0", "12"),
		train.Flag("batch", "4"), train.Flag("image-size", "32"), train.Flag("steps", "3"),
	)
	if err != nil {
		panic(err)
	}
	run := filepath.Join(dir, "directclr")
	if err := train.Run(context.Background(), recipe, train.Options{Dir: run}); err != nil {
		panic(err)
	}
	entries, err := os.ReadDir(run)
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		fmt.Println(e.Name())
	}
	// Output:
	// checkpoints
	// loss.png
	// metrics.jsonl
	// model.onnx
	// recipe.yaml
}

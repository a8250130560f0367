package data_test

import (
	"context"
	"fmt"
	"io"

	"onnxclr/train/data"
)

// A training step's input: two views of each of 32 images.
func ExampleNewTraining() {
	ds, err := data.Open("generated:textures?train=200", data.Auto)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ds.Close()
	loader, err := data.NewTraining(ds, 32, 48, 1, 0, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer loader.Close()
	batch, err := loader.Next(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(batch.N(), "images in", len(batch.Images)/(32*3*48*48), "views, step", batch.Step, "of", loader.StepsPerEpoch(), "an epoch")
	// Output: 32 images in 2 views, step 0 of 6 an epoch
}

// One pass over the held-out images, in order.
func ExampleNewEvaluation() {
	ds, err := data.Open("generated:textures?test=50", data.HeldOut)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ds.Close()
	loader, err := data.NewEvaluation(ds, 32, 48, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer loader.Close()
	for {
		batch, err := loader.Next(context.Background())
		if err == io.EOF {
			return
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(batch.N(), "images, the first", ds.Name(batch.Indices[0]))
	}
	// Output:
	// 32 images, the first test/bricks/00000
	// 18 images, the first test/clouds/00032
}

package probe_test

import (
	"context"
	"fmt"

	"onnxclr/internal/kernel"
	"onnxclr/train/probe"
)

func ExampleKNN_Classify() {
	bank := probe.NewFeatures([]float32{1, 0, 2, 0.1, 0, 1, 0.1, 3}, 2, []int{0, 0, 1, 1})
	queries := probe.NewFeatures([]float32{5, 1, 1, 4}, 2, []int{0, 1})
	pool := kernel.NewPool(1)
	defer pool.Close()
	o, err := probe.KNN{K: 2, Temperature: 0.1}.Classify(context.Background(), pool, bank, queries, 2, nil)
	fmt.Println(o.Top1, o.Predicted, err)
	// Output: 1 [0 1] <nil>
}

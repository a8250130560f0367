package augment_test

import (
	"fmt"

	"onnxclr/internal/stream"
	"onnxclr/train/augment"
)

// Two views of one image, ready for the network.
func Example() {
	img := augment.NewImage(100, 80)
	var ws augment.Workspace
	const size = 64
	batch := make([]float32, 2*3*size*size)
	for view := 1; view <= 2; view++ {
		pipeline := augment.Contrastive(view, size)
		pixels := pipeline.Apply(&ws, img, stream.New(1, "augment", 0, 0, uint64(view)))
		augment.ImageNet.Apply(batch[(view-1)*3*size*size:][:3*size*size], pixels)
	}
	fmt.Println(augment.Contrastive(2, size)[4])
	fmt.Println(augment.Evaluation(224))
	// Output:
	// GaussianBlur(p=0.1, radius=0.1..2)
	// ResizeCenterCrop(256 to 224, bilinear)
}

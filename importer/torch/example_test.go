package torch_test

import (
	"bytes"
	"fmt"

	"onnxclr/importer/torch"
	"onnxclr/importer/weights"
)

// A state_dict is written and read back; its tensors come in their order.
func Example() {
	state := torch.StateDict([]*weights.Tensor{
		weights.FromFloat32("fc.weight", []int{1, 2}, []float32{0.5, -1}),
		weights.FromInt64("bn1.num_batches_tracked", nil, []int64{40}),
	}, nil)
	var file bytes.Buffer
	if err := torch.Write(&file, state); err != nil {
		fmt.Println(err)
		return
	}
	f, err := torch.Read(file.Bytes())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, t := range f.Root.(*torch.Dict).Tensors() {
		fmt.Println(t.Name, t.DType, t.Shape)
	}
	// Output:
	// fc.weight float32 [1 2]
	// bn1.num_batches_tracked int64 []
}

// A pickle is a program; this one would run a command.
func ExampleRead_hostile() {
	_, err := torch.Read(checkpoint("cos\nsystem\n(S'id'\ntR."))
	fmt.Println(err)
	// Output:
	// data.pkl at byte 19: calls os.system; only tensors and plain containers are read, nothing was executed
}

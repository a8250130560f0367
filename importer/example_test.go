package importer_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"onnxclr/importer"
	"onnxclr/testdata/checkpoints"
)

// A checkpoint becomes an ONNX model; a head for contrastive training goes on top.
func ExampleConvert() {
	c, err := importer.ReadCheckpoint("demo.pth", checkpoints.Demo)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	model, report, err := importer.Convert(c, importer.ConvertOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report)
	if err := importer.AttachHead(model, importer.Head{Kind: importer.HeadSlice, D0: 32}); err != nil {
		log.Fatal(err)
	}
	for _, out := range model.Graph.Outputs {
		fmt.Println(out.Name, out.Shape[1].Value)
	}
	// Output:
	// resnet-basic-1-1-1-1 width 16 groups 1, 128 outputs, classifier with 12 classes, 311004 parameters (float32)
	// PyTorch (zip), layout of torchvision: 74 tensors used, found under state_dict
	// recognised by 74 keys in the dictionary "state_dict", named as torchvision does (layer1.0.conv1 …)
	// representation 128
	// logits 12
	// embedding 32
}

// A model goes back to PyTorch under the keys it came with.
func ExampleExport() {
	c, err := importer.ReadCheckpoint("demo.pth", checkpoints.Demo)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	model, _, err := importer.Convert(c, importer.ConvertOptions{DropClassifier: true})
	if err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "export")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"encoder.onnx", "encoder.pth", "encoder.safetensors"} {
		report, err := importer.Export(model, filepath.Join(dir, name), importer.ExportOptions{})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(name, report.Tensors, report.Notes)
	}
	// Output:
	// encoder.onnx 60 []
	// encoder.pth 72 [there is no fc: before load_state_dict(strict=True) set model.fc = torch.nn.Identity()]
	// encoder.safetensors 72 [there is no fc: before load_state_dict(strict=True) set model.fc = torch.nn.Identity() safetensors have no dictionaries: the keys stand without "state_dict"]
}

// Package importer turns any file into one ONNX model, and back.
//
// It owns what the files mean: where in a checkpoint the encoder's weights are
// (layout.go), which network they belong to (arch.go, resnet.go), what a head is
// (head.go), and how a trained model goes back to PyTorch (export.go). The bytes
// of the formats belong to importer/onnx, importer/torch and importer/safetensors;
// the package must not know how a model is trained or executed.
package importer

// Command bench measures onnxclr beside PyTorch and ONNX Runtime: the same network,
// the same weights, the same images, one process each, their steps interleaved, so
// that a noisy machine disturbs both alike. It prints medians, ratios and the peak
// memory of each process.
//
//	go run ./bench --python PYTHON
//	go run ./bench --chart docs/benchmarks.png     # draws the tables in docs/benchmarks.md
//
// PYTHON is an interpreter that has torch, torchvision and, for the forward pass,
// onnxruntime.
package main

// Package onnx reads, writes, checks and describes ONNX models (ModelProto). It
// owns the wire format, losslessly, and what can be said about a graph without
// running it: whether it is valid, the shapes of its tensors, the values of its
// constants. It knows nothing of PyTorch, of training, or of how a node is
// computed.
package onnx

// Package graph lowers an ONNX model to a Gorgonia expression graph that can be
// differentiated: onnx-go decodes the topology, one table says how each operator
// lowers, and each operator keeps its attributes, shape rule, reference forward
// and symbolic gradient together in one file.
//
// It is the only package that imports onnx-go. It owns the operators and the
// contrastive losses' nodes; it knows nothing of files, data, optimizers or how a
// graph is executed.
package graph

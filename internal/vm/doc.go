// Package vm executes a differentiated Gorgonia graph. It compiles the graph
// into a plan (order, fusions, physical layout, buffers reused by lifetime in one
// arena) behind Gorgonia's VM interface and runs the plan on the kernels.
//
// The package owns the closed vocabulary of instructions that operators lower to.
// It knows kernels and Gorgonia's exported API; it knows nothing of ONNX, models,
// losses' meaning or training.
package vm

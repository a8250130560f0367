// Package reference owns the obviously right version of every operator: portable
// Go, generic over float32 and float64, forward and backward side by side in one
// file per operator. The fast kernels are judged against it, Gorgonia's own
// machines run it, and the gradients are proved here by finite differences.
//
// Tensors are contiguous row-major slices in ONNX order: activations [N,C,H,W],
// convolution filters [K,C/G,R,S], matrices [rows, columns]. Every function
// writes all of its destination, which the caller gives, keeps no state and
// returns the same bits for the same input. Sums are accumulated in float64
// whatever the element type. A destination may overlap an operand only where the
// function says so. A slice of the wrong length is a programmer's error and
// panics with the operator, the operand and both lengths.
//
// The package knows nothing of graphs, layouts other than the above, threads or
// the fast kernels.
package reference

// Package kernel owns the CPU kernels: float32 compute on NHWC activations, the
// micro-kernels in generated assembly with their portable Go twins, and the
// worker pool. The slow, obviously right versions of every operator are in
// package reference. It knows nothing of graphs, models or files.
package kernel

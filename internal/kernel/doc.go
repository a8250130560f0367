// Package kernel owns the CPU kernels: float32 compute on NHWC activations, the
// micro-kernels in generated assembly with their portable Go twins, and the
// worker pool. The slow, obviously right versions of every operator are in
// package reference. It knows nothing of graphs, models or files.
//
// With precision BF16 the operands of a convolution's products are rounded to bfloat16
// (bf16*.go), sums and results staying float32.
//
// A machine is one implementation of the inner loops: avx512, avx2, portable. The
// assembly is written by the module in asm (go generate). A convolution is either a
// product of packed patches and filters (block.go, patches.go, conv*.go) or, for 3×3
// filters with stride 1, Winograd's minimal filtering (winograd*.go), whose error is
// up to 3.1e-6 of the largest output instead of 1e-6; Exact turns it off.
package kernel

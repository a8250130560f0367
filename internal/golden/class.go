package golden

import "math"

// Number is what the classes compare.
type Number interface {
	~uint8 | ~int | ~int8 | ~int16 | ~int32 | ~int64 | ~float32 | ~float64
}

// Class is a kind of agreement between two computations of the same values.
type Class struct {
	name  string
	scale scale
	limit float64
}

// scale is what an error is divided by before it is held against the limit.
type scale int

const (
	ofLargest scale = iota // the largest |want| of the array
	ofEach                 // the |want| beside it
	absolute               // nothing
	ofLength               // √Σwant²; the error is √Σ(got−want)²
)

// The classes. A limit is at least four times the largest error measured when the
// class came into use, and far below the error of a wrong formula.
var (
	// Exact values are equal, as for ReLU, Add, MaxPool, Slice, flip, crop, codecs,
	// worker counts and resume. NaN equals NaN, and −0 equals 0.
	Exact = Class{"exact", absolute, 0}
	// Stat is for reductions held in float64 and stored in float32: BN, global
	// average pooling, normalisation.
	Stat = Class{"stat", ofLargest, 1e-5}
	// Loss is for a loss in float64 against PyTorch's in float32.
	Loss = Class{"loss", ofEach, 1e-6}
	// Grad64 is for a float64 gradient against central finite differences.
	Grad64 = Class{"grad64", ofLargest, 1e-6}
	// Reference is for one reference kernel, forward or backward, against PyTorch in
	// float32.
	Reference = Class{"reference", ofLargest, 1e-5}
	// TorchForward is for a fast kernel or a few of them against PyTorch in float32.
	TorchForward = Class{"torch forward", ofLargest, 1e-5}
	// Winograd is for one convolution by Winograd's minimal filtering, whose transforms
	// cost digits, against float64.
	Winograd = Class{"winograd", ofLargest, 1e-5}
	// BF16 is for one convolution whose operands are rounded to bfloat16, before or
	// after Winograd's transforms, against float64.
	BF16 = Class{"bf16", ofLargest, 8e-2}
	// BF16Model is for loss and gradients of a small network in bf16 against fp32: every
	// layer amplifies the errors of those before it.
	BF16Model = Class{"bf16 model", ofLargest, 2e-1}
	// BF16Loss is for the loss of a run in bf16 against the same run in fp32.
	BF16Loss = Class{"bf16 loss", ofEach, 2e-2}
	// TorchBackward is for gradients that went through a few operators.
	TorchBackward = Class{"torch backward", ofLargest, 1e-4}
	// ModelLoss is for a loss behind a whole network.
	ModelLoss = Class{"model loss", ofEach, 1e-5}
	// Model is for the output of a whole network.
	Model = Class{"model", ofLargest, 1e-4}
	// Float16Model is for the output of a small network whose weights an exporter rounded
	// to float16 after it had folded batch normalisation into them.
	Float16Model = Class{"float16 model", ofLargest, 2e-3}
	// BFloat16Model is the same for bfloat16, which has three bits less.
	BFloat16Model = Class{"bfloat16 model", ofLargest, 1.6e-2}
	// FamilyGradient is for the gradient of one parameter behind a whole network, in the
	// length of the difference, against PyTorch's float64.
	FamilyGradient = Class{"family gradient", ofLength, 1e-3}
	// Eig is for singular values and eigenvalues, largest first. Those below 1e-8 of
	// the largest are noise in any solver and need only be as small.
	Eig = Class{"eig", ofEach, 1e-10}
	// Pixel is for 8-bit images, in levels.
	Pixel = Class{"pixel", absolute, 1}
	// Closed is for float64 code against a closed form or an exact invariant.
	Closed = Class{"closed", ofLargest, 1e-11}
	// Zero is for float64 code whose result would be 0 without rounding, from values
	// around 1.
	Zero = Class{"zero", absolute, 1e-12}
)

// eigFloor is the part of the largest eigenvalue below which Eig compares nothing.
const eigFloor = 1e-8

// NoFurther is for a float32 computation beside PyTorch's of the same long chain,
// both judged by PyTorch's in float64: the error may be twice PyTorch's own, torch,
// which is measured in the same way; up to 1e-3 of the largest it is not counted.
func NoFurther(torch float64) Class {
	return Class{"no further than twice PyTorch's float32", ofLargest, max(2*torch, 1e-3)}
}

// accumLimit bounds the error of a float32 sum of k products, relative to the sum
// of their magnitudes: 4·2⁻²³·√k.
func accumLimit(k int) float64 { return 4 * 0x1p-23 * math.Sqrt(float64(k)) }

package vm

import (
	"gorgonia.org/gorgonia"

	"onnxclr/internal/kernel"
)

// Op is an operator that the machine has kernels for. Operators that are not, or
// whose instruction is nil, run through their own Do: slower, but right.
type Op interface {
	gorgonia.Op
	Instr() Instr
}

// Instr is what one operator computes, in the machine's vocabulary. The operands
// of each are listed in order; activations are [N,C,H,W] to the graph and stored
// as [N,H,W,C] by the machine.
type Instr interface{ instr() }

type (
	// Conv: x, filter, [bias] → y.
	Conv struct{ G kernel.Conv }
	// ConvGradInput: filter, dy → dx.
	ConvGradInput struct{ G kernel.Conv }
	// ConvGradFilter: x, dy → dfilter.
	ConvGradFilter struct{ G kernel.Conv }
	// ChannelSum: x [N,C,…] → [C].
	ChannelSum struct{ N, C, HW int }

	// BatchStats: x → [Groups,2,C], mean and biased variance per group of images.
	BatchStats struct{ Groups, N, C, HW int }
	// StackStats: running mean [C], running variance [C] → [1,2,C].
	StackStats struct{ C int }
	// BatchNorm: x, stats, γ, β → y.
	BatchNorm struct {
		Groups, N, C, HW int
		Eps              float64
	}
	// BatchNormGradSums: x, stats, dy → [Groups,2,C], Σdy and Σdy·x̂.
	BatchNormGradSums struct {
		Groups, N, C, HW int
		Eps              float64
	}
	// BatchNormGradInput: x, stats, γ, dy, sums → dx.
	BatchNormGradInput struct {
		Groups, N, C, HW int
		Eps              float64
	}
	// FrozenBatchNormGradInput: stats, γ, dy → dx, the statistics being constants.
	FrozenBatchNormGradInput struct {
		N, C, HW int
		Eps      float64
	}
	// GroupSum: sums [Groups,2,C] → [C], row Row summed over groups.
	GroupSum struct{ Groups, C, Row int }

	// ReLU: x → y.
	ReLU struct{}
	// ReLUGrad: y, dy → dx.
	ReLUGrad struct{}
	// Add: a, b → a + b, of equal shapes.
	Add struct{}

	// MaxPool: x → y.
	MaxPool struct{ G kernel.Window }
	// MaxPoolGrad: x, dy → dx.
	MaxPoolGrad struct{ G kernel.Window }
	// GlobalAveragePool: x → [N,C,1,1].
	GlobalAveragePool struct{ N, C, HW int }
	// GlobalAveragePoolGrad: dy → dx.
	GlobalAveragePoolGrad struct{ N, C, HW int }

	// Linear: x [N,In], w [Out,In], [bias] → [N,Out].
	Linear struct{ N, In, Out int }
	// LinearGradInput: w, dy → dx.
	LinearGradInput struct{ N, In, Out int }
	// LinearGradWeight: x, dy → dw.
	LinearGradWeight struct{ N, In, Out int }
	// Transpose: [Rows,Cols] → [Cols,Rows].
	Transpose struct{ Rows, Cols int }

	// Reshape: x → the same elements in row-major order of the graph's layout.
	Reshape struct{}
	// SliceColumns: x [Rows,Cols] → [Rows,To-From].
	SliceColumns struct{ Rows, Cols, From, To int }
	// SliceColumnsGrad: dy → dx, zero outside.
	SliceColumnsGrad struct{ Rows, Cols, From, To int }

	// InfoNCE: z [2N,D] → loss.
	InfoNCE struct {
		N, D        int
		Temperature float64
	}
	// InfoNCEGrad: z, dloss → dz.
	InfoNCEGrad struct {
		N, D        int
		Temperature float64
	}
	// NTXent: z [2N,D] → loss.
	NTXent struct {
		N, D        int
		Temperature float64
	}
	// NTXentGrad: z, dloss → dz.
	NTXentGrad struct {
		N, D        int
		Temperature float64
	}
	// BarlowTwins: z [2N,D] → loss.
	BarlowTwins struct {
		N, D          int
		Lambda, Scale float64
	}
	// BarlowTwinsGrad: z, dloss → dz.
	BarlowTwinsGrad struct {
		N, D          int
		Lambda, Scale float64
	}
	// VICReg: z [2N,D] → loss.
	VICReg struct {
		N, D                             int
		Invariance, Variance, Covariance float64
	}
	// VICRegGrad: z, dloss → dz.
	VICRegGrad struct {
		N, D                             int
		Invariance, Variance, Covariance float64
	}
)

func (Conv) instr()                     {}
func (ConvGradInput) instr()            {}
func (ConvGradFilter) instr()           {}
func (ChannelSum) instr()               {}
func (BatchStats) instr()               {}
func (StackStats) instr()               {}
func (BatchNorm) instr()                {}
func (BatchNormGradSums) instr()        {}
func (BatchNormGradInput) instr()       {}
func (FrozenBatchNormGradInput) instr() {}
func (GroupSum) instr()                 {}
func (ReLU) instr()                     {}
func (ReLUGrad) instr()                 {}
func (Add) instr()                      {}
func (MaxPool) instr()                  {}
func (MaxPoolGrad) instr()              {}
func (GlobalAveragePool) instr()        {}
func (GlobalAveragePoolGrad) instr()    {}
func (Linear) instr()                   {}
func (LinearGradInput) instr()          {}
func (LinearGradWeight) instr()         {}
func (Transpose) instr()                {}
func (Reshape) instr()                  {}
func (SliceColumns) instr()             {}
func (SliceColumnsGrad) instr()         {}
func (InfoNCE) instr()                  {}
func (InfoNCEGrad) instr()              {}
func (NTXent) instr()                   {}
func (NTXentGrad) instr()               {}
func (BarlowTwins) instr()              {}
func (BarlowTwinsGrad) instr()          {}
func (VICReg) instr()                   {}
func (VICRegGrad) instr()               {}

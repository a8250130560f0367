package vm

// instruction is one step of the plan before and after fusion.
type instruction struct {
	op   Instr
	name string // the operator it came from, for the plan and the profile
	in   []*value
	out  []*value
	run  func() // set when the instruction is lowered to kernels
	work int64  // floating-point operations
}

// Instructions that only the compiler makes, by fusion or to change layouts.
type (
	// toPixelMajor: [N,C,…] → the same stored as [N,…,C].
	toPixelMajor struct{ N, C, HW int }
	// toRowMajor is its inverse.
	toRowMajor struct{ N, C, HW int }
	// convStats: x, filter, [bias] → y, stats of y.
	convStats struct {
		Conv
		Groups int
	}
	// convFolded: x, filter, stats, γ, β, [bias], [residual] → the convolution
	// normalised by running statistics, the residual added, ReLU applied.
	convFolded struct {
		Conv
		Eps                  float64
		Bias, ReLU, Residual bool
	}
	// convGradInputAdd: filter, dy, sum → sum + dx, in the storage of sum.
	convGradInputAdd struct{ ConvGradInput }
	// convGradInputReLU: filter, dy, mask, then with Add the sum it is added to, in
	// whose storage, then with Sums the x and the stats of a BatchNorm → the gradient
	// where mask > 0, and BatchNormGradSums of it.
	convGradInputReLU struct {
		ConvGradInput
		Add, Sums bool
		Groups    int
		Eps       float64
	}
	// normalise: x, stats, γ, β, then with Residual the array added, then with
	// ResidualNorm the stats, γ and β that normalise it first → y.
	normalise struct {
		BatchNorm
		ReLU, Residual, ResidualNorm bool
		ResidualEps                  float64
		ResidualGroups               int
	}
	// maskedGradSums: x, stats, dy, mask → BatchNormGradSums of dy where mask > 0.
	maskedGradSums struct{ BatchNormGradSums }
	// maskedGradInput: x, stats, γ, dy, sums, mask → BatchNormGradInput of the same.
	maskedGradInput struct{ BatchNormGradInput }
	// call: an operator that has no kernels, run through its own Do.
	call struct{ do doer }
)

func (toPixelMajor) instr()      {}
func (toRowMajor) instr()        {}
func (convStats) instr()         {}
func (convFolded) instr()        {}
func (convGradInputAdd) instr()  {}
func (convGradInputReLU) instr() {}
func (normalise) instr()         {}
func (maskedGradSums) instr()    {}
func (maskedGradInput) instr()   {}
func (call) instr()              {}

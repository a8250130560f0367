package train

import (
	"errors"
	"fmt"
	"strings"

	G "gorgonia.org/gorgonia"

	"onnxclr/importer"
	"onnxclr/internal/graph"
)

// Head returns what the recipe's method puts between the representation r and the
// loss (arXiv:2110.09348, section 6): SimCLR a projector, DirectCLR the first d0
// channels of r.
func (r *Recipe) Head() importer.Head {
	if r.Method == "directclr" || r.Projector == "lowrank-diagonal" {
		return importer.Head{Kind: importer.HeadSlice, D0: r.D0}
	}
	return importer.Head{
		Kind: r.Projector, Dim: r.ProjDim, Hidden: r.ProjHid, Layers: r.ProjDeep, Norm: r.ProjNorm, Bias: r.ProjBias,
		D0: r.D0, Groups: r.ProjGroup, Seed: r.Seed,
	}
}

// paperD0 of the paperWidth channels of its ResNet-50 is what the paper trains.
const paperD0, paperWidth = 360, 2048

// fitting adds to the error of a head that does not go with the model's width where the
// value comes from and one that would do.
func (r *Recipe) fitting(err error) error {
	var e *importer.WidthError
	if !errors.As(err, &e) {
		return err
	}
	origin, why, fits := "", "", 0
	if e.Key == "d0" {
		origin = fmt.Sprintf("%d is the default, the paper's of a ResNet-50's %d channels; ", paperD0, paperWidth)
		why = "would be the same share"
		fits = max(1, (paperD0*e.Width+paperWidth/2)/paperWidth)
	} else {
		origin = fmt.Sprintf("%d is the default; ", e.Value)
		why = "would do"
		for fits = min(max(e.Value, 1), e.Width); e.Width%fits != 0; {
			fits--
		}
	}
	if r.Given[e.Key] {
		origin = ""
	}
	return fmt.Errorf("%w; %s--%s %d %s", err, origin, strings.ReplaceAll(e.Key, "_", "-"), fits, why)
}

// addLoss adds the recipe's loss of the embeddings z [2N,D] to the graph: of all
// columns or, if there are columns, of those that they name when the graph runs. With
// groups it is the sum of the losses of as many equal parts of them.
func addLoss(r *Recipe, z *G.Node, columns []int) (*G.Node, error) {
	if columns == nil {
		return lossOf(r, z)
	}
	groups := 1
	if r.Projector == importer.HeadGroup {
		groups = r.ProjGroup
	}
	var sum *G.Node
	width := len(columns) / groups
	for i := range groups {
		part, err := graph.Columns(z, columns[i*width:][:width])
		if err != nil {
			return nil, err
		}
		loss, err := lossOf(r, part)
		if err != nil {
			return nil, err
		}
		if sum == nil {
			sum = loss
		} else if sum, err = G.Add(sum, loss); err != nil {
			return nil, err
		}
	}
	return sum, nil
}

func lossOf(r *Recipe, z *G.Node) (*G.Node, error) {
	switch r.Loss {
	case "infonce":
		return graph.InfoNCE(z, r.Temp)
	case "ntxent":
		return graph.NTXent(z, r.Temp)
	case "barlow":
		return graph.BarlowTwins(z, r.BarlowLambda, r.BarlowScale)
	case "vicreg":
		return graph.VICReg(z, r.VICInvariance, r.VICVariance, r.VICCovariance)
	}
	return nil, fmt.Errorf("loss is %q", r.Loss)
}

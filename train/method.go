package train

import (
	"fmt"

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
		Kind: r.Projector, Dim: r.ProjDim, Hidden: r.ProjHid, Layers: r.ProjDeep, Plain: !r.ProjNorm,
		D0: r.D0, Groups: r.ProjGroup, Seed: r.Seed,
	}
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

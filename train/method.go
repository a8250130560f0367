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
	if r.Method == "directclr" {
		return importer.Head{Kind: "slice", D0: r.D0}
	}
	return importer.Head{Kind: r.Projector, Dim: r.ProjDim, Seed: r.Seed}
}

// addLoss adds the recipe's loss of the embeddings z [2N,D] to the graph.
func addLoss(r *Recipe, z *G.Node) (*G.Node, error) {
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

package importer

import (
	"strings"

	"onnxclr/importer/weights"
)

// checkDetectron refuses the MSRA ResNets that come with detectron2. Their batch
// normalisation is folded into an affine map, and their stride is in the first 1×1
// convolution of a block instead of the 3×3 one, which the weights do not show.
func checkDetectron(e *encoder, used []*weights.Tensor) error {
	if !e.naming.detectron {
		return nil
	}
	seen := false
	for _, t := range used {
		if !strings.HasSuffix(t.Name, ".running_mean") {
			continue
		}
		v, err := t.Float32s()
		if err != nil {
			return err
		}
		for _, x := range v {
			if x != 0 {
				return nil
			}
		}
		seen = true
	}
	if !seen {
		return nil
	}
	return unsupportedf("every running mean is 0, as in the MSRA networks of detectron2 (R-50.pkl): their stride is in the 1×1 convolutions, so that they are not torchvision's. Start from torchvision's weights or those of the code base that trained the network")
}

package train

import (
	"fmt"

	"onnxclr/importer"
)

// checkBatchNorm stops where an export has folded batch normalisation into the
// convolutions, unless the recipe says to train them so, and warns where the model
// will not be trained as its file suggests.
func checkBatchNorm(r *Recipe, m *importer.Model, warn func(string)) error {
	s := m.BatchNorm
	switch {
	case r.BatchNorm == "none" && s.Kept > 0 && s.Folded == 0:
		return fmt.Errorf("batchnorm none is for models whose BatchNormalization was folded away, this one has it: %v; use batchnorm keep", s)
	case r.BatchNorm == "none":
		return nil
	case s.Folded > 0:
		return fmt.Errorf("%v. Training it would be training another network, without batch statistics. Either\n"+
			"  - make the model from the checkpoint: onnxclr convert CHECKPOINT -o model.onnx\n"+
			"  - or export again: torch.onnx.export(model.train(), …, training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False)\n"+
			"    (since PyTorch 2.9 with dynamo=False as well; or with its new exporter torch.onnx.export(model.eval(), …, optimize=False))\n"+
			"  - or train the biased convolutions as they are: --batchnorm none", s)
	case s.Kept == 0:
		warn(fmt.Sprintf("%s: %v", m.Path, s))
	case s.Frozen > 0:
		warn(fmt.Sprintf("%s: %v; the frozen ones keep their running statistics, as the file says", m.Path, s))
	}
	return nil
}

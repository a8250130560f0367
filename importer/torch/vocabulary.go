package torch

import (
	"slices"
	"strings"
)

// A constructor returns the value that a call stands for. On arguments that do not
// fit it fails m.
type constructor func(m *machine, name string, args Tuple) any

// vocabulary holds every call that has a meaning here.
var vocabulary map[string]constructor

func init() { // breaks an initialisation cycle: a constructor may call another
	vocabulary = map[string]constructor{
		"torch._utils._rebuild_tensor":               rebuildTensor,
		"torch._utils._rebuild_tensor_v2":            rebuildTensor,
		"torch._utils._rebuild_tensor_v3":            rebuildTensor,
		"torch._utils._rebuild_parameter":            rebuildParameter,
		"torch._utils._rebuild_parameter_with_state": rebuildParameter,
		"torch._tensor._rebuild_from_type_v2":        rebuildFromType,
		"torch.Size":                                 newTuple,

		"collections.OrderedDict": newDict,
		"collections.defaultdict": newDict,
		"collections.Counter":     newDict,
		"collections.deque":       newList,
		"_codecs.encode":          encode,

		"numpy.core.multiarray.scalar":  numpyScalar,
		"numpy._core.multiarray.scalar": numpyScalar,

		"numpy.core.multiarray._reconstruct":  reconstructArray,
		"numpy._core.multiarray._reconstruct": reconstructArray,
		"numpy.core.numeric._frombuffer":      bufferArray,
		"numpy._core.numeric._frombuffer":     bufferArray,
	}
	for _, module := range []string{"builtins.", "__builtin__."} {
		vocabulary[module+"dict"] = newDict
		vocabulary[module+"list"] = newList
		vocabulary[module+"tuple"] = newTuple
		vocabulary[module+"set"] = newSet
		vocabulary[module+"frozenset"] = newSet
		vocabulary[module+"bytearray"] = newBytes
	}
	// Dictionaries with attribute access, in which training scripts keep their options.
	for _, class := range []string{
		"addict.addict.Dict",
		"box.box.Box",
		"detectron2.config.config.CfgNode",
		"easydict.EasyDict",
		"fvcore.common.config.CfgNode",
		"lightning.fabric.utilities.data.AttributeDict",
		"lightning.pytorch.utilities.parsing.AttributeDict",
		"lightning_fabric.utilities.data.AttributeDict",
		"ml_collections.config_dict.config_dict.ConfigDict",
		"mmcv.utils.config.ConfigDict",
		"mmengine.config.config.ConfigDict",
		"munch.Munch",
		"pytorch_lightning.utilities.parsing.AttributeDict",
		"vissl.utils.hydra_config.AttrDict",
		"yacs.config.CfgNode",
	} {
		vocabulary[class] = newDict
	}
}

// harmless lists the classes whose objects hold nothing but data and lie beside
// weights in the checkpoints people have; they are kept as Opaque. A name that ends
// in a dot stands for the whole module.
var harmless = []string{
	"argparse.Namespace",
	"builtins.complex", "builtins.range", "builtins.slice",
	"__builtin__.complex", "__builtin__.xrange", "__builtin__.slice",
	"datetime.",
	"decimal.Decimal",
	"fractions.Fraction",
	"mmengine.logging.history_buffer.HistoryBuffer",
	"numpy.dtype", "numpy.dtypes.", "numpy.ndarray",
	"omegaconf.base.", "omegaconf.dictconfig.", "omegaconf.listconfig.", "omegaconf.nodes.",
	"pathlib.", "pathlib._local.",
	"torch.device",
	"torch.serialization._get_layout",
	"types.SimpleNamespace",
	"uuid.UUID",
}

func isHarmless(name string) bool {
	return slices.ContainsFunc(harmless, func(h string) bool {
		rest, ok := strings.CutPrefix(name, h)
		return ok && (rest == "" || h[len(h)-1] == '.' && !strings.Contains(rest, "."))
	})
}

// unsupported lists calls that rebuild tensors in ways that are not read.
var unsupported = map[string]string{
	"torch._utils._rebuild_sparse_tensor":                 "it holds a sparse tensor",
	"torch._utils._rebuild_sparse_csr_tensor":             "it holds a sparse tensor",
	"torch._utils._rebuild_nested_tensor":                 "it holds a nested tensor",
	"torch._utils._rebuild_qtensor":                       "it holds a quantized tensor",
	"torch._utils._rebuild_meta_tensor_no_storage":        "it holds a tensor without values (device meta)",
	"torch._utils._rebuild_device_tensor_from_numpy":      "it holds a tensor saved through numpy (XLA)",
	"torch._utils._rebuild_device_tensor_from_cpu_tensor": "it holds a tensor of a device without storages (XLA)",
	"torch._utils._rebuild_xla_tensor":                    "it holds a tensor saved through numpy (XLA)",
	"torch._utils._rebuild_wrapper_subclass":              "it holds a tensor of a class that wraps others",
	"torch.storage._load_from_bytes":                      "tensors were pickled by themselves, not by torch.save",
	"torch.jit._pickle.restore_type_tag":                  "it is TorchScript",
}

func isReconstructor(name string) bool {
	return name == "copyreg._reconstructor" || name == "copy_reg._reconstructor"
}

// advice says what to do about a refused call, where something can be said.
func advice(name string) string {
	has := func(prefixes ...string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
	}
	const save = `save torch.save(model.state_dict(), "new.pth") instead`
	switch {
	case has("torch.nn.", "torchvision.models.", "timm.models."):
		return "; it holds a whole model object: " + save
	case has("__main__.", "model", "src.", "utils.", "config"):
		return "; if it belongs to the training script, " + save
	}
	return ""
}

package torch

import (
	"slices"
	"strings"

	"onnxclr/importer/weights"
)

// global pushes the name of a class, function or constant. It is only a name.
func (m *machine) global(module, name string) {
	m.charge(objectCost + len(module) + len(name))
	m.push(&Opaque{Name: module + "." + name})
}

// reduce pushes what calling a name on arguments stands for, if the vocabulary says
// so.
func (m *machine) reduce(callable, args any) {
	if m.err != nil {
		return
	}
	fn, ok := callable.(*Opaque)
	if !ok || fn.Args != nil {
		m.failf("calls %s", describe(callable))
		return
	}
	tuple, ok := args.(Tuple)
	if !ok {
		m.failf("calls %s on %s, want a tuple of arguments", fn.Name, describe(args))
		return
	}
	// The old way to spell class.__new__(class), of protocols 0 and 1.
	if isReconstructor(fn.Name) && len(tuple) == 3 {
		if class, ok := tuple[0].(*Opaque); ok && class.Args == nil {
			fn, tuple = class, Tuple{}
		}
	}
	if construct, ok := vocabulary[fn.Name]; ok {
		m.push(construct(m, fn.Name, tuple))
		return
	}
	if isHarmless(fn.Name) {
		m.push(m.opaque(fn.Name, tuple))
		return
	}
	m.refuse(fn, "")
}

// refuse ends the reading at a call that is not understood.
func (m *machine) refuse(callable any, how string) {
	if fn, ok := callable.(*Opaque); ok {
		if why, known := unsupported[fn.Name]; known {
			m.fail(unsupportedf("%s at byte %d: %s (%s)", m.file, m.op, why, fn.Name))
			return
		}
		name := fn.Name
		if how != "" {
			name += " " + how
		}
		m.fail(&CallError{Name: name, File: m.file, Byte: m.op})
		return
	}
	m.failf("calls %s %s", describe(callable), how)
}

// build sets the state of an object: what Python's __setstate__ or __dict__ would
// take.
func (m *machine) build(on, state any) {
	if m.err != nil {
		return
	}
	switch o := on.(type) {
	case *Dict:
		attrs, ok := state.(*Dict)
		if !ok {
			m.failf("sets %s as the attributes of %s", describe(state), describe(on))
			return
		}
		o.Attrs = attrs
	case *Opaque:
		if o.Args == nil {
			m.refuse(o, "(its state is set)")
			return
		}
		o.State = state
	default:
		m.failf("sets the state of %s", describe(on))
	}
}

func (m *machine) opaque(name string, args Tuple) *Opaque {
	m.charge(objectCost)
	return &Opaque{Name: name, Args: args}
}

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
	"numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct",
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
	for _, prefix := range []string{"torch.nn.", "torchvision.models.", "timm.models.", "__main__.", "models."} {
		if strings.HasPrefix(name, prefix) {
			return `; it seems to hold a whole model object: save torch.save(model.state_dict(), "new.pth") instead`
		}
	}
	return ""
}

// Plain containers by their constructors.

func newDict(m *machine, name string, args Tuple) any {
	d := m.dict(className(name), nil)
	if name == "collections.defaultdict" && len(args) > 0 {
		args = args[1:] // the factory, which is not called
	}
	if len(args) == 0 {
		return d
	}
	switch from := args[0].(type) {
	case *Dict:
		for k, v := range from.All() {
			m.setItems(d, []any{k, v})
		}
	case *List:
		for _, item := range from.Items {
			pair, ok := item.(Tuple)
			if p, isList := item.(*List); isList {
				pair, ok = p.Items, true
			}
			if !ok || len(pair) != 2 {
				m.failf("makes %s from something else than pairs", name)
				break
			}
			m.setItems(d, pair)
		}
	default:
		m.failf("makes %s from %s", name, describe(args[0]))
	}
	if len(args) > 1 {
		m.failf("makes %s from %d arguments", name, len(args))
	}
	return d
}

func className(name string) string {
	switch name {
	case "builtins.dict", "__builtin__.dict":
		return ""
	}
	return name
}

func newList(m *machine, name string, args Tuple) any {
	return m.list(m.elements(name, args))
}

func newTuple(m *machine, name string, args Tuple) any {
	return m.tuple(m.elements(name, args))
}

func newSet(m *machine, name string, args Tuple) any {
	return m.set(m.elements(name, args))
}

// elements returns what a sequence is made from; a deque's second argument, its
// greatest length, is left out.
func (m *machine) elements(name string, args Tuple) []any {
	if len(args) == 0 {
		return nil
	}
	switch from := args[0].(type) {
	case *List:
		return from.Items
	case Tuple:
		return from
	case *Set:
		return from.Items
	}
	m.failf("makes %s from %s", name, describe(args[0]))
	return nil
}

func newBytes(m *machine, name string, args Tuple) any {
	if len(args) == 0 {
		return []byte{}
	}
	if b, ok := args[0].([]byte); ok && len(args) == 1 {
		return b
	}
	if _, ok := args[0].(string); ok && len(args) == 2 {
		return encode(m, name, args)
	}
	m.failf("makes %s from %s", name, describe(args[0]))
	return nil
}

// encode is how protocol 2 writes bytes: as a string of code points up to 255.
func encode(m *machine, name string, args Tuple) any {
	if len(args) == 2 {
		s, ok := args[0].(string)
		codec, _ := args[1].(string)
		if ok && (codec == "latin1" || codec == "latin-1") {
			m.charge(len(s))
			out := make([]byte, 0, len(s))
			for _, r := range s {
				if r > 255 {
					m.failf("%q is not latin-1", r)
					return nil
				}
				out = append(out, byte(r))
			}
			return out
		}
	}
	m.failf("%s is only understood for latin-1", name)
	return nil
}

// rebuildParameter returns the tensor that a torch.nn.Parameter wraps.
func rebuildParameter(m *machine, name string, args Tuple) any {
	if len(args) >= 3 && len(args) <= 4 {
		if t, ok := args[0].(*weights.Tensor); ok {
			return t
		}
	}
	m.failf("%s wants a tensor and its flags, not %s", name, describe(args))
	return nil
}

// rebuildFromType is called on another rebuilding function, the class of the result,
// that function's arguments and the attributes of the tensor.
func rebuildFromType(m *machine, name string, args Tuple) any {
	if len(args) == 4 {
		fn, ok1 := args[0].(*Opaque)
		class, ok2 := args[1].(*Opaque)
		inner, ok3 := args[2].(Tuple)
		if ok1 && ok2 && ok3 && strings.HasPrefix(fn.Name, "torch._utils._rebuild_") && fn.Args == nil {
			switch class.Name {
			case "torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer":
			default:
				m.fail(unsupportedf("%s at byte %d: it holds a tensor of class %s", m.file, m.op, class.Name))
				return nil
			}
			if construct, ok := vocabulary[fn.Name]; ok {
				return construct(m, fn.Name, inner)
			}
			m.refuse(fn, "")
			return nil
		}
	}
	m.failf("%s wants a function, a class, arguments and a state", name)
	return nil
}

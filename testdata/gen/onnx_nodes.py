#!/usr/bin/env python3
"""ONNX's own operator tests, reduced to what shape inference needs.

Writes testdata/golden/onnx/nodes_<opset>.npz. Each array is a serialised model of one
node: the inputs have static shapes, integer inputs are initializers, and so are the
outputs that the test expects of it if they are small integers, as "want:<output>".
The shapes of the outputs are those of the expected values. Float inputs stay inputs.

The cases are those of onnx.backend.test.case.node for the operators listed below, out
of the package's data folder where it has one.
Ran with onnx 1.12.0 (opset 17) and onnx 1.23.2 (opset 28). Run with each:
  /usr/bin/python3 testdata/gen/onnx_nodes.py
  python3 testdata/gen/onnx_nodes.py
"""
import pathlib
import warnings

import numpy as np
import onnx
from onnx import helper, numpy_helper

OUT = pathlib.Path(__file__).resolve().parents[1] / "golden" / "onnx"
OPS = set("""Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast CastLike Clip Concat Constant ConstantOfShape Conv Div
Dropout Elu Equal Erf Exp Expand Flatten Gather Gelu Gemm GlobalAveragePool GlobalMaxPool Greater HardSigmoid HardSwish Identity
InstanceNormalization LRN LayerNormalization LeakyRelu Less Log LogSoftmax LpPool MatMul Max MaxPool Mean Min Mod Mul Neg Not Or
PRelu Pad Pow Range ReduceL1 ReduceL2 ReduceLogSum ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu
Reshape Shape Sigmoid Size Slice Softmax Split Sqrt Squeeze Sub Sum Tanh Tile Transpose Unsqueeze Where Xor""".split())

INTEGERS = {2, 3, 4, 5, 6, 7, 9, 12, 13}  # TensorProto.DataType, bool included


class Case:
    def __init__(self, name, model, inputs, outputs):
        self.name, self.model, self.inputs, self.outputs = name, model, inputs, outputs


def cases():
    data = pathlib.Path(onnx.__file__).parent / "backend" / "test" / "data" / "node"
    if not data.is_dir():
        from onnx.backend.test.case.node import collect_testcases
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for c in collect_testcases(None):
                yield Case(c.name, c.model, *c.data_sets[0])
        return
    for folder in sorted(data.iterdir()):
        m = onnx.load(str(folder / "model.onnx"))
        files = {k: sorted((folder / "test_data_set_0").glob(k + "_*.pb"), key=lambda p: int(p.stem.split("_")[1])) for k in ("input", "output")}
        try:
            arrays = [[numpy_helper.to_array(onnx.load_tensor(str(p))) for p in files[k]] for k in ("input", "output")]
        except Exception:  # sequences, optionals, types that NumPy lacks
            continue
        yield Case(folder.name, m, *arrays)


def reduced(case):
    g = case.model.graph
    if len(g.node) != 1 or g.node[0].op_type not in OPS or g.node[0].domain:
        return None
    inputs, outputs = case.inputs, case.outputs
    if any(not isinstance(a, np.ndarray) for a in list(inputs) + list(outputs)):
        return None
    m = onnx.ModelProto()
    m.CopyFrom(case.model)
    del m.graph.input[:], m.graph.output[:]
    for v, a in zip(g.input, inputs):
        elem = v.type.tensor_type.elem_type
        if elem in INTEGERS:
            m.graph.initializer.append(numpy_helper.from_array(np.asarray(a), v.name))
        else:
            m.graph.input.append(helper.make_tensor_value_info(v.name, elem, a.shape))
    for v, a in zip(g.output, outputs):
        a = np.asarray(a)
        elem = v.type.tensor_type.elem_type
        m.graph.output.append(helper.make_tensor_value_info(v.name, elem, a.shape))
        if elem in INTEGERS and a.size <= 64:
            m.graph.initializer.append(numpy_helper.from_array(a, "want:" + v.name))
    return m.SerializeToString()


got = {}
opset = 0
for case in cases():
    try:
        b = reduced(case)
    except (KeyError, AttributeError, ValueError):  # types that NumPy lacks
        continue
    if b and len(b) < 2000:
        got[case.name] = np.frombuffer(b, np.uint8)
        opset = max(opset, *(o.version for o in case.model.opset_import if not o.domain))
OUT.mkdir(parents=True, exist_ok=True)
path = OUT / f"nodes_{opset}.npz"
np.savez_compressed(path, **got)
print(path, len(got), "cases", path.stat().st_size, "bytes")

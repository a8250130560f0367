#!/usr/bin/env python3
"""A small ResNet exported in float16, bfloat16, float64 and mixed precision, and what
PyTorch computes in float32 with the weights as they are stored.

Writes testdata/onnx/dtypes/*.onnx and testdata/onnx/dtypes/{f16,bf16,f64}.npz with
  eval.representation, eval.logits     outputs with running statistics
  train.representation, train.logits   outputs with batch statistics
  train.<key>                          running statistics after that one step
of the input seeded.views("onnx", 2, 48), [4,3,48,48]. The weights are seeded.weights
rounded to the type; those of float64 are not float32 numbers.

  tiny_T_training, tiny_T_preserve, tiny_T_eval   module.to(T), the old exporter
  tiny_T_dynamo                                   module.to(T), the new one
  tiny_f16_io32        ONNX Runtime's converter: float32 outside, float16 inside
  tiny_f16_autocast    float32 weights, each cast to float16 where it is used

Ran with PyTorch 2.15.0, onnx 1.23.2, onnxscript 0.7.2, ONNX Runtime 1.32.0, numpy 2.4:
  python3 testdata/gen/dtypes.py
"""
import numpy as np
import onnx
import torch
from onnxruntime.transformers.float16 import convert_float_to_float16

import onnx_exports as exports
import seeded

OUT = exports.OUT / "dtypes"
TYPES = {"f16": torch.float16, "bf16": torch.bfloat16, "f64": torch.float64}
OUTPUTS = ("representation", "logits")
DYNAMIC = dict(exports.DYNAMIC, **{o: {0: "batch"} for o in OUTPUTS})


def model(dtype):
    net = exports.model("tiny", "both").to(dtype)
    if dtype == torch.float64:  # numbers that float32 does not have
        with torch.no_grad():
            for key, value in net.state_dict().items():
                if value.is_floating_point():
                    n = value.numel()
                    value += torch.from_numpy(seeded.uniform(key + ".rest", n, -1e-9, 1e-9)).double().reshape(value.shape)
    return net


def save(path, m, statistics={}):
    for t in m.graph.initializer:
        if t.name in statistics:  # tracing in training mode has moved them
            t.raw_data = statistics[t.name]
    for n in m.graph.node:
        n.ClearField("doc_string")
        del n.metadata_props[:]
    del m.graph.metadata_props[:]
    for v in list(m.graph.input) + list(m.graph.output) + list(m.graph.value_info):
        del v.metadata_props[:]
    if "io32" not in path.name:  # ONNX Runtime's converter puts nodes in front of what they read
        # Conv takes bfloat16 from opset 22 on; the old exporter does not mind.
        onnx.checker.check_model(m, full_check="bf16" not in path.name or "dynamo" in path.name)
    onnx.save(m, str(path))
    print(path.name, path.stat().st_size, len(m.graph.node), "nodes", len(m.graph.initializer), "initializers")


def raw(t):
    return t.clone().view(torch.int16).numpy().tobytes() if t.dtype == torch.bfloat16 else t.numpy().tobytes()


def export(name, net, dtype, mode, opset=17, wrap=None):
    net.train(mode == "training")
    statistics = {k: raw(v) for k, v in net.state_dict().items() if "running" in k}
    path = OUT / f"tiny_{name}.onnx"
    torch.onnx.export(
        wrap or net, exports.INPUT.to(dtype), str(path), opset_version=opset, input_names=["input"], output_names=list(OUTPUTS),
        dynamic_axes=DYNAMIC, training=getattr(torch.onnx.TrainingMode, mode.upper()), do_constant_folding=mode == "eval", dynamo=False)
    save(path, onnx.load(str(path)), statistics)


class Autocast(torch.nn.Module):
    """The network under autocast, with its own names."""

    def __init__(self, net):
        super().__init__()
        self.__dict__["net"] = net
        for key, module in net.named_children():
            self.add_module(key, module)

    def forward(self, x):
        with torch.autocast("cpu", torch.float16):
            return self.net(x)


def golden(name, dtype):
    net, got = model(dtype).float(), {}
    with torch.no_grad():
        net.eval()
        got["eval.representation"], got["eval.logits"] = net(exports.INPUT)
        net.train()
        got["train.representation"], got["train.logits"] = net(exports.INPUT)
    for key, value in net.state_dict().items():
        if "running" in key:
            got["train." + key] = value
    np.savez_compressed(OUT / (name + ".npz"), **{k: v.numpy() for k, v in got.items()})


def main():
    OUT.mkdir(exist_ok=True)
    for name, dtype in TYPES.items():
        golden(name, dtype)
        for mode in ("training", "preserve", "eval"):
            export(f"{name}_{mode}", model(dtype), dtype, mode)
        path = OUT / f"tiny_{name}_dynamo.onnx"
        torch.onnx.export(
            model(dtype).eval(), (exports.INPUT.to(dtype),), str(path), opset_version=22 if name == "bf16" else 18, input_names=["input"], output_names=list(OUTPUTS), dynamo=True,
            external_data=False, dynamic_shapes=({0: torch.export.Dim("batch", min=1)},), verbose=False, optimize=False)
        save(path, onnx.load(str(path)))
    net = model(torch.float16).float()
    export("f32_preserve", net, torch.float32, "preserve")
    whole = OUT / "tiny_f32_preserve.onnx"
    save(OUT / "tiny_f16_io32.onnx", convert_float_to_float16(onnx.load(str(whole)), keep_io_types=True))
    whole.unlink()
    export("f16_autocast", net, torch.float32, "preserve", wrap=Autocast(net))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()

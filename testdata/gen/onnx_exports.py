#!/usr/bin/env python3
"""Small ResNets as torch.onnx.export writes them, and what PyTorch computes with them.

Writes testdata/onnx/*.onnx (listed in testdata/onnx/README.md) and, under PyTorch 1.13,
testdata/onnx/{basic,bottleneck,tiny}.npz:
  eval.representation, eval.logits     outputs with running statistics
  train.representation, train.logits   outputs with batch statistics, the whole batch as
                                       one group
  train.<key>                          running statistics after that one step
of the input seeded.views("onnx", 2, 48), [4,3,48,48]. Weights are seeded.weights, so
the state_dict of every fixture is known without a file (golden.Weights).

Ran with PyTorch 1.13.0, onnx 1.12.0 (opsets 11 to 17) and with PyTorch 2.15.0, onnx
1.23.2, onnxscript 0.7.2 (opset 18). Run both, from any folder:
  /usr/bin/python3 testdata/gen/onnx_exports.py     # Debian's PyTorch 1.13
  python3 testdata/gen/onnx_exports.py              # PyTorch 2.15 in a virtual environment
"""
import pathlib
import sys

import numpy as np
import onnx
import onnx.numpy_helper
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

import seeded

OUT = pathlib.Path(__file__).resolve().parents[1] / "onnx"
LEGACY = int(torch.__version__.split(".")[0]) < 2
INPUT = torch.from_numpy(seeded.views("onnx", 2, 48))
DYNAMIC = {"input": {0: "batch", 2: "height", 3: "width"}}


class ResNet(nn.Module):
    """torchvision's ResNet with its names and its order of calls, of any width."""

    def __init__(self, block, planes, head="flatten"):
        super().__init__()
        self.inplanes, self.head = planes[0], head
        self.conv1 = nn.Conv2d(3, planes[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(planes[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.stages = len(planes)
        for i, width in enumerate(planes):
            stride = 1 if i == 0 else 2
            downsample = None
            if stride != 1 or self.inplanes != width * block.expansion:
                downsample = nn.Sequential(
                    nn.Conv2d(self.inplanes, width * block.expansion, 1, stride, bias=False),
                    nn.BatchNorm2d(width * block.expansion),
                )
            setattr(self, f"layer{i + 1}", nn.Sequential(block(self.inplanes, width, stride, downsample)))
            self.inplanes = width * block.expansion
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(self.inplanes, 10)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for i in range(self.stages):
            x = getattr(self, f"layer{i + 1}")(x)
        if self.head == "mean":
            r = x.mean((2, 3))
        elif self.head == "view":
            x = self.avgpool(x)
            r = x.view(x.size(0), -1)
        else:
            r = torch.flatten(self.avgpool(x), 1)
        if self.head == "backbone":
            return r
        return (r, self.fc(r)) if self.head == "both" else self.fc(r)


ARCHS = {
    "basic": lambda head="flatten": ResNet(BasicBlock, (4, 8, 16, 32), head),
    "bottleneck": lambda head="flatten": ResNet(Bottleneck, (4, 8, 16, 32), head),
    "tiny": lambda head="flatten": ResNet(BasicBlock, (4, 8), head),
}


def model(arch, head="flatten"):
    with torch.no_grad():
        return seeded.fill(ARCHS[arch](head))


def export(name, net, opset, mode="eval", output=("logits",), dynamic=True, images=INPUT, **kw):
    path = OUT / (name + ".onnx")
    net.train(mode == "training")
    statistics = {k: v.clone().numpy() for k, v in net.state_dict().items() if "running" in k}
    axes = dict(DYNAMIC, **{o: {0: "batch"} for o in output}) if dynamic else None
    if not LEGACY:
        kw.setdefault("dynamo", False)
    torch.onnx.export(
        net, images, str(path), opset_version=opset, input_names=["input"], output_names=list(output), dynamic_axes=axes,
        training=getattr(torch.onnx.TrainingMode, mode.upper()), do_constant_folding=mode == "eval", **kw)
    finish(path, statistics)


def dynamo(name, net, train=False, images=INPUT, dynamic=True, opset=18, **kw):
    path = OUT / (name + ".onnx")
    net.train(train)
    axes = ({0: torch.export.Dim("batch", min=1)},) if dynamic else None
    torch.onnx.export(net, (images,), str(path), opset_version=opset, input_names=["input"], output_names=["logits"], dynamo=True,
                      external_data=False, dynamic_shapes=axes, verbose=False, **kw)
    finish(path)


def finish(path, statistics={}):
    """Drops doc strings with the exporting machine's paths, puts the running statistics
    back that tracing in training mode has moved, and checks the file."""
    m = onnx.load(str(path))
    if m.functions:  # export_modules_as_functions forgets output_names
        m.graph.node[-1].output[0] = m.graph.output[0].name = "logits"
    for t in m.graph.initializer:
        if t.name in statistics:
            t.CopyFrom(onnx.numpy_helper.from_array(statistics[t.name], t.name))
    for n in list(m.graph.node) + [n for f in m.functions for n in f.node]:
        n.ClearField("doc_string")
        if hasattr(n, "metadata_props"):
            del n.metadata_props[:]
    if hasattr(m.graph, "metadata_props"):
        del m.graph.metadata_props[:]
    for v in list(m.graph.input) + list(m.graph.output) + list(m.graph.value_info):
        if hasattr(v, "metadata_props"):
            del v.metadata_props[:]
    onnx.checker.check_model(m)
    onnx.save(m, str(path))
    size = path.stat().st_size
    assert size < 200_000, (path, size)
    print(path.name, size, len(m.graph.node), "nodes", len(m.graph.initializer), "initializers")


def outputs(arch):
    net, got = model(arch, "both"), {}
    with torch.no_grad():
        net.eval()
        got["eval.representation"], got["eval.logits"] = net(INPUT)
        net.train()
        got["train.representation"], got["train.logits"] = net(INPUT)
    for key, value in net.state_dict().items():
        if "running" in key:
            got["train." + key] = value
    return {k: v.numpy() for k, v in got.items()}


def legacy():
    for arch in ARCHS:
        np.savez_compressed(OUT / (arch + ".npz"), **outputs(arch))
    for opset in (11, 13, 15, 17):
        for mode in ("training", "preserve", "eval"):
            export(f"basic_op{opset}_{mode}", model("basic"), opset, mode, dynamic=opset != 15)
    for mode in ("training", "preserve", "eval"):
        export(f"bottleneck_op13_{mode}", model("bottleneck"), 13, mode)
    export("bottleneck_op17_training", model("bottleneck"), 17, "training")
    # A fresh model has equal values in many BatchNorms: the exporter shares them
    # through Identity nodes.
    torch.manual_seed(1)
    export("tiny_op13_preserve_shared", ARCHS["tiny"](), 13, "preserve")
    export("tiny_op13_eval_inputs", model("tiny"), 13, "eval", keep_initializers_as_inputs=True)
    export("tiny_op13_training_inputs", model("tiny"), 13, "training", keep_initializers_as_inputs=True)
    for opset in (11, 13):
        for head in ("view", "mean"):
            export(f"tiny_op{opset}_training_{head}", model("tiny", head), opset, "training")
    export("tiny_op13_eval_view", model("tiny", "view"), 13, "eval")
    # Without dynamic axes the batch size becomes an argument of Reshape.
    export("tiny_op13_training_view_batch2", model("tiny", "view"), 13, "training", dynamic=False, images=INPUT[:2])
    export("tiny_op13_training_backbone", model("tiny", "backbone"), 13, "training", output=("features",))
    for opset in (7, 9):
        for mode in ("training", "eval"):
            export(f"tiny_op{opset}_{mode}", model("tiny"), opset, mode, dynamic=opset > 7)
    # Every module is a function that is called with its parameters; those inside one
    # another call one another.
    for mode in ("training", "preserve"):
        export(f"tiny_op17_functions_{mode}", model("tiny"), 17, mode, export_modules_as_functions=True)
    export("tiny_op17_training_both", model("tiny", "both"), 17, "training", output=("representation", "logits"))


def modern():
    for arch in ARCHS:  # the two PyTorch versions must agree on what the fixtures compute
        with np.load(OUT / (arch + ".npz")) as want:
            for key, got in outputs(arch).items():
                err = np.abs(got - want[key]).max() / np.abs(want[key]).max()
                assert err < 1e-5, (arch, key, err)
    for mode in ("training", "preserve", "eval"):
        export(f"basic_op18_{mode}", model("basic"), 18, mode)
    export("tiny_op18_training_mean", model("tiny", "mean"), 18, "training")
    dynamo("basic_op18_dynamo", model("basic"))
    for opset in (20, 21, 23):
        dynamo(f"tiny_op{opset}_dynamo", model("tiny"), opset=opset, optimize=opset > 20)
    dynamo("basic_op18_dynamo_unoptimized", model("basic"), optimize=False)
    dynamo("tiny_op18_dynamo_training", model("tiny"), train=True)
    dynamo("tiny_op18_dynamo_mean", model("tiny", "mean"))
    dynamo("tiny_op18_dynamo_batch2", model("tiny"), dynamic=False, images=INPUT[:2])


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    legacy() if LEGACY else modern()

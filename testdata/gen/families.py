#!/usr/bin/env python3
"""Small networks of torchvision's other families as torch.onnx.export writes them, and
what PyTorch computes with them.

Writes testdata/onnx/families/<name>_op<opset>_<mode>.onnx, where <mode> is
  training          of the network in training mode
  preserve          in evaluation, with its normalisations
  eval              in evaluation: those behind a convolution are folded into it
  dynamo            of the new exporter, which does that, too
  plain             the same with optimize=False: nothing is folded
and, under PyTorch 1.13, testdata/onnx/families/<name>.npz:
  eval.y            output with running statistics
  train.y           output with batch statistics
  <mode>.<key>      gradients of Σ y·dy by the parameters, dy = seeded.uniform("dy"):
                    in the mode train, or eval where no normalisation tells them apart
and <name>_folded.npz of a network that normalises: folded.<key>, the gradients in
evaluation by the parameters of the network whose normalisations were folded by hand,
all of the input seeded.views("families", 4, SIZE[name]), all computed in float64. Weights
are seeded.weights, so that the state_dict is known without a file (golden.Weights).

Ran with PyTorch 1.13.0, torchvision 0.14.1 (opsets 11 to 16) and with PyTorch 2.15.0,
torchvision 0.29, onnxscript 0.7.2 (opsets 18 to 23; ViT 18, 20). Run both, from any folder:
  /usr/bin/python3 testdata/gen/families.py     # Debian's PyTorch 1.13
  python3 testdata/gen/families.py              # PyTorch 2.15 in a virtual environment
"""
import functools
import pathlib
import sys

import numpy as np
import onnx
import torch
from torch import nn
from torchvision.models import convnext, densenet, efficientnet, mobilenetv2, mobilenetv3, regnet, resnet, vgg, vision_transformer

import seeded

OUT = pathlib.Path(__file__).resolve().parents[1] / "onnx" / "families"
LEGACY = int(torch.__version__.split(".")[0]) < 2
SIZE = {"vgg": 56, "vit": 16}  # 32 for the others
CLASSES = 5


def vgg_bn():
    m = vgg.VGG(vgg.make_layers([4, "M", 6, "M", 6, "M"], batch_norm=True), num_classes=CLASSES, dropout=0)
    m.classifier = nn.Sequential(nn.Linear(6 * 49, 12), nn.ReLU(True), nn.Dropout(0), nn.Linear(12, CLASSES))
    return m


def mobilenet_v3():
    block = functools.partial(mobilenetv3.InvertedResidualConfig, width_mult=1.0)
    settings = [block(8, 3, 8, 8, True, "RE", 2, 1), block(8, 5, 16, 12, True, "HS", 2, 1), block(12, 5, 24, 12, True, "HS", 1, 1)]
    return mobilenetv3.MobileNetV3(settings, 16, num_classes=CLASSES, dropout=0)


def efficient_net():
    block = functools.partial(efficientnet.MBConvConfig, width_mult=1.0, depth_mult=1.0)
    settings = [block(1, 3, 1, 8, 8, 1), block(3, 3, 2, 8, 8, 2), block(3, 5, 2, 8, 12, 1)]
    return efficientnet.EfficientNet(settings, 0, stochastic_depth_prob=0, num_classes=CLASSES, last_channel=24)


def fused_efficient_net():
    settings = [efficientnet.FusedMBConvConfig(1, 3, 1, 8, 8, 1), efficientnet.FusedMBConvConfig(2, 3, 2, 8, 8, 1), efficientnet.MBConvConfig(3, 3, 2, 8, 12, 1)]
    return efficientnet.EfficientNet(settings, 0, stochastic_depth_prob=0, num_classes=CLASSES, last_channel=24)


def conv_next():
    block = convnext.CNBlockConfig
    return convnext.ConvNeXt([block(8, 12, 1), block(12, None, 2)], stochastic_depth_prob=0, layer_scale=1, num_classes=CLASSES)


def res_net():
    m = resnet.ResNet(resnet.Bottleneck, [1, 1, 1, 1], num_classes=CLASSES)
    m.inplanes = 8
    m.conv1, m.bn1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8)
    for i, (width, stride) in enumerate([(4, 1), (6, 2), (8, 2), (10, 2)]):
        setattr(m, f"layer{i + 1}", m._make_layer(resnet.Bottleneck, width, 1, stride))
    m.fc = nn.Linear(40, CLASSES)
    return m


FAMILIES = {
    "resnet": res_net,
    "vgg": vgg_bn,
    "densenet": lambda: densenet.DenseNet(4, (2, 2), 8, num_classes=CLASSES),
    "mobilenetv2": lambda: mobilenetv2.MobileNetV2(CLASSES, 0.25, [[1, 8, 1, 1], [4, 12, 2, 2], [4, 16, 1, 2]], dropout=0),
    "mobilenetv3": mobilenet_v3,
    "efficientnet": efficient_net,
    "efficientnetv2": fused_efficient_net,
    "regnet": lambda: regnet.RegNet(regnet.BlockParams.from_init_params(depth=3, w_0=8, w_a=8, w_m=2.0, group_width=8, se_ratio=0.25), num_classes=CLASSES, stem_width=8),
    "convnext": conv_next,
    "vit": lambda: vision_transformer.VisionTransformer(16, 4, 2, 2, 16, 32, num_classes=CLASSES),
}


def network(name):
    m = FAMILIES[name]()
    for p in m.modules():
        if isinstance(p, nn.MultiheadAttention):
            p.dropout = 0.0
    last = m.heads.head if name == "vit" else None
    seeded.fill(m)
    assert last is None or last.weight.abs().sum() > 0
    return m


def export(name, opset, mode):
    m, path = network(name), OUT / f"{name}_op{opset}_{mode}.onnx"
    x = torch.from_numpy(seeded.views("families", 4, SIZE.get(name, 32)))
    args = dict(input_names=["input"], output_names=["y"], opset_version=opset)
    if mode in ("dynamo", "plain"):
        m.eval()
        torch.onnx.export(m, (x,), path, dynamo=True, external_data=False, optimize=mode == "dynamo", dynamic_shapes=({0: "batch"},), **args)
    else:
        m.train(mode == "training")
        new = {} if LEGACY else {"dynamo": False}
        torch.onnx.export(m, x, path, training=getattr(torch.onnx.TrainingMode, mode.upper()), do_constant_folding=mode == "eval",
                          dynamic_axes={"input": {0: "batch"}, "y": {0: "batch"}}, **args, **new)
    loaded = onnx.load(path)
    del loaded.graph.value_info[:]
    for n in loaded.graph.node:
        n.doc_string = ""
        if hasattr(n, "metadata_props"):
            del n.metadata_props[:]
    for v in list(loaded.graph.input) + list(loaded.graph.output):
        if hasattr(v, "metadata_props"):
            del v.metadata_props[:]
    del loaded.metadata_props[:]
    onnx.save(loaded, path)
    print(path.name, path.stat().st_size)


def golden(name):
    m = network(name).double()
    x = torch.from_numpy(seeded.views("families", 4, SIZE.get(name, 32))).double()
    normalises = any(isinstance(c, nn.BatchNorm2d) for c in m.modules())
    dy = torch.from_numpy(seeded.uniform("dy", 8 * CLASSES, -1, 1).reshape(8, CLASSES)).double()
    store = {"eval.y": m.eval()(x).detach().numpy()}
    y = m.train(normalises)(x)
    if normalises:
        store["train.y"] = y.detach().numpy()
    (y * dy).sum().backward()
    for key, p in m.named_parameters():
        store[f"{'train' if normalises else 'eval'}.{key}"] = p.grad.numpy().astype(np.float32)
    save(OUT / f"{name}.npz", store)
    if normalises:
        m = fold(network(name).double().eval(), x)
        y = m(x)
        assert np.allclose(y.detach().numpy(), store["eval.y"], rtol=1e-9, atol=1e-9)
        (y * dy).sum().backward()
        save(OUT / f"{name}_folded.npz", {f"folded.{key}": p.grad.numpy().astype(np.float32) for key, p in m.named_parameters()})


def fold(m, x):
    """Folds the normalisations of convolutions' outputs into these."""
    made, pairs, hooks = {}, [], []
    def convolved(c, args, y):
        made[id(y)] = (c, y)  # keeps y, and so its id
    def normalised(b, args, y):
        if id(args[0]) in made:
            pairs.append((made[id(args[0])][0], b))
    for c in m.modules():
        if isinstance(c, nn.Conv2d):
            hooks.append(c.register_forward_hook(convolved))
        elif isinstance(c, nn.BatchNorm2d):
            hooks.append(c.register_forward_hook(normalised))
    with torch.no_grad():
        m(x)
    for h in hooks:
        h.remove()
    path = {c: key for key, c in m.named_modules()}
    for conv, norm in pairs:
        fused = torch.nn.utils.fusion.fuse_conv_bn_eval(conv, norm)
        put(m, path[conv], fused)
        put(m, path[norm], nn.Identity())
    return m


def put(m, path, child):
    parent, _, last = path.rpartition(".")
    setattr(m.get_submodule(parent), last, child)


def save(path, store):
    np.savez_compressed(path, **store)
    print(path.name, path.stat().st_size)


OUT.mkdir(exist_ok=True)
for name in sys.argv[1:] or FAMILIES:
    normalises = name not in ("convnext", "vit")
    if LEGACY:
        golden(name)
        export(name, 11 if name not in ("vit",) else 14, "training")
        export(name, 16, "training")
        if name != "vit":  # PyTorch 1.13 cannot export its attention in eval mode
            export(name, 13, "eval")
            export(name, 17, "eval")
        if normalises:
            export(name, 14, "preserve")
    else:
        export(name, 18, "dynamo")
        export(name, 18, "eval")
        if name in ("efficientnet", "convnext", "vit"):  # of the others 20 is 18
            export(name, 20, "dynamo")
        if name != "vit":  # opset 23 has an operator Attention, which is not supported
            export(name, 23, "dynamo")
        if normalises:
            export(name, 21, "plain")

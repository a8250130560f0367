"""Checkpoints of tiny ResNets and what PyTorch computes with them, for importer.

Writes testdata/golden/importer/<name>.pth and <name>.npz (input x, [3,3,H,W], and
eval outputs representation, [3,D], and logits, [3,classes]) for every kind of
block and stem of the family. The networks are torchvision's with 1/16 or 1/32
of the channels, seeded weights and batch normalisations with non-trivial statistics.
Three more files have the form that code bases write around an encoder: MoCo's with
two encoders, a queue and an optimizer state; lightly's nn.Sequential; a bare
float16 state_dict.

Ran with: torch 1.13.0, torchvision 0.14.1, numpy 1.24. Seed 1.
Run: OMP_NUM_THREADS=1 /usr/bin/python3 testdata/gen/resnet_checkpoints.py
"""
import pathlib

import numpy as np
import torch
import torchvision
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

OUT = pathlib.Path(__file__).resolve().parent.parent / "golden" / "importer"


class Slim(torchvision.models.ResNet):
    """torchvision's ResNet with 1/slim of the channels; the keys are the same."""

    def __init__(self, block, layers, classes, slim=16, **kw):
        self.slim = slim
        super().__init__(block, layers, num_classes=classes, **kw)
        self.conv1 = nn.Conv2d(3, 64 // self.slim, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64 // self.slim)
        self.fc = nn.Linear(512 // self.slim * block.expansion, classes)

    def _make_layer(self, block, planes, blocks, stride=1, dilate=False):
        if planes == 64:
            self.inplanes = 64 // self.slim
        return super()._make_layer(block, planes // self.slim, blocks, stride, dilate)


def unsettle(model, seed):
    """Gives the batch normalisations statistics as after some training."""
    g = torch.Generator().manual_seed(seed)
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.weight.data.uniform_(0.5, 1.5, generator=g)
            m.bias.data.uniform_(-0.3, 0.3, generator=g)
            m.running_mean.uniform_(-0.2, 0.2, generator=g)
            m.running_var.uniform_(0.5, 2, generator=g)
            m.num_batches_tracked.fill_(1234)
    return model.eval()


def cifar(model):
    model.conv1 = nn.Conv2d(3, 64 // model.slim, 3, stride=1, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model


def encode(model, x):
    head, model.fc = model.fc, nn.Identity()
    with torch.no_grad():
        r = model(x)
        model.fc = head
        return r, head(r)


def golden(name, model, size, save=None):
    x = torch.randn(3, 3, *size, generator=torch.Generator().manual_seed(7))
    r, logits = encode(model, x)
    torch.save(model.state_dict() if save is None else save, OUT / f"{name}.pth")
    np.savez(OUT / f"{name}.npz", x=x.numpy(), representation=r.numpy(), logits=logits.numpy())


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    golden("basic", unsettle(Slim(BasicBlock, [2, 1, 1, 1], 5), 1), (35, 27))
    golden("bottleneck", unsettle(Slim(Bottleneck, [1, 2, 1, 1], 5), 2), (35, 27))
    golden("grouped", unsettle(Slim(Bottleneck, [1, 1, 2, 1], 5, slim=32, groups=2, width_per_group=64), 3), (35, 27))
    golden("wide", unsettle(Slim(Bottleneck, [1, 1, 1, 1], 5, slim=32, width_per_group=128), 4), (35, 27))
    golden("cifar", unsettle(cifar(Slim(BasicBlock, [1, 1, 1, 1], 5)), 5), (16, 11))

    half = unsettle(Slim(BasicBlock, [1, 1, 1, 1], 5), 6)
    half = half.half().float()  # outputs of the rounded weights
    x = torch.randn(3, 3, 35, 27, generator=torch.Generator().manual_seed(7))
    r, logits = encode(half, x)
    np.savez(OUT / "half.npz", x=x.numpy(), representation=r.numpy(), logits=logits.numpy())
    torch.save(half.half().state_dict(), OUT / "half.pth")

    # MoCo: a DistributedDataParallel module with query and key encoders whose fc is
    # the projection head, the queue, and SGD's state.
    class MoCo(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder_q = unsettle(Slim(BasicBlock, [1, 1, 1, 1], 8, slim=32), 7)
            self.encoder_k = unsettle(Slim(BasicBlock, [1, 1, 1, 1], 8, slim=32), 8)
            self.register_buffer("queue", torch.randn(8, 16))
            self.register_buffer("queue_ptr", torch.zeros(1, dtype=torch.long))

    moco = nn.ModuleDict({"module": MoCo()})
    sgd = torch.optim.SGD(moco["module"].encoder_q.fc.parameters(), lr=0.1, momentum=0.9)
    moco["module"].encoder_q.fc(torch.ones(1, 16)).sum().backward()
    sgd.step()
    golden("moco", moco["module"].encoder_q, (35, 27), {
        "epoch": 3, "arch": "resnet", "state_dict": moco.state_dict(), "optimizer": sgd.state_dict()})

    # lightly's tutorials: the children but the last in an nn.Sequential, beside a head.
    net = unsettle(Slim(Bottleneck, [1, 1, 1, 1], 5), 9)
    tutorial = nn.ModuleDict({
        "backbone": nn.Sequential(*list(net.children())[:-1]),
        "projection_head": nn.Sequential(nn.Linear(128, 16), nn.ReLU(), nn.Linear(16, 8))})
    golden("lightly", net, (35, 27), {"epoch": 1, "global_step": 10, "state_dict": tutorial.state_dict()})

    for f in sorted(OUT.iterdir()):
        print(f"{f.name:20} {f.stat().st_size}")


if __name__ == "__main__":
    main()

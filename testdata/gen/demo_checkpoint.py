"""Trains and writes testdata/checkpoints/demo.pth, the checkpoint that "onnxclr demo" starts from.

The model is torchvision's ResNet with one BasicBlock a stage and a quarter of
the usual width: 16, 32, 64, 128 channels, so a representation of 128 numbers
and 0.3 million parameters. It learns to tell twelve kinds of procedural
textures apart (32x32 RGB, ImageNet normalisation), which are drawn below. The
file has the shape that PyTorch's own training example writes: a dictionary
with "epoch", "arch", "state_dict" and a few others, saved by torch.save.

Ran with: torch 1.13.0, torchvision 0.14.1, numpy 1.24; seed 20211019; one thread;
about four minutes. Prints the accuracy on held-out textures.
Run: OMP_NUM_THREADS=1 /usr/bin/python3 testdata/gen/demo_checkpoint.py
"""
import math
import pathlib

import numpy as np
import torch
import torchvision
from torch import nn
from torchvision.models.resnet import BasicBlock

SEED, SIZE, BATCH, STEPS = 20211019, 32, 128, 1500
OUT = pathlib.Path(__file__).resolve().parent.parent / "checkpoints" / "demo.pth"
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


class SlimResNet(torchvision.models.ResNet):
    """torchvision's ResNet with `slim` of its channels; the keys are the same."""

    def __init__(self, layers, num_classes, slim=4):
        self.slim = slim
        super().__init__(BasicBlock, layers, num_classes=num_classes)
        width = 64 // slim
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.fc = nn.Linear(512 // slim, num_classes)

    def _make_layer(self, block, planes, blocks, stride=1, dilate=False):
        if self.inplanes == 64 and planes == 64:
            self.inplanes = 64 // self.slim
        return super()._make_layer(block, planes // self.slim, blocks, stride, dilate)


# Textures: each takes coordinates u, v in pixels (already rotated), a random
# generator and returns a field in [0, 1], [SIZE, SIZE].
def smooth(rng, cells):
    """Value noise with this many cells a side, cubic between them."""
    grid = rng.random((cells + 3, cells + 3)).astype(np.float32)
    t = np.linspace(0, cells, SIZE, endpoint=False)
    i, f = t.astype(int), (t % 1).astype(np.float32)
    f = f * f * (3 - 2 * f)
    rows = grid[i] * (1 - f)[:, None] + grid[i + 1] * f[:, None]
    return rows[:, i] * (1 - f) + rows[:, i + 1] * f


def stripes(u, v, rng):
    return 0.5 + 0.5 * np.sin(2 * math.pi * u / rng.uniform(4, 9))


def bars(u, v, rng):
    p = rng.uniform(6, 11)
    return ((u % p) < p * rng.uniform(0.25, 0.4)).astype(np.float32)


def checks(u, v, rng):
    p = rng.uniform(4, 8)
    return ((np.floor(u / p) + np.floor(v / p)) % 2).astype(np.float32)


def dots(u, v, rng):
    p = rng.uniform(6, 10)
    r = np.hypot(u % p - p / 2, v % p - p / 2)
    return (r < p * rng.uniform(0.2, 0.35)).astype(np.float32)


def rings(u, v, rng):
    r = np.hypot(u - rng.uniform(-8, 8), v - rng.uniform(-8, 8))
    return 0.5 + 0.5 * np.sin(2 * math.pi * r / rng.uniform(4, 8))


def bricks(u, v, rng):
    h = rng.uniform(5, 8)
    row = np.floor(v / h)
    x = (u + (row % 2) * h) % (2 * h)
    return ((x > 1.2) & (v % h > 1.2)).astype(np.float32)


def weave(u, v, rng):
    p = rng.uniform(5, 9)
    a, b = np.sin(2 * math.pi * u / p), np.sin(2 * math.pi * v / p)
    return np.where((np.floor(u / p) + np.floor(v / p)) % 2 == 0, a, b) * 0.5 + 0.5


def waves(u, v, rng):
    bend = rng.uniform(2, 4) * np.sin(2 * math.pi * v / rng.uniform(10, 18))
    return 0.5 + 0.5 * np.sin(2 * math.pi * (u + bend) / rng.uniform(5, 9))


def clouds(u, v, rng):
    return 0.6 * smooth(rng, 3) + 0.3 * smooth(rng, 6) + 0.1 * smooth(rng, 12)


def grain(u, v, rng):
    return 0.3 * smooth(rng, 8) + 0.7 * rng.random((SIZE, SIZE))


def marble(u, v, rng):
    return 0.5 + 0.5 * np.sin(2 * math.pi * (u / rng.uniform(10, 16) + 1.5 * smooth(rng, 4)))


def cells(u, v, rng):
    n = int(rng.integers(8, 16))
    x, y = rng.uniform(-16, 16, n), rng.uniform(-16, 16, n)
    d = np.hypot(u[..., None] - x, v[..., None] - y)
    d.sort(-1)
    return np.clip((d[..., 1] - d[..., 0]) / 3, 0, 1)


KINDS = [stripes, bars, checks, dots, rings, bricks, weave, waves, clouds, grain, marble, cells]


def texture(kind, rng):
    """One normalised image, [3, SIZE, SIZE]: two colours, a light, some noise."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32) - (SIZE - 1) / 2
    a = rng.uniform(0, 2 * math.pi)
    u, v = math.cos(a) * x - math.sin(a) * y, math.sin(a) * x + math.cos(a) * y
    u, v = u + rng.uniform(0, 64) * (kind not in (rings, cells)), v + rng.uniform(0, 64) * (kind not in (rings, cells))
    field = kind(u, v, rng)[..., None]
    low, high = rng.uniform(0, 1, 3), rng.uniform(0, 1, 3)
    while np.abs(low - high).sum() < 0.6:
        high = rng.uniform(0, 1, 3)
    light = 1 + rng.uniform(-0.02, 0.02) * x + rng.uniform(-0.02, 0.02) * y
    image = (low + (high - low) * field) * light[..., None] + rng.normal(0, 0.03, (SIZE, SIZE, 3))
    return ((np.clip(image, 0, 1) - MEAN) / STD).transpose(2, 0, 1).astype(np.float32)


def batch(rng, n):
    labels = rng.integers(0, len(KINDS), n)
    return torch.from_numpy(np.stack([texture(KINDS[k], rng) for k in labels])), torch.from_numpy(labels)


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    model = SlimResNet([1, 1, 1, 1], len(KINDS))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    rng = np.random.default_rng(SEED)
    for step in range(STEPS):
        images, labels = batch(rng, BATCH)
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            print(f"step {step + 1}: loss {loss.item():.3f}", flush=True)
    model.eval()
    images, labels = batch(np.random.default_rng(SEED + 1), 1200)
    with torch.no_grad():
        accuracy = (model(images).argmax(1) == labels).float().mean().item()
    print(f"held-out accuracy {accuracy:.3f}")
    OUT.parent.mkdir(exist_ok=True)
    torch.save({
        "epoch": 1,
        "arch": "resnet-basic-1-1-1-1",
        "classes": [k.__name__ for k in KINDS],
        "accuracy": accuracy,
        "state_dict": model.state_dict(),
    }, OUT)
    print(f"{OUT.name}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()

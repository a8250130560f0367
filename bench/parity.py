#!/usr/bin/env python3
"""A hundred steps of a published recipe on fixed views of real images, in PyTorch's float64
and float32 and by "onnxclr train": how far losses are from those of float64.

    python3 bench/parity.py views --data FOLDER --out V                  # 20 batches of 64 images
    onnxclr train $S --steps 1 --warmup-steps 1 -o begin                 # a step with rate 0
    onnxclr export begin --projector -o begin.pth
    onnxclr train $S --steps 100 --warmup-steps 10 -o run                # and another with --exact
    python3 bench/parity.py compare --arch resnet18 --views V --init begin.pth run exact

where S is --recipe simclr-mlp-imagenet or directclr-imagenet (then compare --d0 N), --model M
--views V --batch 64 --lr 0.075 (0.3 for 256 images). See docs/reproduction.md. Ran with torch 2.15,
torchvision 0.29.
"""
import argparse
import json
import math
import pathlib

import numpy as np
import torch
import torchvision
from torch import nn

from learning import Views, info_nce

STEPS, WARMUP, DECAY, ETA, MOMENTUM, FINAL = 100, 10, 1e-6, 0.001, 0.9, 0.001


def views(a):
    torch.manual_seed(a.seed)
    images = torchvision.datasets.ImageFolder(pathlib.Path(a.data) / "train", Views(32, False))
    order = torch.randperm(len(images))
    pathlib.Path(a.out).mkdir()
    for k in range(a.batches):
        pairs = [images[i][0] for i in order[k * a.batch:(k + 1) * a.batch]]
        np.savez(f"{a.out}/{k:02d}.npz", view1=torch.stack([x for x, _ in pairs]), view2=torch.stack([y for _, y in pairs]))


def network(arch, state, d0):
    encoder = getattr(torchvision.models, arch)(weights=None)
    dim = encoder.fc.in_features
    encoder.fc = nn.Identity()
    modules = [("encoder", encoder)]
    if not d0:
        modules.append(("projector", nn.Sequential(nn.Linear(dim, dim, bias=False), nn.BatchNorm1d(dim), nn.ReLU(),
                                                   nn.Linear(dim, 128, bias=False), nn.BatchNorm1d(128))))
    model = nn.Module()
    for name, m in modules:
        model.add_module(name, m)
    model.load_state_dict({k if k.startswith("projector.") else "encoder." + k: v for k, v in state.items()}, strict=True)
    return model.train()


def train(a, dtype, layout):
    model = network(a.arch, torch.load(a.init, weights_only=True), a.d0).to(dtype=dtype, memory_format=layout)
    params = list(model.parameters())
    moving = [torch.zeros_like(p) for p in params]
    batches = [np.load(f) for f in sorted(pathlib.Path(a.views).glob("*.npz"))]
    losses = []
    for step in range(STEPS):
        batch = batches[step % len(batches)]
        z = []
        for name in ("view1", "view2"):
            r = model.encoder(torch.from_numpy(batch[name]).to(dtype=dtype, memory_format=layout))
            z.append(r[:, :a.d0] if a.d0 else model.projector(r))
        loss = info_nce(*z, 0.1)
        losses.append(loss.item())
        model.zero_grad()
        loss.backward()
        q = (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP))) / 2
        lr = a.lr * (step / WARMUP if step < WARMUP else q + FINAL * (1 - q))
        with torch.no_grad():
            for p, m in zip(params, moving):
                g = p.grad
                if p.ndim > 1:
                    g = g + DECAY * p
                    size, norm = p.norm(), g.norm()
                    if size > 0 and norm > 0:
                        g = g * (ETA * size / norm)
                m.mul_(MOMENTUM).add_(g)
                p.sub_(lr * m)
    return losses


def compare(a):
    runs = {
        "PyTorch float64": train(a, torch.float64, torch.contiguous_format),
        "PyTorch float32": train(a, torch.float32, torch.contiguous_format),
        "PyTorch float32, channels last": train(a, torch.float32, torch.channels_last),
    }
    for run in a.runs:
        runs[run] = [json.loads(line)["loss"] for line in open(pathlib.Path(run) / "metrics.jsonl")]
    wide = np.array(runs.pop("PyTorch float64"))
    ends = (1, 2, 5, 10, 20, 30, 50, 100)
    print("loss of float64  " + "  ".join(f"{wide[n - 1]:.4f}" for n in ends))
    print("largest distance from it up to step  " + "  ".join(map(str, ends)))
    for name, losses in runs.items():
        off = np.abs(np.array(losses) - wide)
        print(f"{name}: " + "  ".join(f"{off[:n].max():.1e}" for n in ends))
    print("largest distance of a mean over ten steps, as a part of it")
    for name, losses in runs.items():
        tens = np.array(losses).reshape(-1, 10).mean(1), wide.reshape(-1, 10).mean(1)
        print(f"{name}: {np.abs(tens[0] / tens[1] - 1).max():.1e}")
    first = np.array(runs["PyTorch float32"])
    reach = np.array([max(np.abs(first - wide)[:k + 10]) for k in range(STEPS)])
    for run in a.runs:
        over = np.abs(np.array(runs[run]) - wide) / reach
        print(f"{run}: {over.max():.2f} times the largest distance so far of PyTorch's float32, at step {over.argmax()}")


def main():
    p = argparse.ArgumentParser()
    verbs = p.add_subparsers(dest="verb", required=True)
    v = verbs.add_parser("views")
    v.add_argument("--data", required=True)
    v.add_argument("--out", required=True)
    v.add_argument("--batch", type=int, default=64)
    v.add_argument("--batches", type=int, default=20)
    v.add_argument("--seed", type=int, default=0)
    c = verbs.add_parser("compare")
    c.add_argument("--arch", default="resnet18")
    c.add_argument("--views", required=True)
    c.add_argument("--init", required=True)
    c.add_argument("--d0", type=int, default=0, help="DirectCLR's; 0: SimCLR with two layers")
    c.add_argument("--lr", type=float, default=0.075)
    c.add_argument("--threads", type=int, default=1)
    c.add_argument("runs", nargs="+")
    a = p.parse_args()
    if a.verb == "views":
        views(a)
        return
    torch.set_num_threads(a.threads)
    compare(a)


if __name__ == "__main__":
    main()

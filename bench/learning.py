#!/usr/bin/env python3
"""Trains a torchvision ResNet with SimCLR in PyTorch, as "onnxclr train" does with the
same settings: the paper's two augmentation pipelines, a projector of two layers with
BatchNorm, symmetric InfoNCE with cross-view negatives, SGD with momentum, linear warm-up
and cosine decay to a thousandth, batch statistics per view. It writes the initial weights
(both sides start from them) and the final ones, to be probed by the same program.

    python3 bench/learning.py --arch resnet18 --data FOLDER --init init.pth            # writes init.pth
    python3 bench/learning.py --arch resnet18 --data FOLDER --init init.pth --out final.pth

Ran with torch 2.15, torchvision 0.29. See docs/reproduction.md.
"""
import argparse
import math
import os
import pathlib
import random
import time

import torch
import torchvision
from PIL import ImageFilter, ImageOps
from torch import nn
from torchvision import transforms as T
from torchvision.transforms import InterpolationMode


class Blur:
    def __init__(self, p):
        self.p = p

    def __call__(self, img):
        if random.random() < self.p:
            return img.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2.0)))
        return img


class Solarize:
    def __init__(self, p):
        self.p = p

    def __call__(self, img):
        return ImageOps.solarize(img) if random.random() < self.p else img


def pipeline(size, blur, solarize):
    return T.Compose([
        T.RandomResizedCrop(size, interpolation=InterpolationMode.BICUBIC),
        T.RandomHorizontalFlip(),
        T.RandomApply([T.ColorJitter(0.4, 0.4, 0.2, 0.1)], p=0.8),
        T.RandomGrayscale(p=0.2),
        Blur(blur),
        Solarize(solarize),
        T.ToTensor(),
        T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ])


class Views:
    def __init__(self, size, blur):
        self.one, self.two = pipeline(size, 1.0 * blur, 0.0), pipeline(size, 0.1 * blur, 0.2)

    def __call__(self, img):
        return self.one(img), self.two(img)


def info_nce(a, b, temperature):
    a, b = nn.functional.normalize(a), nn.functional.normalize(b)
    logits = a @ b.T / temperature
    labels = torch.arange(len(a))
    cross = nn.functional.cross_entropy
    return (cross(logits, labels) + cross(logits.T, labels)) / 2


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--arch", default="resnet18")
    p.add_argument("--data", required=True)
    p.add_argument("--init", required=True)
    p.add_argument("--out")
    p.add_argument("--epochs", type=int, default=10)
    p.add_argument("--warmup-epochs", type=float, default=1)
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--image-size", type=int, default=32)
    p.add_argument("--lr", type=float, default=0.06)
    p.add_argument("--momentum", type=float, default=0.9)
    p.add_argument("--weight-decay", type=float, default=5e-4)
    p.add_argument("--temperature", type=float, default=0.1)
    p.add_argument("--no-blur", action="store_true", help="leave the Gaussian blur out, as the recipes at 32×32 do")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    random.seed(a.seed)
    encoder = getattr(torchvision.models, a.arch)(weights=None)
    dim = encoder.fc.in_features
    encoder.fc = nn.Identity()
    if not a.out:
        torch.save(encoder.state_dict(), a.init)
        return
    encoder.load_state_dict(torch.load(a.init, weights_only=True), strict=True)
    projector = nn.Sequential(nn.Linear(dim, dim, bias=False), nn.BatchNorm1d(dim), nn.ReLU(),
                              nn.Linear(dim, 128, bias=False), nn.BatchNorm1d(128))
    model = nn.Sequential(encoder, projector).train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=a.lr, momentum=a.momentum, weight_decay=a.weight_decay)
    images = torchvision.datasets.ImageFolder(pathlib.Path(a.data) / "train", Views(a.image_size, not a.no_blur))
    loader = torch.utils.data.DataLoader(images, a.batch, shuffle=True, drop_last=True, num_workers=2,
                                         persistent_workers=True)
    total, warmup = a.epochs * len(loader), round(a.warmup_epochs * len(loader))
    step, start = 0, time.time()
    for epoch in range(a.epochs):
        for (x, y), _ in loader:
            if step < warmup:
                lr = a.lr * step / warmup
            else:
                q = (1 + math.cos(math.pi * (step - warmup) / (total - warmup))) / 2
                lr = a.lr * (q + 0.001 * (1 - q))
            for g in optimizer.param_groups:
                g["lr"] = lr
            loss = info_nce(model(x.contiguous(memory_format=torch.channels_last)),
                            model(y.contiguous(memory_format=torch.channels_last)), a.temperature)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
        print(f"epoch {epoch + 1}, step {step} of {total}, loss {loss.item():.4f}, {time.time() - start:.0f} s", flush=True)
    torch.save(encoder.state_dict(), a.out + ".part")
    os.replace(a.out + ".part", a.out)


if __name__ == "__main__":
    main()

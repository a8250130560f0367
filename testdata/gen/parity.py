"""A hundred steps of training on real images, for the package train.

Run: mkdir V; PARITY=V go test ./train -run TestParityWithPyTorch
     OMP_NUM_THREADS=1 python3 testdata/gen/parity.py V   (from the repository root)
Made with torch 1.13.0, torchvision 0.14.1, numpy 1.24.2.

V holds 20 batches of 16 CIFAR-10 images in two views each, as this program augments them
(seed 7), and the weights that training starts from. The network is onnx_exports.py's
"basic", a ResNet of 4 to 32 channels; batch normalisation sees one view after the other.
Stored are the losses of 100 steps in float64 and in float32, by recipe. LARS is written
from the formulas of its variants, as in optim.py; the rest is torch's.

The rates are a tenth and less of what such a network would be trained with, so that for
100 steps rounding grows to no more than 1e-3 of the loss: at ten times these rates
float32 and float64 are different runs after 30 steps, in torch too. LARS' eta is large,
so that the filters' steps matter beside those of the unscaled 1-d parameters.
"""
import fnmatch
import math
import sys

import numpy as np
import torch
from torch import nn

from losses import infonce, ntxent
from onnx_exports import ARCHS

STEPS, WARMUP, BATCHES, FINAL = 100, 10, 20, 0.001
torch.set_num_threads(1)
VIEWS = sys.argv[1]
batches = []
for k in range(BATCHES):
    a = np.load(f"{VIEWS}/{k:02d}.npz")
    batches.append((torch.from_numpy(a["view1"]), torch.from_numpy(a["view2"])))
init = np.load(f"{VIEWS}/init")

GROUPS = [("projector.*", 3.0, 0.01, None), ("*.bias", 1.0, None, True)]
LARS = {"opt": "lars", "lr": 5e-5, "variant": "directclr", "wd": 1e-4, "eta": 0.5, "exclude": True}
RUNS = {
    "directclr": {**LARS, "d0": 12},
    "simclr": LARS,
    "simclr_all": {**LARS, "exclude": False},
    "simclr_google": {**LARS, "variant": "google"},
    "simclr_bolts": {**LARS, "variant": "bolts"},
    "simclr_bolts_all": {**LARS, "variant": "bolts", "exclude": False},
    "simclr_solo": {**LARS, "variant": "solo", "eta": 5e-5},
    "simclr_solo_all": {**LARS, "variant": "solo", "eta": 5e-5, "exclude": False},
    "simclr_groups": {**LARS, "groups": GROUPS},
    "simclr_sgd": {"opt": "sgd", "lr": 5e-5, "wd": 1e-4, "clip": 1.0},
    "directclr_adamw": {"opt": "adamw", "lr": 1e-4, "wd": 0.01, "d0": 12},
    "simclr_ntxent_sgd": {"opt": "sgd", "lr": 5e-5, "wd": 1e-4, "nesterov": True, "loss": ntxent, "temperature": 0.5},
}


def rate(base, step):
    if step < WARMUP:
        return base * step / WARMUP
    q = 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP)))
    return base * q + FINAL * base * (1 - q)


def rule(name, p, run):
    excluded = run.get("exclude", False) and p.ndim == 1
    factor, decay, adapt = 1.0, 0.0 if excluded else run["wd"], not excluded
    for pattern, f, d, a in run.get("groups", ()):
        if fnmatch.fnmatchcase(name, pattern):
            return f, decay if d is None else d, adapt if a is None else a
    return factor, decay, adapt


def lars_step(params, moving, run, base):
    for name, p in params.items():
        factor, decay, adapt = rule(name, p, run)
        lr, g, norm, q = base * factor, p.grad, p.norm(), 1.0
        if run["variant"] in ("directclr", "google"):
            g = g + decay * p
            if adapt and norm > 0 and g.norm() > 0:
                q = run["eta"] * norm / g.norm()
        elif not adapt:
            g = g + decay * p
        elif norm != 0 and g.norm() != 0 and (decay != 0 or run["variant"] == "solo"):
            q = run["eta"] * norm / (g.norm() + norm * decay + 1e-8)
            if run["variant"] == "solo":
                q = min(q / lr, 1) if lr else 1.0
            g = g + decay * p
        if run["variant"] == "google":
            moving[name] = 0.9 * moving[name] + lr * q * g
            p -= moving[name]
        else:
            moving[name] = 0.9 * moving[name] + q * g
            p -= lr * moving[name]


def train(run, dtype):
    net = ARCHS["basic"]("backbone")
    if "d0" in run:
        net.projector = nn.Identity()
    else:
        net.projector = nn.Sequential(nn.Linear(32, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 128, bias=False), nn.BatchNorm1d(128))
    del net.fc
    net.to(dtype).train()
    params = dict(net.named_parameters())
    with torch.no_grad():
        for name, p in params.items():
            p.copy_(torch.from_numpy(init[name]))
    moving = {n: torch.zeros_like(p) for n, p in params.items()}
    if run["opt"] == "sgd":
        opt = torch.optim.SGD(params.values(), lr=1, momentum=0.9, weight_decay=run["wd"], nesterov=run.get("nesterov", False))
    elif run["opt"] == "adamw":
        opt = torch.optim.AdamW(params.values(), lr=1, weight_decay=run["wd"])
    losses = []
    for step in range(STEPS):
        z = [net.projector(net(v.to(dtype))) for v in batches[step % BATCHES]]
        z = torch.cat(z)[:, : run.get("d0")]
        loss = run.get("loss", infonce)(z, run.get("temperature", 0.1))
        losses.append(loss.item())
        net.zero_grad(set_to_none=True)
        loss.backward()
        if "clip" in run:
            nn.utils.clip_grad_norm_(params.values(), run["clip"])
        lr = rate(run["lr"], step)
        with torch.no_grad():
            if run["opt"] == "lars":
                lars_step(params, moving, run, lr)
                continue
        for g in opt.param_groups:
            g["lr"] = lr
        opt.step()
    return np.array(losses)


arrays, simclr = {}, None
for name, run in RUNS.items():
    wide, narrow = train(run, torch.float64), train(run, torch.float32)
    arrays[name + "/float64"], arrays[name + "/float32"] = wide, narrow
    simclr = wide if name == "simclr" else simclr
    apart = "" if simclr is None or name == "simclr" else f", from simclr {np.abs(wide - simclr).max():.2g}"
    print(f"{name}: loss {wide[0]:.4f} to {wide[-10:].mean():.4f}, float32 is off by {np.abs(wide - narrow).max():.2g}{apart}", flush=True)
np.savez_compressed("testdata/golden/train/parity.npz", **arrays)
print(torch.__version__, np.__version__)

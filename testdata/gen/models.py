"""ResNet-18 and ResNet-50 of torchvision, evaluated and trained, for internal/parity.

Run: OMP_NUM_THREADS=1 python3 testdata/gen/models.py [resnet18] [resnet50]
(from the repository root; some minutes each)
Made with torch 1.13.0, torchvision 0.14.1, numpy 1.24.2. Weights and images are those
of seeded.py and are not stored.

Written to testdata/golden/models, per network:
  NET.npz            eval mode: "representation" of the first two images of the views
                     "eval". One training step with the SimCLR head: "loss", and the
                     gradient of every parameter.
  NET_simclr.npz     ten steps of SimCLR: projector D-D-128 with batch norm, SGD
  NET_directclr.npz  ten steps of DirectCLR: the first d0 channels, LARS
A trajectory has "losses", and what weights (as the change since the start) and running
statistics are at the end.

Every value is PyTorch's in float64. Beside it stands how far PyTorch's own float32 run
is from it, in the measure that the test uses, so that the test can ask us to be no
further than twice that. Of the parameters, "NAME/names" is one text; row i of
"NAME/samples" holds up to 64 elements of parameter i (seeded.samples); "largest" its
largest magnitude, "norm" its L2 norm ("norm_scale": not less than describe allows),
"spread" the largest distance of any element of the float32 run over "largest",
"norm_spread" that of the norm over "norm_scale".

Settings: 8 images of 64×64 in two views; InfoNCE at temperature 0.1 in both; a linear
warm-up of 3 steps from 0 and a cosine to 0.001 of the peak at step 10; momentum 0.9;
weight decay 1e-4 (SGD) and 1e-6 (LARS), neither decay nor LARS scaling on
one-dimensional parameters; peak learning rates as in PEAK. With them PyTorch's float32
stays this near to its float64 (largest distance in any array, over its largest
element):

                                ResNet-18             ResNet-50
                             simclr  directclr     simclr  directclr
  gradients, median array    3e-5                  2e-4
  losses                     2e-6    1e-6          5e-5    1e-6
  running statistics         2e-4    2e-4          1e-3    9e-6
  change, median array       2e-4    2e-4          3e-3    3e-4
  change, worst array        5e-3    3e-3          7e-2    8e-2
  weights, worst array       1e-4    3e-5          1e-3    3e-6

The worst changes are of β whose shift the next normalisation takes away again, but for
the few activations that the ReLU cuts.

Rounding moves gradients by 1e-5, but where it moves an activation across the kink of a
ReLU, or makes another pixel win a max pool, a gradient jumps by percents: that is what
sets PyTorch's float32 apart from its float64 on networks like these. So that the test
sees errors and not such accidents, γ is in [0.4,1.2) and β in [1.8,2.2), with most
activations away from the kink, and the views of a step are the first of
"step.STEP.0", "step.STEP.1" … in which, in float64, no ReLU sees a value nearer to 0
than 5e-6 of its channel's standard deviation and no two pixels of a pool are nearer
than 5e-7 of it; "views" holds which.
"""
import copy
import math
import os
import sys

import numpy as np
import torch
import torchvision
import torch.nn.functional as F
from torch import nn

import seeded
from losses import infonce

OUT = "testdata/golden/models"
IMAGES, SIZE, STEPS, WARMUP, TEMPERATURE = 8, 64, 10, 3, 0.1
D0 = {"resnet18": 64, "resnet50": 360}
PEAK = {"simclr": {"resnet18": 0.1, "resnet50": 0.03}, "directclr": {"resnet18": 0.3, "resnet50": 0.3}}


class Encoder(nn.Module):
    def __init__(self, arch, head):
        super().__init__()
        net = getattr(torchvision.models, arch)()
        d, net.fc = net.fc.in_features, nn.Identity()
        self.net, self.d0 = net, D0[arch]
        self.projector = None
        if head == "simclr":
            self.projector = nn.Sequential(nn.Linear(d, d, bias=False), nn.BatchNorm1d(d), nn.ReLU(),
                                           nn.Linear(d, 128, bias=False), nn.BatchNorm1d(128))

    def forward(self, x):
        r = self.net(x)
        return r[:, :self.d0] if self.projector is None else self.projector(r)

    def loss(self, views):
        """Each view by itself: its own batch statistics, one update each."""
        return infonce(torch.cat([self(v) for v in views.chunk(2)]), TEMPERATURE)

    def named(self):
        """Parameters by torchvision's keys."""
        return {k.replace("net.", "", 1): p for k, p in self.named_parameters()}

    def running(self):
        return {k.replace("net.", "", 1): b for k, b in self.named_buffers() if b.is_floating_point()}


def weights(key, shape):
    if len(shape) == 1 and key.endswith(".weight"):
        return seeded.uniform(key, shape[0], 0.4, 1.2)
    if len(shape) == 1 and key.endswith(".bias"):
        return seeded.uniform(key, shape[0], 1.8, 2.2)
    return seeded.weights(key, shape)


def encoder(arch, head, dtype):
    e = Encoder(arch, head)
    with torch.no_grad():
        for key, v in {**e.named(), **e.running()}.items():
            v.copy_(torch.from_numpy(weights(key, tuple(v.shape))))
    return e.to(dtype)


def views(name, dtype):
    return torch.from_numpy(seeded.views(name, IMAGES, SIZE)).to(dtype)


class Near(Exception):
    pass


def choose(e, step):
    """The first views of the step that keep their distance from every kink."""

    def deviation(x):
        return x.std(dim=(0, *range(2, x.ndim)), keepdim=True)

    def relu(_, args):
        if (args[0].abs() / deviation(args[0])).min() < 5e-6:
            raise Near

    def pool(_, args):
        n, c, h, w = args[0].shape
        windows = F.unfold(F.pad(args[0], (1, 1, 1, 1)).view(n * c, 1, h + 2, w + 2), 3, stride=2)
        first, second = windows.topk(2, dim=1).values.unbind(1)
        near = ((first - second).view(n, c, -1) < 5e-7 * deviation(args[0]).view(1, c, 1)) & (first.view(n, c, -1) > 0)
        if near.any():
            raise Near

    frozen = copy.deepcopy(e)  # its running statistics move
    for module in frozen.modules():
        if isinstance(module, (nn.ReLU, nn.MaxPool2d)):
            module.register_forward_pre_hook(relu if isinstance(module, nn.ReLU) else pool)
    for candidate in range(1000):
        try:
            with torch.no_grad():
                frozen.loss(views(f"step.{step}.{candidate}", torch.float64))
            return candidate
        except Near:
            pass
    raise ValueError("every view has a kink")


def describe(store, name, wide, narrow):
    """wide, narrow: the same arrays by name, of the float64 and the float32 run.

    Some arrays are nothing but rounding, such as the gradient of a β whose shift the
    next normalisation takes away again: none counts as smaller than 1e-6 of the
    largest element or norm of all."""
    rows = np.zeros((len(wide), 64), np.float32)
    measures = {m: np.zeros(len(wide)) for m in ("largest", "norm", "norm_scale", "spread", "norm_spread")}
    top, longest = (max(f(a) for a in wide.values()) for f in (lambda a: np.abs(a).max(), np.linalg.norm))
    for i, key in enumerate(wide):
        a, b = wide[key].ravel(), narrow[key].ravel().astype(np.float64)
        at = seeded.samples(key, a.size, 64)
        rows[i, :len(at)] = a[at]
        norm = np.linalg.norm(a)
        largest, scale = max(np.abs(a).max(), 1e-6 * top), max(norm, 1e-6 * longest)
        measures["largest"][i], measures["norm"][i] = largest, norm
        measures["norm_scale"][i] = scale
        measures["spread"][i] = np.abs(a - b).max() / largest
        measures["norm_spread"][i] = abs(np.linalg.norm(b) - norm) / scale
    store[f"{name}/names"] = np.frombuffer("\n".join(wide).encode(), np.uint8)
    store[f"{name}/samples"] = rows
    for m, v in measures.items():
        store[f"{name}/{m}"] = v
    i = measures["spread"].argmax()
    print(f"  {name}: float32 within {np.median(measures['spread']):.1e} (median) to {measures['spread'][i]:.1e} ({list(wide)[i]})")


def rate(peak, step):
    if step < WARMUP:
        return peak * step / WARMUP
    q = 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP)))
    return peak * q + 0.001 * peak * (1 - q)


def lars(params, buffers, lr, weight_decay=1e-6, momentum=0.9, eta=0.001):
    for key, p in params.items():
        d = p.grad
        if p.ndim != 1:
            d = d + weight_decay * p
            pn, dn = p.norm(), d.norm()
            if pn > 0 and dn > 0:
                d = d * (eta * pn / dn)
        buffers[key] = momentum * buffers[key] + d if key in buffers else d.clone()
        p -= lr * buffers[key]


def sgd(params, buffers, lr, weight_decay=1e-4, momentum=0.9):
    for key, p in params.items():
        d = p.grad if p.ndim == 1 else p.grad + weight_decay * p
        buffers[key] = momentum * buffers[key] + d if key in buffers else d.clone()
        p -= lr * buffers[key]


def trajectory(arch, method, dtype, chosen=None):
    """Chooses the views if they are not given."""
    e = encoder(arch, method, dtype).train()
    start = {k: p.detach().double().clone() for k, p in e.named().items()}
    buffers, losses, picked = {}, [], []
    for step in range(STEPS):
        picked.append(choose(e, step) if chosen is None else chosen[step])
        e.zero_grad()
        loss = e.loss(views(f"step.{step}.{picked[-1]}", dtype))
        loss.backward()
        losses.append(loss.item())
        with torch.no_grad():
            (lars if method == "directclr" else sgd)(e.named(), buffers, rate(PEAK[method][arch], step))
    change = {k: (p.detach().double() - start[k]).numpy() for k, p in e.named().items()}
    return picked, np.array(losses), change, {k: b.detach().double().numpy() for k, b in e.running().items()}


def one_step(arch, dtype, chosen):
    e = encoder(arch, "simclr", dtype).eval()
    with torch.no_grad():
        r = e.net(views("eval", dtype)[:2]).numpy()
    e.train()
    loss = e.loss(views(f"step.0.{chosen}", dtype))
    loss.backward()
    return r, loss.item(), {k: p.grad.numpy() for k, p in e.named().items()}


def save(name, store):
    path = os.path.join(OUT, name + ".npz")
    np.savez(path, **store)
    size = os.path.getsize(path)
    assert size <= 200_000, (name, size)
    print(f"{name}: {size} bytes")


def main():
    for arch in sys.argv[1:] or list(D0):
        print(arch)
        chosen = choose(encoder(arch, "simclr", torch.float64).train(), 0)
        (r, loss, grads), (r32, loss32, grads32) = (one_step(arch, t, chosen) for t in (torch.float64, torch.float32))
        store = {"views": np.array([chosen]), "representation": r.astype(np.float32), "representation_spread": np.abs(r - r32).max() / np.abs(r).max(),
                 "loss": loss, "loss_spread": abs(loss32 - loss) / loss}
        print(f"  loss {loss:.6f}, float32 {loss32:.6f}")
        describe(store, "gradient", grads, grads32)
        save(arch, store)
        for method in PEAK:
            chosen, losses, change, running = trajectory(arch, method, torch.float64)
            _, losses32, change32, running32 = trajectory(arch, method, torch.float32, chosen)
            store = {"views": np.array(chosen), "losses": losses, "losses_spread": np.abs(losses32 - losses) / losses}
            print(f"  {method}: views {chosen}, losses {np.round(losses, 4)}, float32 within {store['losses_spread'].max():.1e}")
            describe(store, "change", change, change32)
            describe(store, "running", running, running32)
            save(f"{arch}_{method}", store)


if __name__ == "__main__":
    main()

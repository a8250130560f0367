"""A linear probe in PyTorch, for the package train/probe.

Run: python3 testdata/gen/probe_linear.py   (from the repository root)
Made with torch 1.13.0, numpy 1.24.2; seed 20261124.

nn.Linear in float64 trained by torch.optim.SGD on batches in the given orders, with a
constant learning rate and with CosineAnnealingLR stepped once an epoch: the loss of
every step, top-1 and top-5 of the test rows after every epoch, the last weights.
"""
import os

import numpy as np
import torch

OUT = "testdata/golden/probe"
torch.manual_seed(20261124)
rng = np.random.default_rng(20261124)
n, test_n, dim, classes, batch, epochs = 300, 120, 24, 7, 64, 6
centres = rng.normal(size=(classes, dim))
labels, test_labels = rng.integers(0, classes, n), rng.integers(0, classes, test_n)
rows = (centres[labels] + 1.5 * rng.normal(size=(n, dim))).astype(np.float32)
test = (centres[test_labels] + 1.5 * rng.normal(size=(test_n, dim))).astype(np.float32)
weight = (0.01 * rng.normal(size=(classes, dim))).astype(np.float32)
orders = np.stack([rng.permutation(n) for _ in range(epochs)])
out = dict(rows=rows, labels=labels, test=test, test_labels=test_labels, weight=weight, orders=orders)
for name in ("constant", "cosine"):
    fc = torch.nn.Linear(dim, classes).double()
    fc.weight.data = torch.tensor(weight).double()
    fc.bias.data.zero_()
    sgd = torch.optim.SGD(fc.parameters(), 0.1, momentum=0.9, weight_decay=1e-2)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(sgd, epochs)
    losses, top1, top5 = [], [], []
    for order in orders:
        for first in range(0, n, batch):
            at = order[first:first + batch]
            loss = torch.nn.functional.cross_entropy(fc(torch.tensor(rows[at]).double()), torch.tensor(labels[at]))
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            losses.append(loss.item())
        if name == "cosine":
            cosine.step()
        with torch.no_grad():
            best = fc(torch.tensor(test).double()).topk(5).indices.numpy()
        top1.append((best[:, 0] == test_labels).mean())
        top5.append((best == test_labels[:, None]).any(1).mean())
    out |= {f"{name}_losses": losses, f"{name}_top1": top1, f"{name}_top5": top5,
            f"{name}_weight": fc.weight.detach().numpy(), f"{name}_bias": fc.bias.detach().numpy()}
os.makedirs(OUT, exist_ok=True)
np.savez_compressed(f"{OUT}/linear.npz", **out)

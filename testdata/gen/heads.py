"""Losses and gradients behind every head, for train.

Run: OMP_NUM_THREADS=1 python3 testdata/gen/heads.py   (from the repository root)
Made with torch 2.15.0, numpy 2.4.6; seed 3.

images [12,3,2,2] are two views of 6; r = images.flatten(1) @ encoder.weight.T, [12,8].
Each case has the head's weights (float32, in PyTorch's names), and from float64 the
embeddings z, the loss (InfoNCE at temperature 0.2 unless the case says otherwise) and
the gradient of every weight, that of the encoder being what arrives at r. Batch
normalisation sees one view after the other, as PyTorch does when it is called twice.
lowrank stores U and V, and takes z = U diag(1,…,1,0,…,0) V r: what the head's V[:d0]
must give without U. google, solo_learn and lightly_byol are the projectors of these code bases
(layers, not widths). group and dropout store the columns of r that the loss takes.
"""
import os

import numpy as np
import torch
from losses import barlow, infonce, vicreg

OUT = "testdata/golden/train"
N, D = 6, 8
rng = np.random.default_rng(3)
torch.set_num_threads(1)


def draw(*shape):
    return torch.tensor(rng.uniform(-1, 1, shape).astype(np.float32))


def rotation(n):
    return torch.linalg.qr(draw(n, n).double())[0].float()


def sequential(*layers):
    net = torch.nn.Sequential(*layers)
    with torch.no_grad():
        for p in net.parameters():
            if p.requires_grad:
                p.copy_(draw(*p.shape))
    return net


def without_beta(o):
    norm = torch.nn.BatchNorm1d(o)
    norm.bias.requires_grad = False
    return norm


def linear(i, o):
    return torch.nn.Linear(i, o, bias=False)


def block(i, o):
    return linear(i, o), torch.nn.BatchNorm1d(o), torch.nn.ReLU()


class Matrix(torch.nn.Module):
    """z = r Wᵀ, or r⊙w."""

    def __init__(self, weight):
        super().__init__()
        self.weight = torch.nn.Parameter(weight)

    def forward(self, r):
        return r * self.weight if self.weight.dim() == 1 else r @ self.weight.T


def main():
    images, encoder = draw(2 * N, 3, 2, 2), draw(D, 12)
    store = {"images": images.numpy(), "encoder.weight": encoder.numpy()}
    contrast = lambda z: infonce(z, 0.2)
    u, v = rotation(D), rotation(D)
    ones = torch.tensor([1.0] * 3 + [0] * (D - 3), dtype=torch.float64)
    columns = rng.permutation(D)
    cases = {
        "none": (sequential(), contrast),
        "slice": (lambda r: r[:, :3], contrast),
        "linear": (sequential(linear(D, 5)), contrast),
        "mlp": (sequential(*block(D, 7), linear(7, 5), torch.nn.BatchNorm1d(5)), contrast),
        "mlp3": (sequential(*block(D, 7), *block(7, 7), linear(7, 5), torch.nn.BatchNorm1d(5)), contrast),
        "plain_barlow": (sequential(*block(D, 7), linear(7, 5)), lambda z: barlow(z, 0.0051, 1)),
        "plain_vicreg": (sequential(*block(D, 7), linear(7, 5)), lambda z: vicreg(z, 25, 25, 1)),
        "orthogonal": (torch.nn.Sequential(Matrix(rotation(D))), contrast),
        "orthogonal5": (torch.nn.Sequential(Matrix(rotation(D)[:5])), contrast),
        "diagonal": (torch.nn.Sequential(Matrix(draw(D))), contrast),
        "lowrank": (lambda r: r @ v.double().T * ones @ u.double().T, contrast),
        "group": (lambda r: r, lambda z: contrast(z[:, columns[:4]]) + contrast(z[:, columns[4:]])),
        "random-dropout": (lambda r: r, lambda z: contrast(z[:, columns[:3]])),
        "google": (sequential(*block(D, 7), linear(7, 5), without_beta(5)), contrast),
        "solo_learn": (sequential(torch.nn.Linear(D, 7), torch.nn.ReLU(), torch.nn.Linear(7, 5)), contrast),
        "lightly_byol": (sequential(*block(D, 7), torch.nn.Linear(7, 5)), contrast),
        "bare3": (sequential(linear(D, 7), torch.nn.ReLU(), linear(7, 7), torch.nn.ReLU(), linear(7, 5)), contrast),
    }
    store["columns"], store["lowrank/U"], store["lowrank/V"] = columns, u.numpy(), v.numpy()
    for name, (head, loss) in cases.items():
        if isinstance(head, torch.nn.Module):
            for key, p in head.named_parameters():
                store[f"{name}/projector.{key}"] = p.detach().numpy().copy()
            head = head.double().train()
        w = encoder.double().requires_grad_()
        r = images.double().flatten(1) @ w.T
        z = torch.cat([head(view) for view in r.chunk(2)])
        value = loss(z)
        value.backward()
        store[f"{name}/z"], store[f"{name}/loss"] = z.detach().numpy(), value.detach().numpy()
        store[f"{name}/grad/encoder.weight"] = w.grad.numpy()
        if isinstance(head, torch.nn.Module):
            for key, p in head.named_parameters():
                if p.requires_grad:
                    store[f"{name}/grad/projector.{key}"] = p.grad.numpy()
    path = os.path.join(OUT, "heads.npz")
    np.savez(path, **store)
    print(path, os.path.getsize(path), "bytes", torch.__version__, np.__version__)


if __name__ == "__main__":
    main()

"""The losses and their gradients, for internal/kernel/reference.

Run: OMP_NUM_THREADS=1 python3 testdata/gen/losses.py   (from the repository root)
Made with torch 1.13.0, numpy 1.24.2; seed 1.

z [2n,d] is stored in float32: rows 0…n-1 are view 1, rows n…2n-1 view 2. From it
float64 gives loss, dz (of the loss itself) and, for InfoNCE, accuracy: the share
of rows whose nearest row of the other view is their positive, over both
directions. The formulas are the papers': arXiv:2110.09348 section 6 (symmetric,
negatives from the other view only) and arXiv:2002.05709 section 2.1 (NT-Xent).

columns.npz is the same of the losses that compare columns: Barlow Twins
(arXiv:2103.03230, equations 1 and 2, standardised by BatchNorm1d without affine) and
VICReg (arXiv:2105.04906; the mean over dimensions of the squared distance, half the
hinge of each view's unbiased variance, the covariances of both views).
"""
import os

import numpy as np
import torch
import torch.nn.functional as F

OUT = "testdata/golden/losses"
rng = np.random.default_rng(1)
torch.set_num_threads(1)


def infonce(z, temperature):
    u, v = F.normalize(z, dim=1).chunk(2)
    logits = u @ v.T / temperature
    target = torch.arange(len(u))
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def ntxent(z, temperature):
    u = F.normalize(z, dim=1)
    n = len(u) // 2
    logits = u @ u.T / temperature
    logits = logits.masked_fill(torch.eye(2 * n, dtype=torch.bool), -torch.inf)
    return F.cross_entropy(logits, (torch.arange(2 * n) + n) % (2 * n))


def accuracy(z):
    u, v = F.normalize(z, dim=1).chunk(2)
    s = u @ v.T
    i = torch.arange(len(u))
    return ((s.argmax(1) == i).double().mean() + (s.argmax(0) == i).double().mean()) / 2


def barlow(z, lam, scale):
    u, v = z.chunk(2)
    norm = torch.nn.BatchNorm1d(z.shape[1], affine=False, dtype=z.dtype).train()
    c = norm(u).T @ norm(v) / len(u)
    off = c[~torch.eye(len(c), dtype=torch.bool)]
    return scale * ((1 - c.diagonal()).square().sum() + lam * off.square().sum())


def vicreg(z, invariance, variance, covariance):
    loss = invariance * F.mse_loss(*z.chunk(2))
    for x in z.chunk(2):
        x = x - x.mean(0)
        loss = loss + variance * F.relu(1 - torch.sqrt(x.var(0) + 1e-4)).mean() / 2
        c = x.T @ x / (len(x) - 1)
        loss = loss + covariance * c[~torch.eye(len(c), dtype=torch.bool)].square().sum() / len(c)
    return loss


def embeddings(n, d, agreement):
    """Two views of n points: agreement 1 makes them equal, 0 independent."""
    shared = rng.standard_normal((n, d))
    views = [agreement * shared + (1 - agreement) * rng.standard_normal((n, d)) for _ in range(2)]
    return np.concatenate(views).astype(np.float32)


def columns():
    cases = {
        "independent": embeddings(6, 5, 0),
        "agreeing": embeddings(16, 12, 0.7),
        "wide": embeddings(4, 40, 0.4),
        "two_pairs": embeddings(2, 3, 0.5),
        "one_column": embeddings(5, 1, 0.5),
        "collapsed": np.ones((10, 4), np.float32),
        "shifted": embeddings(12, 6, 0.5) + np.float32(10) * np.arange(6, dtype=np.float32),
        "scaled_columns": embeddings(12, 6, 0.5) * np.logspace(-3, 1, 6, dtype=np.float32),
        "dead_column": embeddings(8, 5, 0.6) * np.array([1, 0, 1, 1, 1], np.float32),
        "nonnegative": np.maximum(embeddings(16, 12, 0.6), 0),
    }
    store = {}
    for name, z in cases.items():
        store[f"{name}/z"] = z
        for loss, settings in ((barlow, (0.0051, 1)), (barlow, (0.5, 0.024)), (vicreg, (25, 25, 1)), (vicreg, (1, 2, 3))):
            leaf = torch.tensor(z, dtype=torch.float64, requires_grad=True)
            value = loss(leaf, *settings)
            value.backward()
            key = "_".join([f"{name}/{loss.__name__}", *map(str, settings)])
            store[f"{key}/loss"] = value.detach().numpy()
            store[f"{key}/dz"] = leaf.grad.numpy()
    save("columns", store)


def main():
    cases = {
        "independent": embeddings(6, 5, 0),
        "agreeing": embeddings(8, 16, 0.7),
        "wide": embeddings(3, 40, 0.4),
        "one_pair": embeddings(1, 4, 0.3),
        "two_pairs": embeddings(2, 3, 0.5),
        "collapsed": np.ones((10, 4), np.float32),
        "large_and_small_rows": embeddings(4, 6, 0.5) * np.logspace(-3, 3, 8, dtype=np.float32)[:, None],
        "nonnegative": np.maximum(embeddings(16, 12, 0.6), 0),  # as after a last ReLU
    }
    store = {}
    for name, z in cases.items():
        store[f"{name}/z"] = z
        store[f"{name}/accuracy"] = accuracy(torch.tensor(z, dtype=torch.float64)).numpy()
        for loss in (infonce, ntxent):
            for temperature in (0.1, 0.5):
                leaf = torch.tensor(z, dtype=torch.float64, requires_grad=True)
                value = loss(leaf, temperature)
                value.backward()
                key = f"{name}/{loss.__name__}_{temperature}"
                store[f"{key}/loss"] = value.detach().numpy()
                store[f"{key}/dz"] = leaf.grad.numpy()
    save("contrastive", store)
    columns()


def save(name, store):
    path = os.path.join(OUT, name + ".npz")
    np.savez(path, **store)
    print(path, os.path.getsize(path), "bytes", torch.__version__, np.__version__)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Goldens of the collapse metrics of package analysis, by numpy in float64, straight from
their formulas and by other ways than the Go code where there are any.

Reads the rows of testdata/golden/analysis/spectra.npz and writes metrics.npz beside it:
<case>.unit = channel std, W2 uniformity, SelfCluster of rows scaled to unit length;
<case>.spectral = α-ReQ, AUC, condition number, pseudo-condition number of the unit rows
(of λ, √λ of numpy.cov); <case>.pairs = uniformity (unit rows), coherence and TwoNN (rows
as they are); views.x [40,3,6] with views.metrics = alignment, LiDAR.

Ran with Python 3.11, numpy 1.24.2. Seed 11. Run: python3 testdata/gen/metrics.py
"""
import pathlib
import sys

import numpy as np

folder = pathlib.Path(__file__).resolve().parents[1] / "golden" / "analysis"


def unit_metrics(u):
    n, d = u.shape
    std = np.mean(np.std(u, axis=0, ddof=1))
    mu, cov = u.mean(0), np.cov(u, rowvar=False, ddof=0)
    roots = np.sqrt(np.maximum(np.linalg.eigvalsh(cov), 0))
    w2 = np.sqrt(max(mu @ mu + 1 + np.trace(cov) - 2 / np.sqrt(d) * roots.sum(), 0))
    e = n + n * (n - 1) / d
    cluster = (np.linalg.norm(u @ u.T) ** 2 - e) / (n * n - e)
    return [std, w2, cluster]


def alpha(lam):
    j = np.arange(1, len(lam) + 1)[5:100]
    v = lam[5:100]
    keep = v > 1e-8 * lam[0]
    j, v = j[keep], v[keep]
    if len(v) < 3:
        return np.nan
    w = np.sqrt(1 / j)
    a = np.stack([-np.log(j), np.ones(len(j))], 1)
    return np.linalg.lstsq(a * w[:, None], np.log(v) * w, rcond=None)[0][0]


def spectral(u):
    lam = np.linalg.svd(np.cov(u, rowvar=False), compute_uv=False)
    sigma = np.sqrt(lam)
    auc = np.mean(np.cumsum(sigma) / sigma.sum())
    return [alpha(lam), auc, sigma[0] / sigma[-1], sigma[-1] / (sigma[0] + 1e-12)]


def pairs(x, u):
    n, d = x.shape
    i, j = np.tril_indices(n, -1)
    uniformity = np.log(np.mean(np.exp(-2 * np.sum((u[i] - u[j]) ** 2, 1))))
    left, s, _ = np.linalg.svd(x, full_matrices=False)
    left = left[:, s > 1e-8 * s[0]]
    coherence = n / left.shape[1] * np.max(np.sum(left ** 2, 1))
    r = np.sqrt(np.sum((x[:, None] - x[None]) ** 2, -1))
    r.sort(1)
    logs = np.sort(np.log(r[:, 2] / r[:, 1]))
    keep = len(logs) - len(logs) // 10
    two = keep / (logs[:keep].sum() + (len(logs) - keep) * logs[keep - 1])
    return [uniformity, coherence, two]


def views(x):
    n, q, d = x.shape
    u = x / np.linalg.norm(x, axis=-1, keepdims=True)
    align = np.mean([np.mean(np.sum((u[:, a] - u[:, b]) ** 2, -1)) for a in range(q) for b in range(a)])
    mu = x.mean(1)
    between = np.cov(mu, rowvar=False)
    within = sum((x[:, v] - mu).T @ (x[:, v] - mu) for v in range(q)) / (n * (q - 1)) + 1e-4 * np.eye(d)
    w, e = np.linalg.eigh(within)
    half = e @ np.diag(w ** -0.5) @ e.T
    lam = np.linalg.eigvalsh(half @ between @ half)
    p = (lam + 1e-8) / lam.sum()
    return [align, np.exp(-np.sum(p * np.log(p)))]


def main():
    rng = np.random.default_rng(11)
    arrays = {}
    stored = np.load(folder / "spectra.npz")
    for name in ["random", "relu", "scaled", "float32"]:
        x = stored[name + ".x"].astype(np.float64)
        u = x / np.linalg.norm(x, axis=1, keepdims=True)
        arrays[name + ".unit"] = np.array(unit_metrics(u))
        arrays[name + ".spectral"] = np.array(spectral(u))
        arrays[name + ".pairs"] = np.array(pairs(x, u))
    x = rng.standard_normal((40, 1, 6)) * [3, 2, 1, 1, 0.5, 0.01] + 0.3 * rng.standard_normal((40, 3, 6))
    arrays["views.x"], arrays["views.metrics"] = x, np.array(views(x))
    np.savez_compressed(folder / "metrics.npz", **arrays)
    print("python", sys.version.split()[0], "numpy", np.__version__)


main()

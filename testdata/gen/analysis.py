#!/usr/bin/env python3
"""Goldens of package analysis: spectra and metrics of rows by numpy in float64.

Writes testdata/golden/analysis/spectra.npz. For each case: <case>.x the rows, and for
each (rows, ddof), rows being "raw" or "unit" (scaled to unit length):
<case>.<rows>.<ddof>.values = numpy.linalg.svd(numpy.cov(x)), and for each rows
<case>.<rows>.metrics = RankMe, effective rank, stable rank, NESum, participation
ratio, straight from their formulas with numpy.linalg.svd of the rows themselves.
Functions used: numpy.cov, numpy.linalg.svd, numpy.linalg.norm.

Ran with Python 3.11, numpy 1.24.2. Seed 7. Run: python3 testdata/gen/analysis.py
"""
import pathlib
import sys

import numpy as np

out = pathlib.Path(__file__).resolve().parents[1] / "golden" / "analysis"


def cases(rng):
    # Eigenvalues are good to 1e-16 of the largest in any solver, so the smallest is
    # kept at 1e-5 of it for an agreement of 1e-10.
    spread = np.geomspace(1, 3e-3, 12)
    mix = np.linalg.qr(rng.standard_normal((12, 12)))[0]
    yield "random", rng.standard_normal((600, 12)) * spread @ mix
    yield "relu", np.maximum(rng.standard_normal((300, 16)) + np.linspace(-2, 1, 16), 0) + 1e-3 * np.eye(16)[0]
    yield "rank_deficient", rng.standard_normal((64, 5)) @ rng.standard_normal((5, 16))
    yield "few_samples", rng.standard_normal((7, 20))
    yield "two_samples", rng.standard_normal((2, 4))
    # An offset exactly representable beside the data, so that no digit is lost in x itself.
    yield "offset", 2.0 ** 30 + np.round(rng.standard_normal((520, 8)) * 2 ** 16) / 2 ** 16
    yield "scaled", rng.standard_normal((90, 8)) * 10.0 ** np.array([6, 5, 4, 3, 2, 1, 0, -1])
    yield "float32", rng.standard_normal((257, 10)).astype(np.float32)


def entropy_rank(p):
    p = p[p > 0]
    return np.exp(-np.sum(p * np.log(p)))


def metrics(x):
    sigma = np.linalg.svd(x, compute_uv=False)
    centred = np.linalg.svd(x - x.mean(0), compute_uv=False)
    full = np.zeros(x.shape[1])  # D singular values whatever N
    full[:len(sigma)] = sigma
    lam = centred ** 2
    return np.array([
        entropy_rank(full / full.sum() + 1e-7),
        entropy_rank(centred / centred.sum()),
        np.sum(sigma ** 2) / sigma[0] ** 2,
        lam.sum() / lam[0],
        lam.sum() ** 2 / np.sum(lam ** 2),
    ])


def main():
    rng = np.random.default_rng(7)
    arrays = {}
    for name, x in cases(rng):
        arrays[f"{name}.x"] = x
        x = x.astype(np.float64)
        for rows, z in ("raw", x), ("unit", x / np.linalg.norm(x, axis=1, keepdims=True)):
            for ddof in 0, 1:
                c = np.cov(z, rowvar=False, ddof=ddof)
                arrays[f"{name}.{rows}.{ddof}.values"] = np.linalg.svd(c, compute_uv=False)
            arrays[f"{name}.{rows}.metrics"] = metrics(z)
    out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out / "spectra.npz", **arrays)
    print("python", sys.version.split()[0], "numpy", np.__version__)


main()

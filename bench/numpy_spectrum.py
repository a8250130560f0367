#!/usr/bin/env python3
"""What "onnxclr spectrum" does, in numpy and matplotlib: covariance and eigenvalues of
embeddings, and a chart. Prints the time of each part.

    python3 bench/numpy_spectrum.py --make 50000 2048 big.npy     # rows to work on
    python3 bench/numpy_spectrum.py big.npy chart.png

The same by "time onnxclr spectrum big.npy -o chart.png", and its parts by
"go test -run - -bench 'Covariance|Eigenvalues' ./analysis".
"""
import sys
import time

import numpy as np


def main():
    if sys.argv[1] == "--make":
        n, d = int(sys.argv[2]), int(sys.argv[3])
        z = np.random.default_rng(0).standard_normal((n, d), dtype=np.float32)
        np.save(sys.argv[4], z * np.exp(-np.arange(d, dtype=np.float32) / 200))
        return
    t = [time.perf_counter()]
    z = np.load(sys.argv[1]).astype(np.float64)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    t.append(time.perf_counter())
    c = np.cov(z, rowvar=False)
    t.append(time.perf_counter())
    lam = np.linalg.eigvalsh(c)[::-1]
    t.append(time.perf_counter())
    sigma = np.sqrt(np.maximum(np.linalg.eigvalsh(z.T @ z)[::-1], 0))
    p = sigma / sigma.sum() + 1e-7
    rankme = np.exp(-np.sum(p * np.log(p)))
    t.append(time.perf_counter())
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    plt.plot(np.log(np.maximum(lam, 1e-30)))
    plt.savefig(sys.argv[2], dpi=200)
    t.append(time.perf_counter())
    names = ["load and normalise", "covariance", "eigvalsh", "RankMe", "chart"]
    print(", ".join(f"{n} {b - a:.2f} s" for n, a, b in zip(names, t, t[1:])), f"; all {t[-1] - t[0]:.2f} s, RankMe {rankme:.1f}")


main()

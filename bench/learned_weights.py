#!/usr/bin/env python3
"""Says of the last two convolutions of a ResNet how much of their weights W training
learnt and how concentrated that is: W = a·W0 + D, W0 the initial weights, a the factor
that leaves the smallest D. For D and W0, as matrices [out,in·k·k]: the share of their
squared norm in the 32 largest of their singular directions.

    python3 bench/learned_weights.py init.onnx trained.onnx...

Ran with onnx 1.23, numpy 2.4. See docs/reproduction.md.
"""
import sys

import numpy as np
import onnx
from onnx import numpy_helper


def convolutions(path):
    found = {t.name: t for t in onnx.load(path).graph.initializer if len(t.dims) == 4}
    return {k: numpy_helper.to_array(v).astype(np.float64) for k, v in found.items()}


def concentrated(w):
    s = np.linalg.svd(w.reshape(len(w), -1), compute_uv=False) ** 2
    return s[:32].sum() / s.sum()


def main():
    initial = convolutions(sys.argv[1])
    print("cos(W,W0)  |D|/|W|  share in 32: D    W0")
    for path in sys.argv[2:]:
        trained = convolutions(path)
        for name in sorted(trained)[-2:]:
            w0, w = initial[name], trained[name]
            dot = (w0 * w).sum()
            learnt = w - dot / (w0 * w0).sum() * w0
            norm = np.linalg.norm(w)
            print(f"{dot / np.linalg.norm(w0) / norm:9.3f}  {np.linalg.norm(learnt) / norm:7.2f}  "
                  f"{concentrated(learnt):14.2f}  {concentrated(w0):4.2f}  {path} {name}")


main()

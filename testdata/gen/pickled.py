#!/usr/bin/env python3
"""A ResNet as detectron2's .pkl files hold it: a pickled dictionary of numpy arrays.

Writes testdata/checkpoints/detectron_p<protocol>_numpy<version>.pkl: a network of two
stages of one basic block each, stem 4 wide, 4 and 8 channels, under detectron2's names
as MoCo's converter writes them ({"model": …, "__author__": "MOCO",
"matching_heuristics": True}). Values are seeded.weights of torchvision's keys. The
array stem.conv1.weight is in Fortran's order, res2.0.conv1.weight big-endian and
res2.0.conv2.weight float64.

Ran with numpy 1.24.2 (protocols 2, 4) and 2.4.6 (4, 5). Run it with both, from any
folder:
  python3 testdata/gen/pickled.py
"""
import pathlib
import pickle

import numpy as np

import seeded

OUT = pathlib.Path(__file__).resolve().parents[1] / "checkpoints"
NEW = int(np.__version__.split(".")[0]) >= 2


def norm(c):
    return {"weight": (c,), "bias": (c,), "running_mean": (c,), "running_var": (c,)}


def tensors():
    """torchvision's key, detectron2's key, shape."""
    def layer(theirs, ours, norms, shape):
        yield ours + ".weight", theirs + ".weight", shape
        for k, s in norm(shape[0]).items():
            yield f"{norms}.{k}", f"{theirs}.norm.{k}", s
    yield from layer("stem.conv1", "conv1", "bn1", (4, 3, 7, 7))
    for i, (cin, c) in enumerate([(4, 4), (4, 8)]):
        a, b = f"layer{i + 1}.0", f"res{i + 2}.0"
        yield from layer(f"{b}.conv1", f"{a}.conv1", f"{a}.bn1", (c, cin, 3, 3))
        yield from layer(f"{b}.conv2", f"{a}.conv2", f"{a}.bn2", (c, c, 3, 3))
        if cin != c:
            yield from layer(f"{b}.shortcut", f"{a}.downsample.0", f"{a}.downsample.1", (c, cin, 1, 1))


model = {}
for ours, theirs, shape in tensors():
    v = seeded.weights(ours, shape)
    if theirs == "stem.conv1.weight":
        v = np.asfortranarray(v)
    elif theirs == "res2.0.conv1.weight":
        v = v.astype(">f4")
    elif theirs == "res2.0.conv2.weight":
        v = v.astype(np.float64)
    model[theirs] = v
for protocol in (4, 5) if NEW else (2, 4):
    path = OUT / f"detectron_p{protocol}_numpy{np.__version__.split('.')[0]}.pkl"
    path.write_bytes(pickle.dumps({"model": model, "__author__": "MOCO", "matching_heuristics": True}, protocol))
    print(path.name, path.stat().st_size)

#!/usr/bin/env python3
"""Trains fixtures of testdata/onnx with every projector for two steps and has the result
checked and run by others.

What `onnxclr export` makes of each run must pass onnx.checker with shape inference,
compute in ONNX Runtime what `onnxclr run` computes, and give the embeddings that the
head's definition makes of its own representation, in numpy, with the weights under
nn.Sequential's names. It writes nothing into the repository.

Ran with onnx 1.23.2, onnxruntime 1.32, numpy 2.4. How to run, from any folder:
  python3 testdata/gen/verify_heads.py [ONNXCLR]       # built with go build if not given
"""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx

import seeded
from verify_onnx import IMAGES, ROOT, run, same

D0 = 5
CASES = {
    "none": [], "linear": ["--projector-dim", 4], "mlp": ["--projector-dim", 4], "mlp-3": ["--projector-dim", 4, "--projector-layers", 3, "--projector-hidden", 9],
    "mlp-plain": ["--projector-dim", 4, "--projector-batchnorm", "hidden"],
    "mlp-google": ["--projector-dim", 4, "--projector-bias", "hidden"], "mlp-solo-learn": ["--projector-dim", 4, "--projector-batchnorm", "none"], "orthogonal": [], "orthogonal-4": ["--projector-dim", 4], "diagonal": [],
    "lowrank": ["--d0", D0], "lowrank-diagonal": ["--d0", D0], "group": ["--projector-groups", 4], "random-dropout": ["--d0", D0],
}
MODELS = "tiny_op7_training", "basic_op11_training", "basic_op17_training", "basic_op17_preserve", "basic_op18_training"


def head(kind, r, w):
    """z of a representation in evaluation, from the weights by name."""
    if kind in ("none", "group", "random-dropout"):
        return r
    if kind == "lowrank-diagonal":
        return r[:, :D0]
    at = lambda i, name: w[f"projector.{i}.{name}"]
    if kind == "diagonal":
        return r * at(0, "weight")
    layers = sorted(int(k.split(".")[1]) for k in w if k.startswith("projector.") and k.endswith(".weight"))
    for i in layers:
        weight = at(i, "weight")
        if weight.ndim == 2:
            r = r @ weight.T + w.get(f"projector.{i}.bias", 0)
        else:
            r = (r - at(i, "running_mean")) / np.sqrt(at(i, "running_var") + 1e-5) * weight + at(i, "bias")
        if i != layers[-1] and i + 1 not in layers:
            r = np.maximum(r, 0)
    return r


def representation(path, scratch):
    """What the head of a model stands on, for IMAGES."""
    m = onnx.load(str(path))
    maker = {o: n for n in m.graph.node for o in n.output}
    name = "embedding"
    while name in maker and (maker[name].name.startswith(("projector.", "directclr")) or maker[name].name == "embedding"):
        name = maker[name].input[0]
    if name not in [o.name for o in m.graph.output]:
        m.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    onnx.save(m, str(scratch))
    return run(scratch, IMAGES)[name]


def main():
    def call(*args):
        p = subprocess.run([str(binary), *map(str, args)], capture_output=True, text=True)
        assert p.returncode == 0, (args, p.stderr)

    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        binary = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else tmp / "onnxclr"
        if len(sys.argv) < 2:
            subprocess.run(["go", "build", "-o", str(binary), "./cmd/onnxclr"], cwd=ROOT, check=True)
        views = tmp / "views"
        views.mkdir()
        np.savez(views / "0.npz", view1=seeded.views("one", 4, 48)[:4], view2=seeded.views("two", 4, 48)[:4])
        np.save(tmp / "x.npy", IMAGES)
        for model in MODELS:
            for case, flags in CASES.items():
                kind = case if case in ("lowrank-diagonal", "random-dropout") else case.split("-")[0]
                work = tmp / f"{model}-{case}"
                call("train", "--model", ROOT / "testdata" / "onnx" / f"{model}.onnx", "--views", views, "--method", "simclr", "--projector", kind, *flags,
                     "--steps", 2, "--optimizer", "sgd", "--lr", 0.05, "--warmup-steps", 0, "-o", work, "-q")
                call("export", work, "-o", work / "e.onnx")
                onnx.checker.check_model(str(work / "e.onnx"), full_check=True)
                call("run", work / "model.onnx", "--input", tmp / "x.npy", "-o", work / "z.npz")
                want, got = dict(np.load(work / "z.npz")), run(work / "e.onnx", IMAGES)
                err = max(same(got[k], want[k], 1e-4, (model, case, k)) for k in want)
                r = representation(work / "e.onnx", work / "r.onnx")
                w = {t.name: onnx.numpy_helper.to_array(t).astype(np.float64) for t in onnx.load(str(work / "e.onnx")).graph.initializer}
                z = head(kind, r.astype(np.float64), w)
                own = same(got["embedding"], z, 1e-5, (model, case, "embedding"))
                if kind in ("orthogonal", "lowrank"):
                    q = w["projector.0.weight"]
                    assert np.abs(q @ q.T - np.eye(len(q))).max() < 1e-6, (model, case, "not orthonormal")
                print(f"{model} {case}: embedding {got['embedding'].shape}, ONNX Runtime {err:.1e}, from the definition {own:.1e}", flush=True)


if __name__ == "__main__":
    main()

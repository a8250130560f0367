#!/usr/bin/env python3
"""Takes every fixture of testdata/onnx through onnxclr and back, and has the result
checked and run by others.

Each is exported with `onnxclr export`, as it is and with its weights in an external
file, and trained for two steps and exported. What comes out must pass onnx.checker with
shape inference; have the opsets, IR version, producer, metadata, functions and node names
that went in, and external data where there were any; and compute in ONNX Runtime what the
source computes there, or, trained, what `onnxclr run` computes. It writes nothing into
the repository.

Ran with onnx 1.23.2, onnxruntime 1.32, numpy 2.4. How to run, from any folder:
  python3 testdata/gen/verify_onnx.py [ONNXCLR]       # built with go build if not given
"""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

import seeded

ROOT = pathlib.Path(__file__).resolve().parents[2]
IMAGES = seeded.views("onnx", 2, 48)


def run(path, images):
    o = onnxruntime.SessionOptions()
    o.intra_op_num_threads, o.log_severity_level = 1, 4
    s = onnxruntime.InferenceSession(str(path), o, providers=["CPUExecutionProvider"])
    return dict(zip([v.name for v in s.get_outputs()], s.run(None, {s.get_inputs()[0].name: images})))


def same(a, b, tolerance, what):
    err = np.abs(a - b).max() / np.abs(b).max()
    assert err <= tolerance, (what, err)
    return err


def structure(m):
    return {
        "opset": [(o.domain, o.version) for o in m.opset_import], "ir": m.ir_version, "producer": (m.producer_name, m.producer_version),
        "doc": m.doc_string, "functions": [f.SerializeToString(deterministic=True) for f in m.functions], "graph": m.graph.name,
    }


def kept(source, out, name, trained=False):
    before, after = onnx.load(str(source), load_external_data=False), onnx.load(str(out), load_external_data=False)
    onnx.checker.check_model(str(out), full_check=True)
    a, b = structure(before), structure(after)
    assert a == b, (name, [k for k in a if a[k] != b[k]])
    has = {p.key: p.value for p in after.metadata_props}
    for p in before.metadata_props:
        assert has.get(p.key) == p.value, (name, p.key)
    external = lambda m: any(t.data_location == onnx.TensorProto.EXTERNAL for t in m.graph.initializer)
    assert external(before) == external(after), (name, "external data")
    if not before.functions and "dynamo" not in name and "view_batch2" not in name and "shared" not in name:
        names = [n.name for n in before.graph.node]
        assert [n.name for n in after.graph.node][: len(names)] == names, (name, "node names")


def main():
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        tool = sys.argv[1] if len(sys.argv) > 1 else str(tmp / "onnxclr")
        if len(sys.argv) < 2:
            subprocess.run(["go", "build", "-o", tool, "./cmd/onnxclr"], cwd=ROOT, check=True)
        call = lambda *a: subprocess.run([tool, *map(str, a)], check=True, capture_output=True, text=True)
        np.savez(tmp / "views.npz", view1=IMAGES[:2], view2=IMAGES[2:])
        views = tmp / "views"
        views.mkdir()
        (tmp / "views.npz").rename(views / "0.npz")
        for source in sorted((ROOT / "testdata" / "onnx").glob("*.onnx")):
            name = source.stem
            images = IMAGES[:2] if "batch2" in name else IMAGES
            folder = tmp / name
            folder.mkdir()
            np.save(tmp / "x.npy", images)
            big = folder / "external.onnx"
            onnx.save(onnx.load(str(source)), str(big), save_as_external_data=True, location="weights.bin", size_threshold=256)
            # A training-form graph normalises by the batch; the export is its evaluation form.
            training = "training" in name and "dynamo" not in name
            for path in (source, big):
                out = folder / (path.stem + ".out.onnx")
                call("export", path, "-o", out)
                kept(path, out, name)
                if training:
                    call("run", path, "--input", tmp / "x.npy", "-o", folder / "y.npz", "--force")
                    want = dict(np.load(folder / "y.npz"))
                    got = run(out, images)
                else:
                    want, got = run(path, images), run(out, images)
                for key in want:
                    same(got[key], want[key], 1e-5, (name, key))
            work = folder / "run"
            call("train", "--model", source, "--views", views, "--method", "simclr", "--projector", "linear", "--projector-dim", 4, "--steps", 2,
                 "--optimizer", "sgd", "--lr", 0.1, "--warmup-steps", 0, "-o", work, "-q", *([] if training or "preserve" in name or "unoptimized" in name or "op20" in name else ["--batchnorm", "none"]))
            out = folder / "trained.onnx"
            call("export", work, "-o", out)
            onnx.checker.check_model(str(out), full_check=True)
            call("run", work / "model.onnx", "--input", tmp / "x.npy", "-o", folder / "z.npz")
            want, got = dict(np.load(folder / "z.npz")), run(out, images)
            err = max(same(got[key], want[key], 1e-4, (name, key)) for key in want)
            print(f"{name}: exported, with external data, and trained ({', '.join(want)}: {err:.1e})")


if __name__ == "__main__":
    main()

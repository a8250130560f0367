#!/usr/bin/env python3
"""Reads event files with TensorBoard's own reader.

Without arguments it reads testdata/golden/tensorboard, which the test of
train/tensorboard writes with -update, and writes what TensorBoard saw beside them as
reading.json; the test holds the package to that. With the folder of a run it prints what
TensorBoard sees there and fails unless the numbers are those of metrics.jsonl, every step
once.

Ran with tensorboard 2.21, numpy 2.4. How to run, from any folder:
  python3 testdata/gen/verify_tensorboard.py [RUN]
"""
import json
import pathlib
import sys

import numpy as np
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.backend.event_processing import plugin_event_accumulator
from tensorboard.util import tensor_util

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "tensorboard"
ALL = {k: 0 for k in ("scalars", "images", "histograms", "compressedHistograms", "tensors")}


def read(folder):
    a = event_accumulator.EventAccumulator(str(folder), size_guidance=ALL)
    a.Reload()
    tags = a.Tags()
    # The reader of the web page, which turns every kind into tensors, must agree.
    p = plugin_event_accumulator.EventAccumulator(str(folder), tensor_size_guidance={})
    p.Reload()
    for tag in tags["scalars"]:
        old = [(e.step, e.value) for e in a.Scalars(tag)]
        new = [(e.step, float(tensor_util.make_ndarray(e.tensor_proto))) for e in p.Tensors(tag)]
        assert old == new, (tag, old, new)
    kind = {t: m.plugin_data.plugin_name for t in p.Tags()["tensors"] for m in [p.SummaryMetadata(t)]}
    assert {kind[t] for t in tags["scalars"]} == {"scalars"}, kind
    assert {kind[t] for t in tags["histograms"]} == {"histograms"}, kind
    assert {kind[t] for t in tags["images"]} == {"images"}, kind
    assert {kind[t] for t in tags["tensors"]} == {"text"}, kind
    return a, tags


def golden():
    a, tags = read(GOLDEN)
    out = {
        "scalars": {t: [[e.step, e.value] for e in a.Scalars(t)] for t in tags["scalars"]},
        "texts": {t: [tensor_util.make_ndarray(e.tensor_proto).item().decode() for e in a.Tensors(t)] for t in tags["tensors"]},
        "images": {t: [{"step": e.step, "width": e.width, "height": e.height} for e in a.Images(t)] for t in tags["images"]},
        "histograms": {t: [{"step": e.step, "min": e.histogram_value.min, "max": e.histogram_value.max,
                            "num": e.histogram_value.num, "sum": e.histogram_value.sum,
                            "squares": e.histogram_value.sum_squares,
                            "limit": list(e.histogram_value.bucket_limit), "count": list(e.histogram_value.bucket)}
                           for e in a.Histograms(t)] for t in tags["histograms"]},
    }
    (GOLDEN / "reading.json").write_text(json.dumps(out) + "\n")
    print("wrote", GOLDEN / "reading.json")


def flat(prefix, value):
    for k, v in value.items():
        if isinstance(v, dict):
            yield from flat(prefix + k + "/", v)
        elif isinstance(v, (int, float)) and not isinstance(v, bool):
            yield prefix + k, v


def run(folder):
    a, tags = read(folder)
    want = {}
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        m = json.loads(line)
        for k, v in flat("", m):
            if k != "step":
                want.setdefault(k if "/" in k else "train/" + k, []).append((m["step"], v))
    got = {t: [(e.step, e.value) for e in a.Scalars(t)] for t in tags["scalars"]}
    assert set(got) == set(want), (set(got) ^ set(want))
    for t in want:
        assert [s for s, _ in got[t]] == [s for s, _ in want[t]], (t, got[t])
        assert np.array_equal(np.float32([v for _, v in got[t]]), np.float32([v for _, v in want[t]])), t
        print(f"{t}: {len(got[t])} steps")
    for t in tags["images"]:
        print(f"{t}: images at {[e.step for e in a.Images(t)]}, {a.Images(t)[0].width}×{a.Images(t)[0].height}")
    for t in tags["histograms"]:
        h = a.Histograms(t)
        assert all(e.histogram_value.num == sum(e.histogram_value.bucket) for e in h)
    print(f"{len(tags['histograms'])} histograms, each at {[e.step for e in h]}")
    print("text:", list(tags["tensors"]))


if len(sys.argv) > 1:
    run(pathlib.Path(sys.argv[1]))
else:
    golden()

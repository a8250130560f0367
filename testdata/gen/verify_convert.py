"""Checks onnxclr's convert and export against PyTorch and ONNX Runtime.

For resnet18, resnet50, resnext50_32x4d and wide_resnet50_2 with seeded random
weights and non-trivial batch-normalisation statistics:
  - `onnxclr convert` writes a model that onnx.checker accepts;
  - ONNX Runtime's outputs equal PyTorch's at 64x64 and 224x224, batch 1 and 3
    (skipped where onnxruntime is not installed);
  - `onnxclr export` gives back a .pth that torch.load and
    load_state_dict(strict=True) accept, every tensor bit-identical to the source,
    and a .safetensors with the same bytes.
No tolerance is hidden: the largest error relative to the largest value is printed
and must stay below 1e-4.

Ran with: torch 1.13.0, onnx 1.12; torch 2.15, onnx 1.23.2, onnxruntime 1.32.
Run: OMP_NUM_THREADS=1 python3 testdata/gen/verify_convert.py path/to/onnxclr
"""
import argparse
import inspect
import json
import pathlib
import struct
import subprocess
import tempfile
import time

import onnx
import torch
import torchvision

try:
    import onnxruntime
except ImportError:
    onnxruntime = None

ARCHS = ["resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2"]


def seeded(arch, seed=3):
    torch.manual_seed(seed)
    model = getattr(torchvision.models, arch)()
    for m in model.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            m.weight.data.uniform_(0.5, 1.0)
            m.bias.data.uniform_(-0.2, 0.2)
            m.running_mean.uniform_(-0.2, 0.2)
            m.running_var.uniform_(0.8, 1.5)
            m.num_batches_tracked.random_(0, 100000)
    return model.eval()


def run(*args):
    start = time.time()
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, args))}: {done.stderr}{done.stdout}")
    return time.time() - start


def load(path):
    safe = {"weights_only": True} if "weights_only" in inspect.signature(torch.load).parameters else {}
    return torch.load(path, map_location="cpu", **safe)


def read_safetensors(path):
    data = path.read_bytes()
    (n,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + n])
    header.pop("__metadata__", None)
    return {k: data[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]] for k, v in header.items()}


def outputs(model, x):
    fc, model.fc = model.fc, torch.nn.Identity()
    with torch.no_grad():
        r = model(x)
        model.fc = fc
        return [r, fc(r)]


def verify(binary, arch, folder):
    model = seeded(arch)
    source, converted, back, safe = (folder / f"{arch}{e}" for e in (".pth", ".onnx", "-back.pth", ".safetensors"))
    torch.save(model.state_dict(), source)
    seconds = run(binary, "convert", source, "-o", converted)
    proto = onnx.load(str(converted))
    onnx.checker.check_model(proto, full_check=True)
    metadata = {p.key: p.value for p in proto.metadata_props}
    assert metadata["architecture"] == arch, metadata
    assert [o.name for o in proto.graph.output] == ["representation", "logits"]
    worst = 0.0
    if onnxruntime:
        session = onnxruntime.InferenceSession(str(converted), providers=["CPUExecutionProvider"])
        for size, batch in [(64, 1), (64, 3), (224, 1), (224, 3)]:
            x = torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(size + batch))
            for want, got in zip(outputs(model, x), session.run(None, {"input": x.numpy()})):
                worst = max(worst, (torch.from_numpy(got) - want).abs().max().item() / want.abs().max().item())
        assert worst < 1e-4, worst
    run(binary, "export", converted, "-o", back)
    run(binary, "export", converted, "-o", safe)
    state, want = load(back), model.state_dict()
    assert list(state) == list(want), "keys or their order differ"
    tensors = read_safetensors(safe)
    assert set(tensors) == set(want)
    for key, t in want.items():
        assert state[key].dtype == t.dtype and state[key].shape == t.shape, key
        raw = t.contiguous().numpy().tobytes()
        assert state[key].contiguous().numpy().tobytes() == raw, f"{key}: bits differ"
        assert tensors[key] == raw, f"{key}: bits differ in safetensors"
    fresh = getattr(torchvision.models, arch)()
    fresh.load_state_dict(state, strict=True)
    size = source.stat().st_size / 1e6
    print(f"{arch:18} {len(state)} tensors, {size:.0f} MB converted in {seconds:.2f} s, "
          f"{'max error %.1e against ONNX Runtime' % worst if onnxruntime else 'no onnxruntime'}, round trip exact")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("onnxclr", type=pathlib.Path)
    binary = parser.parse_args().onnxclr.resolve()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, onnx {onnx.__version__}, onnxruntime {getattr(onnxruntime, '__version__', None)}")
    for arch in ARCHS:
        with tempfile.TemporaryDirectory() as folder:
            verify(binary, arch, pathlib.Path(folder))


if __name__ == "__main__":
    main()

"""Checks that checkpoints of each code base come back from onnxclr as they went in.

For every layout of docs/checkpoints.md a module is built that has the code base's own
names around a seeded ResNet of one basic block a stage, and saved the way the code
base saves it: its dictionaries, heads, momentum copies, options and optimizer state.
Then `onnxclr convert` and `onnxclr export` run, one command each, without a flag, and
  - torch.load(weights_only=True) accepts the result;
  - load_state_dict(strict=True) of the module around the encoder succeeds;
  - every tensor has the bits, type and shape it had.
The same for the pre-1.6 format, for float16, bfloat16 and float64 weights, for .npz
and for safetensors in parts, and for every name that `export --layout` takes.

Ran with: torch 1.13.0 (Python 3.11) and torch 2.15.0. Seed 5.
Run: OMP_NUM_THREADS=1 python3 testdata/gen/verify_layouts.py path/to/onnxclr
"""
import argparse
import collections
import inspect
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy
import torch
import torchvision

nn = torch.nn


def resnet(seed=5, fc=False):
    torch.manual_seed(seed)
    net = torchvision.models.resnet.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1])
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.weight.data.uniform_(0.5, 1.0)
            m.bias.data.uniform_(-0.2, 0.2)
            m.running_mean.uniform_(-0.2, 0.2)
            m.running_var.uniform_(0.8, 1.5)
            m.num_batches_tracked.fill_(1000 + seed)
    if not fc:
        net.fc = nn.Identity()
    return net


def tree(**children):
    m = nn.Module()
    for name, child in children.items():
        m.add_module(name, child)
    return m


def sequential(net):
    return nn.Sequential(*list(net.children())[:-1])


class Detectron(nn.Module):
    """detectron2's names: stem.conv1, stem.conv1.norm, res2.0.shortcut.norm ..."""

    def __init__(self, net):
        super().__init__()
        state = {}
        for k, v in net.state_dict().items():
            if k.endswith("num_batches_tracked"):
                continue
            k = k.replace("downsample.0", "shortcut").replace("downsample.1", "shortcut.norm")
            for i in "123":
                k = k.replace(f"bn{i}", f"conv{i}.norm")
            for i in "4321":
                k = k.replace(f"layer{i}.", f"res{int(i) + 1}.")
            state[k if k.startswith("res") else "stem." + k] = v
        for k, v in state.items():
            at = self
            *path, last = k.split(".")
            for p in path:
                if p not in at._modules:
                    at.add_module(p, nn.Module())
                at = at._modules[p]
            at.register_buffer(last, v)


def layouts():
    """name: (module to load into, its state's place in the file, function that makes the file)"""
    mlp = lambda: nn.Sequential(nn.Linear(512, 8), nn.ReLU(), nn.Linear(8, 4))
    both = lambda a, b: {**a, **b}
    args = argparse.Namespace(arch="resnet", lr=0.1)

    def optimizer(module):
        o = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
        for p in module.parameters():
            p.grad = torch.ones_like(p)
        o.step()
        return o.state_dict()

    def prefixed(prefix, module):
        return {prefix + k: v for k, v in module.state_dict().items()}

    out = collections.OrderedDict()
    net = resnet(fc=True)
    out["torchvision"] = (net, [], lambda: net.state_dict())
    ddp = tree(module=resnet(fc=True))
    out["DataParallel"] = (ddp, ["state_dict"], lambda: {"epoch": 3, "state_dict": ddp.state_dict(), "optimizer": optimizer(ddp)})
    compiled = tree(_orig_mod=tree(module=resnet(fc=True)))
    out["torch.compile"] = (compiled, ["model"], lambda: {"model": compiled.state_dict()})
    direct = tree(module=tree(backbone=resnet()))
    out["DirectCLR"] = (direct, ["model"], lambda: {"epoch": 1, "model": both(direct.state_dict(), prefixed("module.online_head.", nn.Linear(512, 10))), "optimizer": optimizer(direct)})
    moco = tree(module=tree(encoder_q=resnet()))
    out["MoCo v2"] = (moco, ["state_dict"], lambda: {"epoch": 200, "arch": "resnet50", "state_dict": both(both(
        {"module.queue": torch.randn(4, 8), "module.queue_ptr": torch.zeros(1, dtype=torch.long)}, moco.state_dict()),
        both(prefixed("module.encoder_k.", resnet(6)), prefixed("module.encoder_q.fc.", mlp()))), "optimizer": optimizer(moco)})
    moco3 = tree(module=tree(base_encoder=resnet()))
    out["MoCo v3"] = (moco3, ["state_dict"], lambda: {"state_dict": both(moco3.state_dict(),
        both(prefixed("module.momentum_encoder.", resnet(6)), prefixed("module.predictor.", mlp())))})
    swav = tree(module=resnet())
    out["SwAV"] = (swav, [], lambda: both(swav.state_dict(), both(prefixed("module.projection_head.", mlp()), {"module.prototypes.weight": torch.randn(3, 4)})))
    dino = tree(backbone=resnet())
    out["DINO"] = (dino, ["teacher"], lambda: {"student": prefixed("module.backbone.", resnet(6)), "teacher": both(dino.state_dict(), prefixed("head.mlp.", mlp())), "args": args, "epoch": 1})
    barlow = tree(module=tree(backbone=resnet()))
    out["Barlow Twins"] = (barlow, ["model"], lambda: {"epoch": 1, "model": both(barlow.state_dict(), prefixed("module.projector.", mlp())), "optimizer": optimizer(barlow)})
    vissl = tree(_feature_blocks=resnet())
    out["VISSL"] = (vissl, ["classy_state_dict", "base_model", "model", "trunk"],
        lambda: {"classy_state_dict": {"base_model": {"model": {"trunk": vissl.state_dict(), "heads": prefixed("0.clf.0.", mlp())}}}})
    lightly = tree(backbone=sequential(resnet()))
    out["lightly tutorials"] = (lightly, ["state_dict"], lambda: {"epoch": 1, "pytorch-lightning_version": "1.9", "state_dict": both(lightly.state_dict(), prefixed("projection_head.layers.", mlp()))})
    lightly2 = tree(backbone=resnet())
    out["lightly benchmarks"] = (lightly2, ["state_dict"], lambda: {"state_dict": both(lightly2.state_dict(), both(prefixed("backbone_momentum.", resnet(6)), prefixed("projection_head.layers.", mlp())))})
    solo = tree(backbone=resnet())
    out["solo-learn"] = (solo, ["state_dict"], lambda: {"state_dict": both(solo.state_dict(), both(prefixed("momentum_backbone.", resnet(6)), both(prefixed("classifier.", nn.Linear(512, 3)), prefixed("projector.", mlp()))))})
    sthalles = tree(backbone=resnet())
    out["sthalles/SimCLR"] = (sthalles, ["state_dict"], lambda: {"epoch": 1, "state_dict": both(sthalles.state_dict(), prefixed("backbone.fc.", mlp())), "optimizer": optimizer(sthalles)})
    spij = tree(encoder=resnet())
    out["spijkervet/SimCLR"] = (spij, [], lambda: both(spij.state_dict(), {"projector.0.weight": torch.randn(8, 512), "projector.2.weight": torch.randn(4, 8)}))
    mm = tree(backbone=resnet())
    out["mmpretrain"] = (mm, ["state_dict"], lambda: {"meta": {"epoch": 1, "config": "x"}, "state_dict": both(mm.state_dict(), both(prefixed("neck.", mlp()), prefixed("head.fc.", nn.Linear(4, 3))))})
    bolts = tree(encoder=resnet())
    out["Lightning Bolts"] = (bolts, ["state_dict"], lambda: {"state_dict": both(bolts.state_dict(), prefixed("projection.model.", mlp()))})
    d2 = Detectron(resnet())
    out["detectron2"] = (d2, ["model"], lambda: {"model": d2.state_dict(), "__author__": "MOCO", "matching_heuristics": True})
    return out


def run(*arguments):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, arguments))}: {done.stderr}{done.stdout}")
    return done.stdout


def load(path):
    safe = {"weights_only": True} if "weights_only" in inspect.signature(torch.load).parameters else {}
    return torch.load(path, map_location="cpu", **safe)


def bits(t):
    return t.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def same(got, want, what):
    assert list(got) == list(want), f"{what}: keys or their order differ: {set(got) ^ set(want)}"
    for key, t in want.items():
        g = got[key]
        assert g.dtype == t.dtype and g.shape == t.shape and bits(g) == bits(t), f"{what}: {key} differs"


def write_parts(folder, state):
    """safetensors in two parts, written by hand: the package is not needed."""
    names, weight_map = list(state), {}
    for i, part in enumerate((names[::2], names[1::2])):
        file = f"model-0000{i + 1}-of-00002.safetensors"
        header, at, blobs = {}, 0, []
        for name in part:
            raw = bits(state[name])
            kind = {torch.float32: "F32", torch.int64: "I64"}[state[name].dtype]
            header[name] = {"dtype": kind, "shape": list(state[name].shape), "data_offsets": [at, at + len(raw)]}
            at += len(raw)
            blobs.append(raw)
            weight_map[name] = file
        text = json.dumps(header).encode()
        (folder / file).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("onnxclr", type=pathlib.Path)
    binary = parser.parse_args().onnxclr.resolve()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        model, back = folder / "m.onnx", folder / "back.pth"

        def there_and_back(source, path, module, what, *flags):
            recognised = json.loads(run(binary, "convert", source, "-o", model, "--force", "--json"))
            run(binary, "export", model, "-o", back, "--force", *flags)
            state = load(back)
            for key in path:
                state = state[key]
            want = module.state_dict()
            same(state, want, what)
            module.load_state_dict(state, strict=True)
            print(f"{what:34} {recognised['layout']:22} {len(state)} tensors exact, strict load")

        for name, (module, path, make) in layouts().items():
            for form, options in (("", {}), (", pre-1.6", {"_use_new_zipfile_serialization": False})):
                source = folder / "in.pth"
                torch.save(make(), source, **options)
                there_and_back(source, path, module, name + form)
        for dtype in (torch.float16, torch.bfloat16, torch.float64):
            net = resnet(fc=True).to(dtype)
            if dtype == torch.float64:
                for p in net.parameters():
                    p.data += torch.randn_like(p) * 1e-10  # digits that float32 has not
            torch.save(net.state_dict(), folder / "in.pth")
            there_and_back(folder / "in.pth", [], net, str(dtype))
        amp = resnet(fc=True).half()
        for m in amp.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.float()
        torch.save(amp.state_dict(), folder / "in.pth")
        there_and_back(folder / "in.pth", [], amp, "float16 with float32 BatchNorm")
        net = resnet(fc=True)
        numpy.savez(folder / "in.npz", **{k: v.numpy() for k, v in net.state_dict().items()})
        there_and_back(folder / "in.npz", [], net, "npz")
        there_and_back(write_parts(folder, net.state_dict()), [], net, "safetensors in two parts")
        torch.save({"state_dict": tree(module=tree(encoder_q=resnet())).state_dict()}, folder / "in.pth")
        for name, (module, path, _) in layouts().items():
            flag = {"torchvision": None, "DataParallel": None, "torch.compile": None, "DirectCLR": "directclr", "MoCo v2": "moco",
                    "MoCo v3": "moco-v3", "SwAV": "swav", "DINO": "dino", "Barlow Twins": "barlow-twins", "VISSL": "vissl",
                    "lightly tutorials": "lightly-sequential", "lightly benchmarks": "lightly", "solo-learn": "solo-learn",
                    "sthalles/SimCLR": "simclr-sthalles", "spijkervet/SimCLR": "simclr-spijkervet", "mmpretrain": "mmpretrain",
                    "Lightning Bolts": "bolts", "detectron2": "detectron2"}[name]
            if flag:
                there_and_back(folder / "in.pth", path, module, "MoCo v2 to " + flag, "--layout", flag)
        there_and_back(folder / "in.pth", [], resnet(), "MoCo v2 to torchvision", "--layout", "torchvision")
    print(f"ok, torch {torch.__version__}, Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()

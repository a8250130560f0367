"""Checkpoints as torch.save itself writes them, for importer/torch and importer/safetensors.

Writes testdata/checkpoints/torch/<case>_<version>.pth and, from the newer PyTorch
only, <case>.safetensors with every tensor of the case as the safetensors package
writes it: contiguous, named by its path, keys joined by "/". Files of both
versions hold the same values.

Ran with: torch 1.13.0, numpy 1.24.2 (protocol 2 to 4) and torch 2.15.0, numpy 2.4.6,
safetensors 0.8.0. No random numbers.
Run with each Python, from the root of the repository:
    OMP_NUM_THREADS=1 python3 testdata/gen/checkpoints.py
"""
import argparse
import collections
import datetime
import pathlib
import warnings

import numpy as np
import torch
from torch import nn

warnings.filterwarnings("ignore")
OUT = pathlib.Path("testdata/checkpoints/torch")
NEW = not torch.__version__.startswith("1.")
VERSION = ".".join(torch.__version__.split(".")[:2])


def values(*shape, dtype=torch.float32, start=0):
    """-3.25, -2.5, ...: exact in every floating-point type, and not symmetric."""
    n = int(np.prod(shape, dtype=int))
    v = torch.arange(n, dtype=torch.float64) * 0.75 - 3.25 + start
    return v.to(dtype).reshape(shape)


def fill(module):
    """Gives every parameter and buffer its own values."""
    for i, t in enumerate(module.state_dict().values()):
        if t.dtype.is_floating_point:
            t.copy_(values(*t.shape, start=i))
        else:
            t.fill_(40 + i)
    return module


def stem():
    return fill(nn.Sequential(collections.OrderedDict(
        conv1=nn.Conv2d(3, 4, 3, bias=False), bn1=nn.BatchNorm2d(4), fc=nn.Linear(4, 5))))


def wrapper():
    model = nn.DataParallel(stem())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    for i, p in enumerate(model.parameters()):
        p.grad = values(*p.shape, start=-i)
    optimizer.step()
    fill(model)
    return {
        "epoch": 7, "arch": "resnet18", "best_acc1": torch.tensor(0.625), "none": None,
        "flags": [True, False, (1, 2.5, -3, 70000, -(2**40), 2**70, -(2**70))],
        "state_dict": model.state_dict(), "optimizer": optimizer.state_dict(),
        "args": argparse.Namespace(lr=0.1, data="/data/imagenet", gpu=None, schedule=[120, 160]),
    }


def views():
    base = values(4, 6)
    image = values(2, 3, 4, 5)
    tied = values(3)
    return {
        "base": base, "rows": base[1:3], "columns": base[:, 2:5], "transposed": base.t(),
        "steps": base[::2, ::3], "element": base[2, 3], "diagonal": base.diagonal(),
        "expanded": base[:, :1].expand(4, 3), "ones": values(1).expand(2, 2),
        "channels_last": image.contiguous(memory_format=torch.channels_last),
        "permuted": image.permute(3, 1, 0, 2), "one": values(1, 5, 1).transpose(0, 2),
        "empty": torch.zeros(0), "empty2": torch.zeros(2, 0, 3), "emptyview": base[4:],
        "tied": tied, "tied2": tied, "half_column": values(3, 3, dtype=torch.float16)[:, 1],
        "bool_column": (values(4, 3) > 0)[:, 2], "f64_t": values(2, 3, dtype=torch.float64).t(),
    }


def dtypes():
    names = "float32 float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool"
    d = {n: values(5, 2).clamp(min=0 if n == "uint8" else -9).to(getattr(torch, n)) for n in names.split()}
    d["special"] = torch.tensor([float("inf"), -float("inf"), float("nan"), -0.0, 1e-45, 3.4e38])
    d["scalar"] = torch.tensor(1 << 40)
    return d


def unsigned():
    return {n: torch.tensor([0, 1, 2**bits - 1]).to(getattr(torch, n)) if bits < 64
            else torch.tensor([0, 1, -1]).to(torch.uint64)
            for n, bits in (("uint16", 16), ("uint32", 32), ("uint64", 64))}


def parameters():
    noted = nn.Parameter(values(2, 2))
    noted.note = "kept on the parameter"
    return collections.OrderedDict(
        weight=nn.Parameter(values(3, 2)), frozen=nn.Parameter(values(2), requires_grad=False),
        strided=nn.Parameter(values(3, 2).t()), noted=noted, tensor=values(4).requires_grad_())


def attribute():
    t = values(3)
    t.note = "kept on the tensor"
    return {"t": t}


def plain():
    """Everything around tensors that is data."""
    counts = collections.defaultdict(list)
    counts["a"].append(1)
    return {
        "accuracy": np.float64(0.75), "single": np.float32(1.5), "step": np.int64(-5), "best": np.bool_(True),
        "array": np.arange(3.0), "path": pathlib.PurePosixPath("/data/x"), "device": torch.device("cuda:3"),
        "dtype": torch.float16, "size": torch.Size([2, 3]), "set": {1}, "frozen": frozenset([2]),
        "bytes": b"\x00\xffz", "bytearray": bytearray(b"ab"), "complex": 1 + 2j, "default": counts,
        "deque": collections.deque([1, 2], maxlen=5), "counter": collections.Counter("aab"),
        "delta": datetime.timedelta(seconds=5), "text": "Zürich \u2192 東京", (1, "key"): 1, 5: "five",
        "tensor": values(2),
    }


def flatten(prefix, v, out):
    if isinstance(v, torch.Tensor):
        out[prefix] = v.detach().clone().contiguous()
    elif isinstance(v, dict):
        for k, x in v.items():
            flatten(f"{prefix}/{k}" if prefix else str(k), x, out)
    elif isinstance(v, (list, tuple)):
        for i, x in enumerate(v):
            flatten(f"{prefix}/{i}", x, out)
    return out


def write(name, obj, expect=None, **options):
    torch.save(obj, OUT / f"{name}_{VERSION}.pth", **options)
    if NEW and expect:
        from safetensors.torch import save_file
        save_file(flatten("", obj, {}), OUT / f"{expect}.safetensors", metadata={"case": expect})


OUT.mkdir(parents=True, exist_ok=True)
write("state_dict", stem().state_dict(), "state_dict")
write("wrapper", wrapper(), "wrapper")
write("views", views(), "views")
write("dtypes", dtypes(), "dtypes")
write("parameters", parameters(), "parameters")
write("attribute", attribute(), "attribute")
write("plain", plain(), "plain")
for p in (3, 4, 5) if NEW else (3, 4):
    write(f"protocol{p}", wrapper(), pickle_protocol=p)
write("plain_protocol4", plain(), pickle_protocol=4)
legacy = {"_use_new_zipfile_serialization": False}
write("legacy", wrapper(), **legacy)
write("legacy_views", views(), **legacy)
write("legacy_dtypes", dtypes(), **legacy)
write("model", stem())
write("sparse", {"weight": values(2, 3).to_sparse()})
write("complex", {"weight": values(2).to(torch.complex64)})
if NEW:
    write("unsigned", unsigned(), "unsigned")
    torch.serialization.set_crc32_options(False)
    write("unchecked", stem().state_dict())
else:
    torch.jit.save(torch.jit.script(nn.Linear(1, 1)), str(OUT / f"torchscript_{VERSION}.pth"))

"""Reads testdata/checkpoints/safetensors/written.safetensors, which
importer/safetensors writes, with the Python package.

The file is what TestWrite compares its bytes with; after a change to the writer,
    go test ./importer/safetensors -run TestWrite -update
writes it anew and this script must pass, from the root of the repository:
    python3 testdata/gen/verify_safetensors.py
Passed with safetensors 0.8.0, torch 2.15.0.
"""
import safetensors
import torch
from safetensors.torch import load_file

path = "testdata/checkpoints/safetensors/written.safetensors"
t = load_file(path)
assert torch.equal(t["fc.weight"], torch.arange(6.0).reshape(2, 3) / 2) and t["fc.weight"].dtype == torch.float32
assert t["mask"].tolist() == [True, False, True] and t["mask"].dtype == torch.bool
assert t["half"].tolist() == [-1.5] and t["half"].dtype == torch.bfloat16
assert t["bn1.num_batches_tracked"].item() == 40 and t["bn1.num_batches_tracked"].shape == ()
assert t["empty"].shape == (0, 3) and t['quoted "é" <b>'].tolist() == [7] and len(t) == 6
with safetensors.safe_open(path, "pt") as f:
    assert f.metadata() == {"tool": "onnxclr", "a": "line\n\u2028", "format": "pt"}, f.metadata()
print("ok, safetensors", safetensors.__version__)

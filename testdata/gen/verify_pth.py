"""Loads testdata/checkpoints/torch/written*.pth, which importer/torch writes, with PyTorch.

The files are what TestWrite compares its bytes with; after a change to the writer,
    go test ./importer/torch -run TestWrite -update
writes them anew and this script must pass under every PyTorch at hand, from the root
of the repository:
    python3 testdata/gen/verify_pth.py [FILE]
Given a FILE, it is loaded the same way (weights_only=True) and listed instead.
Passed with torch 1.13.0 and 2.15.0.
"""
import collections
import sys
import zipfile

import torch

path = sys.argv[1] if len(sys.argv) > 1 else "testdata/checkpoints/torch/written.pth"
assert zipfile.ZipFile(path).testzip() is None, "a checksum is wrong"
loaded = torch.load(path, weights_only=True)
if not torch.__version__.startswith("1."):
    mapped = torch.load(path, weights_only=True, mmap=True)
    assert str(mapped) == str(loaded), "mmap=True gives something else"

if len(sys.argv) > 1:
    state = loaded.get("state_dict", loaded)
    for name, value in state.items():
        print(name, getattr(value, "dtype", type(value)), tuple(getattr(value, "shape", ())))
    sys.exit()


def same(t, dtype, values, shape=None):
    want = torch.tensor(values, dtype=dtype)
    want = want if shape is None else want.reshape(shape)
    assert t.dtype == dtype and t.shape == want.shape and torch.equal(t, want), (t, want)


state = loaded["state_dict"]
assert type(state) is collections.OrderedDict
assert list(state) == ["conv1.weight", "bn1.num_batches_tracked", "fc.bias", "tied.bias", "empty"]
same(state["conv1.weight"], torch.float32, [i * 0.5 - 3 for i in range(24)], (2, 3, 2, 2))
same(state["bn1.num_batches_tracked"], torch.int64, 12345)
same(state["fc.bias"], torch.float32, [-3, -2.5, -2])
same(state["empty"], torch.float32, [], (0, 3))
assert state["fc.bias"].data_ptr() == state["tied.bias"].data_ptr()
assert not state["fc.bias"].requires_grad
assert state._metadata == {"": {"version": 1}, "bn1": {"version": 2}}

kinds = loaded["kinds"]
same(kinds["float64"], torch.float64, [1.5])
same(kinds["float16"], torch.float16, [1, -2])
same(kinds["bfloat16"], torch.bfloat16, [1, -1.5])
same(kinds["int32"], torch.int32, [-1])
same(kinds["int16"], torch.int16, [-2])
same(kinds["int8"], torch.int8, [-3])
same(kinds["uint8"], torch.uint8, [252])
same(kinds["bool"], torch.bool, [False, True])

assert loaded["epoch"] == 7 and loaded["many"] == list(range(2500)) and loaded["text"] == "Zürich → 東京"
assert loaded["numbers"] == (255, 256, 65536, -1, 2**40, -(2**63), 2**70, -(2**64), True, False, None)
assert [type(v) for v in loaded["numbers"][-3:]] == [bool, bool, type(None)]
assert loaded["pairs"] == ((), (1,), (1, 2), (1, 2, 3)) and loaded[5] == "five"
assert loaded["shared"] is loaded["again"] == ["shared"]

# PyTorch 1.13's restricted unpickler knows no floats at all, whoever wrote them.
old = torch.__version__.startswith("1.")
floats = torch.load("testdata/checkpoints/torch/written_floats.pth", weights_only=not old)
assert floats == (0.1, -float("inf"), 5e-324)

module = torch.nn.Module()
module.register_buffer("count", torch.tensor(0))
module.load_state_dict({"count": state["bn1.num_batches_tracked"]}, strict=True)
print("ok, torch", torch.__version__)

"""Operators beside those of the ResNets, forward and backward, for internal/graph.

Run: OMP_NUM_THREADS=1 python3 testdata/gen/operators.py   (from the repository root)
Made with torch 1.13.0, numpy 1.24.2; seed 0.

As ops.py: inputs and the gradient dy at the output in float32; y and d<input> as
PyTorch computes them from these in float64. Arrays of a case share a prefix. x is the
input of the model, the others its parameters; internal/graph/operators_test.go says
which nodes a case is made of.
"""
import math
import os

import numpy as np
import torch
import torch.nn.functional as F

OUT = "testdata/golden/ops"
rng = np.random.default_rng(0)
torch.set_num_threads(1)
store = {}


def normal(*shape, scale=1.0, shift=0.0):
    return (rng.standard_normal(shape) * scale + shift).astype(np.float32)


def positive(*shape):
    return rng.uniform(0.3, 3, shape).astype(np.float32)


def record(case, forward, **inputs):
    leaves = {k: torch.tensor(v, dtype=torch.float64).requires_grad_() for k, v in inputs.items()}
    y = forward(*leaves.values())
    dy = normal(*y.shape)
    y.backward(torch.tensor(dy, dtype=torch.float64))
    for k, v in inputs.items():
        store[f"{case}/{k}"] = v
        store[f"{case}/d{k}"] = leaves[k].grad.numpy()
    store[f"{case}/dy"] = dy
    store[f"{case}/y"] = y.detach().numpy()


def save(name):
    path = os.path.join(OUT, f"operators_{name}.npz")
    np.savez_compressed(path, **store)
    size = os.path.getsize(path)
    assert size <= 200_000, size
    print(f"{path}: {size} bytes, {len(store)} arrays")
    store.clear()


# ---- of one element
wide = lambda: normal(2, 3, 4, 5, scale=3)
for name, f in {
    "Abs": torch.abs, "Celu": lambda x: F.celu(x, 0.7), "Elu": lambda x: F.elu(x, 0.7), "Erf": torch.erf, "Exp": torch.exp,
    "Gelu": F.gelu, "Gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "HardSigmoid": F.hardsigmoid, "HardSwish": F.hardswish,
    "LeakyRelu": lambda x: F.leaky_relu(x, 0.2), "Neg": torch.neg, "Selu": F.selu, "Sigmoid": torch.sigmoid, "Softplus": F.softplus,
    "Tanh": torch.tanh, "Clip": F.relu6, "Clip_one_side": lambda x: x.clamp(min=-1),
}.items():
    record(name, lambda x: f(x), x=wide())
record("Clip_at_the_bounds", F.relu6, x=np.array([[-1, 0, 3, 6, 7]], np.float32))
for name, f in {"Log": torch.log, "Sqrt": torch.sqrt, "Reciprocal": torch.reciprocal}.items():
    record(name, lambda x: f(x), x=positive(2, 3, 4))

# ---- of two, broadcast
for name, f in {"Add": torch.add, "Sub": torch.sub, "Mul": torch.mul, "Div": torch.div, "Max": torch.max, "Min": torch.min}.items():
    record(name, lambda x, w: f(x, w), x=normal(2, 3, 4, 5), w=positive(2, 3, 4, 5))
    record(name + "_channels", lambda x, w: f(x, w), x=normal(2, 3, 4, 5), w=positive(3, 1, 1))
    record(name + "_last", lambda x, w: f(x, w), x=normal(2, 3, 5), w=positive(5))
    record(name + "_both_ways", lambda x, w: f(x, w), x=normal(3, 1, 5), w=positive(2, 1, 4, 1))
    record(name + "_reversed", lambda x, w: f(w, x), x=positive(2, 3, 1, 1), w=normal(2, 3, 4, 5))
record("Max_tie", torch.max, x=np.array([[1, 2, 3]], np.float32), w=np.array([[1, 5, 3]], np.float32))
record("Pow", torch.pow, x=positive(3, 4), w=normal(3, 1))
record("Pow_square", lambda x: x**2, x=normal(3, 4))
record("Pow_root", lambda x: x**0.5, x=positive(3, 4))
record("Mul_gate", lambda x, w: x * torch.sigmoid(F.adaptive_avg_pool2d(x, 1) * w), x=normal(2, 3, 4, 5), w=normal(3, 1, 1))
record("Mul_itself", lambda x: x * torch.sigmoid(x), x=normal(2, 3, 4, 5))
record("Sum", lambda x, v, w: x + v + w, x=normal(2, 3), v=normal(3), w=normal(2, 1))
record("Mean", lambda x, v, w: (x + v + w) / 3, x=normal(2, 3), v=normal(3), w=normal(2, 1))

save("elementwise")

# ---- reductions
record("ReduceSum", lambda x: x.sum((1, 3)), x=normal(2, 3, 4, 5))
record("ReduceSum_keep", lambda x: x.sum((0, 2), keepdim=True), x=normal(2, 3, 4, 5))
record("ReduceMean", lambda x: x.mean(-1, keepdim=True), x=normal(2, 3, 4))
record("ReduceMean_tokens", lambda x: x.mean(1), x=normal(2, 3, 4))
record("ReduceMean_all", lambda x: x.mean().reshape(1), x=normal(2, 3, 4))

# ---- moves
record("Transpose", lambda x: x.permute(0, 2, 3, 1), x=normal(2, 3, 4, 5))
record("Transpose_back", lambda x: x.permute(0, 3, 1, 2), x=normal(2, 4, 5, 3))
record("Transpose_heads", lambda x: x.permute(0, 2, 1, 3), x=normal(2, 3, 4, 5))
record("Transpose_reversed", lambda x: x.permute(2, 1, 0), x=normal(2, 3, 4))
record("Slice_steps", lambda x: x[:, 1::2, :, 1:3], x=normal(2, 5, 3, 4))
record("Slice_backwards", lambda x: torch.flip(x, (1,))[:, ::2], x=normal(2, 5, 3))
record("Gather", lambda x: x[:, [0, 2, 2, 1]], x=normal(2, 3, 4))
record("Gather_token", lambda x: x[:, 0], x=normal(2, 3, 4))
record("Gather_grid", lambda x: x[torch.tensor([[0, 2], [1, 1]])], x=normal(3, 4))
record("Pad_constant", lambda x: F.pad(x, (1, 0, 2, 1), value=0.5), x=normal(2, 3, 4, 5))
record("Pad_reflect", lambda x: F.pad(x, (2, 1, 0, 3), mode="reflect"), x=normal(2, 3, 4, 5))
record("Pad_edge", lambda x: F.pad(x, (2, 1, 0, 3), mode="replicate"), x=normal(2, 3, 4, 5))
record("Pad_negative", lambda x: F.pad(x, (-1, 2, 1, -2)), x=normal(2, 3, 4, 5))
record("Expand", lambda x: x.expand(2, 3, 4), x=normal(3, 1))
record("Concat", lambda x, w: torch.cat([x, w, x], 1), x=normal(2, 3, 2, 2), w=normal(2, 2, 2, 2))
record("Concat_rows", lambda x, w: torch.cat([w, x], 0), x=normal(2, 3), w=normal(1, 3))
record("Concat_last", lambda x, w: torch.cat([w, x], -1), x=normal(2, 3, 4), w=normal(2, 3, 1))
record("Split", lambda x: x[:, :2] * x[:, 4:6] + x[:, 2:4], x=normal(2, 6, 3, 2))
record("Split_sizes", lambda x: torch.cat([x[..., 1:], x[..., :1]], -1), x=normal(2, 3, 4))

save("moves")

# ---- normalisations
record("Softmax", lambda x: F.softmax(x, -1), x=normal(2, 3, 4, 5, scale=4))
record("Softmax_channels", lambda x: F.softmax(x, 1), x=normal(2, 3, 4, 5))
record("Softmax_opset11", lambda x: F.softmax(x.flatten(1), -1).reshape(x.shape), x=normal(2, 3, 4))
record("LogSoftmax", lambda x: F.log_softmax(x, -1), x=normal(3, 5, scale=4))
record("LogSoftmax_first", lambda x: F.log_softmax(x, 0), x=normal(3, 5))
record("LayerNormalization", lambda x, w, b: F.layer_norm(x, (5,), w, b, 1e-6), x=normal(2, 3, 5, shift=2), w=normal(5, shift=1), b=normal(5))
record("LayerNormalization_no_bias", lambda x, w: F.layer_norm(x, (4, 5), w, None), x=normal(2, 3, 4, 5), w=normal(4, 5, shift=1))
record("LayerNormalization_2d", lambda x, w, b: F.layer_norm(x.permute(0, 2, 3, 1), (3,), w, b).permute(0, 3, 1, 2),
       x=normal(2, 3, 4, 5), w=normal(3, shift=1), b=normal(3))
record("LayerNormalization_decomposed", lambda x, w, b: F.layer_norm(x, (5,), w, b, 1e-5), x=normal(2, 3, 5), w=normal(5, shift=1), b=normal(5))
record("LRN", lambda x: F.local_response_norm(x, 3, 0.5, 0.75, 2), x=normal(2, 5, 3, 2, scale=2))

# ---- products
record("MatMul", lambda x, w: x @ w, x=normal(2, 3, 4), w=normal(2, 4, 5))
record("MatMul_broadcast", lambda x, w: x @ w, x=normal(2, 1, 3, 4), w=normal(3, 4, 2))
record("MatMul_weight", lambda x, w: x @ w, x=normal(2, 3, 4), w=normal(4, 5))
record("MatMul_vector", lambda x, w: x @ w, x=normal(2, 3, 4), w=normal(4))
record("MatMul_row", lambda x, w: x @ w, x=normal(4), w=normal(2, 4, 3))
record("MatMul_attention", lambda x: F.softmax(x @ x.transpose(-1, -2) / math.sqrt(4), -1) @ x, x=normal(2, 2, 3, 4))
record("Gemm", lambda x, w, c: 0.5 * x.T @ w.T + 2 * c, x=normal(4, 3), w=normal(5, 4), c=normal(3, 1))
record("Gemm_matrix", lambda x, w, c: x @ w + c, x=normal(3, 4), w=normal(4, 5), c=normal(3, 5))

# ---- windows
record("AveragePool", lambda x: F.avg_pool2d(x, 2, 2), x=normal(2, 3, 6, 5))
record("AveragePool_pads", lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), x=normal(2, 3, 7, 6))
record("AveragePool_include", lambda x: F.avg_pool2d(x, 3, 2, 1), x=normal(2, 3, 7, 6))
record("AveragePool_ceil", lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True), x=normal(2, 3, 6, 8))
record("AveragePool_1d", lambda x: F.avg_pool1d(x, 3, 2, 1), x=normal(2, 3, 9))
record("AveragePool_3d", lambda x: F.avg_pool3d(x, 2, 1, 1, count_include_pad=False), x=normal(1, 2, 3, 4, 3))
record("MaxPool_1d", lambda x: F.max_pool1d(x, 3, 2, 1, 2), x=normal(2, 3, 9))
record("MaxPool_3d", lambda x: F.max_pool3d(x, 2, 2, 1, 1, True), x=normal(1, 2, 4, 5, 3))
record("GlobalMaxPool", lambda x: x.amax((2, 3), keepdim=True), x=normal(2, 3, 4, 5))
record("GlobalAveragePool_1d", lambda x: x.mean(2, keepdim=True), x=normal(2, 3, 5))
record("Conv_1d", lambda x, w, b: F.conv1d(x, w, b, 2, 1, 2), x=normal(2, 3, 9), w=normal(4, 3, 3), b=normal(4))
record("Conv_3d", lambda x, w, b: F.conv3d(x, w, b, (1, 2, 1), 1, 1, 2), x=normal(2, 4, 3, 4, 5), w=normal(2, 2, 3, 2, 3), b=normal(2))
record("BatchNormalization_1d", lambda x, w, b: F.batch_norm(x, torch.full((3,), 0.25, dtype=torch.float64), torch.full((3,), 2.0, dtype=torch.float64), w, b),
       x=normal(2, 3, 5), w=normal(3), b=normal(3))

save("layers")
print(torch.__version__, np.__version__)

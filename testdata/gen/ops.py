"""Every operator of the training graph, forward and backward, for
internal/kernel/reference and internal/graph.

Run: OMP_NUM_THREADS=1 python3 testdata/gen/ops.py   (from the repository root)
Made with torch 1.13.0, numpy 1.24.2; seed 0.

Inputs and the gradient dy that arrives at the output are stored in float32. What
PyTorch computes from them, it computes in float64, and is stored as such: y, and
d<input> for each differentiated input. Arrays of one case share a prefix,
"3x3_stride2/x"; integers that describe the case are in ".../shape" or
".../window", in the order its section says.
"""
import os

import numpy as np
import torch
import torch.nn.functional as F

OUT = "testdata/golden/ops"
rng = np.random.default_rng(0)
torch.set_num_threads(1)


def normal(*shape, scale=1.0, shift=0.0):
    return (rng.standard_normal(shape) * scale + shift).astype(np.float32)


def wide(a):
    return torch.tensor(a, dtype=torch.float64)


def record(store, case, forward, inputs, constants=None):
    """Runs forward on float64 copies of inputs, and backward from a random dy."""
    leaves = {k: wide(v).requires_grad_() for k, v in inputs.items()}
    y = forward(**leaves)
    dy = normal(*y.shape)
    y.backward(wide(dy))
    for k, v in inputs.items():
        store[f"{case}/{k}"] = v
        store[f"{case}/d{k}"] = leaves[k].grad.numpy()
    store[f"{case}/dy"] = dy
    store[f"{case}/y"] = y.detach().numpy()
    for k, v in (constants or {}).items():
        store[f"{case}/{k}"] = v


def save(name, store):
    path = os.path.join(OUT, name + ".npz")
    np.savez(path, **store)
    size = os.path.getsize(path)
    assert size <= 200_000, (name, size)
    print(f"{name}: {size} bytes, {len(store)} arrays")


def integers(*v):
    return np.array(v, np.int64)


# ---- Conv. shape: N C H W K R S strides[2] dilations[2] pads[top left bottom right] groups
store = {}
for name, n, c, h, w, k, r, s, stride, dilation, pads, groups, bias in [
    ("1x1", 2, 3, 5, 4, 4, 1, 1, (1, 1), (1, 1), (0, 0, 0, 0), 1, False),
    ("1x1_stride2_odd", 2, 4, 5, 7, 3, 1, 1, (2, 2), (1, 1), (0, 0, 0, 0), 1, False),
    ("3x3", 2, 3, 6, 5, 4, 3, 3, (1, 1), (1, 1), (1, 1, 1, 1), 1, False),
    ("3x3_bias", 1, 2, 4, 4, 3, 3, 3, (1, 1), (1, 1), (1, 1, 1, 1), 1, True),
    ("3x3_stride2_even", 2, 3, 8, 6, 4, 3, 3, (2, 2), (1, 1), (1, 1, 1, 1), 1, False),
    ("3x3_stride2_odd", 2, 3, 7, 9, 2, 3, 3, (2, 2), (1, 1), (1, 1, 1, 1), 1, True),
    ("7x7_stride2", 2, 3, 14, 13, 4, 7, 7, (2, 2), (1, 1), (3, 3, 3, 3), 1, False),
    ("7x7_image_smaller_than_filter", 1, 2, 3, 2, 2, 7, 7, (1, 1), (1, 1), (3, 3, 3, 3), 1, False),
    ("3x3_groups2", 2, 4, 5, 5, 6, 3, 3, (1, 1), (1, 1), (1, 1, 1, 1), 2, True),
    ("3x3_depthwise_stride2", 2, 4, 6, 6, 4, 3, 3, (2, 2), (1, 1), (1, 1, 1, 1), 4, False),
    ("3x3_dilation2", 1, 2, 7, 8, 3, 3, 3, (1, 1), (2, 2), (2, 2, 2, 2), 1, False),
    ("3x3_dilation2_stride2_groups2", 1, 4, 9, 8, 4, 3, 3, (2, 2), (2, 2), (2, 2, 2, 2), 2, False),
    ("3x2_rectangular", 2, 2, 6, 7, 3, 3, 2, (2, 1), (1, 2), (0, 1, 0, 1), 1, False),
    ("3x3_asymmetric_pads", 2, 2, 5, 6, 3, 3, 3, (2, 2), (1, 1), (0, 1, 2, 3), 1, True),
    ("2x2_unread_border", 1, 2, 5, 5, 2, 2, 2, (2, 2), (1, 1), (0, 0, 0, 0), 1, False),
    ("1x1_on_1x1", 4, 6, 1, 1, 5, 1, 1, (1, 1), (1, 1), (0, 0, 0, 0), 1, False),
]:
    inputs = {"x": normal(n, c, h, w), "w": normal(k, c // groups, r, s, scale=0.5)}
    if bias:
        inputs["b"] = normal(k)
    top, left, bottom, right = pads

    def conv(x, w, b=None):
        return F.conv2d(F.pad(x, (left, right, top, bottom)), w, b, stride, 0, dilation, groups)

    record(store, name, conv, inputs, {"shape": integers(n, c, h, w, k, r, s, *stride, *dilation, *pads, groups)})
save("conv", store)

# ---- BatchNormalization. shape: views N C pixels. Statistics of each view of the
# batch by themselves; running statistics updated view after view, as when the
# module sees one view after the other. mean0, var0: before; mean1, var1: after.
store = {}
for name, views, n, c, spatial, eps, momentum, shift in [
    ("train", 1, 4, 3, (3, 2), 1e-5, 0.1, 0.0),
    ("train_2_views", 2, 6, 3, (2, 3), 1e-5, 0.1, 0.3),
    ("train_2_views_momentum0.3_eps1e-3", 2, 4, 2, (3, 3), 1e-3, 0.3, 0.0),
    ("train_far_from_zero", 2, 8, 2, (4, 4), 1e-5, 0.1, 20.0),
    ("train_2_values", 2, 4, 3, (), 1e-5, 0.1, 0.0),
    ("train_1d", 1, 8, 5, (), 1e-5, 0.1, 0.5),
    ("train_1d_2_views", 2, 12, 5, (), 1e-5, 0.1, 0.5),
]:
    bn = (torch.nn.BatchNorm2d if spatial else torch.nn.BatchNorm1d)(c, eps, momentum).double()
    mean0, var0 = normal(c), (normal(c) ** 2 + 0.5).astype(np.float32)
    bn.running_mean.copy_(torch.tensor(mean0))
    bn.running_var.copy_(torch.tensor(var0))
    pixels = int(np.prod(spatial))

    def batchnorm(x, gamma, beta):
        y = []
        for view in x.chunk(views):
            y.append(F.batch_norm(view, bn.running_mean, bn.running_var, gamma, beta, True, momentum, eps))
        return torch.cat(y)

    x = normal(n, c, *spatial, shift=shift)
    constants = {"shape": integers(views, n, c, pixels), "eps": np.float64(eps), "momentum": np.float64(momentum),
                 "mean0": mean0, "var0": var0}
    record(store, name, batchnorm, {"x": x, "gamma": normal(c, shift=1), "beta": normal(c)}, constants)
    store[f"{name}/mean1"] = bn.running_mean.numpy()
    store[f"{name}/var1"] = bn.running_var.numpy()
save("batchnorm_train", store)

store = {}
for name, n, c, spatial, eps in [("eval", 3, 4, (2, 3), 1e-5), ("eval_1d_eps1e-3", 4, 5, (), 1e-3)]:
    mean, var = normal(c), (normal(c) ** 2 + 0.1).astype(np.float32)

    def frozen(x, gamma, beta):
        return F.batch_norm(x, wide(mean), wide(var), gamma, beta, False, 0.0, eps)

    record(store, name, frozen, {"x": normal(n, c, *spatial), "gamma": normal(c, shift=1), "beta": normal(c)},
           {"shape": integers(1, n, c, int(np.prod(spatial))), "eps": np.float64(eps), "mean": mean, "var": var})
save("batchnorm_eval", store)

# ---- MaxPool. window: N C H W R S strides[2] dilations[2] pads[4] ceil
store = {}
for name, n, c, h, w, r, s, stride, dilation, pads, ceil, kind in [
    ("3x3_stride2_pad1", 2, 3, 8, 7, 3, 3, (2, 2), (1, 1), (1, 1, 1, 1), 0, "normal"),
    ("3x3_stride2_pad1_ties", 2, 2, 8, 8, 3, 3, (2, 2), (1, 1), (1, 1, 1, 1), 0, "ties"),
    ("3x3_stride2_pad1_negative", 1, 2, 6, 6, 3, 3, (2, 2), (1, 1), (1, 1, 1, 1), 0, "negative"),
    ("3x3_stride1_pad1_constant", 1, 1, 4, 4, 3, 3, (1, 1), (1, 1), (1, 1, 1, 1), 0, "constant"),
    ("2x2_stride2", 2, 2, 6, 5, 2, 2, (2, 2), (1, 1), (0, 0, 0, 0), 0, "normal"),
    ("3x3_stride2_ceil", 2, 2, 6, 8, 3, 3, (2, 2), (1, 1), (0, 0, 0, 0), 1, "normal"),
    ("3x3_stride2_pad1_ceil", 1, 2, 6, 7, 3, 3, (2, 2), (1, 1), (1, 1, 1, 1), 1, "ties"),
    ("2x2_stride3_pad1_ceil_drops_window", 1, 2, 5, 6, 2, 2, (3, 3), (1, 1), (1, 1, 1, 1), 1, "normal"),
    ("3x3_dilation2", 1, 2, 8, 7, 3, 3, (1, 1), (2, 2), (1, 1, 1, 1), 0, "normal"),
    ("3x2_rectangular", 2, 2, 7, 6, 3, 2, (2, 1), (1, 1), (1, 0, 1, 0), 0, "normal"),
    ("3x3_asymmetric_pads", 1, 2, 6, 6, 3, 3, (2, 2), (1, 1), (0, 0, 1, 1), 0, "negative"),
    ("3x3_stride2_pad1_nan", 1, 1, 6, 6, 3, 3, (2, 2), (1, 1), (1, 1, 1, 1), 0, "nan"),
]:
    x = {"normal": lambda: normal(n, c, h, w),
         "ties": lambda: np.maximum(np.round(normal(n, c, h, w)), 0),
         "negative": lambda: -np.abs(normal(n, c, h, w)) - 1,
         "constant": lambda: np.full((n, c, h, w), 0.5, np.float32),
         "nan": lambda: normal(n, c, h, w)}[kind]()
    if kind == "nan":
        x[0, 0, 2, 3] = x[0, 0, 2, 4] = np.nan
    top, left, bottom, right = pads

    def maxpool(x):
        if (top, left) == (bottom, right):
            return F.max_pool2d(x, (r, s), stride, (top, left), dilation, bool(ceil))
        x = F.pad(x, (left, right, top, bottom), value=-np.inf)
        return F.max_pool2d(x, (r, s), stride, 0, dilation, bool(ceil))

    record(store, name, maxpool, {"x": x}, {"window": integers(n, c, h, w, r, s, *stride, *dilation, *pads, ceil)})
save("maxpool", store)

# ---- The others. shape as each line says.
store = {}
x = normal(3, 4, 2, 3)
x[0, 0] = 0  # the gradient at 0 is 0
record(store, "relu", lambda x: F.relu(x), {"x": x})
record(store, "add", lambda a, b: a + b, {"a": normal(2, 3, 2, 2), "b": normal(2, 3, 2, 2)})
record(store, "add_twice", lambda a: a + a, {"a": normal(2, 3)})
record(store, "globalaveragepool", lambda x: F.adaptive_avg_pool2d(x, 1), {"x": normal(3, 5, 4, 3)},
       {"shape": integers(15, 12)})  # N·C, H·W
record(store, "globalaveragepool_1x1", lambda x: F.adaptive_avg_pool2d(x, 1), {"x": normal(3, 5, 1, 1)},
       {"shape": integers(15, 1)})
for name, n, i, o, bias in [("linear", 5, 7, 4, True), ("linear_no_bias", 3, 6, 5, False), ("linear_1", 1, 3, 2, True)]:
    inputs = {"x": normal(n, i), "w": normal(o, i)}
    if bias:
        inputs["b"] = normal(o)
    record(store, name, lambda x, w, b=None: F.linear(x, w, b), inputs, {"shape": integers(n, i, o)})
for name, rows, cols, a, b in [("slice_head", 4, 9, 0, 5), ("slice_middle", 3, 8, 2, 6), ("slice_all", 2, 4, 0, 4)]:
    record(store, name, lambda x: x[:, a:b], {"x": normal(rows, cols)}, {"shape": integers(rows, cols, a, b)})
z = normal(5, 6)
z[1] = 0
z[2] *= 1e-14  # shorter than normalize's eps: divided by 1e-12
record(store, "normalize", lambda x: F.normalize(x, dim=1), {"x": z}, {"shape": integers(5, 6)})
for name, ta, tb, alpha, beta in [("gemm_nn", 0, 0, 1, 0), ("gemm_nt", 0, 1, 0.5, 1), ("gemm_tn", 1, 0, 2, 0.25), ("gemm_tt", 1, 1, 1, 1)]:
    m, n, k = 3, 4, 5

    def gemm(a, b, c):
        return alpha * (a.T if ta else a) @ (b.T if tb else b) + beta * c

    record(store, name, gemm, {"a": normal(*((k, m) if ta else (m, k))), "b": normal(*((n, k) if tb else (k, n))), "c": normal(m, n)},
           {"shape": integers(ta, tb, m, n, k), "scale": np.array([alpha, beta], np.float64)})
save("others", store)
print(torch.__version__, np.__version__)

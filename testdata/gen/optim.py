"""Ten steps of SGD, AdamW and LARS, and learning-rate schedules, for the package train.

Run: python3 testdata/gen/optim.py   (from the repository root)
Made with torch 1.13.0, numpy 1.24.2; seed 20240611.

SGD and AdamW are torch.optim's, clipping is torch.nn.utils.clip_grad_norm_. LARS, of
which torch has none, is written here from the formulas of its four variants (named in
lars below) in float64, once, and in float32; the golden values are the float64 ones,
"spread" the largest distance of the float32 run.
"""
import fnmatch
import math
import os

import numpy as np
import torch

OUT = "testdata/golden/train"
STEPS = 10
# A filter, a matrix, a bias, a gain of one channel, an all-zero matrix (its norm is
# 0 at step 0) and a matrix whose gradient is zero throughout.
SHAPES = {
    "conv.weight": (4, 3, 3, 3),
    "fc.weight": (5, 4),
    "fc.bias": (5,),
    "bn.weight": (1,),
    "zero.weight": (3, 2),
    "still.weight": (2, 3),
}
LRS = [0.0, 0.05, 0.1, 0.1, 0.3, 0.2, 0.1, 0.05, 0.01, 0.001]

rng = np.random.RandomState(20240611)
init, grads = {}, {}
for name, shape in SHAPES.items():
    init[name] = rng.randn(*shape).astype("f4")
    grads[name] = rng.randn(STEPS, *shape).astype("f4")
init["zero.weight"][:] = 0
grads["still.weight"][:] = 0


def rule(name, v, wd, exclude, groups):
    """Learning-rate factor, weight decay and whether LARS scales."""
    out = [1.0, 0.0 if exclude and v.ndim == 1 else wd, not (exclude and v.ndim == 1)]
    for pattern, factor, decay, adapt in groups:
        if fnmatch.fnmatchcase(name, pattern):
            return [factor, out[1] if decay is None else decay, out[2] if adapt is None else adapt]
    return out


def torch_optimizer(make, wd, exclude=False, groups=(), clip=0.0):
    p = {n: torch.nn.Parameter(torch.from_numpy(v.copy())) for n, v in init.items()}
    rules = {n: rule(n, v, wd, exclude, groups) for n, v in p.items()}
    opt = make([{"params": [v], "weight_decay": rules[n][1], "factor": rules[n][0]} for n, v in p.items()])
    trace = {n: [] for n in p}
    for step in range(STEPS):
        for g in opt.param_groups:
            g["lr"] = LRS[step] * g["factor"]
        for n, v in p.items():
            v.grad = torch.from_numpy(grads[n][step].copy())
        if clip:
            torch.nn.utils.clip_grad_norm_(p.values(), clip)
        opt.step()
        for n, v in p.items():
            trace[n].append(v.detach().numpy().copy())
    return {n: np.stack(t) for n, t in trace.items()}


def lars(dtype, momentum, wd, eta, exclude, variant="directclr", groups=(), clip=0.0):
    """directclr: q = eta*|p|/|g + wd*p|, 1 where a norm is 0. google: the same, lr inside
    the moving sum. bolts: q = eta*|p|/(|g| + wd*|p| + 1e-8), neither q nor decay where a
    norm or wd is 0. solo-learn: as bolts, whatever wd is, and q = min(q/lr, 1)."""
    p = {n: v.astype(dtype) for n, v in init.items()}
    m = {n: np.zeros_like(v) for n, v in p.items()}
    trace = {n: [] for n in p}
    for step in range(STEPS):
        g = {n: grads[n][step].astype(dtype) for n in p}
        if clip:
            total = np.sqrt(sum(float(np.sum(np.square(v, dtype="f8"))) for v in g.values()))
            g = {n: v * dtype(min(clip / (total + 1e-6), 1.0)) for n, v in g.items()}
        for n in p:
            factor, decay, adapt = rule(n, p[n], wd, exclude, groups)
            lr = LRS[step] * factor
            norm, d, q = np.linalg.norm(p[n]), g[n], 1.0
            if variant in ("directclr", "google"):
                d = d + dtype(decay) * p[n]
                if adapt and norm > 0 and np.linalg.norm(d) > 0:
                    q = eta * norm / np.linalg.norm(d)
            elif not adapt:
                d = d + dtype(decay) * p[n]
            elif norm != 0 and np.linalg.norm(d) != 0 and (decay != 0 or variant == "solo-learn"):
                q = eta * norm / (np.linalg.norm(d) + norm * decay + 1e-8)
                if variant == "solo-learn":
                    q = min(q / lr, 1.0) if lr else 1.0
                d = d + dtype(decay) * p[n]
            d = d * dtype(q)
            if variant == "google":
                m[n] = dtype(momentum) * m[n] + dtype(lr) * d
                p[n] = p[n] - m[n]
            else:
                m[n] = dtype(momentum) * m[n] + d
                p[n] = p[n] - dtype(lr) * m[n]
            trace[n].append(p[n].copy())
    return {n: np.stack(t) for n, t in trace.items()}


arrays = {"lr": np.array(LRS)}
for n in SHAPES:
    arrays["init/" + n] = init[n]
    arrays["grad/" + n] = grads[n]
def sgd(momentum, nesterov):
    return lambda groups: torch.optim.SGD(groups, lr=1, momentum=momentum, nesterov=nesterov)


def adamw(beta1, beta2, eps):
    return lambda groups: torch.optim.AdamW(groups, lr=1, betas=(beta1, beta2), eps=eps)


# pattern, learning-rate factor, weight decay, LARS
GROUPS = [("fc.*", 3.0, 0.2, None), ("*.weight", 0.5, None, False)]
TORCH = {
    "sgd": (sgd(0.9, False), 1e-2),
    "sgd_nesterov": (sgd(0.9, True), 1e-2),
    "sgd_plain": (sgd(0.0, False), 0.0),
    "sgd_exclude": (sgd(0.9, False), 0.1, True),
    "sgd_groups": (sgd(0.9, False), 0.1, True, GROUPS),
    "sgd_clip": (sgd(0.9, False), 1e-2, False, (), 2.0),
    "adamw": (adamw(0.9, 0.999, 1e-8), 1e-2),
    "adamw_exclude": (adamw(0.8, 0.95, 1e-3), 0.1, True),
    "adamw_groups": (adamw(0.9, 0.999, 1e-8), 0.1, True, GROUPS),
    "adamw_clip": (adamw(0.9, 0.999, 1e-1), 1e-2, False, (), 2.0),
}
for name, args in TORCH.items():
    for n, t in torch_optimizer(*args).items():
        arrays[f"{name}/{n}"] = t
LARS = {  # momentum, weight decay, eta, exclude 1-d
    "lars": (0.9, 1e-2, 0.5, True),
    "lars_all": (0.9, 1e-2, 0.5, False),
    "lars_nodecay": (0.9, 0.0, 0.5, True),  # still.weight: |d| = 0
    "lars_clip": (0.9, 1e-1, 0.5, True, "directclr", (), 2.0),
    "lars_groups": (0.9, 1e-1, 0.5, True, "directclr", GROUPS),
    "google": (0.9, 1e-2, 0.5, True, "google"),
    "google_all": (0.9, 1e-2, 0.5, False, "google"),
    "bolts": (0.9, 1e-2, 0.5, True, "bolts"),
    "bolts_all": (0.9, 1e-2, 0.5, False, "bolts"),
    "bolts_nodecay": (0.9, 0.0, 0.5, False, "bolts"),
    "bolts_clip": (0.9, 1e-1, 0.5, True, "bolts", (), 2.0),
    "solo": (0.9, 1e-2, 0.05, True, "solo-learn"),  # the cut at 1 acts at lr 0.01, 0.001
    "solo_all": (0.9, 1e-2, 0.05, False, "solo-learn"),
    "solo_nodecay": (0.9, 0.0, 0.05, True, "solo-learn"),
}
spread, lars_arrays = 0.0, {}
for name, args in LARS.items():
    wide, narrow = lars(np.float64, *args), lars(np.float32, *args)
    for n in wide:
        lars_arrays[f"{name}/{n}"] = wide[n]
        spread = max(spread, np.abs(wide[n] - narrow[n]).max() / max(np.abs(wide[n]).max(), 1e-30))
os.makedirs(OUT, exist_ok=True)
np.savez_compressed(os.path.join(OUT, "optim.npz"), **arrays)
np.savez_compressed(os.path.join(OUT, "lars.npz"), **lars_arrays)

# The published schedule: 10 warm-up epochs of 7 steps, 30 epochs, lr 4.8.
base, per, epochs, warm_epochs = 4.8, 7, 30, 10
warm, total, lr = warm_epochs * per, epochs * per, []
for step in range(total):
    if step < warm:
        lr.append(base * step / warm)
    else:
        s, t = step - warm, total - warm
        q = 0.5 * (1 + math.cos(math.pi * s / t))
        lr.append(base * q + base * 0.001 * (1 - q))
# torch's own schedulers, one warm-up step count of 0: MultiStepLR at 0.6 and 0.8.
opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
sched = torch.optim.lr_scheduler.MultiStepLR(opt, milestones=[60, 80], gamma=0.1)
steps = []
for _ in range(100):
    steps.append(opt.param_groups[0]["lr"])
    opt.step()
    sched.step()
np.savez_compressed(os.path.join(OUT, "schedule.npz"), cosine=np.array(lr), step=np.array(steps))
print(torch.__version__, np.__version__, "float32 LARS differs from float64 by", spread)

"""Ten steps of SGD and LARS, and learning-rate schedules, for the package train.

Run: python3 testdata/gen/optim.py   (from the repository root)
Made with torch 1.13.0, numpy 1.24.2; seed 20240611.

SGD is torch.optim.SGD itself. LARS is written here from its formula (decay first,
trust ratio eta*|p|/|d| without epsilon, 1 where a norm is 0, one-dimensional
parameters neither decayed nor scaled) in float64, once, and in float32; the golden
values are the float64 ones, "spread" the largest distance of the float32 run.
"""
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


def sgd(momentum, nesterov, wd, exclude):
    p = {n: torch.nn.Parameter(torch.from_numpy(v.copy())) for n, v in init.items()}
    decayed = [v for n, v in p.items() if not (exclude and v.ndim == 1)]
    rest = [v for n, v in p.items() if exclude and v.ndim == 1]
    groups = [{"params": decayed, "weight_decay": wd}] + ([{"params": rest, "weight_decay": 0}] if rest else [])
    opt = torch.optim.SGD(groups, lr=1, momentum=momentum, nesterov=nesterov)
    trace = {n: [] for n in p}
    for step in range(STEPS):
        for g in opt.param_groups:
            g["lr"] = LRS[step]
        for n, v in p.items():
            v.grad = torch.from_numpy(grads[n][step].copy())
        opt.step()
        for n, v in p.items():
            trace[n].append(v.detach().numpy().copy())
    return {n: np.stack(t) for n, t in trace.items()}


def lars(dtype, momentum, wd, eta, exclude):
    p = {n: v.astype(dtype) for n, v in init.items()}
    m = {n: np.zeros_like(v) for n, v in p.items()}
    trace = {n: [] for n in p}
    for step in range(STEPS):
        for n in p:
            d = grads[n][step].astype(dtype)
            if not (exclude and p[n].ndim == 1):
                d = d + dtype(wd) * p[n]
                np_, nd = np.linalg.norm(p[n]), np.linalg.norm(d)
                q = eta * np_ / nd if np_ > 0 and nd > 0 else 1.0
                d = d * dtype(q)
            m[n] = dtype(momentum) * m[n] + d
            p[n] = p[n] - dtype(LRS[step]) * m[n]
            trace[n].append(p[n].copy())
    return {n: np.stack(t) for n, t in trace.items()}


arrays = {"lr": np.array(LRS)}
for n in SHAPES:
    arrays["init/" + n] = init[n]
    arrays["grad/" + n] = grads[n]
SGD = {  # momentum, nesterov, weight decay, exclude 1-d
    "sgd": (0.9, False, 1e-2, False),
    "sgd_nesterov": (0.9, True, 1e-2, False),
    "sgd_plain": (0.0, False, 0.0, False),
    "sgd_exclude": (0.9, False, 0.1, True),
}
for name, args in SGD.items():
    for n, t in sgd(*args).items():
        arrays[f"{name}/{n}"] = t
LARS = {  # momentum, weight decay, eta, exclude 1-d
    "lars": (0.9, 1e-2, 0.5, True),
    "lars_all": (0.9, 1e-2, 0.5, False),
    "lars_nodecay": (0.9, 0.0, 0.5, True),  # still.weight: |d| = 0
}
spread = 0.0
for name, args in LARS.items():
    wide, narrow = lars(np.float64, *args), lars(np.float32, *args)
    for n in wide:
        arrays[f"{name}/{n}"] = wide[n]
        spread = max(spread, np.abs(wide[n] - narrow[n]).max() / max(np.abs(wide[n]).max(), 1e-30))
os.makedirs(OUT, exist_ok=True)
np.savez_compressed(os.path.join(OUT, "optim.npz"), **arrays)

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

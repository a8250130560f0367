#!/usr/bin/env python3
"""What a step of analysis/theory's toy networks does, as a loop in PyTorch: float64, one
thread, autograd. Prints microseconds a step, of the wall and of the processor.

    python3 bench/theory_torch.py [steps]

The same by "go test ./analysis/theory -run - -bench Step -cpu 1".
"""
import sys
import time

import torch

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
N, D, POOL = 128, 16, 10000


def eq2(z, zp):
    """The paper's equation 2, averaged over anchors: the negatives are of the anchor's own view."""
    near = -(z - zp).square().sum(1) / 2
    square = z.square().sum(1) / 2
    logits = z @ z.T - square[:, None] - square[None, :]
    logits = torch.diagonal_scatter(logits, near)
    return (torch.logsumexp(logits, 1) - near).mean()


def dot(z, zp, temperature=0.1):
    """The loss of the paper's published toy programs."""
    return torch.nn.functional.cross_entropy(z @ zp.T / temperature, torch.arange(len(z)))


def spectral(decay=0.35):
    u, v = (torch.linalg.qr(torch.randn(D, D))[0] for _ in range(2))
    return u @ torch.diag(torch.exp(-decay * torch.arange(D))) @ v.T


def uniform(scale=0.25):
    return scale * (2 * torch.rand(D, D) - 1)


def case(layers, init, loss, rate, variance, noise, both, relu=False):
    torch.manual_seed(0)
    weights = [init().requires_grad_() for _ in range(layers)]
    pool = variance**0.5 * torch.randn(POOL, D)
    deviation = noise.sqrt()
    optimizer = torch.optim.SGD(weights, lr=rate)

    def step():
        x = pool[torch.randperm(POOL)[:N]]
        a, b = x, x + deviation * torch.randn(N, D)
        if both:
            a = x + deviation * torch.randn(N, D)
        for i, w in enumerate(weights):
            if relu and i > 0:
                a, b = a.relu(), b.relu()
            a, b = a @ w.T, b @ w.T
        value = loss(a, b)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()

    return step


CASES = {
    "strong augmentation (1 layer, eq2)": (1, uniform, eq2, 0.05, 0.5, torch.cat([torch.zeros(D // 2), torch.ones(D // 2)]), False),
    "alignment (2 layers, eq2)": (2, lambda: 0.3 * spectral(0.1), eq2, 0.1, 1.0, torch.linspace(0.05, 0.5, D), False),
    "dynamics (2 layers, eq2)": (2, spectral, eq2, 0.05, 1.0, torch.full((D,), 1e-3), False),
}
for relu in False, True:
    for layers in 1, 2, 3, 4:
        CASES[f"depth ({layers} layers, dot{', ReLU' * relu})"] = (layers, spectral, dot, 0.01, 1.0, torch.full((D,), 1e-6), True, relu)


def main():
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for name, settings in CASES.items():
        step = case(*settings)
        for _ in range(50):
            step()
        runs = []
        for _ in range(5):
            wall, processor = time.perf_counter(), time.process_time()
            for _ in range(steps):
                step()
            runs.append([(time.perf_counter() - wall) / steps, (time.process_time() - processor) / steps])
        wall, processor = (sorted(r[i] * 1e6 for r in runs) for i in range(2))
        print(f"{name}: wall {wall[2]:.0f} µs ({wall[0]:.0f}–{wall[-1]:.0f}), processor {processor[2]:.0f} µs ({processor[0]:.0f}–{processor[-1]:.0f})")


main()

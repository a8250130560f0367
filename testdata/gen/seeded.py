"""Weights and images from a counter-based hash: the twin of
internal/golden/weights.go, equal to the last bit. A module for the other scripts;
it writes nothing.
"""
import numpy as np

U64 = np.uint64


def _seed(name):
    h = 0xCBF29CE484222325  # FNV-1a, 64 bits
    for b in name.encode():
        h = ((h ^ b) * 0x100000001B3) & (2**64 - 1)
    return h


def _splitmix(state, n):
    with np.errstate(over="ignore"):
        z = U64(state) + np.arange(1, n + 1, dtype=U64) * U64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> U64(30))) * U64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> U64(27))) * U64(0x94D049BB133111EB)
        return z ^ (z >> U64(31))


def uniform(name, n, low, high):
    k = (_splitmix(_seed(name), n) >> U64(40)).astype(np.float64)
    return (low + (high - low) * 2.0**-24 * k).astype(np.float32)


def weights(key, shape):
    n, fan_in = int(np.prod(shape)), int(np.prod(shape[1:]))
    last = key.rsplit(".", 1)[-1]
    if len(shape) == 4:
        bound = np.sqrt(6.0 / fan_in)
    elif len(shape) == 2:
        bound = np.sqrt(3.0 / fan_in)
    elif last in ("running_var", "weight"):
        return uniform(key, n, 0.5, 1.5).reshape(shape)
    else:
        bound = 0.2
    return uniform(key, n, -bound, bound).reshape(shape)


def views(name, n, size):
    """[2n,3,size,size], view 1 first; size is a multiple of 8."""
    grid = uniform(name + ".grid", n * 3 * 8 * 8, -2, 2).reshape(n, 3, 8, 8)
    noise = uniform(name + ".noise", 2 * n * 3 * size * size, -0.5, 0.5).reshape(2, n, 3, size, size)
    patch = size // 8
    return (noise + grid.repeat(patch, 2).repeat(patch, 3)).reshape(2 * n, 3, size, size)


def samples(name, n, count):
    if n <= count:
        return np.arange(n)
    return (_splitmix(_seed(name + "#samples"), count) % U64(n)).astype(np.int64)


def fill(module):
    """Gives every float array of a module's state_dict its seeded value."""
    import torch

    for key, value in module.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.from_numpy(weights(key, tuple(value.shape))))
    return module

"""Whole views by torchvision with given parameters, for train/augment.

Run: /usr/bin/python3 testdata/gen/augment_chains.py   (from the repository root)
Made with Pillow 9.4.0, torchvision 0.14.1, torch 1.13.0; seed 20261125. Pillow 13 scales
an image whose height shrinks much more than its width down first and across after,
which older versions do the other way round: there a resized value may be a level off,
and the hue of what is nearly gray makes that more. Writes
  testdata/golden/augment/chains.npz   image_K: the K-th image; view_K: [N,S,S,3] its views;
                                       parameters_K: [N,16], a row a view:
  x y w h of the crop, bicubic, flip, the order of brightness 0, contrast 1, saturation 2
  and hue 3, their four factors, blur radius (0: none), solarize threshold (256: none).
Views go through crop and resize, flip, jitter, grayscale if flip is 2 or 3, blur and
solarize, in that order. With an argument it writes nothing and compares.
"""
import itertools
import sys

import numpy as np
import torchvision.transforms.functional as F
from PIL import Image, ImageFilter, ImageOps
from torchvision.transforms import InterpolationMode

GOLDEN = "testdata/golden/augment/chains.npz"
rng = np.random.default_rng(20261125)


def picture(w, h):
    """Smooth colours with edges and noise, saturated here and there."""
    y, x = np.mgrid[0:h, 0:w].astype(float)
    a = np.stack([128 + 150 * np.sin(rng.uniform(0.02, 0.3) * x + rng.uniform(0.02, 0.3) * y + rng.uniform(0, 6)) for _ in range(3)], -1)
    a[h // 3 : h // 2, w // 4 : w // 2] = rng.integers(0, 256, 3)
    return Image.fromarray(np.clip(a + rng.normal(0, 9, a.shape), 0, 255).astype(np.uint8))


def view(img, size, p):
    x, y, w, h, bicubic, flip = (int(v) for v in p[:6])
    mode = InterpolationMode.BICUBIC if bicubic else InterpolationMode.BILINEAR
    img = F.resized_crop(img, y, x, h, w, [size, size], mode)
    if flip % 2:
        img = F.hflip(img)
    change = [F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue]
    for k in p[6:10]:
        img = change[int(k)](img, float(p[10 + int(k)]))
    if flip >= 2:
        img = F.to_grayscale(img, 3)
    if p[14] > 0:
        img = img.filter(ImageFilter.GaussianBlur(float(p[14])))
    if p[15] < 256:
        img = ImageOps.solarize(img, int(p[15]))
    return np.asarray(img)


arrays = {}
orders = list(itertools.permutations(range(4)))
for k, (w, h, size) in enumerate([(53, 37, 24), (31, 90, 17), (7, 5, 16), (1, 1, 9), (200, 3, 13)]):
    img = picture(w, h)
    rows = []
    for n in range(24 if k < 2 else 12):
        cw, ch = rng.integers(1, w + 1), rng.integers(1, h + 1)
        if n == 0:
            cw, ch = w, h
        rows.append([rng.integers(0, w - cw + 1), rng.integers(0, h - ch + 1), cw, ch, n % 2, rng.integers(0, 4) if n % 3 == 0 else n % 2,
                     *orders[n], *rng.uniform([0.6, 0.6, 0.8, -0.1], [1.4, 1.4, 1.2, 0.1]),
                     rng.uniform(0.1, 2) if n % 4 else 0, 128 if n % 5 == 1 else 256])
    p = np.array(rows, np.float64)
    arrays |= {f"image_{k}": np.asarray(img), f"parameters_{k}": p, f"view_{k}": np.stack([view(img, size, row) for row in p])}

if len(sys.argv) > 1:
    want = np.load(GOLDEN)
    for name, a in arrays.items():
        print(name, "same" if np.array_equal(a, want[name]) else f"off by {np.abs(a.astype(float) - want[name]).max()}")
else:
    np.savez_compressed(GOLDEN, **arrays)

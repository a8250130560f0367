"""Pixels of PIL and torchvision for train/augment, and image files for train/data.

Run: /usr/bin/python3 testdata/gen/augment.py   (from the repository root)
Made with Pillow 9.4.0, torchvision 0.14.1, torch 1.13.0, numpy 1.24.2, libjpeg-turbo
2.1.5; seed 20260901. Pillow 13.0.0 and torchvision 0.29 give the same pixels, decoded
files included. Writes
  testdata/golden/augment/source.npz    the images the operations start from
  testdata/golden/augment/ops_*.npz     each operation at given parameters
  testdata/golden/augment/resize.npz    crops and resizes
  testdata/golden/augment/draws.npz     parameters drawn by torchvision, for the distributions
  testdata/golden/augment/decode.npz    what PIL's convert("RGB") reads from testdata/images
  testdata/images/*                     JPEG and PNG files of every kind PIL writes
Array names spell the parameters: Go's test parses them.
"""
import io
import os

import numpy as np
import torch
import torchvision.transforms as T
import torchvision.transforms.functional as F
from PIL import Image, ImageFilter, ImageOps
from torchvision.transforms import InterpolationMode

OUT = "testdata/golden/augment"
IMAGES = "testdata/images"
os.makedirs(OUT, exist_ok=True)
os.makedirs(IMAGES, exist_ok=True)
rng = np.random.default_rng(20260901)


def scene(w, h):
    """Coloured waves, saturated blobs, gray patches, noise: every branch of the operations."""
    y, x = np.mgrid[0:h, 0:w].astype(float)
    img = np.zeros((h, w, 3))
    for c in range(3):
        fx, fy, ph = rng.uniform(0.05, 0.4), rng.uniform(0.05, 0.4), rng.uniform(0, 6)
        img[..., c] = 127 + 110 * np.sin(fx * x + fy * y + ph)
    for _ in range(6):
        cx, cy, r = rng.uniform(0, w), rng.uniform(0, h), rng.uniform(4, 14)
        img[(x - cx) ** 2 + (y - cy) ** 2 < r * r] = rng.choice([0, 255, 128], 3)
    img[h // 2 : h // 2 + 8, 4:20] = 90
    img += rng.normal(0, 12, img.shape) * (x[..., None] > w / 2)
    return Image.fromarray(np.clip(img, 0, 255).astype(np.uint8), "RGB")


def save(name, arrays):
    np.savez_compressed(os.path.join(OUT, name), **{k: np.asarray(v) for k, v in arrays.items()})


img = scene(61, 45)
# All corners of the colour cube and a random sample of the inside, for the hue.
levels = [0, 1, 2, 51, 127, 128, 200, 254, 255]
cube = np.array([(r, g, b) for r in levels for g in levels for b in levels], np.uint8)
colours = np.concatenate([cube, rng.integers(0, 256, (40 * 40 - len(cube), 3), dtype=np.uint8)])
palette = Image.fromarray(colours.reshape(40, 40, 3), "RGB")
tiny = scene(5, 3)
sources = {"scene": img.crop((10, 5, 51, 36)), "colours": palette, "tiny": tiny}
save("source.npz", sources | {"whole": img})

for name, src in sources.items():
    ops = {}
    for f in (0.0, 0.6, 0.83, 1.0, 1.37):
        ops[f"{name} brightness {f}"] = F.adjust_brightness(src, f)
        ops[f"{name} contrast {f}"] = F.adjust_contrast(src, f)
        ops[f"{name} saturation {f}"] = F.adjust_saturation(src, f)
    for f in (-0.5, -0.1, -0.0371, 0.0, 0.0017, 0.05, 0.1, 0.5):
        ops[f"{name} hue {f}"] = F.adjust_hue(src, f)
    ops[f"{name} grayscale 0"] = F.to_grayscale(src, 3)
    for t in (1, 128, 200):
        ops[f"{name} solarize {t}"] = ImageOps.solarize(src, t)
    ops[f"{name} flip 0"] = F.hflip(src)
    for radius in (0.1, 0.35, 0.7, 1.0, 1.3, 1.7, 2.0, 3.3, 9.0):
        ops[f"{name} blur {radius}"] = src.filter(ImageFilter.GaussianBlur(radius))
    normalize = T.Compose([T.ToTensor(), T.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])
    if name != "colours":
        ops[f"{name} normalize 0"] = normalize(src).numpy()
    save(f"ops_{name}.npz", ops)

modes = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}
resize = {}
for f, mode in modes.items():
    for x, y, w, h, ow, oh in [
        (0, 0, 61, 45, 32, 32), (0, 0, 61, 45, 96, 96), (7, 3, 32, 32, 32, 32), (7, 3, 32, 20, 32, 40),
        (7, 3, 20, 32, 40, 32), (50, 40, 11, 5, 64, 64), (3, 2, 1, 1, 8, 8), (3, 2, 2, 3, 16, 16),
        (0, 0, 61, 45, 5, 3), (0, 0, 61, 45, 1, 1), (10, 0, 40, 45, 17, 60), (0, 0, 61, 45, 61, 45),
    ]:
        resize[f"{f} {x} {y} {w} {h} {ow} {oh}"] = F.resized_crop(img, y, x, h, w, [oh, ow], mode)
for size in (7, 28, 56):
    r = (size * 256 + 112) // 224
    resize[f"evaluate {size}"] = F.center_crop(F.resize(img, r, InterpolationMode.BILINEAR), size)
    tall = img.transpose(Image.ROTATE_90)
    resize[f"evaluate-tall {size}"] = F.center_crop(F.resize(tall, r, InterpolationMode.BILINEAR), size)
save("resize.npz", resize)

torch.manual_seed(20260901)
draws = {}
for w, h in ((320, 240), (32, 32), (500, 60), (40, 400)):
    src = Image.new("RGB", (w, h))
    draws[f"crop {w} {h}"] = np.array(
        [T.RandomResizedCrop.get_params(src, (0.08, 1.0), (3 / 4, 4 / 3)) for _ in range(6000)], np.int16)
jitter = T.ColorJitter(0.4, 0.4, 0.2, 0.1)
params = [jitter.get_params(jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue) for _ in range(6000)]
draws["jitter order"] = np.array([p[0].tolist() for p in params], np.uint8)
draws["jitter factors"] = np.array([p[1:] for p in params], np.float32)
save("draws.npz", draws)

files = {}


def write(name, image, **kw):
    image.save(os.path.join(IMAGES, name), **kw)
    files[name] = np.asarray(Image.open(os.path.join(IMAGES, name)).convert("RGB"))


photo = scene(61, 45).filter(ImageFilter.GaussianBlur(1))
write("444.jpg", photo, quality=90, subsampling=0)
write("422.jpg", photo, quality=90, subsampling=1)
write("420.jpg", photo, quality=90, subsampling=2)
write("420_even.jpg", photo.crop((0, 0, 48, 32)), quality=75, subsampling=2)
write("420_narrow.jpg", photo.crop((0, 0, 3, 45)), quality=90, subsampling=2)
write("420_pixel.jpg", photo.crop((5, 5, 6, 6)), quality=90, subsampling=2)
write("progressive.jpg", photo, quality=85, progressive=True)
write("gray.jpg", photo.convert("L"), quality=90)
write("cmyk.jpg", photo.convert("CMYK"), quality=90)
write("rgb.png", photo)
write("gray.png", photo.convert("L"))
write("bilevel.png", photo.convert("1"))
write("palette.png", photo.quantize(32))
transparent = photo.quantize(16)
write("palette_transparent.png", transparent, transparency=3)
alpha = photo.convert("RGBA")
alpha.putalpha(Image.fromarray((np.arange(61 * 45).reshape(45, 61) % 256).astype(np.uint8)))
write("rgba.png", alpha)
write("gray_alpha.png", alpha.convert("LA"))
# PIL cannot write 16-bit RGB and reads 16-bit gray differently: what is expected of
# these two is the high byte, and they are made by Go's encoder in the test.

# The same picture in the eight orientations that cameras write; expected upright.
upright = photo.crop((0, 0, 32, 24))
for o in range(1, 9):
    undo = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[o]  # the inverse transpositions
    turned = upright if undo is None else upright.transpose(undo)
    exif = Image.Exif()
    exif[0x0112] = o
    buf = io.BytesIO()
    turned.save(buf, "JPEG", quality=95, subsampling=0, exif=exif)
    path = os.path.join(IMAGES, f"orientation{o}.jpg")
    open(path, "wb").write(buf.getvalue())
    files[f"orientation{o}.jpg"] = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    assert files[f"orientation{o}.jpg"].shape == (24, 32, 3), o
    assert np.abs(files[f"orientation{o}.jpg"].astype(int) - np.asarray(upright)).mean() < 6, o
save("decode.npz", files)

"""Image files of the kinds beside plain JPEG and PNG, and what PIL reads from them.

Run: python3 testdata/gen/images.py   (from the repository root)
Made with Pillow 13.0.0, numpy 2.4; seed 20261124. Pillow 9.4.0 reads the same pixels
from the files, but does not turn TIFF files. Writes
  testdata/images/formats/*              WebP, GIF, BMP, TIFF, PPM, 16-bit PNG, YCCK and RGB JPEG
  testdata/golden/augment/formats.npz    ImageOps.exif_transpose(image).convert("RGB") of each
With an argument it writes nothing and compares the files there are with the goldens.
"""
import glob
import os
import struct
import sys
import zlib

import numpy as np
from PIL import Image, ImageFilter, ImageOps

IMAGES = "testdata/images/formats"
GOLDEN = "testdata/golden/augment/formats.npz"


def read(path):
    return np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))


if len(sys.argv) > 1:
    want = np.load(GOLDEN)
    for path in sorted(glob.glob(IMAGES + "/*")):
        got, w = read(path).astype(int), want[os.path.basename(path)].astype(int)
        print(os.path.basename(path), "same" if np.array_equal(got, w) else "differs")
    sys.exit()

os.makedirs(IMAGES, exist_ok=True)
rng = np.random.default_rng(20261124)
y, x = np.mgrid[0:45, 0:61].astype(float)
a = np.stack([127 + 120 * np.sin(0.21 * x + 0.09 * y), 127 + 120 * np.sin(0.08 * x - 0.2 * y + 1), 40 + 3 * x + y / 2], -1)
a[5:15, 10:30], a[20:40, 35:55] = (255, 0, 0), (0, 20, 250)
photo = Image.fromarray(np.clip(a + rng.normal(0, 6, a.shape), 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.6))
alpha = photo.convert("RGBA")
alpha.putalpha(Image.fromarray((np.arange(61 * 45).reshape(45, 61) % 255 + 1).astype(np.uint8)))


def write(name, image, **kw):
    image.save(os.path.join(IMAGES, name), **kw)


def turned(o):
    exif = Image.Exif()
    exif[0x0112] = o
    return exif


write("lossy.webp", photo, quality=80)
write("lossy_even.webp", photo.crop((0, 0, 48, 32)), quality=40)
write("lossy_narrow.webp", photo.crop((0, 0, 1, 45)), quality=90)
write("lossy_pixels.webp", photo.crop((8, 5, 10, 6)), quality=90)
write("lossy_alpha.webp", alpha, quality=80)
write("lossless.webp", photo, lossless=True)
write("lossless_alpha.webp", alpha, lossless=True, exact=True)
write("turned6.webp", photo, quality=80, exif=turned(6))
write("rgb.bmp", photo)
write("gray.bmp", photo.convert("L"))
write("palette.bmp", photo.quantize(64))
write("bilevel.bmp", photo.convert("1"))
write("palette.gif", photo.quantize(200), interlace=0)
write("interlaced.gif", photo.quantize(50), interlace=1)
write("transparent.gif", photo.quantize(50), transparency=7)
write("film.gif", photo.quantize(50), save_all=True, append_images=[photo.rotate(180).quantize(50)])
write("raw.tif", photo)
write("lzw.tif", photo, compression="tiff_lzw")
write("deflate.tif", photo, compression="tiff_adobe_deflate")
write("packbits.tif", photo.convert("L"), compression="packbits")
write("palette.tif", photo.quantize(64))
write("alpha.tif", alpha)
write("turned8.tif", photo, exif=turned(8))
write("turned5.png", photo, exif=turned(5))
write("turned3_cmyk.jpg", photo.convert("CMYK"), quality=90, exif=turned(3))
write("rgb.jpg", photo, quality=90, subsampling=0, keep_rgb=True)

# YCCK is CMYK whose first three inks went through the YCbCr matrix: PIL reads it and
# cannot write it, so the mark that says so is put into a CMYK file.
write("ycck.jpg", photo.convert("CMYK"), quality=90)
b = bytearray(open(IMAGES + "/ycck.jpg", "rb").read())
at = b.index(b"Adobe") + 11
assert b[at] == 0
b[at] = 2
open(IMAGES + "/ycck.jpg", "wb").write(b)


def png(name, depth, colour, rows):
    """PNG of kinds that PIL does not write; rows are the packed bytes, unfiltered."""
    h = rows.shape[0]
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    body = zlib.compress(b"".join(b"\0" + r.tobytes() for r in rows), 9)
    head = struct.pack(">IIBBBBB", 20, h, depth, colour, 0, 0, 0)
    open(os.path.join(IMAGES, name), "wb").write(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b""))


deep = rng.integers(0, 65536, (12, 20, 4)).astype(">u2")
png("rgb16.png", 16, 2, deep[..., :3].reshape(12, -1))
png("rgba16.png", 16, 6, deep.reshape(12, -1))
png("gray4.png", 4, 0, rng.integers(0, 256, (12, 10), dtype=np.uint8))
png("gray2.png", 2, 0, rng.integers(0, 256, (12, 5), dtype=np.uint8))

write("rgb.ppm", photo)
write("gray.pgm", photo.convert("L"))
small = rng.integers(0, 101, (9, 7, 3))
open(IMAGES + "/most100.ppm", "wb").write(b"P6 # a comment\n# another\n7 9\n100\n" + small.astype(np.uint8).tobytes())
open(IMAGES + "/most40000.ppm", "wb").write(b"P6\n7 9 40000\n" + (small * 400).astype(">u2").tobytes())

files = {os.path.basename(p): read(p) for p in sorted(glob.glob(IMAGES + "/*"))}
np.savez_compressed(GOLDEN, **files)

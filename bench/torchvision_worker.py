"""The torchvision side of the benchmark of images: one process, one core.

Reads the case as torch_worker.py does, "model" being a folder of JPEG files and "size"
that of the views. A step reads every file with PIL, makes the paper's two views of it
with torchvision's transforms (those of the published DirectCLR code) and normalises
them; it answers the processor time in seconds and the mean of the first values.
"""
import json
import os
import random
import resource
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"

import PIL
import torch
import torchvision
import torchvision.transforms as T
from PIL import Image, ImageFilter, ImageOps

torch.set_num_threads(1)


class Blur:
    def __init__(self, p):
        self.p = p

    def __call__(self, img):
        return img.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2))) if random.random() < self.p else img


class Solarize:
    def __init__(self, p):
        self.p = p

    def __call__(self, img):
        return ImageOps.solarize(img) if random.random() < self.p else img


def view(size, blur, solarize):
    return T.Compose([
        T.RandomResizedCrop(size, interpolation=T.InterpolationMode.BICUBIC),
        T.RandomHorizontalFlip(p=0.5),
        T.RandomApply([T.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1)], p=0.8),
        T.RandomGrayscale(p=0.2),
        Blur(blur),
        Solarize(solarize),
        T.ToTensor(),
        T.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
    ])


def files(folder):
    found = [os.path.join(d, f) for d, _, names in os.walk(folder) for f in names if f.lower().endswith(".jpg")]
    return sorted(found)[:512]


def main():
    case = json.loads(sys.stdin.readline())
    views = [view(case["size"], 1.0, 0.0), view(case["size"], 0.1, 0.2)]
    paths = files(case["model"])
    print(f"ready torchvision-{torchvision.__version__}, Pillow-{PIL.__version__}", flush=True)
    for line in sys.stdin:
        if line.strip() != "step":
            break
        start, total = time.process_time(), 0.0
        for path in paths:
            with open(path, "rb") as f:
                img = Image.open(f).convert("RGB")
            for v in views:
                total += v(img)[0, 0, 0].item()
        print(time.process_time() - start, total / len(paths), flush=True)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, flush=True)


main()

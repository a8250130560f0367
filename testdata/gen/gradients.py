"""Gradients with respect to the representation and to what enters the last residual
block, for train.Gradients (figure 10 of arXiv:2110.09348).

Run: OMP_NUM_THREADS=1 python3 testdata/gen/gradients.py   (from the repository root)
Made with torch 2.15.0, numpy 2.4.6; weights and images from seeded.py, the network from
tiny.py, in eval mode and float64. The loss is of 6 images in two views, behind the
projector (simclr) or of the 4 leading of 6 channels (directclr).
"""
import os

import numpy as np
import torch
import torch.nn.functional as F

import seeded
from losses import infonce
from tiny import tiny

OUT = "testdata/golden/train"
torch.set_num_threads(1)


def main():
    views = torch.from_numpy(seeded.views("gradients", 6, 16)).double()
    store = {}
    for name, head in [("simclr", lambda net, r: net.projector(r)), ("directclr", lambda net, r: r[:, :4])]:
        net = tiny().eval()
        h = net.layer1(F.max_pool2d(F.relu(net.bn1(net.conv1(views))), 3, 2, 1))
        r = net.layer2(h).mean((2, 3))
        dr, dh = torch.autograd.grad(infonce(head(net, r), 0.2), [r, h])
        store[f"{name}/r"], store[f"{name}/h"] = dr.numpy(), dh.numpy()
    path = os.path.join(OUT, "gradients.npz")
    np.savez(path, **store)
    print(os.path.getsize(path), "bytes,", len(store), "arrays", torch.__version__, np.__version__)


if __name__ == "__main__":
    main()

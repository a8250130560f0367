"""A residual network small enough for Gorgonia's own machines, trained one step and
evaluated, for internal/graph.

Run: OMP_NUM_THREADS=1 python3 testdata/gen/tiny.py   (from the repository root)
Made with torch 1.13.0, numpy 1.24.2; weights and images from seeded.py.

Everything is float64: representation and logits in eval mode; for each way of
training the loss, the gradient of every parameter by name, and the running
statistics afterwards. Batch normalisation sees one view after the other, as in the
paper's code. "frozen" trains with the running statistics instead.
"""
import os

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import seeded
from losses import infonce, ntxent

OUT = "testdata/golden/models"
IMAGES, SIZE = 4, 16
torch.set_num_threads(1)


class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        if stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x):
        skip = self.downsample(x) if hasattr(self, "downsample") else x
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)) + skip)


class Tiny(nn.Module):
    """torchvision's ResNet, two blocks of 4 and 6 channels."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(Block(4, 4, 1))
        self.layer2 = nn.Sequential(Block(4, 6, 2))
        self.fc = nn.Linear(6, 3)
        self.projector = nn.Sequential(nn.Linear(6, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 5, bias=False), nn.BatchNorm1d(5))

    def represent(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.layer2(self.layer1(x)).mean((2, 3))


def tiny():
    return seeded.fill(Tiny()).double()


def main():
    views = torch.from_numpy(seeded.views("tiny", IMAGES, SIZE)).double()
    store = {}
    net = tiny().eval()
    with torch.no_grad():
        r = net.represent(views)
        store["eval/representation"], store["eval/logits"] = r.numpy(), net.fc(r).numpy()
        store["eval/embedding"] = net.projector(r).numpy()
    for name, train, head, loss, temperature in [
        ("simclr", True, lambda net, r: net.projector(r), infonce, 0.1),
        ("directclr", True, lambda net, r: r[:, :4], ntxent, 0.5),
        ("frozen", False, lambda net, r: net.projector(r), infonce, 0.5),
    ]:
        net = tiny().train(train)
        z = torch.cat([head(net, net.represent(view)) for view in views.chunk(2)])
        value = loss(z, temperature)
        value.backward()
        store[f"{name}/loss"] = value.detach().numpy()
        for key, p in net.named_parameters():
            if p.grad is not None:
                store[f"{name}/grad/{key}"] = p.grad.numpy()
        for key, b in net.named_buffers():
            if train and b.is_floating_point() and (name == "simclr" or not key.startswith("projector")):
                store[f"{name}/after/{key}"] = b.numpy()
    path = os.path.join(OUT, "tiny.npz")
    np.savez(path, **store)
    print(os.path.getsize(path), "bytes,", len(store), "arrays", torch.__version__, np.__version__)


if __name__ == "__main__":
    main()

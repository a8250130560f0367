"""Three steps of gradient caching in PyTorch, for the micro-batches of package train.

Run: OMP_NUM_THREADS=1 python3 testdata/gen/gradcache.py   (from the repository root)
Made with torch 1.13.0, numpy 1.24.2; weights and images from seeded.py, the network
from tiny.py.

A step has 6 images in micro-batches of 4, so that the last has 2. Without gradients the
network embeds one micro-batch after the other, view 1 and then view 2 of each, with
the batch statistics of that alone; its running statistics are put back. The loss of all
embeddings gives dL/dz. Then the network embeds every micro-batch again and takes its
rows of dL/dz back; gradients add up. SGD with momentum follows. Everything is float64:
the loss of every step, the gradients of the first, and parameters and running
statistics after the last. With frozen statistics the script itself holds the gradients
against those of the whole batch.
"""
import os

import numpy as np
import torch

import seeded
from losses import infonce
from tiny import tiny

OUT = "testdata/golden/train"
IMAGES, MICRO, SIZE, STEPS, TEMPERATURE, LR = 6, 4, 16, 3, 0.1, 0.0002
torch.set_num_threads(1)


def embed(net, x):
    return net.projector(net.represent(x))


def parts(views):
    one, two = views.chunk(2)
    for at in range(0, IMAGES, MICRO):
        yield slice(at, min(at + MICRO, IMAGES)), one[at : at + MICRO], two[at : at + MICRO]


def accumulate(net, views):
    """Leaves the gradients of a step in the parameters and returns its loss."""
    kept = {k: b.clone() for k, b in net.named_buffers()}
    with torch.no_grad():
        embedded = [(embed(net, a), embed(net, b)) for _, a, b in parts(views)]
        for k, b in net.named_buffers():
            b.copy_(kept[k])
    z = torch.cat([a for a, _ in embedded] + [b for _, b in embedded]).requires_grad_()
    loss = infonce(z, TEMPERATURE)
    loss.backward()
    of_one, of_two = z.grad.chunk(2)
    for rows, a, b in parts(views):
        za, zb = embed(net, a), embed(net, b)
        ((za * of_one[rows]).sum() + (zb * of_two[rows]).sum()).backward()
    return loss.detach()


def check_frozen(views):
    cached, whole = tiny().eval(), tiny().eval()
    accumulate(cached, views)
    infonce(embed(whole, views), TEMPERATURE).backward()
    for (name, p), q in zip(cached.named_parameters(), whole.parameters()):
        if p.grad is not None:
            assert torch.allclose(p.grad, q.grad, rtol=1e-9, atol=1e-12), name


def main():
    batches = [torch.from_numpy(seeded.views(f"gradcache{k}", IMAGES, SIZE)).double() for k in range(STEPS)]
    check_frozen(batches[0])
    net = tiny().train()
    opt = torch.optim.SGD(net.parameters(), lr=LR, momentum=0.9)
    store = {"loss": []}
    for step, views in enumerate(batches):
        opt.zero_grad()
        store["loss"].append(accumulate(net, views).numpy())
        if step == 0:
            for key, p in net.named_parameters():
                if p.grad is not None:
                    store[f"grad/{key}"] = p.grad.numpy().copy()
        opt.step()
    store["loss"] = np.array(store["loss"])
    for key, t in net.state_dict().items():
        if not key.startswith("fc."):
            store[f"after/{key}"] = t.numpy()
    path = os.path.join(OUT, "gradcache.npz")
    np.savez(path, **store)
    print(os.path.getsize(path), "bytes,", len(store), "arrays", store["loss"], torch.__version__, np.__version__)


if __name__ == "__main__":
    main()

"""The PyTorch side of the benchmark: one process, one case.

Reads one JSON line from standard input, the case:
  {"model": "resnet50", "pass": "train"|"forward", "batch": 64, "size": 32,
   "threads": 2, "layout": "channels_last"|"contiguous", "engine": "torch"|"compile"|"onnxruntime",
   "checkpoint": "FILE.pth", "onnx": "FILE.onnx"}
answers "ready VERSION", then for every line "step" runs one step and answers its
seconds and its loss (train) or the mean of its output (forward). At "quit" or the
end of input it prints its peak resident memory in bytes.

A training step is: two views (batch images each) in one stack, forward with batch
statistics per view, symmetric InfoNCE (temperature 0.1, cross-view negatives) on
the representation, backward, SGD with momentum. Views are given to the network one
after the other, as the reference implementation does.

  python bench/torch_worker.py --save resnet50 FILE.pth    writes the checkpoint
"""
import json
import os
import resource
import sys
import time


def images(n, size):
    import numpy as np

    # The same numbers as the Go side's: a linear congruential sequence in [-1, 1).
    count = n * 3 * size * size
    i = np.arange(count, dtype=np.uint64)
    x = (i * np.uint64(2654435761) + np.uint64(12345)) & np.uint64(0xFFFFFFFF)
    x ^= x >> np.uint64(15)
    x = (x * np.uint64(2246822519)) & np.uint64(0xFFFFFFFF)
    x ^= x >> np.uint64(13)
    return (x.astype(np.float64) / 2**31 - 1).astype(np.float32).reshape(n, 3, size, size)


def info_nce(a, b, temperature=0.1):
    import torch
    import torch.nn.functional as F

    a, b = F.normalize(a), F.normalize(b)
    logits = a @ b.t() / temperature
    labels = torch.arange(len(a))
    return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.t(), labels)) / 2


def network(case):
    import torch
    import torchvision

    net = getattr(torchvision.models, case["model"])()
    net.load_state_dict(torch.load(case["checkpoint"], weights_only=True))
    net.fc = torch.nn.Identity()
    if case["layout"] == "channels_last":
        net = net.to(memory_format=torch.channels_last)
    return net


def layout(x, case):
    import torch

    if case["layout"] == "channels_last":
        return x.to(memory_format=torch.channels_last)
    return x


def train_step(case):
    import torch

    net = network(case).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
    x = torch.from_numpy(images(2 * case["batch"], case["size"]))
    views = [layout(v, case) for v in x.chunk(2)]
    forward = torch.compile(net) if case["engine"] == "compile" else net

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = info_nce(forward(views[0]), forward(views[1]))
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def forward_step(case):
    import torch

    x = images(case["batch"], case["size"])
    if case["engine"] == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = case["threads"]
        session = onnxruntime.InferenceSession(case["onnx"], options, providers=["CPUExecutionProvider"])
        return lambda: float(session.run(["representation"], {session.get_inputs()[0].name: x})[0].mean())
    net = network(case).eval()
    if case["engine"] == "compile":
        net = torch.compile(net)
    x = layout(torch.from_numpy(x), case)

    def step():
        with torch.inference_mode():
            return net(x).mean().item()

    return step


def version(case):
    if case["engine"] == "onnxruntime":
        import onnxruntime

        return "onnxruntime-" + onnxruntime.__version__
    import torch

    return "torch-" + torch.__version__


def save(name, path):
    import torch
    import torchvision

    torch.manual_seed(0)
    torch.save(getattr(torchvision.models, name)().state_dict(), path)


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "--save":
        save(sys.argv[2], sys.argv[3])
        return
    case = json.loads(sys.stdin.readline())
    os.environ["OMP_NUM_THREADS"] = str(case["threads"])
    if case["engine"] != "onnxruntime":
        import torch

        torch.set_num_threads(case["threads"])
    step = {"train": train_step, "forward": forward_step}[case["pass"]](case)
    print("ready", version(case), flush=True)
    for line in sys.stdin:
        if line.strip() != "step":
            break
        start = time.perf_counter()
        value = step()
        print(time.perf_counter() - start, value, flush=True)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, flush=True)


main()

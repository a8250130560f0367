"""Times onnxclr's convert and export against PyTorch on a ResNet-50 checkpoint.

Interleaved repetitions, one that is not counted first: `onnxclr convert` as a process
of its own, start-up included, against torch.load + load_state_dict +
torch.onnx.export within a running Python, imports not counted. Prints a Markdown
table with medians, the ratio, and onnxclr's peak resident memory (mapped file pages
included) over the size of the checkpoint. Fails where the ratio exceeds 0.6, the time
0.5 s or the memory 1.5.

Run: python3 bench/convert.py path/to/onnxclr [--reps 7]
"""
import argparse
import pathlib
import statistics
import subprocess
import tempfile
import time
import warnings

import torch
import torchvision

warnings.filterwarnings("ignore")


def run(*arguments):
    """Returns the seconds and the peak memory in bytes of a process. The kernel's own
    ru_maxrss would begin with the memory of this Python, which it is forked from."""
    start = time.perf_counter()
    process = subprocess.Popen([str(a) for a in arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        try:
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            break
        if pathlib.Path(arguments[0]).name[:15] in status.splitlines()[0] and "VmHWM:" in status:
            peak = max(peak, int(status.split("VmHWM:")[1].split()[0]) * 1024)
        time.sleep(0.001)
    assert process.wait() == 0, arguments
    return time.perf_counter() - start, peak


def pytorch(source, target):
    start = time.perf_counter()
    model = torchvision.models.resnet50()
    built = time.perf_counter() - start  # random weights that no user waits for
    state = torch.load(source, map_location="cpu")
    model.load_state_dict(state)
    model.eval()
    old = {} if torch.__version__.startswith("1.") else {"dynamo": False}
    torch.onnx.export(model, torch.zeros(1, 3, 224, 224), str(target), opset_version=17, **old)
    return time.perf_counter() - start - built


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("onnxclr", type=pathlib.Path)
    parser.add_argument("--reps", type=int, default=7)
    options = parser.parse_args()
    binary = options.onnxclr.resolve()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        source, model, back = folder / "resnet50.pth", folder / "resnet50.onnx", folder / "back.pth"
        torch.save(torchvision.models.resnet50().state_dict(), source)
        size = source.stat().st_size
        ours, out, theirs, memory = [], [], [], 0
        for i in range(options.reps + 1):
            seconds, peak = run(binary, "convert", source, "-o", model, "--force")
            export_seconds, _ = run(binary, "export", model, "-o", back, "--force")
            torch_seconds = pytorch(source, folder / "torch.onnx")
            if i:
                ours.append(seconds), out.append(export_seconds), theirs.append(torch_seconds)
                memory = max(memory, peak)
    a, b, t = map(statistics.median, (ours, out, theirs))
    print("| torch | convert, s | torch.load + torch.onnx.export, s | ratio | export to .pth, s | peak memory / file |\n|---|---|---|---|---|---|")
    print(f"| {torch.__version__} | {a:.3f} | {t:.3f} | {a / t:.2f} | {b:.3f} | {memory / size:.2f} |")
    assert a <= 0.6 * t and a <= 0.5 and memory <= 1.5 * size


if __name__ == "__main__":
    main()

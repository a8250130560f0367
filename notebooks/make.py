#!/usr/bin/env python3
"""Writes the notebooks and runs them from top to bottom.

    python3 notebooks/make.py            # write and run all, outputs included
    python3 notebooks/make.py 02 05      # some of them
    python3 notebooks/make.py --check    # run the notebooks as they are, change nothing

Needs nbformat, nbclient and ipykernel, and Go; the notebooks call the onnxclr command.
Ran with nbclient 0.11, ipykernel 7.4.
"""
import pathlib
import re
import shutil
import sys
import time

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

folder = pathlib.Path(__file__).resolve().parent

SETUP = '''import pathlib, subprocess, sys
from IPython.display import Image, display

def onnxclr(line):
    """Runs one command line of onnxclr and prints what it says."""
    print("$ onnxclr " + line)
    done = subprocess.run("./onnxclr " + line, shell=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(done.stdout, end="")
    assert done.returncode == 0, f"exit code {done.returncode}"

built = subprocess.run("go build -o notebooks/onnxclr ./cmd/onnxclr", shell=True, cwd="..", text=True, capture_output=True)
assert built.returncode == 0, built.stderr'''

NOTEBOOKS = {
    "01_convert_and_continue": [
        "# Convert a checkpoint, continue training, take it back\n\nYou will learn how a PyTorch checkpoint becomes an ONNX model that can be trained, how training goes on with the SimCLR or DirectCLR loss on a CPU, and how the result goes back to PyTorch. The checkpoint is a small ResNet that `torch.save` wrote; with your own, only the file name changes.",
        SETUP + '\n\npathlib.Path("out").mkdir(exist_ok=True)',
        "The file is read by an interpreter that can build tensors and plain containers and do nothing else. The architecture is read off the shapes of the weights.",
        'onnxclr("convert ../testdata/checkpoints/demo.pth -o out/demo.onnx --force")\nonnxclr("inspect out/demo.onnx")',
        "What will the network see? Every image beside its two views, drawn as the paper draws them.",
        'data = "\'generated:textures?train=512&test=256&size=48\'"\nonnxclr(f"augment --data {data} --image-size 32 --count 6 -o out/views.png --force")\ndisplay(Image("out/views.png", width=420))',
        "What will a run take? `--dry-run` times a few steps and writes nothing.",
        'settings = f"--model out/demo.onnx --data {data} --method directclr --d0 24 --batch 64 --image-size 32 --epochs 3 --warmup-epochs 1 --lr 1"\nonnxclr(f"train {settings} --dry-run -o out/run")',
        "Training. Ctrl-C would save, and `--resume` continue to the same bits.",
        'onnxclr(f"train {settings} -o out/run --force")',
        "Back to PyTorch, in the layout the checkpoint came in: `load_state_dict(strict=True)` accepts it. `.onnx` and `.safetensors` go as well.",
        'onnxclr("export out/run -o out/trained.pth --force")\nonnxclr("inspect out/trained.pth")',
        "Where PyTorch is installed, this is all it takes:\n\n```python\nstate = torch.load(\"out/trained.pth\", weights_only=True)\nmodel.load_state_dict(state, strict=True)\n```",
    ],
    "02_collapse_spectra": [
        "# Collapse in a picture\n\nYou will learn to see dimensional collapse: train a small ResNet with SimCLR on the representation itself and with DirectCLR, and compare the spectra of the representations before and after. The learning rate is high, so that a minute of training shows what takes the paper's networks many epochs.",
        SETUP + '\n\npathlib.Path("out").mkdir(exist_ok=True)\ndata = "\'generated:textures?train=1024&test=1024&size=48\'"\nonnxclr("convert ../testdata/checkpoints/demo.pth -o out/demo.onnx --force")',
        "Two runs that differ in what stands between the representation and the loss: nothing, or the first 24 channels.",
        'common = f"--model out/demo.onnx --data {data} --batch 128 --image-size 32 --epochs 14 --warmup-epochs 1 --lr 2 -q"\nonnxclr(f"train {common} --method simclr --projector none -o out/simclr --force")\nonnxclr(f"train {common} --method directclr --d0 24 -o out/directclr --force")',
        "`spectrum --data` takes models and images at once. The chart shows the singular values of the covariance of the representations of held-out images, sorted, on a logarithmic axis.",
        'onnxclr(f"spectrum out/demo.onnx out/simclr out/directclr --label before --label \'SimCLR, no projector\' --label DirectCLR --data {data} --image-size 32 --of r -o out/spectrum.png --force")\ndisplay(Image("out/spectrum.png", width=620))',
        "How deep does it go? The spectrum at the end of every stage of the collapsed network.",
        'onnxclr(f"spectrum out/simclr --label SimCLR --data {data} --image-size 32 --layers -o out/layers.png --force -q")\ndisplay(Image("out/layers.png", width=620))',
        "By which of the paper's two mechanisms? `diagnose` estimates the covariances of data and augmentation, weighted as the loss weights them, and looks at the last layers' weights.",
        'onnxclr(f"diagnose --model out/simclr --data {data} --image-size 32 --samples 1024 -o out/diagnosis --force")\ndisplay(Image("out/diagnosis/augmentation.png", width=720))',
    ],
    "03_theory": [
        "# The paper's theory\n\nYou will learn why representations collapse, on networks small enough for closed forms: strong augmentation kills directions (figure 3), layers align (figure 5), and depth alone leaves fewer dimensions (figure 11). Shorter than the paper's 10,000 steps, so that it runs in a minute; `docs/theory.md` has the full ones.",
        SETUP,
        "## Strong augmentation\nA single linear layer; in half of the coordinates one view is augmented with variance k. The threshold is twice the data's variance.",
        'onnxclr("theory strong-augmentation --steps 2000 --seeds 2 -o out/theory --force -q")\ndisplay(Image("out/theory/strong-augmentation.png", width=760))\ndisplay(Image("out/theory/strong-augmentation-growth.png", width=760))',
        "## Alignment\nTwo layers: the right singular vectors of the second turn towards the left ones of the first.",
        'onnxclr("theory alignment --steps 6000 --seeds 1 -o out/theory --force -q")\ndisplay(Image("out/theory/alignment.png", width=700))',
        "## Depth\nMore layers, fewer live dimensions; with ReLU in between too.",
        'onnxclr("theory depth --steps 3000 --seeds 1 -o out/theory --force -q")\ndisplay(Image("out/theory/depth.png", width=760))',
        "The numbers of each figure lie beside it as CSV.",
        'print("".join(open("out/theory/depth.csv").readlines()[:6]))',
    ],
    "04_ablations": [
        "# Ablations\n\nYou will learn to run one of the paper's tables: a grid of variants and seeds, trained, probed and charted by one command that resumes wherever it was stopped. Here at a toy size, one epoch on generated images, to show the machinery; `docs/reproduction.md` has runs on real images.",
        SETUP,
        "The shipped recipes hold every setting of a run, with its source. What differs between two?",
        'onnxclr("recipe list")\nonnxclr("recipe diff simclr-mlp-imagenet directclr-imagenet")',
        "What does the grid consist of? Every cell is a few command lines that one could type.",
        'grid = "ablate table1 --scale cifar10 --data \'generated:textures?train=256&test=128&size=32\' --arch resnet18 --set epochs=1 --set batch=64 --set warmup_epochs=0 --seeds 1 --probe-epochs 5 -o out/table1"\nonnxclr(grid + " --only directclr --dry-run -v")',
        'onnxclr(grid + " -q")',
        "After one epoch the table says nothing yet; the spectra already differ where the loss looks. The paper's numbers stand in a column of their own.",
        'display(Image("out/table1/spectra-z.png", width=620))\nprint(open("out/table1/cells.csv").read())',
        "`out/table1/report.html` is the same as one page. Run again, everything is done already:",
        'import time\nstart = time.time()\nonnxclr(grid + " -q")\nprint(f"{time.time() - start:.1f} s")',
    ],
    "05_your_own_embeddings": [
        "# Your own embeddings\n\nYou will learn to measure collapse of embeddings that you have already, from any framework: save them with `numpy.save` (or as `.npz`, `.safetensors` or CSV) and look. And to do it from Go.",
        SETUP + '\n\npathlib.Path("out").mkdir(exist_ok=True)',
        "Three sets of 128-dimensional rows: one that fills its space, one with a smooth decay, and one that has collapsed to 40 dimensions.",
        'import numpy as np\nr = np.random.default_rng(0)\nn, d = 4000, 128\nfull = r.standard_normal((n, d))\nsmooth = full * np.exp(-np.arange(d) / 20)\ncollapsed = full[:, :40] @ r.standard_normal((40, d)) / np.sqrt(40)\nfor name, rows in dict(full=full, smooth=smooth, collapsed=collapsed).items():\n    np.save(f"out/{name}.npy", rows.astype(np.float32))',
        'onnxclr("spectrum out/full.npy out/smooth.npy out/collapsed.npy --metrics -o out/three.png --json out/three.json --force")\ndisplay(Image("out/three.png", width=620))',
        "How sure is one of the small values? `--bootstrap` resamples the rows.",
        'onnxclr("spectrum out/smooth.npy --bootstrap 30 -o out/bands.png --force -q")\ndisplay(Image("out/bands.png", width=620))',
        "Embeddings that are spread over machines: each saves its moments, D² numbers, and they are merged.",
        'np.save("out/a.npy", smooth[:1000].astype(np.float32)); np.save("out/b.npy", smooth[1000:].astype(np.float32))\nfor part in "ab":\n    onnxclr(f"spectrum out/{part}.npy --save-moments out/{part}.npz -o out/{part}.png --force -q")\nonnxclr("merge out/a.npz out/b.npz -o out/all.npz --force")\nonnxclr("spectrum out/all.npz -o out/all.png --force")',
        "The same from Go, with the package `analysis`:",
        'program = \'\'\'package main\n\nimport (\n\t"fmt"\n\t"os"\n\n\t"onnxclr/analysis"\n)\n\nfunc main() {\n\tm, err := analysis.NewMoments(3, true)\n\tif err != nil {\n\t\tpanic(err)\n\t}\n\trows := []float64{1, 0, 0.2, 0, 1, 0.1, -1, 0.5, -0.1, 0.3, -1, 0}\n\tif err := m.Add(rows); err != nil {\n\t\tpanic(err)\n\t}\n\ts, err := m.Spectrum("four rows", 1)\n\tif err != nil {\n\t\tpanic(err)\n\t}\n\tfmt.Println(s.Metrics.LiveDims, "live dimensions, RankMe", s.Metrics.RankMe)\n\tf, _ := os.Create("notebooks/out/go.png")\n\tdefer f.Close()\n\tif err := (analysis.Chart{}).Write(f, ".png", []*analysis.Spectrum{s}); err != nil {\n\t\tpanic(err)\n\t}\n}\n\'\'\'\npathlib.Path("out/example").mkdir(exist_ok=True)\nopen("out/example/main.go", "w").write(program)\nprint(subprocess.run("go run ./notebooks/out/example", shell=True, cwd="..", text=True, capture_output=True).stdout)',
    ],
}


def write(name, cells):
    book = new_notebook()
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for i, text in enumerate(cells):
        prose = i == 0 or not re.match(r"(import|onnxclr|data|settings|common|grid|display|print|np|program|pathlib)\b", text)
        cell = new_markdown_cell(text) if prose else new_code_cell(text)
        cell["id"] = f"cell{i}"
        book.cells.append(cell)
    return book


def run(book):
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    NotebookClient(book, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    for cell in book.cells:
        cell.metadata.pop("execution", None)
    book.metadata.pop("language_info", None)


def main():
    shutil.rmtree(folder / "out", ignore_errors=True)
    chosen = [a for a in sys.argv[1:] if not a.startswith("-")]
    for name, cells in NOTEBOOKS.items():
        if chosen and not any(name.startswith(c) for c in chosen):
            continue
        path, start = folder / f"{name}.ipynb", time.time()
        book = nbformat.read(path, 4) if "--check" in sys.argv else write(name, cells)
        run(book)
        if "--check" not in sys.argv:
            nbformat.write(book, path)
        print(f"{name}: {time.time() - start:.0f} s", flush=True)
    shutil.rmtree(folder / "out", ignore_errors=True)
    (folder / "onnxclr").unlink(missing_ok=True)


main()

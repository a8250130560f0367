package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// benchCase is one measurement, as torch_worker.py and ours read it.
type benchCase struct {
	Model      string `json:"model"`
	Pass       string `json:"pass"`
	Batch      int    `json:"batch"`
	Size       int    `json:"size"`
	Threads    int    `json:"threads"`
	Layout     string `json:"layout"`
	Engine     string `json:"engine"`
	Checkpoint string `json:"checkpoint"`
	ONNX       string `json:"onnx"`
	Clock      string `json:"clock"`
}

func main() {
	var (
		worker  = flag.Bool("worker", false, "be our side of one case, spoken to over standard input and output")
		python  = flag.String("python", "python3", "interpreter with torch, torchvision and onnxruntime")
		models  = flag.String("models", "resnet50", "torchvision models, comma-separated")
		sizes   = flag.String("sizes", "64x32,32x64,16x128,8x224", "batch x image size, comma-separated; a training batch has two views of each image")
		passes  = flag.String("passes", "train", "train, forward, or both")
		engines = flag.String("engines", "torch,torch-channels-last", "of torch, torch-channels-last, compile, onnxruntime, exact (ours without Winograd), bf16 (ours in that precision)")
		reps    = flag.Int("reps", 5, "interleaved repetitions, after one that is not counted")
		threads = flag.Int("threads", runtime.NumCPU(), "threads of every side")
		clock   = flag.String("clock", "wall", "wall, or processor: processor time, which others on the machine disturb less; for our own engines and one thread")
		images  = flag.String("pictures", "", "measure no network but reading JPEG files and making views of them, beside torchvision: WIDTHxHEIGHT@VIEW (such files are made) or FOLDER@VIEW, comma-separated")
		probes  = flag.String("probes", "", "measure no network but probes on rows beside scikit-learn, faiss and PyTorch: ROWSxVALUES, comma-separated")
		report  = flag.String("markdown", "", "append the table to this file")
		chart   = flag.String("chart", "", "measure nothing; draw the tables in the file of --from as this .png, .svg or .pdf")
		from    = flag.String("from", "docs/benchmarks.md", "with --chart: Markdown with tables that this command printed")
	)
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: go run ./bench --python PYTHON [flags]")
		flag.PrintDefaults()
	}
	flag.Parse()
	var err error
	switch {
	case *worker:
		err = serve(os.Stdin, os.Stdout)
	case *chart != "":
		err = drawChart(*from, *chart)
	case *images != "":
		err = comparePictures(plan{python: *python, reps: *reps, report: *report}, fields(*images))
	case *probes != "":
		err = compareProbes(plan{python: *python, reps: *reps, clock: *clock, threads: *threads, report: *report}, fields(*probes))
	default:
		err = compare(plan{python: *python, models: fields(*models), sizes: fields(*sizes), passes: fields(*passes),
			engines: fields(*engines), reps: *reps, clock: *clock, threads: *threads, report: *report})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func fields(s string) []string { return strings.FieldsFunc(s, func(r rune) bool { return r == ',' }) }

package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "rewrite the golden help texts")

// result is what a command line gave.
type result struct {
	code     int
	out, err string
}

// command runs a command line in this process.
func command(t *testing.T, args ...string) result {
	t.Helper()
	return commandContext(t, t.Context(), args...)
}

func commandContext(t *testing.T, ctx context.Context, args ...string) result {
	t.Helper()
	var out, err bytes.Buffer
	code := run(ctx, &terminal{out: &out, err: &err}, args)
	return result{code, out.String(), err.String()}
}

// must runs a command line that has to succeed.
func must(t *testing.T, args ...string) result {
	t.Helper()
	r := command(t, args...)
	if r.code != exitDone {
		t.Fatalf("onnxclr %s: exit code %d\n%s", strings.Join(args, " "), r.code, r.err)
	}
	return r
}

// refused runs a command line that has to fail with the code and a message that
// holds the text, on one line unless lines is set.
func refused(t *testing.T, code int, want string, args ...string) {
	t.Helper()
	r := command(t, args...)
	if r.code != code {
		t.Errorf("onnxclr %s: exit code %d, want %d\n%s", strings.Join(args, " "), r.code, code, r.err)
	}
	if !strings.Contains(r.err, want) {
		t.Errorf("onnxclr %s: says\n%swant %q in it", strings.Join(args, " "), r.err, want)
	}
	if r.out != "" {
		t.Errorf("onnxclr %s: failed and yet printed\n%s", strings.Join(args, " "), r.out)
	}
	if strings.Contains(r.err, "goroutine ") {
		t.Errorf("onnxclr %s: panicked", strings.Join(args, " "))
	}
}

// contents are the names in a folder.
func contents(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func TestHelp(t *testing.T) {
	check := func(name, got string) {
		path := filepath.Join("testdata", "help", name+".txt")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("help of %s has changed; look at it and run with -update. It is now\n%s", name, got)
		}
	}
	check("onnxclr", must(t, "help").out)
	for _, v := range verbs {
		text := must(t, v.name, "--help").out
		check(v.name, text)
		if must(t, "help", v.name).out != text {
			t.Errorf("help %s and %s --help differ", v.name, v.name)
		}
		flags, _ := v.flags(&terminal{})
		flags.VisitAll(func(f *pflag.Flag) {
			if name, _ := pflag.UnquoteUsage(f); slices.Contains([]string{"int", "uint", "float", "string", "ints", "floats", "strings"}, name) {
				t.Errorf("%s --%s: the help says %q, a type, and not what it takes", v.name, f.Name, name)
			}
		})
	}
}

// TestExamplesParse: the example that ends a help text is a command line of today.
func TestExamplesParse(t *testing.T) {
	for _, v := range verbs {
		for line := range strings.Lines(v.example) {
			args := strings.Fields(line)
			if args[0] != "onnxclr" || args[1] != v.name {
				t.Errorf("%s: example %q does not call it", v.name, line)
			}
			flags, _ := v.flags(&terminal{})
			if err := flags.Parse(args[2:]); err != nil {
				t.Errorf("%s: example %q: %v", v.name, line, err)
			}
		}
	}
}

func TestUsageErrors(t *testing.T) {
	for _, tc := range []struct {
		line, want string
	}{
		{"", "Usage"},
		{"specturm", "did you mean spectrum?"},
		{"help specturm", "did you mean spectrum?"},
		{"frobnicate", `unknown verb "frobnicate"`},
		{"spectrum a.npy --lable x -o a.png", "did you mean --label?"},
		{"spectrum a.npy -o a.png --ddof two", "two"},
		{"spectrum a.npy -o a.png -x", "-x"},
		{"spectrum -o a.png", "at least one"},
		{"spectrum a.npy", "-o"},
		{"spectrum a.npy -o a.jpg", ".png"},
		{"spectrum a.npy -o a.png --label x --label y", "2 labels for 1"},
		{"spectrum a.npy -o a.png --seed 3", "--seed is for --bootstrap and --gradient"},
		{"spectrum a.npy -o a.png --ddof 3", "--ddof is 3"},
		{"spectrum a.npy -o a.png --log log2", "--log"},
		{"spectrum a.npy -o a.png --dpi 1", "--dpi"},
		{"spectrum a.npy -o a.png --json - --csv -", "standard output"},
		{"version now", "no arguments"},
		{"convert -o m.onnx", "one checkpoint"},
		{"convert a b -o m.onnx", "one checkpoint"},
		{"convert a.pth", "-o"},
		{"convert a.pth -out a.onnx", "did you mean --out?"},
		{"train --learning-rate 1", "did you mean --lr?"},
		{"train --projector mpl -o r", "did you mean mlp?"},
		{"train --optimizer SGD -o r", "did you mean sgd?"},
		{"augment --data d -o a.png --augmentation simcrl", "did you mean simclr?"},
		{"probe --model m --data d --kind lienar", `--kind is "lienar", want knn or linear; did you mean linear?`},
		{"probe --model m --data d --kind knn --lr-schedule cosin", "did you mean cosine?"},
		{"embed --model m --data d -o a.npy --corrupt skp", "did you mean skip?"},
		{"spectrum a.npy -o a.png --log log", `--log is "log", want ln or log10`},
		{"spectrum a.npy -o a.png --invalid dorp", "did you mean drop?"},
		{"diagnose --model m --data d -o d --format pgn", `--format is "pgn", want png, svg or pdf; did you mean png?`},
		{"theory depth -o d --format sgv", "did you mean svg?"},
		{"theory depth -o d --loss infonec", "did you mean infonce?"},
		{"convert a.pth -o a.onnx --head dorp", "did you mean drop?"},
		{"convert a.pth -o a.onnx --stem maxpol", "did you mean maxpool?"},
		{"init resnet18 -o a.onnx --stem cfiar", "did you mean cifar?"},
		{"export m -o a.pth --dtype flaot32", "did you mean float32?"},
		{"inspect m --plan=trian", "did you mean train?"},
		{"ablate table1 --data d -o d --scale cifar100", "did you mean cifar10?"},
		{"convert a.pth -o m.pth", ".onnx"},
		{"convert a.pth -o m.onnx --head off", "--head"},
		{"inspect", "one file"},
		{"inspect a.onnx --plan=fast", "--plan"},
		{"inspect a.onnx --dot --json", "--dot"},
		{"inspect a.onnx --batch 0", "--batch"},
		{"inspect a.onnx --image-size 3", "--image-size"},
		{"run -o y.npy --input x.npy", "one model"},
		{"run m.onnx --input x.npy", "-o"},
		{"run m.onnx --input x.npy -o y.txt", ".npy or .npz"},
		{"run m.onnx --input x.npy -o y.npy --output a --output b", ".npz"},
		{"export m.onnx", "-o"},
		{"export -o m.pth", "one run or model"},
		{"export m.onnx -o m.h5", ".safetensors"},
		{"export m.onnx -o m.pth --layout keras", "--layout is"},
		{"export m.onnx -o m.pth --dtype int8", "--dtype is"},
		{"embed --data d -o e.npy", "--model"},
		{"embed --model m -o e.npy", "--data"},
		{"embed --model m --data d", "-o"},
		{"embed --model m --data d -o e.txt", ".npy"},
		{"embed --model m --data d -o e.npy --labels l.txt", ".npy"},
		{"embed --model m --data d -o e.npy --batch 0", "--batch"},
		{"embed --model m --data d -o e.npy --image-size 1", "--image-size"},
		{"embed more --model m --data d -o e.npy", `"more"`},
		{"train --model m --data d", "-o"},
		{"train --data d -o r", "model is missing"},
		{"train --model m -o r", "data is missing"},
		{"train --model m --data d -o r --resume --force", "one"},
		{"train --model m --data d -o r --method byol", "method"},
		{"train --model m --data d -o r --batch many", "--batch"},
		{"train --model m --data d -o r --lr 0", "lr"},
		{"train --model m --data d -o r --bacth 64", "did you mean --batch?"},
		{"augment -o s.png", "--data"},
		{"augment --data d", "-o"},
		{"augment --data d -o s.jpg", ".png"},
		{"augment --data d -o s.png --count 0", "--count"},
	} {
		refused(t, exitUsage, tc.want, strings.Fields(tc.line)...)
	}
}

func TestVersion(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"--version"}} {
		if r := must(t, args...); !strings.HasPrefix(r.out, "onnxclr ") {
			t.Errorf("%v printed %q", args, r.out)
		}
	}
}

func TestVerbosity(t *testing.T) {
	dir := t.TempDir()
	rows := saveRows(t, dir, "a.npy", 60, 4)
	say := func(flags ...string) string {
		return must(t, append([]string{"spectrum", rows, "-o", filepath.Join(dir, "a.png"), "--force"}, flags...)...).err
	}
	if s := say(); !strings.Contains(s, "wrote") || strings.Contains(s, "done in") {
		t.Errorf("normally it says %q", s)
	}
	if s := say("-q"); s != "" {
		t.Errorf("with -q it says %q", s)
	}
	if s := say("-v"); !strings.Contains(s, "done in") {
		t.Errorf("with -v it says %q", s)
	}
}

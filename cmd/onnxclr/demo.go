package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"onnxclr/analysis"
	"onnxclr/internal/file"
	"onnxclr/testdata/checkpoints"
)

type demoOptions struct {
	out   string
	force bool
}

var demoVerb = &verb{
	name:    "demo",
	args:    "[-o DIR]",
	summary: "the whole story on embedded data, in about two minutes",
	about: `
Takes a small ResNet that torch.save wrote (embedded in this program) and textures generated in
code, and runs the commands that one runs on one's own data, printing each: convert, embed,
train with SimCLR without a projector and with DirectCLR, embed again, and chart the spectra
before and after in one picture.`,
	example: "onnxclr demo -o demo",
	prepare: func(f *pflag.FlagSet) action {
		o := &demoOptions{}
		f.StringVarP(&o.out, "out", "o", "onnxclr-demo", "`folder` for everything")
		f.BoolVar(&o.force, "force", false, "replace an earlier demo")
		return o.run
	},
}

// What the demo runs on. The images have the size that the checkpoint was trained
// on; d0 is to its 128 channels about what the paper's 360 is to 2048.
const (
	demoData = "generated:textures?train=2048&test=1024&size=48"
	demoSize = "32"
	demoD0   = "24"
)

// demoTraining are the settings that both runs share.
var demoTraining = []string{"--data", demoData, "--image-size", demoSize, "--batch", "128", "--epochs", "10", "--warmup-epochs", "1"}

func (o *demoOptions) run(ctx context.Context, t *terminal, args []string) error {
	if len(args) > 0 {
		return usagef("takes no arguments, %q given", args[0])
	}
	in := func(name string) string { return filepath.Join(o.out, name) }
	if entries, err := os.ReadDir(o.out); err == nil && len(entries) > 0 && !o.force {
		return fmt.Errorf("%s %w and is not empty; name another folder with -o, or pass --force", o.out, file.ErrExists)
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	err := file.Write(in("demo.pth"), func(w io.Writer) error { _, err := w.Write(checkpoints.Demo); return err })
	if err != nil {
		return err
	}
	t.print("%s is a checkpoint of a small ResNet, as PyTorch saves it.\n", in("demo.pth"))

	embed := func(model, out string) []string {
		return []string{"embed", "--model", model, "--data", demoData, "--image-size", demoSize, "-o", out}
	}
	steps := []struct {
		why  string
		line []string
	}{
		{"Make an ONNX model of it", []string{"convert", in("demo.pth"), "-o", in("demo.onnx")}},
		{"Its representations of images that no run trains on", embed(in("demo.onnx"), in("before.npy"))},
		{"Train with SimCLR's loss on the representation itself, without a projector",
			append([]string{"train", "--model", in("demo.onnx"), "--method", "simclr", "--projector", "none", "-o", in("simclr")}, demoTraining...)},
		{"Train with DirectCLR: the same loss on the first " + demoD0 + " of the 128 channels",
			append([]string{"train", "--model", in("demo.onnx"), "--method", "directclr", "--d0", demoD0, "-o", in("directclr")}, demoTraining...)},
		{"The representations of both", embed(in("simclr"), in("simclr.npy"))},
		{"", embed(in("directclr"), in("directclr.npy"))},
		{"The singular values of their covariances, in one picture", []string{"spectrum", in("before.npy"), in("simclr.npy"), in("directclr.npy"),
			"--label", "before training", "--label", "SimCLR, no projector", "--label", "DirectCLR, d0 = " + demoD0,
			"-o", in("spectrum.png"), "--json", in("spectrum.json"), "--csv", in("spectrum.csv")}},
	}
	for _, s := range steps {
		if err := o.step(ctx, t, s.why, s.line); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(in("spectrum.json"))
	if err != nil {
		return err
	}
	var chart struct{ Sources []*analysis.Spectrum }
	if err := json.Unmarshal(text, &chart); err != nil {
		return err
	}
	t.print("\n%s", demoSummary(in("spectrum.png"), chart.Sources))
	return nil
}

// step prints a command line and runs it as a user's.
func (o *demoOptions) step(ctx context.Context, t *terminal, why string, line []string) error {
	if why != "" {
		t.print("\n%s:\n", why)
	}
	t.print("$ onnxclr %s\n", shellLine(line))
	if o.force {
		line = append(line, "--force")
	}
	v := find(line[0])
	// A terminal of its own: flags of the step must not change those of the demo.
	inner := &terminal{out: t.out, err: t.err, live: t.live}
	flags, act := v.flags(inner)
	if err := flags.Parse(line[1:]); err != nil {
		return err
	}
	inner.quiet, inner.verbose = t.quiet, t.verbose
	err := act(ctx, inner, flags.Args())
	inner.wipe()
	return err
}

// shellLine quotes what a shell would take apart.
func shellLine(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = w
		if strings.ContainsAny(w, " ?&*'\"$") {
			quoted[i] = `"` + w + `"`
		}
	}
	return strings.Join(quoted, " ")
}

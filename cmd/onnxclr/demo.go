package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"onnxclr/analysis"
	"onnxclr/internal/file"
	"onnxclr/internal/npy"
	"onnxclr/testdata/checkpoints"
	"onnxclr/train"
)

type demoOptions struct {
	out      string
	force    bool
	data     string
	training []string // flags of both runs
}

var demoVerb = &verb{
	name:    "demo",
	args:    "[-o DIR]",
	summary: "the whole story on embedded data, in about two minutes",
	about: `
Takes a small ResNet that torch.save wrote (embedded in this program) and textures generated in
code, and runs the commands that one runs on one's own data, printing each: convert, embed,
train with SimCLR without a projector and with DirectCLR, embed again, and chart the spectra
before and after in one picture. Equal programs on equal processors give equal pictures.`,
	example: "onnxclr demo -o demo",
	prepare: func(f *pflag.FlagSet) action {
		o := &demoOptions{data: demoData, training: demoTraining}
		f.StringVarP(&o.out, "out", "o", "onnxclr-demo", "`folder` for everything")
		f.BoolVar(&o.force, "force", false, "replace an earlier demo")
		return o.run
	},
}

// What the demo runs on. The views have the size that the checkpoint was trained on;
// d0 is to its 128 channels about what the paper's 360 is to 2048.
const (
	demoData = "generated:textures?train=2048&test=1024&size=48"
	demoSize = 32
	demoD0   = 24
)

// demoTraining are the settings of both runs. The paper's recipe makes a hundred
// times more steps; a learning rate of 2, where 0.15 would go with the batch, lets
// these few move the weights far enough for the spectra to differ visibly.
var demoTraining = []string{"--batch", "128", "--epochs", "20", "--warmup-epochs", "1", "--lr", "2"}

func (o *demoOptions) run(ctx context.Context, t *terminal, args []string) error {
	if len(args) > 0 {
		return usagef("takes no arguments, %q given", args[0])
	}
	start := time.Now()
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

	images := []string{"--data", o.data, "--image-size", strconv.Itoa(demoSize)}
	embed := func(model, out string) []string {
		return slices.Concat([]string{"embed", "--model", model}, images, []string{"-o", out})
	}
	train := func(out string, method ...string) []string {
		return slices.Concat([]string{"train", "--model", in("demo.onnx")}, images, method, o.training, []string{"-o", out})
	}
	steps := []struct {
		why  string
		line []string
	}{
		{"Make an ONNX model of it", []string{"convert", in("demo.pth"), "-o", in("demo.onnx")}},
		{"Its representations of images that no run trains on", embed(in("demo.onnx"), in("before.npy"))},
		{"Train with the contrastive loss on the representation itself: SimCLR without a projector",
			train(in("simclr"), "--method", "simclr", "--projector", "none")},
		{fmt.Sprintf("The same, with the loss on the first %d of the 128 channels: DirectCLR", demoD0),
			train(in("directclr"), "--method", "directclr", "--d0", strconv.Itoa(demoD0))},
		{"The representations of both", embed(in("simclr"), in("simclr.npy"))},
		{"", embed(in("directclr"), in("directclr.npy"))},
		{"The singular values of their covariances, in one picture", []string{"spectrum", in("before.npy"), in("simclr.npy"), in("directclr.npy"),
			"--label", "before training", "--label", "SimCLR, no projector", "--label", fmt.Sprintf("DirectCLR, d0 = %d", demoD0),
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
	share, err := leadingShare(in("directclr.npy"), demoD0)
	if err != nil {
		return err
	}
	t.print("\n%s", demoSummary(in("spectrum.png"), chart.Sources, share))
	t.say("the demo took %.0f s", time.Since(start).Seconds())
	return nil
}

// leadingShare is the part of the variance of unit rows that lies in their first d0
// columns.
func leadingShare(path string, d0 int) (float64, error) {
	a, err := npy.Open(path)
	if err != nil {
		return 0, err
	}
	defer a.Close()
	rows, err := a.Float64s()
	if err != nil {
		return 0, err
	}
	m, err := analysis.NewMoments(a.Shape[1], true)
	if err != nil {
		return 0, err
	}
	if err := m.Add(rows); err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	c, err := m.Covariance(1)
	if err != nil {
		return 0, err
	}
	var leading, all float64
	for j := range m.Dim() {
		all += c.At(j, j)
		if j < d0 {
			leading += c.At(j, j)
		}
	}
	return leading / all, nil
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
	if errors.Is(err, train.ErrInterrupted) { // which says how to go on with the step, not with the demo
		return context.Canceled
	}
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

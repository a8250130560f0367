package main

import (
	"path/filepath"
	"strings"
	"testing"

	"onnxclr/analysis"
)

// TestDemo runs the demo's own commands, with less data and fewer steps.
func TestDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	var out, errs strings.Builder
	terminal := &terminal{out: &out, err: &errs}
	o := &demoOptions{out: dir, data: "generated:textures?train=16&test=20&size=32", training: []string{"--batch", "8", "--steps", "2", "--warmup-steps", "1", "--lr", "1"}}
	if err := o.run(t.Context(), terminal, nil); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, dir); got != "before.npy demo.onnx demo.pth directclr directclr.npy simclr simclr.npy spectrum.csv spectrum.json spectrum.png" {
		t.Errorf("the folder holds %s", got)
	}
	for _, want := range []string{"$ onnxclr convert", "$ onnxclr train", "$ onnxclr embed", "$ onnxclr spectrum", "What ", "on your own checkpoint"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	if err := o.run(t.Context(), terminal, nil); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Errorf("a second demo in the same folder: %v", err)
	}
	o.force = true
	if err := o.run(t.Context(), terminal, nil); err != nil {
		t.Errorf("with --force: %v", err)
	}
}

// TestDemoCommandsParse: what the demo prints and runs are command lines of today.
// (The test above replaces the settings of its training.)
func TestDemoCommandsParse(t *testing.T) {
	flags, _ := trainVerb.flags(&terminal{})
	if err := flags.Parse(demoTraining); err != nil {
		t.Error(err)
	}
}

// TestDemoSummaryFollowsTheNumbers: the words do not say what the spectra do not.
func TestDemoSummaryFollowsTheNumbers(t *testing.T) {
	spectrum := func(collapsed int, rankMe float64) *analysis.Spectrum {
		return &analysis.Spectrum{Samples: 1024, Dim: 128, Metrics: analysis.Metrics{LiveDims: 128 - collapsed, CollapsedDims: collapsed, RankMe: rankMe}}
	}
	for _, tc := range []struct {
		name                      string
		before, simclr, directclr *analysis.Spectrum
		want                      []string
	}{
		{"as in the paper", spectrum(0, 58), spectrum(8, 48), spectrum(0, 30),
			[]string{"all 128 dimensions are live", "120 are live and 8 collapsed", "made 8 dimensions collapse", "fell from 58.0 to 48.0", "95 %"}},
		{"both", spectrum(0, 58), spectrum(1, 60), spectrum(0, 58), []string{"made 1 dimension collapse", "rose from 58.0 to 60.0", "stayed at 58.0"}},
		{"less", spectrum(2, 58), spectrum(8, 48), spectrum(3, 30), []string{"Both runs lost dimensions", "6", "DirectCLR 1"}},
		{"nothing", spectrum(0, 58), spectrum(0, 48), spectrum(0, 30), []string{"do not show that"}},
		{"the other way", spectrum(0, 58), spectrum(1, 48), spectrum(4, 30), []string{"do not show that"}},
	} {
		text := demoSummary("s.png", []*analysis.Spectrum{tc.before, tc.simclr, tc.directclr}, 0.951)
		for _, want := range tc.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is missing in\n%s", tc.name, want, text)
			}
		}
	}
}

package train

import (
	"strings"
	"testing"

	"onnxclr/internal/golden"
)

func TestSchedulesFollowTheirGoldens(t *testing.T) {
	arrays := golden.Load(t, "train/schedule.npz")
	for name, s := range map[string]Schedule{
		"cosine": {Kind: "cosine", Base: 4.8, Warmup: 70, Total: 210, Final: 0.001},
		"step":   {Kind: "step", Base: 0.5, Total: 100, StepAt: []float64{0.6, 0.8}, StepFactor: 0.1},
	} {
		want := arrays[name].F64
		got := make([]float64, len(want))
		for i := range got {
			got[i] = s.LR(i)
		}
		golden.Check(t, name, golden.Closed, got, want)
	}
}

func TestScheduleEnds(t *testing.T) {
	s := Schedule{Kind: "cosine", Base: 2, Warmup: 4, Total: 104, Final: 0.001}
	for step, want := range map[int]float64{0: 0, 1: 0.5, 3: 1.5, 4: 2, 54: 1.001, 104: 0.002} {
		golden.CheckValue(t, "cosine", golden.Closed, s.LR(step), want)
	}
	if s.LR(0) != 0 {
		t.Errorf("warm-up starts at %g, want exactly 0", s.LR(0))
	}
	s = Schedule{Kind: "constant", Base: 2, Warmup: 0, Total: 3}
	for step := range 3 {
		if got := s.LR(step); got != 2 {
			t.Errorf("constant: step %d has %g, want 2", step, got)
		}
	}
}

func TestSettle(t *testing.T) {
	resolve := func(flags ...string) Recipe {
		t.Helper()
		var ss []Setting
		for i := 0; i < len(flags); i += 2 {
			ss = append(ss, Flag(flags[i], flags[i+1]))
		}
		r, _, err := Resolve(ss...)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, c := range []struct {
		name            string
		r               Recipe
		batch, perEpoch int
		warmup, total   int
		warning, fail   string
	}{
		{"paper", resolve(), 4096, 312, 3120, 31200, "", ""},
		{"short run", resolve("steps", "50"), 4096, 10, 5, 50, "shortened to 5", ""},
		{"very short run", resolve("steps", "5"), 4096, 10, 0, 5, "shortened to 0", ""},
		{"few epochs", resolve("epochs", "4"), 4096, 10, 4, 40, "shortened to 4", ""},
		{"as many epochs as warm up", resolve("epochs", "10"), 4096, 10, 100, 100, "takes 100 steps of the run's 100", ""},
		{"warm-up of half the run", resolve("epochs", "20"), 4096, 10, 100, 200, "", ""},
		{"given", resolve("epochs", "4", "warmup-epochs", "5"), 4096, 10, 0, 0, "", "warm-up of 50 steps is longer than the run of 40"},
		{"given steps", resolve("steps", "4", "warmup-steps", "5"), 4096, 10, 0, 0, "", "warm-up of 5 steps"},
		{"all of it", resolve("steps", "4", "warmup-steps", "4"), 4096, 10, 4, 4, "", ""},
		{"none", resolve("steps", "4", "warmup-steps", "0"), 4096, 10, 0, 4, "", ""},
		{"fraction of an epoch", resolve("warmup-epochs", "0.5"), 4096, 10, 5, 1000, "", ""},
		{"other batch", resolve("batch", "8"), 16, 10, 0, 0, "", "batch is 8, but the data come in batches of 16"},
	} {
		t.Run(c.name, func(t *testing.T) {
			warnings, err := c.r.Settle(c.batch, c.perEpoch)
			if c.fail != "" {
				if err == nil || !strings.Contains(err.Error(), c.fail) {
					t.Fatalf("error %v, want %q", err, c.fail)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(warnings, "\n"); !strings.Contains(got, c.warning) || (got != "") != (c.warning != "") {
				t.Errorf("warnings %q, want %q", got, c.warning)
			}
			s := c.r.LRSchedule(c.perEpoch)
			if s.Warmup != c.warmup || s.Total != c.total || s.LR(0) != 0 && s.Warmup > 0 {
				t.Errorf("warm-up %d of %d, want %d of %d", s.Warmup, s.Total, c.warmup, c.total)
			}
			// What is written to the run resolves to the same run.
			again, _, err := Resolve(mustParse(t, string(c.r.YAML()))...)
			if err != nil {
				t.Fatal(err)
			}
			if w, err := again.Settle(c.batch, c.perEpoch); err != nil || w != nil {
				t.Errorf("settled again: %v, %v", w, err)
			}
			if d := Diff(c.r, again); d != nil {
				t.Errorf("differs after a round trip: %v", d)
			}
		})
	}
	r := resolve("optimizer", "sgd", "batch", "64")
	if _, err := r.Settle(64, 10); err != nil || r.LR != 0.0125 {
		t.Errorf("sgd at batch 64 has lr %g (%v), want 0.0125", r.LR, err)
	}
	if r := resolve(); r.Batch == 4096 {
		r.Settle(4096, 10)
		golden.CheckValue(t, "the paper's lr", golden.Closed, r.LR, 4.8)
	}
}

package train

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func mustParse(t *testing.T, src string) []Setting {
	t.Helper()
	s, err := ParseRecipe("r.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDefaultsAreThePaper(t *testing.T) {
	for _, c := range []struct {
		r       Recipe
		project string
		dim, d0 int
	}{
		{Defaults("simclr"), "mlp", 128, 0},
		{Defaults("directclr"), "none", 0, 360},
	} {
		if err := c.r.Validate(); err != nil {
			t.Errorf("%s: %v", c.r.Method, err)
		}
		if c.r.Projector != c.project || c.r.ProjDim != c.dim || c.r.D0 != c.d0 || c.r.Batch != 4096 || c.r.Temp != 0.1 || c.r.WeightDecay != 1e-6 || c.r.Epochs != 100 {
			t.Errorf("%s: %+v", c.r.Method, c.r)
		}
	}
}

func TestFlagsOverrideTheFile(t *testing.T) {
	file := mustParse(t, `# comment
method: directclr
d0: 64
temperature: 0.2
step_at: [0.25, 0.5]
schedule: step
lr: 3e-2
nesterov: true
optimizer: "sgd"
`)
	r, warnings, err := Resolve(append(file, Flag("d0", "32"), Flag("weight-decay", "0.5"), Flag("seed", "18446744073709551615"))...)
	if err != nil || warnings != nil {
		t.Fatal(err, warnings)
	}
	if r.D0 != 32 || r.Temp != 0.2 || r.LR != 0.03 || r.WeightDecay != 0.5 || !r.Nesterov || r.Seed != math.MaxUint64 || !reflect.DeepEqual(r.StepAt, []float64{0.25, 0.5}) {
		t.Errorf("got %+v", r)
	}
	if r.ExcludeNorm {
		t.Error("sgd leaves biases out by default, want torch.optim.SGD")
	}
	if r, _, err := Resolve(Flag("step-at", "0.5, 0.75"), Flag("schedule", "step")); err != nil || !reflect.DeepEqual(r.StepAt, []float64{0.5, 0.75}) {
		t.Errorf("list flag: %v, %v", r.StepAt, err)
	}
}

// Every mistake is reported at once, each with its line.
func TestMistakesHaveLines(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{"lr: 0.1\nlearning_rate: 1\n", `r.yaml:2: unknown key "learning_rate"; did you mean "lr"?`},
		{"\ntemprature: 1\n", `r.yaml:2: unknown key "temprature"; did you mean "temperature"?`},
		{"warmup-epochs: 1\n", `did you mean "warmup_epochs"?`},
		{"qqqqqqqqqq: 1\n", "known are model, method"},
		{"batch: 64\nbatch: 32\n", "r.yaml:2: batch is given twice, first in line 1"},
		{"batch: many\n", `r.yaml:1: batch is "many", want a whole number`},
		{"batch: 1.5\n", `batch is "1.5", want a whole number`},
		{"batch: 99999999999999999999\n", "want a whole number"},
		{"batch:\n", "r.yaml:1: batch has no value"},
		{"batch: [1]\n", "batch is a list, want a whole number"},
		{"batch: {a: 1}\n", "batch is a mapping"},
		{"batch: 1\n", "r.yaml:1: batch is 1, want a whole number from 2"},
		{"# x\n\nmomentum: 1\n", "r.yaml:3: momentum is 1, want"},
		{"temperature: .nan\n", `temperature is ".nan", want a number`},
		{"temperature: nan\n", "temperature is NaN, want"},
		{"lr: -1\n", "r.yaml:1: lr is -1"},
		{"projector: unet\n", `projector is "unet", want one of none, linear, mlp, orthogonal`},
		{"projector_layers: 1\n", "r.yaml:1: projector_layers is 1, want a whole number from 2 to 64"},
		{"projector_batchnorm: last\n", `r.yaml:1: projector_batchnorm is "last", want one of all, hidden, none`},
		{"projector_bias: true\n", `r.yaml:1: projector_bias is "true", want one of all, hidden, none`},
		{"projector_hidden: -1\n", "projector_hidden is -1, want a whole number from 0"},
		{"projector: group\nprojector_groups: 0\n", "r.yaml:2: projector_groups is 0, want"},
		{"projector: lowrank\nd0: 0\n", "r.yaml:2: d0 is 0, want"},
		{"projector: linear\nprojector_dim: 0\n", "r.yaml:2: projector_dim is 0, want a whole number from 1"},
		{"method: directclr\nprojector: orthogonal\n", "r.yaml:2: projector is \"orthogonal\", want none"},
		{"loss: simsiam\n", `loss is "simsiam", want one of infonce, ntxent, barlow, vicreg`},
		{"loss: barlow\nbarlow_lambda: -1\n", "r.yaml:2: barlow_lambda is -1, want a number from 0"},
		{"loss: barlow\nbarlow_scale: 0\n", "r.yaml:2: barlow_scale is 0, want a number above 0"},
		{"loss: vicreg\nvicreg_covariance: -0.5\n", "r.yaml:2: vicreg_covariance is -0.5"},
		{"loss: vicreg\nvicreg_invariance: 0\nvicreg_variance: 0\nvicreg_covariance: 0\n", "r.yaml:2: vicreg_invariance is 0, as are"},
		{"lr: 0\n", "lr is 0, want a number greater than 0"},
		{"seed: -1\n", `seed is "-1", want a whole number from 0`},
		{"schedule: step\nstep_at:\n  - 0.5\n  - x\n", `r.yaml:4: step_at[1] is "x", want a number`},
		{"schedule: step\nstep_at: [0.5, 0.25]\n", "r.yaml:2: step_at is [0.5 0.25], want ascending"},
		{"schedule: step\nstep_at: []\n", "step_at"},
		{"schedule: linear\n", `schedule is "linear", want one of cosine, constant, step`},
		{"method: byol\n", `method is "byol"`},
		{"method: directclr\nprojector: mlp\n", "r.yaml:2: projector is \"mlp\", want none"},
		{"nesterov: yes\n", `nesterov is "yes", want true or false`},
		{"optimizer: sgd\nmomentum: 0\nnesterov: true\n", "nesterov is true, want false without momentum"},
		{"lr_scaling: linear\n", "r.yaml:1: lr_scaling is linear, want lr beside it"},
		{"lr: 1\nlr_scaling: cubic\n", `lr_scaling is "cubic", want one of none, linear, sqrt`},
		{"lars_variant: nvidia\n", `lars_variant is "nvidia", want one of directclr, google, bolts, solo-learn`},
		{"optimizer: adamw\nadam_beta1: 1\n", "r.yaml:2: adam_beta1 is 1, want"},
		{"optimizer: adamw\nadam_beta2: -0.1\n", "adam_beta2 is -0.1"},
		{"optimizer: adamw\nadam_eps: 0\n", "adam_eps is 0, want a number greater than 0"},
		{"clip_gradient: -1\n", "clip_gradient is -1, want 0, or"},
		{"clip_grad: 1\n", `did you mean "clip_gradient"?`},
		{"parameter_groups: 3\n", `r.yaml:1: parameter_groups is "3", want a list such as`},
		{"parameter_groups: '[{'\n", `parameter_groups is "[{", want a list such as`},
		{"parameter_groups: {match: a}\n", "parameter_groups is a mapping, want a list"},
		{"parameter_groups:\n  - match: a\n  - lars: false\n", "r.yaml:3: parameter_groups[1] has no match"},
		{"parameter_groups:\n  - match: a\n    lr_facto: 2\n", `r.yaml:3: parameter_groups[0] has an unknown key "lr_facto"; did you mean "lr_factor"?`},
		{"parameter_groups:\n  - match: a\n    lr_factor: x\n", `r.yaml:3: parameter_groups[0].lr_factor is "x", want a number`},
		{"parameter_groups:\n  - match: '[a'\n", `parameter_groups[0].match is "[a", want a pattern`},
		{"parameter_groups:\n  - match: a\n    match: b\n", "has match twice"},
		{"parameter_groups: [{match: a, lr_factor: 0}]\n", "r.yaml:1: parameter_groups[0] has lr_factor 0, want"},
		{"parameter_groups: [{match: a, weight_decay: 2}]\n", "parameter_groups[0] has weight_decay 2, want"},
		{"parameter_groups: [{match: a, lars: maybe}]\n", `.lars is "maybe", want true or false`},
		{"optimizer: sgd\nparameter_groups: [{match: a, lars: true}]\n", "parameter_groups[0] sets lars, but the optimizer is sgd"},
		{"augmentation: moco\n", `r.yaml:1: augmentation is "moco", want one of paper, simclr`},
		{"crop_scale_min: 0\n", "r.yaml:1: crop_scale_min is 0, want a number above 0, up to 1"},
		{"crop_filter: nearest\n", `crop_filter is "nearest", want one of bicubic, bilinear`},
		{"flip_prob: 2\n", "flip_prob is 2, want a probability"},
		{"jitter_prob: nan\n", "jitter_prob is NaN, want a probability"},
		{"grayscale_prob: -1\n", "grayscale_prob is -1, want a probability"},
		{"blur_prob: [1, 2]\n", "r.yaml:1: blur_prob is 2, want a probability"},
		{"blur_prob: [1, 0, 0]\n", "r.yaml:1: blur_prob is [1 0 0], want two numbers"},
		{"solarize_prob: []\n", "solarize_prob is [], want two numbers"},
		{"jitter: [1, 1, 1]\n", "r.yaml:1: jitter is [1 1 1], want four numbers"},
		{"jitter: [1, 1, 1, 0.6]\n", "hue up to 0.5"},
		{"jitter: [1, -1, 1, 0]\n", "jitter is [1 -1 1 0], want four numbers from 0"},
		{"hue: 0.1\n", "known are model"},
		{"data: a\nviews: b\n", "only one of data and views"},
		{"- a\n", "r.yaml:1: want \"key: value\""},
		{"a: b: c\n", "r.yaml: yaml: "},
		{"lr: 1\n---\nlr: 2\n", "more than one YAML document"},
		{"lr: 1\n bad\n", "yaml"},
		{"? [a]\n: 1\n", "unknown key"},
	} {
		s, err := ParseRecipe("r.yaml", []byte(c.src))
		if err == nil {
			_, _, err = Resolve(s...)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q", c.src, err, c.want)
		}
	}
	_, _, err := Resolve(append(mustParse(t, "lr: -1\nbatsh: 3\n"), Flag("epochs", "zero"), Flag("steps", "-4"))...)
	for _, want := range []string{"r.yaml:1: lr is -1", `r.yaml:2: unknown key "batsh"; did you mean "batch"?`, `--epochs: epochs is "zero"`, "--steps: steps is -4"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want it to say %q", err, want)
		}
	}
}

func TestSettingsWithoutEffectAreNamed(t *testing.T) {
	r, warnings, err := Resolve(Flag("d0", "64"), Flag("projector", "none"), Flag("projector-dim", "64"), Flag("steps", "3"), Flag("epochs", "2"), Flag("step-factor", "-1"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"--projector-dim: projector_dim has no effect with projector none", "--d0: d0 has no effect with projector none", "--step-factor: step_factor has no effect with schedule cosine", "--epochs: epochs has no effect with steps"}
	if !reflect.DeepEqual(warnings, want) {
		t.Errorf("warnings %q\nwant %q", warnings, want)
	}
	if _, warnings, err := Resolve(append(mustParse(t, "epochs: 3\nmomentum: 0.5\nprojector: none\nd0: 64\n"), Flag("steps", "5"), Flag("optimizer", "adamw"))...); err != nil || len(warnings) != 1 || warnings[0] != "r.yaml:4: d0 has no effect with projector none" {
		t.Errorf("flags over a recipe: warnings %q, %v", warnings, err)
	}
	if r, warnings, err := Resolve(append(mustParse(t, "steps: 300\nwarmup_steps: 30\n"), Flag("epochs", "5"), Flag("warmup-epochs", "1"))...); err != nil || len(warnings) != 0 || r.Steps != 0 || r.Epochs != 5 || r.WarmupSteps != 0 || r.Given["steps"] {
		t.Errorf("flags in epochs over a recipe in steps: %d steps, %d epochs, warnings %q, %v", r.Steps, r.Epochs, warnings, err)
	}
	if _, _, err := Resolve(Flag("blur-prob", "2")); err == nil || strings.Count(err.Error(), "want a probability") != 1 {
		t.Errorf("a probability of both views: %v", err)
	}
	if _, warnings, err := Resolve(Flag("loss", "vicreg"), Flag("temperature", "0.5"), Flag("barlow-lambda", "-1")); err != nil || len(warnings) != 2 || warnings[0] != "--temperature: temperature has no effect with loss vicreg" {
		t.Errorf("warnings %q, error %v", warnings, err)
	}
	same, _, _ := Resolve(Flag("projector", "none"), Flag("steps", "3"))
	if d := Diff(r, same); d != nil {
		t.Errorf("the same run differs: %v", d)
	}
}

// TestDefaultsOfProjectors: what nobody wrote follows from the projector and the loss.
func TestDefaultsOfProjectors(t *testing.T) {
	for _, c := range []struct {
		flags []Setting
		want  Recipe
	}{
		{nil, Recipe{ProjDim: 128, ProjDeep: 2, ProjNorm: "all", ProjBias: "all"}},
		{[]Setting{Flag("loss", "vicreg")}, Recipe{ProjDim: 128, ProjDeep: 2, ProjNorm: "hidden", ProjBias: "hidden"}},
		{[]Setting{Flag("loss", "barlow"), Flag("projector-batchnorm", "all")}, Recipe{ProjDim: 128, ProjDeep: 2, ProjNorm: "all", ProjBias: "all"}},
		{[]Setting{Flag("projector-batchnorm", "hidden"), Flag("projector-bias", "all")}, Recipe{ProjDim: 128, ProjDeep: 2, ProjNorm: "hidden", ProjBias: "all"}},
		{[]Setting{Flag("projector-batchnorm", "none")}, Recipe{ProjDim: 128, ProjDeep: 2, ProjNorm: "none", ProjBias: "all"}},
		{mustParse(t, "projector_norm: false"), Recipe{ProjDim: 128, ProjDeep: 2, ProjNorm: "hidden", ProjBias: "hidden"}}, // as runs of before have it
		{mustParse(t, "projector_norm: true\nloss: vicreg"), Recipe{ProjDim: 128, ProjDeep: 2, ProjNorm: "all", ProjBias: "all"}},
		{[]Setting{Flag("projector", "linear")}, Recipe{ProjDim: 128}},
		{[]Setting{Flag("projector", "orthogonal")}, Recipe{}},
		{[]Setting{Flag("projector", "lowrank")}, Recipe{D0: 360}},
		{[]Setting{Flag("projector", "lowrank-diagonal"), Flag("d0", "5")}, Recipe{D0: 5}},
		{[]Setting{Flag("projector", "group")}, Recipe{ProjGroup: 8}},
		{[]Setting{Flag("projector", "diagonal")}, Recipe{}},
		{[]Setting{Flag("method", "directclr")}, Recipe{D0: 360}},
	} {
		r, warnings, err := Resolve(c.flags...)
		if err != nil || warnings != nil {
			t.Errorf("%v: %v %v", c.flags, err, warnings)
		}
		got := Recipe{ProjDim: r.ProjDim, ProjHid: r.ProjHid, ProjDeep: r.ProjDeep, ProjNorm: r.ProjNorm, ProjBias: r.ProjBias, ProjGroup: r.ProjGroup, D0: r.D0}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s %s: %+v, want %+v", r.Projector, r.Loss, got, c.want)
		}
	}
}

// Every key is written with its meaning and read back.
func TestRecipeRoundTrip(t *testing.T) {
	for _, flags := range [][]Setting{
		nil,
		{Flag("method", "directclr"), Flag("data", "a dir: with # odd \"name\"\n"), Flag("model", "null"), Flag("lr", "1e-20")},
		{Flag("optimizer", "sgd"), Flag("nesterov", "true"), Flag("exclude-bias-norm", "true"), Flag("schedule", "step"), Flag("views", "v"), Flag("warmup-steps", "12")},
		{Flag("projector", "orthogonal")},
		{Flag("projector", "orthogonal"), Flag("projector-dim", "64")},
		{Flag("projector", "lowrank")},
		{Flag("projector", "group"), Flag("projector-groups", "4")},
		{Flag("projector", "random-dropout"), Flag("d0", "12")},
		{Flag("projector-hidden", "8192"), Flag("projector-layers", "3"), Flag("loss", "vicreg")},
		{Flag("loss", "vicreg"), Flag("projector-batchnorm", "all"), Flag("projector-bias", "none")},
		{Flag("loss", "barlow"), Flag("barlow-scale", "0.024"), Flag("barlow-lambda", "0")},
		{Flag("loss", "vicreg"), Flag("vicreg-variance", "50")},
		{Flag("optimizer", "adamw"), Flag("clip-gradient", "2"), Flag("lr", "0.3"), Flag("lr-scaling", "linear"), Flag("parameter-groups", `[{match: "*.bi:as, {x}", lr_factor: 2.5, weight_decay: 0}, {match: a}]`)},
		{Flag("augmentation", "simclr"), Flag("blur-prob", "0.25"), Flag("solarize-prob", "0,0.5"), Flag("jitter", "0.4,0.4,0.4,0.1"), Flag("crop-filter", "bilinear")},
		{Flag("lars-variant", "bolts"), Flag("parameter-groups", "[{match: projector.*, lars: false}]")},
		{Flag("final-lr-factor", "0"), Flag("warmup-steps", "0"), Flag("workers", "3"), Flag("projector", "none")},
	} {
		r, _, err := Resolve(flags...)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "recipe.yaml")
		if err := os.WriteFile(path, r.YAML(), 0o644); err != nil {
			t.Fatal(err)
		}
		settings, err := ReadRecipe(path)
		if err != nil {
			t.Fatal(err)
		}
		again, warnings, err := Resolve(settings...)
		if err != nil || warnings != nil {
			t.Fatalf("%v %v in\n%s", err, warnings, r.YAML())
		}
		if d := Diff(r, again); d != nil {
			t.Errorf("differs: %v in\n%s", d, r.YAML())
		}
	}
	for _, key := range Keys() {
		if Note(key) == "" || Kind(key) == "" {
			t.Errorf("%s has note %q, kind %q", key, Note(key), Kind(key))
		}
	}
}

func TestKindsAreTheFields(t *testing.T) {
	for key, want := range map[string]string{"model": "text", "nesterov": "bool", "d0": "int", "seed": "int", "lr": "number", "step_at": "numbers", "parameter_groups": "groups", "-": "", "loss_": ""} {
		if got := Kind(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}

func TestDiffNamesBothValues(t *testing.T) {
	a, b := Defaults("simclr"), Defaults("simclr")
	b.Temp, b.Workers = 0.5, 3
	d := Diff(a, b)
	if len(d) != 2 || d[0].String() != "temperature is 0.5, was 0.1" || d[0].Free || d[1].Key != "workers" || !d[1].Free {
		t.Errorf("got %v", d)
	}
}

func TestCompleteNamesWhatIsMissing(t *testing.T) {
	r := Defaults("simclr")
	if err := r.Complete(); err == nil || !strings.Contains(err.Error(), "model is missing") || !strings.Contains(err.Error(), "data is missing") {
		t.Error(err)
	}
	r.Model, r.Views = "m.onnx", "v"
	if err := r.Complete(); err != nil {
		t.Error(err)
	}
}

func ExampleResolve() {
	settings, err := ParseRecipe("small.yaml", []byte("method: directclr\nd0: 64\nbatch: 32\n"))
	if err != nil {
		panic(err)
	}
	r, _, err := Resolve(append(settings, Flag("d0", "48"))...)
	fmt.Println(r.Method, r.D0, r.Projector, r.Optimizer, err)
	_, _, err = Resolve(Flag("temprature", "0.5"))
	fmt.Println(err)
	// Output:
	// directclr 48 none lars <nil>
	// --temprature: unknown key "temprature"; did you mean "temperature"?
}

func FuzzParseRecipe(f *testing.F) {
	f.Add("method: directclr\nd0: 64\nstep_at: [0.1, 0.2]\n")
	f.Add("a: &x [1]\nstep_at: *x\n? b\n")
	f.Add("parameter_groups:\n  - {match: \"a\\n.*\", lr_factor: 2}\n  - {match: b, lars: false, weight_decay: 0}\n")
	f.Add("lr: !!binary aGk=\n")
	f.Fuzz(func(t *testing.T, src string) {
		s, err := ParseRecipe("r", []byte(src))
		if err != nil {
			return
		}
		r, _, err := Resolve(s...)
		if err != nil {
			return
		}
		again, _, err := Resolve(mustParse(t, string(r.YAML()))...)
		if d := Diff(r, again); err != nil || d != nil {
			t.Errorf("%v %v in\n%s", err, d, r.YAML())
		}
	})
}

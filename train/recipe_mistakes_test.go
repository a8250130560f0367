package train

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// mistake resolves a recipe of this text and returns its error's message.
func mistake(t *testing.T, src string) string {
	t.Helper()
	s, err := ParseRecipe("r.yaml", []byte(src))
	if err != nil {
		t.Fatalf("%q: %v", src, err)
	}
	if _, _, err = Resolve(s...); err == nil {
		return ""
	}
	return err.Error()
}

// outOfRange has for every key that not just any value of its type is right for a value
// that is wrong, behind the settings with which the key has an effect.
var outOfRange = map[string]string{
	"projector_dim": "projector_dim: 0", "projector_hidden": "projector_hidden: -1", "projector_layers": "projector_layers: 65",
	"projector_groups": "projector: group\nprojector_groups: 0", "d0": "method: directclr\nd0: 0",
	"temperature": "temperature: 0", "barlow_lambda": "loss: barlow\nbarlow_lambda: -1", "barlow_scale": "loss: barlow\nbarlow_scale: 0",
	"vicreg_invariance": "loss: vicreg\nvicreg_invariance: -1", "vicreg_variance": "loss: vicreg\nvicreg_variance: inf", "vicreg_covariance": "loss: vicreg\nvicreg_covariance: nan",
	"views": "data: d\nviews: v", "image_size": "image_size: 7", "batch": "batch: 1", "workers": "workers: -1", "micro_batch": "batch: 8\nmicro_batch: 9",
	"crop_scale_min": "crop_scale_min: 1.5", "flip_prob": "flip_prob: 2", "mean": "mean: [123.7, 116.3, 103.5]", "std": "std: [0.2, 0, 0.2]", "jitter": "jitter: [1, 1]", "jitter_prob": "jitter_prob: -1",
	"grayscale_prob": "grayscale_prob: 1.1", "blur_prob": "blur_prob: [0, 2]", "solarize_prob": "solarize_prob: [0, 0, 0]",
	"lr": "lr: 0", "momentum": "momentum: 1", "weight_decay": "weight_decay: -1", "lars_eta": "lars_eta: 0",
	"adam_beta1": "optimizer: adamw\nadam_beta1: 1", "adam_beta2": "optimizer: adamw\nadam_beta2: -1", "adam_eps": "optimizer: adamw\nadam_eps: 0",
	"clip_gradient": "clip_gradient: -1", "parameter_groups": "parameter_groups: [{match: a, lr_factor: -1}]",
	"warmup_epochs": "warmup_epochs: -1", "warmup_steps": "warmup_steps: -1", "final_lr_factor": "final_lr_factor: 2",
	"step_at": "schedule: step\nstep_at: [0.5, 1]", "step_factor": "schedule: step\nstep_factor: 0", "epochs": "epochs: 0", "steps": "steps: -1",
	"checkpoint_every": "checkpoint_every: -1", "keep_checkpoints": "keep_checkpoints: 0", "tensorboard_every": "tensorboard: true\ntensorboard_every: -1",
	"monitor_every": "monitor_every: -1", "monitor_samples": "monitor_every: 1\nmonitor_samples: 1", "knn_bank": "monitor_every: 1\nknn_bank: -1",
	"knn_k": "monitor_every: 1\nknn_k: 0", "knn_temperature": "monitor_every: 1\nknn_temperature: 0", "probe_lr": "monitor_every: 1\nprobe_lr: -1",
}

// anything are the keys for which every value of their type is right, before a model and
// data are looked at.
var anything = []string{"model", "freeze", "freeze_bn", "data", "nesterov", "exclude_bias_norm", "seed", "exact", "keep_best", "tensorboard", "monitor_data"}

// A mistake in any key is told by the line, the key, what was found and what is wanted.
func TestEveryKeyRefusesMistakes(t *testing.T) {
	for _, key := range Keys() {
		told := func(src string, say ...string) {
			t.Helper()
			got := mistake(t, src)
			for _, want := range append([]string{fmt.Sprintf("r.yaml:%d: ", strings.Count(src, "\n")+1)}, say...) {
				if !strings.Contains(got, want) {
					t.Errorf("%q: error %q, want it to say %q", src, got, want)
				}
			}
		}
		told("# a comment\n"+key+"x: 1", fmt.Sprintf("unknown key %q; did you mean %q?", key+"x", key))
		told(strings.ReplaceAll(key, "_", "-")+"-: 1", fmt.Sprintf("did you mean %q?", key))
		told(key+": {a: 1}", key+" is a mapping, want ")
		switch Kind(key) {
		case "int":
			told(key+": many", key+` is "many", want a whole number`)
			told(key+": 1.5", key+` is "1.5", want a whole number`)
			told(key+":", key+" has no value, want ")
		case "number":
			told(key+": many", key+` is "many", want a number`)
			told(key+": [1]", key+" is a list, want a number")
			told(key+":", key+" has no value, want ")
		case "numbers":
			told(key+": [1, many]", key+`[1] is "many", want a number`)
			told(key+": many", key+`[0] is "many", want a number`)
			told(key+":", key+" has no value, want ")
		case "bool":
			told(key+": 1", key+` is "1", want true or false`)
			told(key+":", key+" has no value, want ")
		case "groups":
			told(key+": many", key+` is "many", want a list such as`)
			told(key+":", key+" has no value, want ")
		case "text":
			told(key+": [a]", key+" is a list, want one value")
		default:
			t.Errorf("%s is of kind %q", key, Kind(key))
		}
		wrong, ranged := outOfRange[key]
		switch {
		case ranged:
			told(wrong, key, ", want ")
		case choices[key] != nil:
			for _, value := range choices[key] {
				if key == "method" || value == "from=CHECKPOINT" {
					continue
				}
				told(key+": "+value+"z", fmt.Sprintf("%s is %q, want one of %s; did you mean %s?", key, value+"z", strings.Join(choices[key], ", "), value))
			}
			told(key+": qqqq", key+` is "qqqq", want one of `)
			told(key+":", key+` is "", want one of `)
		case !slices.Contains(anything, key):
			t.Errorf("%s: no value that is out of range is tried; add one", key)
		}
	}
	for key := range outOfRange {
		if !slices.Contains(Keys(), key) {
			t.Errorf("%s is no key", key)
		}
	}
}

// Settings that contradict each other are told with both.
func TestContradictions(t *testing.T) {
	for src, want := range map[string]string{
		"data: a\nviews: b":                                          `r.yaml:2: views is "b" beside data "a", want only one`,
		"method: directclr\nprojector: mlp":                          `r.yaml:2: projector is "mlp", want none: directclr trains`,
		"micro_batch: 9\nbatch: 8":                                   "r.yaml:1: micro_batch is 9, want at most the batch, 8",
		"lr_scaling: linear":                                         "r.yaml:1: lr_scaling is linear, want lr beside it",
		"optimizer: sgd\nmomentum: 0\nnesterov: true":                "r.yaml:3: nesterov is true, want false without momentum",
		"views: v\nmonitor_every: 5":                                 "r.yaml:2: monitor_every is 5 with views, want 0, or monitor_data",
		"optimizer: sgd\nparameter_groups: [{match: a, lars: true}]": "r.yaml:2: parameter_groups[0] sets lars, but the optimizer is sgd",
		"batchnorm: from=":                                           `r.yaml:1: batchnorm is "from=", want one of`,
		"projector: mpl":                                             "did you mean mlp?",
		"optimizer: LARS":                                            "did you mean lars?",
		"optimizer: adam":                                            "did you mean adamw?",
		"loss: nt-xent":                                              "did you mean ntxent?",
	} {
		if got := mistake(t, src); !strings.Contains(got, want) {
			t.Errorf("%q: error %q, want it to say %q", src, got, want)
		}
	}
}

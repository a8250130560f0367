package train

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"onnxclr/importer"
	"onnxclr/internal/nearest"
)

// problem is one thing wrong with a recipe.
type problem struct{ key, text string }

// Validate returns everything that is out of range or contradictory, joined,
// each with the key, the value found and the values allowed. An lr of 0 is
// valid and means DefaultLR. It does not ask for a model or data: see Complete.
func (r *Recipe) Validate() error {
	var errs []error
	for _, p := range r.problems() {
		errs = append(errs, fmt.Errorf("%s %s", p.key, p.text))
	}
	return errors.Join(errs...)
}

// Complete returns an error unless the recipe names a model and exactly one of
// data and views.
func (r *Recipe) Complete() error { return r.complete(false) }

// complete is Complete; the data may come from elsewhere.
func (r *Recipe) complete(haveData bool) error {
	var errs []error
	if r.Model == "" {
		errs = append(errs, errors.New("model is missing: name an ONNX file (make one from a checkpoint with convert)"))
	}
	if r.Data == "" && r.Views == "" && !haveData {
		errs = append(errs, errors.New("data is missing: name an image folder or archive with data, or ready-made batches with views"))
	}
	return errors.Join(errs...)
}

func (r *Recipe) problems() []problem {
	var ps []problem
	unused := r.unused()
	bad := func(ok bool, key string, found any, want string) {
		if !ok && unused[key] == "" {
			ps = append(ps, problem{key, fmt.Sprintf("is %v, want %s", found, want)})
		}
	}
	choice := func(key, found string) {
		if !slices.Contains(choices[key], found) && unused[key] == "" {
			ps = append(ps, problem{key, fmt.Sprintf("is %q, want one of %s%s", found, strings.Join(choices[key], ", "), nearest.Hint(found, choices[key]))})
		}
	}
	number := func(key string, v float64, ok bool, want string) {
		bad(ok && !math.IsNaN(v) && !math.IsInf(v, 0), key, strconv.FormatFloat(v, 'g', -1, 64), want)
	}
	whole := func(key string, v, low, high int) {
		bad(v >= low && v <= high, key, v, fmt.Sprintf("a whole number from %d to %d", low, high))
	}

	bad(r.Data == "" || r.Views == "", "views", fmt.Sprintf("%q beside data %q", r.Views, r.Data), "only one of data and views")
	choice("split", r.Split)
	choice("corrupt", r.Corrupt)
	whole("image_size", r.ImageSize, 8, 4096)
	bad(perChannel(r.Mean, -1, 2), "mean", fmt.Sprint(r.Mean), "three numbers, of red, green and blue, which are taken from 0 to 1 (not to 255)")
	bad(perChannel(r.Std, 1e-3, 10), "std", fmt.Sprint(r.Std), "three numbers from 0.001, of red, green and blue, which are taken from 0 to 1 (not to 255)")
	whole("workers", r.Workers, 0, 1024)
	whole("batch", r.Batch, 2, 1<<20) // the loss of one image has no negatives
	whole("micro_batch", r.MicroBatch, 0, 1<<20)
	if r.Views == "" { // else the batch is the data's
		bad(r.MicroBatch <= r.Batch, "micro_batch", r.MicroBatch, fmt.Sprintf("at most the batch, %d", r.Batch))
	}
	if from, ok := strings.CutPrefix(r.BatchNorm, batchNormFrom); !ok || from == "" {
		choice("batchnorm", r.BatchNorm)
	}

	choice("method", r.Method)
	choice("projector", r.Projector)
	if r.Method == "directclr" {
		bad(r.Projector == "none", "projector", fmt.Sprintf("%q", r.Projector), "none: directclr trains the first d0 channels of the representation without a projector")
	}
	whole("d0", r.D0, 1, 1<<20)
	if r.Projector == importer.HeadOrthogonal {
		whole("projector_dim", r.ProjDim, 0, 1<<13) // 0 is the width of r
	} else {
		whole("projector_dim", r.ProjDim, 1, 1<<20)
	}
	whole("projector_hidden", r.ProjHid, 0, 1<<20)
	whole("projector_layers", r.ProjDeep, 2, 64)
	choice("projector_batchnorm", r.ProjNorm)
	choice("projector_bias", r.ProjBias)
	whole("projector_groups", r.ProjGroup, 1, 1<<20)
	choice("augmentation", r.Augment)
	choice("crop_filter", r.CropFilter)
	probability := func(key string, v ...float64) {
		for _, p := range v {
			number(key, p, p >= 0 && p <= 1, "a probability, from 0 to 1")
		}
	}
	number("crop_scale_min", r.CropScale, r.CropScale > 0 && r.CropScale <= 1, "a number above 0, up to 1")
	probability("flip_prob", r.FlipProb)
	probability("jitter_prob", r.JitterProb)
	probability("grayscale_prob", r.GrayscaleProb)
	probability("blur_prob", r.BlurProb...)
	probability("solarize_prob", r.SolarizeProb...)
	bad(len(r.BlurProb) == 2, "blur_prob", fmt.Sprint(r.BlurProb), "two numbers, of view 1 and view 2, or one of both")
	bad(len(r.SolarizeProb) == 2, "solarize_prob", fmt.Sprint(r.SolarizeProb), "two numbers, of view 1 and view 2, or one of both")
	bad(strengths(r.Jitter), "jitter", fmt.Sprint(r.Jitter), "four numbers from 0: brightness, contrast, saturation, and hue up to 0.5")
	choice("loss", r.Loss)
	number("temperature", r.Temp, r.Temp >= 1e-4 && r.Temp <= 1e4, "a number from 0.0001 to 10000")
	weight := func(key string, v float64) { number(key, v, v >= 0 && v <= 1e6, "a number from 0 to 1000000") }
	weight("barlow_lambda", r.BarlowLambda)
	number("barlow_scale", r.BarlowScale, r.BarlowScale > 0 && r.BarlowScale <= 1e6, "a number above 0, up to 1000000")
	weight("vicreg_invariance", r.VICInvariance)
	weight("vicreg_variance", r.VICVariance)
	weight("vicreg_covariance", r.VICCovariance)
	bad(r.VICInvariance != 0 || r.VICVariance != 0 || r.VICCovariance != 0, "vicreg_invariance", "0, as are vicreg_variance and vicreg_covariance", "one that is not")

	choice("optimizer", r.Optimizer)
	number("lr", r.LR, r.LR >= 0, "a number greater than 0")
	number("momentum", r.Momentum, r.Momentum >= 0 && r.Momentum < 1, "a number from 0 up to, not including, 1")
	number("weight_decay", r.WeightDecay, r.WeightDecay >= 0 && r.WeightDecay < 1, "a number from 0 up to, not including, 1")
	choice("lr_scaling", r.LRScaling)
	bad(r.LRScaling == "none" || r.LR != 0, "lr_scaling", r.LRScaling, "lr beside it: what is scaled")
	choice("lars_variant", r.LarsVariant)
	number("adam_beta1", r.AdamBeta1, r.AdamBeta1 >= 0 && r.AdamBeta1 < 1, "a number from 0 up to, not including, 1")
	number("adam_beta2", r.AdamBeta2, r.AdamBeta2 >= 0 && r.AdamBeta2 < 1, "a number from 0 up to, not including, 1")
	number("adam_eps", r.AdamEps, r.AdamEps > 0, "a number greater than 0")
	number("clip_gradient", r.ClipGradient, r.ClipGradient == 0 || r.ClipGradient >= 1e-6, "0, or a number from 0.000001")
	ps = append(ps, r.groupProblems()...)
	number("lars_eta", r.LarsEta, r.LarsEta > 0, "a number greater than 0")
	bad(!r.Nesterov || r.Momentum > 0, "nesterov", true, "false without momentum")

	choice("schedule", r.Schedule)
	number("warmup_epochs", r.WarmupEpochs, r.WarmupEpochs >= 0 && r.WarmupEpochs <= 1e6, "a number from 0 to 1000000")
	whole("warmup_steps", r.WarmupSteps, 0, 1<<40)
	number("final_lr_factor", r.FinalFactor, r.FinalFactor >= 0 && r.FinalFactor <= 1, "a number from 0 to 1")
	bad(ascendingFractions(r.StepAt), "step_at", fmt.Sprint(r.StepAt), "ascending fractions of the run between 0 and 1")
	bad(len(r.StepAt) > 0, "step_at", "empty", "at least one fraction with schedule step")
	number("step_factor", r.StepFactor, r.StepFactor > 0 && r.StepFactor <= 1, "a number above 0, up to 1")
	whole("epochs", r.Epochs, 1, 1e6)
	whole("steps", r.Steps, 0, 1<<40)
	choice("precision", r.Precision)
	whole("checkpoint_every", r.CheckpointEvery, 0, 1<<40)
	whole("keep_checkpoints", r.KeepCheckpoints, 1, 1e6)
	whole("monitor_every", r.MonitorEvery, 0, 1<<40)
	bad(r.MonitorEvery == 0 || r.Views == "" || r.MonitorData != "", "monitor_every", fmt.Sprintf("%d with views", r.MonitorEvery), "0, or monitor_data to name the images: ready-made views hold none to look at")
	whole("monitor_samples", r.MonitorSamples, 2, 1<<24)
	whole("knn_bank", r.KNNBank, 0, 1<<24)
	whole("knn_k", r.KNNK, 1, 1<<20)
	number("knn_temperature", r.KNNTemp, r.KNNTemp >= 1e-4 && r.KNNTemp <= 1e4, "a number from 0.0001 to 10000")
	number("probe_lr", r.ProbeLR, r.ProbeLR >= 0 && r.ProbeLR <= 1e6, "a number from 0 to 1000000")
	whole("tensorboard_every", r.EventsEvery, 0, 1<<40)
	return ps
}

// unused returns the keys that the rest of the recipe leaves without effect, each
// with the setting that does so.
func (r *Recipe) unused() map[string]string {
	u := map[string]string{}
	when := func(is bool, because string, keys ...string) {
		for _, k := range keys {
			if is {
				u[k] = because
			}
		}
	}
	projector := "projector " + r.Projector
	takes := func(kinds ...string) bool { return slices.Contains(kinds, r.Projector) }
	when(!takes("linear", "mlp", "orthogonal"), projector, "projector_dim")
	when(!takes("mlp"), projector, "projector_hidden", "projector_layers", "projector_batchnorm", "projector_bias")
	when(!takes("group"), projector, "projector_groups")
	if r.Method == "directclr" {
		when(true, "method directclr", "projector_dim", "projector_hidden", "projector_layers", "projector_batchnorm", "projector_bias", "projector_groups")
	} else if !takes("lowrank", "lowrank-diagonal", "random-dropout") {
		when(true, projector, "d0")
	}
	when(r.statistical(), "loss "+r.Loss, "temperature")
	when(r.Loss != "barlow", "loss "+r.Loss, "barlow_lambda", "barlow_scale")
	when(r.Loss != "vicreg", "loss "+r.Loss, "vicreg_invariance", "vicreg_variance", "vicreg_covariance")
	when(r.Views != "", "views", "split", "image_size", "workers", "corrupt")
	when(r.Views != "", "views", augmentationKeys...)
	when(r.Optimizer != "lars", "optimizer "+r.Optimizer, "lars_eta", "lars_variant")
	when(r.Optimizer != "adamw", "optimizer "+r.Optimizer, "adam_beta1", "adam_beta2", "adam_eps")
	when(r.Optimizer == "adamw", "optimizer adamw", "momentum")
	when(r.Optimizer != "sgd", "optimizer "+r.Optimizer, "nesterov")
	when(r.Schedule != "cosine", "schedule "+r.Schedule, "final_lr_factor")
	when(r.Schedule != "step", "schedule "+r.Schedule, "step_at", "step_factor")
	when(r.WarmupSteps > 0, "warmup_steps", "warmup_epochs")
	when(r.Steps > 0, "steps", "epochs")
	when(r.MonitorEvery == 0, "monitor_every 0", "monitor_samples", "monitor_data", "knn_bank", "knn_k", "knn_temperature", "probe_lr")
	when(r.KNNBank == 0, "knn_bank 0", "knn_k", "knn_temperature")
	when(!r.TensorBoard, "tensorboard false", "tensorboard_every")
	return u
}

func ascendingFractions(v []float64) bool {
	last := 0.0
	for _, f := range v {
		if !(f > last && f < 1) {
			return false
		}
		last = f
	}
	return true
}

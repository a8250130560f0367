package train

import "onnxclr/importer"

// Recipe is every setting of a run. Its YAML keys are the long flags of
// "onnxclr train" with underscores for dashes; the zero value is not usable,
// start from Defaults or Resolve.
//
// A field tagged free may change when a run is resumed: it cannot change a bit
// of the result. One tagged built goes into the model when a run begins and cannot
// change afterwards; the others may if the change is accepted.
type Recipe struct {
	Model     string `yaml:"model" group:"What is trained" note:"ONNX file the run starts from" built:"true"`
	Method    string `yaml:"method" note:"simclr, directclr" built:"true"`
	Projector string `yaml:"projector" note:"none, linear, mlp, orthogonal, diagonal, lowrank (fixed), lowrank-diagonal (as directclr), group, random-dropout" built:"true"`
	ProjDim   int    `yaml:"projector_dim" note:"width of z after linear, mlp, orthogonal; 0 = that of r, for orthogonal" built:"true"`
	ProjHid   int    `yaml:"projector_hidden" note:"width of the hidden layers of mlp; 0 = that of r" built:"true"`
	ProjDeep  int    `yaml:"projector_layers" note:"layers of mlp" built:"true"`
	ProjNorm  string `yaml:"projector_batchnorm" note:"layers of mlp with BatchNorm: all, hidden (all but the last; the default for barlow and vicreg), none" built:"true"`
	ProjBias  string `yaml:"projector_bias" note:"layers of mlp with a bias, BatchNorm's where they have one: all, hidden (the default with projector_batchnorm hidden), none" built:"true"`
	ProjGroup int    `yaml:"projector_groups" note:"equal groups of shuffled features of r, each with a loss of its own" built:"true"`
	D0        int    `yaml:"d0" note:"channels of r to train on: leading ones (directclr, lowrank-diagonal) or random ones (random-dropout); rank (lowrank)" built:"true"`
	BatchNorm string `yaml:"batchnorm" note:"keep; for a model whose export folded it away calibrate, from=CHECKPOINT, or none to train without" built:"true"`

	Freeze   string `yaml:"freeze" note:"modules that are not trained, such as conv1,bn1,layer1; their batch normalisation keeps its statistics"`
	FreezeBN bool   `yaml:"freeze_bn" note:"the encoder's batch normalisation keeps its statistics, weights and biases"`

	Loss          string  `yaml:"loss" group:"Loss" note:"infonce (cross-view negatives, symmetric), ntxent, barlow (Barlow Twins), vicreg"`
	Temp          float64 `yaml:"temperature" note:"divides the cosine similarities of infonce and ntxent"`
	BarlowLambda  float64 `yaml:"barlow_lambda" note:"weight of the off-diagonal correlations"`
	BarlowScale   float64 `yaml:"barlow_scale" note:"multiplies the whole loss; other code has 0.024 or 0.1"`
	VICInvariance float64 `yaml:"vicreg_invariance" note:"weight of the squared distance of two views, averaged over N·D"`
	VICVariance   float64 `yaml:"vicreg_variance" note:"weight of the hinge on standard deviations, averaged over D and the views; where views are summed, twice theirs"`
	VICCovariance float64 `yaml:"vicreg_covariance" note:"weight of the squared covariances, divided by D and summed over the views"`

	Data      string    `yaml:"data" group:"Data" note:"image folder, .tar, CIFAR binary or generated:NAME"`
	Views     string    `yaml:"views" note:"folder of ready-made view batches (.npz)"`
	Split     string    `yaml:"split" note:"auto (train, or all when there are no splits), train, test, val, all"`
	ImageSize int       `yaml:"image_size" note:"pixels, height and width of a view"`
	Mean      []float64 `yaml:"mean" note:"subtracted from red, green and blue, which are between 0 and 1; the default is ImageNet's"`
	Std       []float64 `yaml:"std" note:"what red, green and blue are then divided by"`
	Batch     int       `yaml:"batch" note:"images a step, two views each"`
	Corrupt   string    `yaml:"corrupt" note:"images that cannot be read: fail, or skip (the next one takes the place)"`
	Workers   int       `yaml:"workers" note:"decoding and augmenting; 0 = one a core" free:"true"`

	MicroBatch int `yaml:"micro_batch" note:"images of a step computed at a time, in the memory of so many (gradient caching); batch normalisation sees them alone; 0 = all"`

	Augment       string    `yaml:"augmentation" group:"Augmentation" note:"paper (two different views) or simclr (google's, full strength); the settings below start from it"`
	CropScale     float64   `yaml:"crop_scale_min" note:"smallest part of an image's area that a view shows"`
	CropFilter    string    `yaml:"crop_filter" note:"bicubic, bilinear"`
	FlipProb      float64   `yaml:"flip_prob" note:"probability of a mirrored view"`
	Jitter        []float64 `yaml:"jitter" note:"strength in brightness, contrast, saturation, hue"`
	JitterProb    float64   `yaml:"jitter_prob" note:"probability of jittered colours"`
	GrayscaleProb float64   `yaml:"grayscale_prob" note:"probability of a gray view"`
	BlurProb      []float64 `yaml:"blur_prob" note:"probability of blur, of view 1 and view 2 or of both"`
	SolarizeProb  []float64 `yaml:"solarize_prob" note:"probability of inverted bright values, of view 1 and view 2 or of both"`

	Optimizer    string  `yaml:"optimizer" group:"Optimization" note:"lars, sgd, adamw"`
	LR           float64 `yaml:"lr" note:"peak learning rate, for the whole batch unless lr_scaling says otherwise"`
	LRScaling    string  `yaml:"lr_scaling" note:"none; linear, lr is for 256 images and multiplied by batch/256; sqrt, lr is multiplied by √batch"`
	Momentum     float64 `yaml:"momentum" note:"weight of the past in the moving sum of gradients"`
	Nesterov     bool    `yaml:"nesterov" note:"sgd only"`
	WeightDecay  float64 `yaml:"weight_decay" note:"added to the gradient as weight_decay·p; with adamw p shrinks by lr·weight_decay a step, 0.01 if not given"`
	LarsVariant  string  `yaml:"lars_variant" note:"directclr, google, bolts (lightly's), solo-learn: whose code"`
	LarsEta      float64 `yaml:"lars_eta" note:"trust coefficient of lars"`
	ExcludeNorm  bool    `yaml:"exclude_bias_norm" note:"no decay and no lars scaling for 1-d parameters"`
	AdamBeta1    float64 `yaml:"adam_beta1" note:"weight of the past in the mean gradient"`
	AdamBeta2    float64 `yaml:"adam_beta2" note:"weight of the past in the mean squared gradient"`
	AdamEps      float64 `yaml:"adam_eps" note:"added to the root of the mean square"`
	ClipGradient float64 `yaml:"clip_gradient" note:"largest norm of the gradient over all parameters, longer ones are shortened to it; 0 = any"`
	Groups       []Group `yaml:"parameter_groups" note:"[{match: PATTERN, lr_factor: 10, weight_decay: 0, lars: false}, ...]; the first that matches a parameter's name holds"`

	Schedule     string    `yaml:"schedule" group:"Learning-rate schedule" note:"cosine, constant, step"`
	WarmupEpochs float64   `yaml:"warmup_epochs" note:"epochs of linear warm-up from 0"`
	WarmupSteps  int       `yaml:"warmup_steps" note:"overrides warmup_epochs"`
	FinalFactor  float64   `yaml:"final_lr_factor" note:"cosine ends at this times lr"`
	StepAt       []float64 `yaml:"step_at" note:"fractions of the run at which lr drops"`
	StepFactor   float64   `yaml:"step_factor" note:"what lr is multiplied by at each drop"`
	Epochs       int       `yaml:"epochs" note:"passes over the data"`
	Steps        int       `yaml:"steps" note:"overrides epochs"`

	Seed            uint64 `yaml:"seed" group:"Run" note:"of the order of images, their views, what Dropout drops and the projector's weights"`
	Precision       string `yaml:"precision" note:"fp32, or bf16: operands of convolutions rounded to bfloat16"`
	Exact           bool   `yaml:"exact" note:"no Winograd: convolutions within 1e-6 of their largest output instead of 3.1e-6, slower"`
	CheckpointEvery int    `yaml:"checkpoint_every" note:"steps; 0 = once an epoch" free:"true"`
	KeepCheckpoints int    `yaml:"keep_checkpoints" note:"newest ones kept" free:"true"`
	KeepBest        bool   `yaml:"keep_best" note:"save and keep the epoch of the lowest mean loss too" free:"true"`
	TensorBoard     bool   `yaml:"tensorboard" note:"log events for TensorBoard in the run directory" free:"true"`
	EventsEvery     int    `yaml:"tensorboard_every" note:"steps between its histograms and pictures; 0 = once an epoch" free:"true"`

	MonitorEvery   int     `yaml:"monitor_every" group:"Collapse monitor" note:"steps between looks at held-out images; 0 = off" free:"true"`
	MonitorSamples int     `yaml:"monitor_samples" note:"held-out images whose spectrum is taken" free:"true"`
	MonitorData    string  `yaml:"monitor_data" note:"where they are; default: the data's test or val split" free:"true"`
	KNNBank        int     `yaml:"knn_bank" note:"labelled training images that vote; 0 = no kNN" free:"true"`
	KNNK           int     `yaml:"knn_k" note:"nearest of them" free:"true"`
	KNNTemp        float64 `yaml:"knn_temperature" note:"their weights are exp(cosine/knn_temperature)" free:"true"`
	ProbeLR        float64 `yaml:"probe_lr" note:"learning rate of the online linear probe; 0 = no probe" free:"true"`

	// Given holds the keys that somebody wrote, as opposed to defaults. A default
	// adapts to the run (a warm-up longer than the run, the batch of ready-made
	// views); what was written is never changed, an impossible value is an error.
	Given map[string]bool `yaml:"-"`
}

// The values of the keys that take one of a list.
var choices = map[string][]string{
	"method":              {"simclr", "directclr"},
	"projector":           {"none", "linear", "mlp", "orthogonal", "diagonal", "lowrank", "lowrank-diagonal", "group", "random-dropout"},
	"projector_batchnorm": layers, "projector_bias": layers,
	"loss":         {"infonce", "ntxent", "barlow", "vicreg"},
	"optimizer":    {"lars", "sgd", "adamw"},
	"lr_scaling":   {"none", "linear", "sqrt"},
	"lars_variant": {"directclr", "google", "bolts", "solo-learn"},
	"schedule":     {"cosine", "constant", "step"},
	"batchnorm":    {"keep", "calibrate", "none", "from=CHECKPOINT"},
	"split":        {"auto", "train", "test", "val", "all"},
	"precision":    {"fp32", "bf16"},
	"corrupt":      {"fail", "skip"},
	"augmentation": {"paper", "simclr"},
	"crop_filter":  {"bicubic", "bilinear"},
}

var layers = []string{importer.LayersAll, importer.LayersHidden, importer.LayersNone}

// Defaults returns the paper's recipe for a method (arXiv:2110.09348, section 6
// and appendix D, and its published code): LARS with lr 4.8 at batch 4096,
// weight decay 1e-6, 100 epochs of which 10 of warm-up, cosine decay,
// temperature 0.1; SimCLR with the two-layer projector, DirectCLR with none and
// d0 = 360. The weights of Barlow Twins and VICReg are those of their authors' code.
// LR is left 0, which Settle turns into DefaultLR of the batch. Resolve turns
// ExcludeNorm off for sgd and adamw, which then are torch.optim's, and gives adamw the
// weight decay of that.
func Defaults(method string) Recipe {
	r := Recipe{
		Augment: "paper",
		Split:   "auto", Corrupt: "fail", ImageSize: 224, Mean: []float64{0.485, 0.456, 0.406}, Std: []float64{0.229, 0.224, 0.225}, Batch: 4096, BatchNorm: "keep",
		Method: method, Projector: "mlp", ProjDim: 128, ProjDeep: 2, ProjNorm: importer.LayersAll, ProjBias: importer.LayersAll, ProjGroup: 8, Loss: "infonce", Temp: 0.1,
		BarlowLambda: 0.0051, BarlowScale: 1, VICInvariance: 25, VICVariance: 25, VICCovariance: 1,
		Optimizer: "lars", LRScaling: "none", Momentum: 0.9, WeightDecay: 1e-6, LarsVariant: "directclr", LarsEta: 0.001, ExcludeNorm: true,
		AdamBeta1: 0.9, AdamBeta2: 0.999, AdamEps: 1e-8,
		Schedule: "cosine", WarmupEpochs: 10, FinalFactor: 0.001, StepAt: []float64{0.6, 0.8}, StepFactor: 0.1,
		Epochs: 100, Precision: "fp32", KeepCheckpoints: 2, KeepBest: true,
		MonitorSamples: 1024, KNNBank: 4096, KNNK: 200, KNNTemp: 0.1, ProbeLR: 0.1,
	}
	r.augmentAs(views["paper"])
	if method == "directclr" {
		r.Projector, r.ProjDim, r.D0 = "none", 0, paperD0
	}
	return r
}

// adapt sets the defaults that other settings decide, where nobody wrote them.
func (r *Recipe) adapt() {
	byDefault := func(key string) bool { return !r.Given[key] }
	if byDefault("exclude_bias_norm") {
		r.ExcludeNorm = r.Optimizer == "lars"
	}
	if byDefault("weight_decay") && r.Optimizer == "adamw" {
		r.WeightDecay = defaultAdamDecay
	}
	r.settleAugmentation()
	if r.Given["warmup_steps"] && r.WarmupSteps == 0 {
		r.WarmupEpochs = 0
	}
	if byDefault("projector_batchnorm") && r.statistical() {
		r.ProjNorm = importer.LayersHidden // variances are what these losses teach
	}
	if byDefault("projector_bias") && r.ProjNorm == importer.LayersHidden {
		r.ProjBias = importer.LayersHidden
	}
	if byDefault("projector_dim") && r.Projector == importer.HeadOrthogonal {
		r.ProjDim = 0
	}
	if byDefault("d0") && r.Method != "directclr" {
		r.D0 = paperD0
	}
}

// statistical reports whether the loss is one of the columns' statistics over a batch.
func (r *Recipe) statistical() bool { return r.Loss == "barlow" || r.Loss == "vicreg" }

// DefaultLR returns the learning rate used when none is given, linear in the
// batch: LARS 0.3·batch/256 (SimCLR, arXiv:2002.05709, section 2.2; the paper's
// 4.8 at 4096), SGD 0.05·batch/256 (SimSiam, arXiv:2011.10566, section 4), AdamW
// 0.001·batch/256 (torch.optim.AdamW's, taken to be for 256 images).
func DefaultLR(optimizer string, batch int) float64 {
	per256 := map[string]float64{"lars": 0.3, "sgd": 0.05, "adamw": 0.001}[optimizer]
	return per256 * float64(batch) / 256
}

// defaultAdamDecay is torch.optim.AdamW's.
const defaultAdamDecay = 0.01

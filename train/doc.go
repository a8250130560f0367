// Package train runs contrastive training: the recipe (every setting of a run),
// the loop, learning-rate schedules, optimizers, checkpoints, the run directory
// and what is reported while it runs. Equal recipes, models and data give equal
// weights, bit for bit, however often a run is interrupted and resumed.
//
// It knows nothing of image formats (train/data, train/augment), of operators
// (internal/graph, internal/kernel) or of command-line flags.
package train

// Package tensorboard writes event files that TensorBoard reads: a log of numbers,
// images, histograms and text by step.
//
// An event file is a sequence of records in TFRecord framing, each an Event message
// of tensorflow/core/util/event.proto. Values are written as PyTorch's SummaryWriter
// writes them, so that whatever reads those files reads these. Events carry the
// time of day; nothing else here depends on it.
//
// The package knows nothing of training.
package tensorboard

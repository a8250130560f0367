// Package data reads image data sets and feeds the trainer. A Source is a data set
// opened once, in whatever form it comes: an image folder, a tar archive of one
// (plain, read in place, or gzipped), CIFAR's binary files, an array of pixels, or
// textures generated in code. A Dataset is one split of it. A Loader decodes and
// augments ahead of the trainer in parallel workers, deterministically: what a batch
// holds depends on the seed, the epoch and the samples, never on the workers.
//
// It knows pixels and labels; what is done to the pixels is train/augment's, and what
// the batches are for is the trainer's.
package data

// Package augment turns decoded images into the views a contrastive run trains on.
// Every transform gives the pixels that torchvision gives on PIL images (8-bit RGB,
// Pillow's fixed-point resampling, its box-blur approximation of a Gaussian, its
// integer hue), so that a recipe means the same here as in the paper's code. Where
// Pillow's versions differ it is that of those before 13, which resample across first
// whatever the shape.
//
// A transform has two halves: a method of Image or Workspace that does the work for
// given parameters, and a type that draws the parameters from a random stream. The
// stream is the caller's; nothing here holds random state.
//
// It knows no file format, no data set and no model.
package augment

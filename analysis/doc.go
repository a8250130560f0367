// Package analysis measures dimensional collapse: it takes rows of floats from
// anywhere and returns the spectrum of their covariance, the metrics derived from
// it, and charts (arXiv:2110.09348, sections 3 and 6).
//
// Everything is computed in float64. The package knows no model, no training and
// no file of embeddings: whoever has rows, in whatever pieces, adds them to a
// Moments.
//
// Importing it gives gonum the float64 kernels of internal/blas, in the whole program.
package analysis

import "onnxclr/internal/blas"

func init() { blas.Install() }

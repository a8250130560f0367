// Package blas is float64 linear algebra for gonum: products of matrices and of a
// symmetric matrix with a vector in AVX-512 and AVX2 assembly, with portable twins, on
// all cores. Install hands it to gonum, whose LAPACK then runs on it; what it does not
// have is gonum's own. Powers, whose exponents are a product, and passes over rows serve
// losses of all pairs, products with a ReLU or its gradient the layers before
// them. Eigenvalues and eigenvectors of symmetric matrices are functions of their own.
//
// Work is split by output or into fixed chunks: the number of cores does not change a
// bit of a result. It knows nothing of statistics or models.
package blas

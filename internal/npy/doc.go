// Package npy reads and writes NumPy's .npy and .npz files: version 1 to 3
// headers, C and Fortran order, both byte orders, integers, booleans and
// float16/32/64. Files come from strangers: nothing is unpickled, and nothing is
// allocated from a size a file merely declares.
//
// It knows arrays, not what they mean: no model, no data set, no statistics.
// Format: numpy.lib.format's module documentation (NEP 1).
package npy

// Package probe asks frozen representations how well they tell classes apart: a
// weighted vote of the nearest neighbours, and a linear classifier. It takes rows of
// floats with labels, and knows neither models nor images.
//
//	N rows, D values a row, C classes
package probe

// Package golden is the test helper of every package: it finds the files under
// testdata, reads the arrays that PyTorch, PIL and numpy left there, makes the seeded
// weights and images that are too large to be stored, and compares floats by
// tolerance classes, so that a test names what kind of agreement it expects and never
// a number. All classes stand in one file, class.go.
//
// Only tests may import it. It knows no operator, model or file format of the
// project itself.
package golden

// Package safetensors reads and writes the safetensors format: a JSON header that
// names tensors and where their bytes are, then the bytes. It knows tensors, not
// models.
//
// Specification: the README of the safetensors project, "Format".
package safetensors

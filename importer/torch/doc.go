// Package torch reads and writes PyTorch checkpoints (.pth, .pt) without Python.
//
// A checkpoint is a pickle, a program for a small stack machine, beside the raw
// bytes of its storages. The machine here has a closed vocabulary: plain values,
// containers, and the functions that describe a tensor. Names of classes and
// functions are only names; nothing is looked up, imported or executed, and a call
// on a name outside the vocabulary ends the reading (CallError).
//
// The package knows tensors and containers, not models: which of the dictionaries
// is a state_dict, and what its keys mean, is decided by package importer.
package torch

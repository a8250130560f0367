package main

import "onnxclr/analysis"

func demoSummary(chart string, s []*analysis.Spectrum) string { return "" }

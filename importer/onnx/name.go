package onnx

import "strings"

// MadeUp reports whether an exporter invented a tensor's name, as PyTorch's do for
// what they computed: "onnx::Conv_193", "497", "val_62", "/layer1/Constant_output_0".
func MadeUp(name string) bool {
	return strings.Contains(name, "::") || strings.HasPrefix(name, "/") || digits(name) || digits(strings.TrimPrefix(name, "val_"))
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

package onnx

// DecodeTensor reads a TensorProto, the .pb files in which ONNX's own tests keep inputs
// and outputs. The data aliases b. It fails as Decode does.
func DecodeTensor(b []byte) (*Tensor, error) {
	t := &Tensor{}
	if err := newDecoder(len(b)).tensor(b, t); err != nil {
		return nil, err
	}
	return t, nil
}

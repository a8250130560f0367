package importer

import (
	"strings"

	"onnxclr/importer/onnx"
	"onnxclr/importer/weights"
)

// matchHead gives a head that was just attached the type of the representation r that it
// stands on, as ONNX demands of an operator's inputs: in a float16 model it is float16.
func matchHead(m *onnx.Model, r string) error {
	d, err := elemType(m, r)
	if err != nil || d == weights.Float32 {
		return err
	}
	for _, t := range m.Graph.Initializers {
		if !strings.HasPrefix(t.Name, projectorPrefix) || !t.DType.IsFloat() {
			continue
		}
		own, _, err := t.As(d)
		if err != nil {
			return err
		}
		m.Graph.SetInitializer(own)
	}
	m.Graph.Output(EmbeddingName).ElemType = onnx.ElemType(d)
	return nil
}

// elemType is the type of a tensor of floating-point numbers; float32 where the model
// does not tell.
func elemType(m *onnx.Model, name string) (weights.DType, error) {
	if v := m.Graph.Output(name); v != nil && onnx.DType(v.ElemType).IsFloat() {
		return onnx.DType(v.ElemType), nil
	}
	s, err := onnx.InferShapes(m, nil)
	if err != nil {
		return weights.Invalid, err
	}
	if d := s.Type[name]; d.IsFloat() {
		return d, nil
	}
	return weights.Float32, nil
}

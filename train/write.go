package train

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"path/filepath"

	"onnxclr/importer"
	"onnxclr/importer/onnx"
	"onnxclr/importer/safetensors"
	"onnxclr/importer/weights"
	"onnxclr/internal/file"
)

// entry is one file of a checkpoint, or of the final model.
type entry struct {
	name  string
	write func(io.Writer) error
}

// fileLimit is the size above which a model's weights go into a file beside it.
var fileLimit = onnx.MaxFile

// settleModel gives the model its present weights, each in the type that it has in the
// file: an array that nobody changed stays bit for bit as it was. masters are the float32
// values of those that their type cannot hold.
func (l *learner) settleModel() (masters []*weights.Tensor, err error) {
	g := l.model.ONNX.Graph
	for _, name := range l.weights.Names() {
		present, t := l.weights.Tensor(name), g.Initializer(name)
		if t.DType == weights.Float32 {
			g.SetInitializer(present)
			continue
		}
		before, err := t.AsFloat32()
		if err != nil {
			return nil, err
		}
		if bytes.Equal(before.Data, present.Data) {
			continue
		}
		if v, fits := weights.Fits(l.weights.Values(name), t.DType); !fits {
			return nil, fmt.Errorf("%q has grown to %g, more than %v, its type in the model, can hold; train a float32 version of the model", name, v, t.DType)
		}
		own, exact, err := present.As(t.DType)
		if err != nil {
			return nil, err
		}
		g.SetInitializer(own)
		if !exact {
			masters = append(masters, present)
		}
	}
	counts := map[string]bool{}
	for _, n := range l.program.Norms {
		counts[n.Name] = true
	}
	if err := importer.AddBatches(l.model.ONNX, l.batchesPerStep()*int64(l.step-l.counted), func(norm string) bool { return counts[norm] }); err != nil {
		return nil, err
	}
	l.counted = l.step
	return masters, nil
}

// modelParts are the files of the model as it is now, the one with its weights, which
// there is when one file cannot hold them, first: the model is not there before what it
// refers to.
func (l *learner) modelParts() ([]entry, error) {
	m := l.model.ONNX
	size, err := m.Size()
	if err != nil {
		return nil, err
	}
	if size <= fileLimit {
		return []entry{{modelName, m.Encode}}, nil
	}
	m.SetMeta(importer.MetaExternal, "true") // as whoever opens it does
	var model bytes.Buffer
	return []entry{
		{dataName, func(w io.Writer) error { return m.EncodeExternal(&model, w, dataName) }},
		{modelName, func(w io.Writer) error {
			_, err := w.Write(model.Bytes())
			return err
		}},
	}, nil
}

// checkpointParts are the files of a checkpoint.
func (l *learner) checkpointParts() ([]entry, error) {
	masters, err := l.settleModel()
	if err != nil {
		return nil, err
	}
	parts, err := l.modelParts()
	if err != nil {
		return nil, err
	}
	if masters != nil {
		parts = append(parts, entry{mastersName, func(w io.Writer) error { return safetensors.Write(w, masters, nil) }})
	}
	if l.probe != nil {
		parts = append(parts, entry{onlineProbeName, func(w io.Writer) error { return safetensors.Write(w, l.probe.State(), nil) }})
	}
	return append(parts, entry{optimizerName, func(w io.Writer) error { return safetensors.Write(w, l.optimizer.State(), nil) }}), nil
}

// writeFinal writes the trained model into the run directory.
func (l *learner) writeFinal(dir string) error {
	if _, err := l.settleModel(); err != nil {
		return err
	}
	parts, err := l.modelParts()
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err := file.Write(filepath.Join(dir, p.name), p.write); err != nil {
			return err
		}
	}
	return nil
}

// restoreMasters takes back what the model of a checkpoint could not hold.
func (l *learner) restoreMasters(tensors []*weights.Tensor) error {
	for _, t := range tensors {
		values := l.weights.Values(t.Name)
		if values == nil || t.DType != weights.Float32 || t.Len() != len(values) {
			return fmt.Errorf("%q is %v %v, which the model has no weight for", t.Name, t.DType, t.Shape)
		}
		v, err := t.Float32s()
		if err != nil {
			return err
		}
		rounded, _, err := t.As(l.model.ONNX.Graph.Initializer(t.Name).DType)
		if err != nil {
			return err
		}
		in, err := rounded.Float32s()
		if err != nil {
			return err
		}
		for i := range in {
			if math.Float32bits(in[i]) != math.Float32bits(values[i]) {
				return fmt.Errorf("%q is not what the model's was rounded from", t.Name)
			}
		}
		copy(values, v)
	}
	return nil
}

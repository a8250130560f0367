package importer

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"onnxclr/importer/onnx"
	"onnxclr/internal/file"
)

// MetaExternal is in the metadata of a model that was opened from a file with
// external data, and of what is trained from it, until Export writes such a file.
const MetaExternal = "external_data"

// ExternalSuffix is what the name of a model's external file has behind the model's.
const ExternalSuffix = ".data"

func exportONNX(m *onnx.Model, path string, force bool) (*ExportReport, error) {
	eval := evaluation(m)
	dropResiduals(eval)
	if err := onnx.Check(eval); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r := &ExportReport{Format: "ONNX", Tensors: len(eval.Graph.Initializers)}
	kept := eval.Meta(MetaExternal) != ""
	if kept {
		eval.Metadata = append([]onnx.Property(nil), eval.Metadata...)
		dropMeta(eval, MetaExternal)
	}
	if !kept && !eval.TooLarge() {
		return r, file.WriteNew(path, force, buffered(eval.Encode))
	}
	// The data first: a model is not there before what it refers to.
	data := path + ExternalSuffix
	if _, err := os.Lstat(path); err == nil && !force {
		return nil, file.Exists(path)
	}
	var model bytes.Buffer
	err := file.WriteNew(data, force, buffered(func(w io.Writer) error {
		return eval.EncodeExternal(&model, w, filepath.Base(data))
	}))
	if err != nil {
		return nil, err
	}
	why := "as a file of more than 2 GiB cannot hold them"
	if kept {
		why = "as in the model's source"
	}
	r.Notes = append(r.Notes, fmt.Sprintf("the weights are in %s, %s; the two files belong together", filepath.Base(data), why))
	return r, file.WriteNew(path, force, func(w io.Writer) error {
		_, err := w.Write(model.Bytes())
		return err
	})
}

// buffered lets write make small writes.
func buffered(write func(io.Writer) error) func(io.Writer) error {
	return func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 1<<16)
		if err := write(b); err != nil {
			return err
		}
		return b.Flush()
	}
}

// evaluation returns the model with batch normalisations in the form that uses
// running statistics: models exported for training have them in the other, which
// would normalise a single image by itself. m is not changed, what is equal is
// shared.
func evaluation(m *onnx.Model) *onnx.Model {
	out, g := *m, *m.Graph
	out.Graph = &g
	g.Nodes = append([]*onnx.Node(nil), g.Nodes...)
	for i, n := range g.Nodes {
		if n.OpType != "BatchNormalization" || len(n.Outputs) == 1 && n.Int("training_mode", 0) == 0 {
			continue
		}
		eval := *n
		eval.Outputs = n.Outputs[:1:1]
		eval.Attributes = nil
		for _, a := range n.Attributes {
			if a.Name != "training_mode" {
				eval.Attributes = append(eval.Attributes, a)
			}
		}
		g.Nodes[i] = &eval
	}
	return &out
}

package importer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"onnxclr/importer/onnx"
	"onnxclr/internal/file"
)

// Model is an open ONNX model. Its tensors' bytes stay in the mapped file and are
// valid until Close.
type Model struct {
	ONNX      *onnx.Model
	Path      string         // the .onnx file, also where a run directory was opened
	BatchNorm BatchNormState // what the export left of batch normalisation

	folded   map[string]bool // outputs of the convolutions that BatchNorm counts as folded
	mapping  *file.Mapping
	external io.Closer // nil where all tensors are in the file
}

// RunModel is the file in a run directory that holds the trained model.
const RunModel = "model.onnx"

// OpenModel opens an .onnx file, or a run directory for its final model. Parameters
// that an exporter shared because their values were equal are distinct again. Only
// the structure is read, tensors in external files beside it included; weights are paged in as they are used. A checkpoint is an
// error that tells how to convert it.
func OpenModel(path string) (*Model, error) {
	at, err := modelFile(path)
	if err != nil {
		return nil, err
	}
	mapping, err := file.Map(at)
	if err != nil {
		return nil, err
	}
	m := &Model{Path: at, mapping: mapping}
	if err := m.read(); err != nil {
		m.Close()
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	return m, nil
}

// Close unmaps the files. Tensors of the model must not be used afterwards.
func (m *Model) Close() error {
	err := m.mapping.Close()
	if m.external != nil {
		err = errors.Join(err, m.external.Close())
	}
	return err
}

// SHA256 returns the hash of the whole file in hexadecimal, reading it once.
func (m *Model) SHA256() string { return hash(m.mapping.Bytes) }

// modelFile turns a run directory into the path of its model.
func modelFile(path string) (string, error) {
	st, err := os.Stat(path)
	if err != nil || !st.IsDir() {
		return path, err
	}
	at := filepath.Join(path, RunModel)
	if _, err := os.Stat(at); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s is a directory without %s: not a run, or one that has not finished (its checkpoints/<step>/%s are models too)", path, RunModel, RunModel)
	}
	return at, nil
}

func (m *Model) read() error {
	switch kind := sniff(m.mapping.Bytes); kind {
	case kindZip, kindPickle, kindSafetensors:
		return fmt.Errorf("a checkpoint (%s), not an ONNX model; make one with: onnxclr convert %s -o model.onnx", kind, m.Path)
	case kindONNX, kindUnknown: // the decoder knows best
	default:
		return fmt.Errorf("not an ONNX model: %s", kind)
	}
	var err error
	if m.ONNX, err = onnx.Decode(m.mapping.Bytes); err != nil {
		if looks(m.mapping.Bytes) == kindText {
			return fmt.Errorf("not an ONNX model: %s", kindText)
		}
		return err
	}
	if err := inline(m.ONNX); err != nil {
		return err
	}
	if onnx.HasExternal(m.ONNX) {
		if m.external, err = onnx.LoadExternal(m.ONNX, filepath.Dir(m.Path)); err != nil {
			return err
		}
		m.ONNX.SetMeta(MetaExternal, "true")
	}
	n, err := Normalize(m.ONNX)
	if err != nil {
		return err
	}
	m.BatchNorm, m.folded = n.BatchNorm, n.folded
	return nil
}

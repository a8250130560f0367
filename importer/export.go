package importer

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"onnxclr/importer/onnx"
	"onnxclr/importer/safetensors"
	"onnxclr/importer/torch"
	"onnxclr/importer/weights"
	"onnxclr/internal/file"
)

// ExportOptions choose what Export writes.
type ExportOptions struct {
	Projector bool // include the head's weights in .pth and .safetensors
	Force     bool // replace an existing file
	// Layout is how the keys of .pth and .safetensors are written: LayoutSame as in
	// the checkpoint that the model was converted from, its wrappers included, or one
	// of ExportLayouts; "" is LayoutSame. A model of another origin has torchvision's
	// names, or those it came with.
	Layout string
	// DType is the type of the weights in .pth and .safetensors: DTypeSame that of
	// the checkpoint, tensor by tensor, or float32, float16, bfloat16 or float64; ""
	// is DTypeSame.
	DType string
}

// ExportReport says what Export wrote.
type ExportReport struct {
	Format  string // "ONNX", "PyTorch" or "safetensors"
	Layout  string // of the keys, such as "torchvision" or "state_dict: module.encoder_q."; "" in ONNX
	Tensors int
	Notes   []string
}

// Export writes a model to path, whose extension names the format:
//
//   - .onnx: the model itself, with batch normalisation in its evaluation form; its
//     weights in path.data beside it where they were in such a file before, or where
//     one file cannot hold them;
//   - .pth, .pt: a state_dict as torch.save writes it, with PyTorch's keys and
//     order, num_batches_tracked included, so that load_state_dict(strict=True)
//     accepts it where the model has torchvision's keys;
//   - .safetensors: the same tensors.
//
// Keys, wrappers and types are those of the checkpoint that the model was converted
// from, unless the options say otherwise; tensors that nobody changed are bit for bit
// as they were there. The file appears complete or not at all.
func Export(m *onnx.Model, path string, o ExportOptions) (*ExportReport, error) {
	ext := strings.ToLower(filepath.Ext(path))
	switch ext {
	case ".onnx":
		return exportONNX(m, path, o.Force)
	case ".pth", ".pt", ".safetensors":
	default:
		return nil, fmt.Errorf("%s: unknown extension %q; want .onnx, .pth, .pt or .safetensors", path, ext)
	}
	r, write, err := exportTensors(m, ext, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := file.WriteNew(path, o.Force, buffered(write)); err != nil {
		return nil, err
	}
	return r, nil
}

func exportTensors(m *onnx.Model, ext string, o ExportOptions) (*ExportReport, func(io.Writer) error, error) {
	tensors, err := StateDict(m, o.Projector)
	if err != nil {
		return nil, nil, err
	}
	r := &ExportReport{Format: "PyTorch", Tensors: len(tensors)}
	tensors, note, err := restore(m, tensors, o.DType)
	if err != nil {
		return nil, nil, err
	}
	if note != "" {
		r.Notes = append(r.Notes, note)
	}
	shape, err := exportLayout(m, o.Layout)
	if err != nil {
		return nil, nil, err
	}
	r.Layout = shape.String()
	if m.Meta(MetaArchitecture) != "" && m.Graph.Initializer("fc.weight") == nil && shape.prefix == "" && shape.naming == (naming{}) {
		r.Notes = append(r.Notes, "there is no fc: before load_state_dict(strict=True) set model.fc = torch.nn.Identity()")
	}
	if n := biased(m.Graph); n > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d convolutions have a bias, as after folding batch normalisation into them: torchvision's ResNets have no keys for these", n))
	} else if DetectBatchNorm(m).Folded > 0 {
		r.Notes = append(r.Notes, "there is no batch normalisation, as after folding it into convolutions: torchvision's ResNets miss its keys")
	}
	if h, ok, err := AttachedHead(m); err == nil && ok && h.trainable() {
		if o.Projector {
			r.Notes = append(r.Notes, shape.beside()+projectorPrefix+"* is included: torchvision's model has no such keys")
		} else {
			r.Notes = append(r.Notes, "the projector is left out")
		}
	}
	tensors = shape.rename(tensors)
	r.Tensors = len(tensors)
	if ext == ".safetensors" {
		r.Format = "safetensors"
		if shape.dict != "" {
			r.Notes = append(r.Notes, fmt.Sprintf("safetensors have no dictionaries: the keys stand without %q", shape.dict))
		}
		metadata := map[string]string{"format": "pt"}
		for _, p := range m.Metadata { // of ONNX, whose strings may be any bytes
			metadata[strings.ToValidUTF8(p.Key, "\uFFFD")] = strings.ToValidUTF8(p.Value, "\uFFFD")
		}
		return r, func(w io.Writer) error { return safetensors.Write(w, tensors, metadata) }, nil
	}
	root := shape.wrap(torch.StateDict(tensors, nil))
	return r, func(w io.Writer) error { return torch.Write(w, root) }, nil
}

// biased counts the convolutions that have a bias.
func biased(g *onnx.Graph) int {
	count := 0
	for _, n := range g.Nodes {
		if n.OpType == "Conv" && n.Standard() && n.Input(2) != "" {
			count++
		}
	}
	return count
}

// StateDict returns a model's weights under PyTorch's keys and in PyTorch's order,
// with num_batches_tracked after each running_var. The data are the model's own.
// It fails when the graph's weights have lost their keys, as they do where an
// exporter folded batch normalisation into the convolutions.
func StateDict(m *onnx.Model, projector bool) ([]*weights.Tensor, error) {
	counts, err := BatchesTracked(m)
	if err != nil {
		return nil, err
	}
	if err := checkKeys(m.Graph); err != nil {
		return nil, err
	}
	var out []*weights.Tensor
	for _, t := range m.Graph.Initializers {
		if !t.DType.IsFloat() || !isKey(t.Name) || !projector && strings.HasPrefix(t.Name, projectorPrefix) {
			continue
		}
		if len(t.External) > 0 {
			return nil, fmt.Errorf("tensor %q is in an external file that was not read", t.Name)
		}
		out = append(out, &t.Tensor)
		if norm, ok := strings.CutSuffix(t.Name, runningVar); ok {
			out = append(out, weights.FromInt64(norm+counterName, nil, []int64{counts[norm]}))
		}
	}
	return out, nil
}

// isKey reports whether an initializer's name can be a state_dict's key: exporters
// write "onnx::Conv_193" and "/layer1/…" for what they computed themselves.
func isKey(name string) bool {
	return name != "" && !strings.Contains(name, "::") && !strings.HasPrefix(name, "/")
}

// checkKeys fails if a layer's weights have no key of PyTorch.
func checkKeys(g *onnx.Graph) error {
	first := map[string]int{"Conv": 1, "Gemm": 1, "MatMul": 1, "BatchNormalization": 1}
	var lost []string
	for _, n := range g.Nodes {
		at, ok := first[n.OpType]
		if !ok || !n.Standard() {
			continue
		}
		for _, in := range n.Inputs[min(at, len(n.Inputs)):] {
			if !isKey(in) && in != noBias && g.Initializer(in) != nil {
				lost = append(lost, in)
			}
		}
	}
	if lost == nil {
		return nil
	}
	return unsupportedf("the names of %s are no PyTorch keys (%q, for one): batch normalisation was folded into the convolutions when the model was exported. Export to .onnx, or start from the checkpoint with convert", number(len(lost), "weight"), lost[0])
}

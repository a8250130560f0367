package importer

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"onnxclr/importer/onnx"
)

// Keys of metadata_props in models written here.
const (
	MetaArchitecture = "architecture"      // ResNet.Name
	MetaSourceFile   = "source_file"       // base name of the checkpoint
	MetaSourceSHA256 = "source_sha256"     // of the whole checkpoint
	MetaLayout       = "source_layout"     // code base whose layout the checkpoint has
	MetaPrefix       = "source_prefix"     // where in it the encoder was, as the Prefix option takes it
	MetaDict         = "source_dictionary" // which part of that is a dictionary's path, if any
	MetaNaming       = "source_naming"     // how its keys name the layers, if not as torchvision does
	MetaSourceDType  = "source_dtype"      // element type of its floating-point tensors, if not float32; or "mixed"
	MetaSourceDTypes = "source_dtypes"     // of a mixed one: JSON object of the types and the keys that have them, float32 left out
	MetaResidual     = "source_residual"   // JSON object of float64 tensors and the SHA-256 of their float32 rounding; see residualPrefix
	MetaBatches      = counterSuffix       // see BatchesTracked
	MetaHead         = "head"              // see Head
	MetaVersion      = "onnxclr_version"   // of the tool that wrote the model
	producer         = "onnxclr"           // producer_name
	runningVar       = ".running_var"      // ends the name that every batch normalisation has
	counterName      = "." + counterSuffix // ends the name of its counter in PyTorch
	batchesWhat      = "metadata " + MetaBatches
)

// BatchesTracked returns PyTorch's num_batches_tracked of every batch normalisation
// of the model by its module path, such as "layer1.0.bn1": how many batches its
// running statistics have seen. ONNX has no place for these counters, so the
// metadata keep them, as one number where all are equal. Normalisations that are
// not listed there count 0, PyTorch's value for a checkpoint without counters.
func BatchesTracked(m *onnx.Model) (map[string]int64, error) {
	counts := map[string]int64{}
	text := m.Meta(MetaBatches)
	all, err := int64(0), error(nil)
	listed := map[string]int64{}
	switch {
	case text == "":
	case strings.HasPrefix(text, "{"):
		err = json.Unmarshal([]byte(text), &listed)
	default:
		all, err = strconv.ParseInt(text, 10, 64)
	}
	if err != nil {
		return nil, fmt.Errorf("%s is %.40q, want a number, or one for each normalisation", batchesWhat, text)
	}
	for _, t := range m.Graph.Initializers {
		if name, ok := strings.CutSuffix(t.Name, runningVar); ok {
			counts[name] = all + listed[name]
		}
	}
	return counts, nil
}

// SetBatchesTracked records the counters; see BatchesTracked.
func SetBatchesTracked(m *onnx.Model, counts map[string]int64) {
	if len(counts) == 0 {
		return
	}
	same, first := true, int64(0)
	started := false
	for _, n := range counts {
		if !started {
			first, started = n, true
		}
		same = same && n == first
	}
	if same {
		m.SetMeta(MetaBatches, strconv.FormatInt(first, 10))
		return
	}
	text, _ := json.Marshal(counts) // sorts the keys; numbers cannot fail
	m.SetMeta(MetaBatches, string(text))
}

// AddBatches counts n more batches for every batch normalisation that trains, as that
// many forward passes in training mode do in PyTorch.
func AddBatches(m *onnx.Model, n int64, trains func(norm string) bool) error {
	counts, err := BatchesTracked(m)
	if err != nil {
		return err
	}
	for name := range counts {
		if trains(name) {
			counts[name] += n
		}
	}
	SetBatchesTracked(m, counts)
	return nil
}

// dropMeta removes a property.
func dropMeta(m *onnx.Model, key string) {
	kept := m.Metadata[:0]
	for _, p := range m.Metadata {
		if p.Key != key {
			kept = append(kept, p)
		}
	}
	m.Metadata = kept
}

package onnx

import "onnxclr/importer/weights"

// Model is an ONNX ModelProto. Every field of the message is either decoded
// below or kept, byte for byte, in the unexported unknown fields, so that
// decoding and encoding lose nothing.
type Model struct {
	IRVersion       int64
	ProducerName    string
	ProducerVersion string
	Domain          string
	ModelVersion    int64
	DocString       string
	Graph           *Graph
	Opsets          []Opset    // opset_import
	Metadata        []Property // metadata_props
	Functions       []*Function

	unknown []byte // training_info and whatever a newer version adds
}

// Opset is one entry of opset_import. Domain "" is the standard operator set.
type Opset struct {
	Domain  string
	Version int64

	spelled bool // Domain "" is written out
	unknown string
}

// Property is one entry of metadata_props or of a tensor's external_data.
type Property struct {
	Key, Value string

	unknown string
}

// Graph is a GraphProto.
type Graph struct {
	Name         string
	Nodes        []*Node
	Initializers []*Tensor
	DocString    string
	Inputs       []*ValueInfo
	Outputs      []*ValueInfo
	ValueInfo    []*ValueInfo

	index    map[string]int // of Initializers; see Initializer
	indexLen int            // their number when it was made,
	indexOf  **Tensor       // and where they were
	unknown  []byte         // sparse_initializer, quantization_annotation, …
}

// Node is a NodeProto: one application of an operator.
type Node struct {
	Name       string
	OpType     string
	Domain     string
	Inputs     []string // "" stands for an absent optional input
	Outputs    []string
	Attributes []*Attribute
	DocString  string
	Overload   string // tells functions of one name apart

	origin  *origin // the call that this node is a part of; see Inline
	unknown []byte
}

// AttributeType is AttributeProto.AttributeType.
type AttributeType int32

// The attribute types of ONNX.
const (
	AttrUndefined     AttributeType = 0
	AttrFloat         AttributeType = 1
	AttrInt           AttributeType = 2
	AttrString        AttributeType = 3
	AttrTensor        AttributeType = 4
	AttrGraph         AttributeType = 5
	AttrFloats        AttributeType = 6
	AttrInts          AttributeType = 7
	AttrStrings       AttributeType = 8
	AttrTensors       AttributeType = 9
	AttrGraphs        AttributeType = 10
	AttrSparseTensor  AttributeType = 11
	AttrSparseTensors AttributeType = 12
	AttrTypeProto     AttributeType = 13
	AttrTypeProtos    AttributeType = 14
)

// Attribute is an AttributeProto; Type says which of the values is meant. Files
// from before IR version 2 do not say: Decode deduces it.
type Attribute struct {
	Name      string
	Type      AttributeType
	F         float32
	I         int64
	S         []byte
	T         *Tensor
	G         *Graph
	Floats    []float32
	Ints      []int64
	Strings   [][]byte
	Tensors   []*Tensor
	Graphs    []*Graph
	DocString string
	RefName   string // ref_attr_name, inside functions

	unknown []byte // sparse tensors, type protos
}

// Tensor is a TensorProto. Data is little-endian whatever field of the message
// it came from, and aliases the decoded file where it can; tensors of types
// that weights.DType does not know keep DType weights.Invalid and are carried
// along undecoded. Assigning DType, Shape and Data replaces the value.
type Tensor struct {
	weights.Tensor
	ElemType  int32 // the TensorProto.DataType as found
	DocString string
	// External is external_data. While it is not empty the values live in another
	// file and Data is nil; LoadExternal reads them and empties it.
	External []Property

	carried []byte // the data fields of a tensor of an unknown type
	unknown []byte
}

// Dim is one dimension of a value: Value, or Param when it is symbolic. A
// dimension with Value < 0 and no Param is unknown.
type Dim struct {
	Value int64
	Param string

	unknown string // denotation
}

// ValueInfo is a ValueInfoProto of tensor type. Shape is nil when HasShape is
// false. A value that is not a tensor has ElemType 0 and is kept as found.
type ValueInfo struct {
	Name      string
	ElemType  int32 // TensorProto.DataType: 1 float32, 7 int64, …
	HasShape  bool
	Shape     []Dim
	DocString string

	ofShape  []byte // unknown fields of TensorShapeProto,
	ofTensor []byte // of TypeProto.Tensor,
	ofType   []byte // of TypeProto (sequences, maps, denotation),
	unknown  []byte // and of ValueInfoProto
}

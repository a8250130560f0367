package tensorboard

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Value is what a step has under a tag: a number, an image, a histogram or a text. A
// slash in the tag puts it into a group.
type Value struct{ message []byte } // a Summary.Value

// Fields of the message Summary.Value.
const (
	valueTag       = 1
	valueSimple    = 2
	valueImage     = 4
	valueHistogram = 5
	valueTensor    = 8
	valueMetadata  = 9
)

func begin(tag string) []byte {
	b := protowire.AppendTag(nil, valueTag, protowire.BytesType)
	return protowire.AppendString(b, tag)
}

func field(b []byte, num protowire.Number, message []byte) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendBytes(b, message)
}

// Scalar is a number, which TensorBoard keeps as a float32.
func Scalar(tag string, v float64) Value {
	b := protowire.AppendTag(begin(tag), valueSimple, protowire.Fixed32Type)
	return Value{protowire.AppendFixed32(b, math.Float32bits(float32(v)))}
}

// Image is a picture of colours in a file of the PNG format.
func Image(tag string, width, height int, png []byte) Value {
	var m []byte
	for i, v := range []int{height, width, 3} { // 3: RGB
		m = protowire.AppendTag(m, protowire.Number(i+1), protowire.VarintType)
		m = protowire.AppendVarint(m, uint64(v))
	}
	return Value{field(begin(tag), valueImage, field(m, 4, png))}
}

// Text is a text, which TensorBoard takes for Markdown.
func Text(tag, text string) Value {
	const dtString = 7
	t := protowire.AppendTag(nil, 1, protowire.VarintType) // TensorProto.dtype
	t = protowire.AppendVarint(t, dtString)
	t = field(t, 2, nil) // tensor_shape: a scalar
	t = field(t, 8, []byte(text))
	plugin := field(nil, 1, field(nil, 1, []byte("text"))) // SummaryMetadata.plugin_data.plugin_name
	// The suffix is PyTorch's and older readers' sign of a text.
	b := field(begin(tag+"/text_summary"), valueTensor, t)
	return Value{field(b, valueMetadata, plugin)}
}

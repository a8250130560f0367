package onnx

import "google.golang.org/protobuf/encoding/protowire"

func (d *decoder) value(b []byte, v *ValueInfo) error {
	return fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			err = f.string(&v.Name)
		case 2:
			if err = f.want(protowire.BytesType); err == nil {
				err = within(d.valueType(f.b, v), "type")
			}
		case 3:
			err = f.string(&v.DocString)
		default:
			err = d.keep(f, &v.unknown)
		}
		return err
	})
}

// valueType reads a TypeProto; of its alternatives only tensor_type is decoded.
func (d *decoder) valueType(b []byte, v *ValueInfo) error {
	return fields(b, func(f field) (err error) {
		if f.num != 1 {
			err = d.keep(f, &v.ofType)
		} else if err = f.want(protowire.BytesType); err == nil {
			err = within(d.tensorType(f.b, v), "tensor_type")
		}
		return err
	})
}

func (d *decoder) tensorType(b []byte, v *ValueInfo) error {
	return fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			err = f.int32(&v.ElemType)
		case 2:
			v.HasShape = true
			if err = f.want(protowire.BytesType); err == nil {
				err = within(d.shape(f.b, v), "shape")
			}
		default:
			err = d.keep(f, &v.ofTensor)
		}
		return err
	})
}

func (d *decoder) shape(b []byte, v *ValueInfo) error {
	return fields(b, func(f field) (err error) {
		if f.num != 1 {
			err = d.keep(f, &v.ofShape)
		} else if err = f.want(protowire.BytesType); err == nil {
			var dim Dim
			if dim, err = d.dim(f.b); err == nil {
				err = appendTo(d, &v.Shape, dim)
			}
		}
		return within(err, "dim[%d]", len(v.Shape))
	})
}

func (d *decoder) dim(b []byte) (Dim, error) {
	dim := Dim{Value: -1}
	err := fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			dim.Param = ""
			if err = f.int64(&dim.Value); dim.Value < 0 {
				dim.Value = -1
			}
		case 2:
			dim.Value = -1
			err = f.string(&dim.Param)
		default:
			dim.unknown += string(f.raw)
		}
		return err
	})
	return dim, err
}

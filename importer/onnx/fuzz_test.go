package onnx

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzDecode: no input panics, and what can be decoded can be encoded, decoded to
// the same, checked, inferred and stripped.
func FuzzDecode(f *testing.F) {
	f.Add(encode(f, small()))
	f.Add(unknownFields())
	for _, r := range refusals() {
		f.Add(r.file)
	}
	for want, m := range inlineRefusals(f) {
		if !strings.Contains(want, "64 MiB") { // true, but slow
			f.Add(encode(f, m))
		}
	}
	for _, file := range exports(f) {
		if len(file) < 12_000 {
			f.Add(file)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err != nil {
			return
		}
		var first, second bytes.Buffer
		if err := m.Encode(&first); err != nil {
			t.Fatalf("decoded, but cannot be encoded: %v", err)
		}
		again, err := Decode(first.Bytes())
		if err != nil {
			t.Fatalf("encoded, but cannot be decoded: %v", err)
		}
		if err := again.Encode(&second); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Fatalf("encoding twice differs at %d", differ(first.Bytes(), second.Bytes()))
		}
		valid := Check(m)
		if valid == nil != (Check(again) == nil) {
			t.Fatalf("valid before and after encoding: %v, %v", valid, Check(again))
		}
		if m.Inline() != nil {
			return
		}
		if len(m.Functions) > 0 && valid == nil {
			if problems := Check(m); problems != nil {
				t.Fatalf("valid, but not once its functions are inlined: %v", problems)
			}
			var written bytes.Buffer
			if err := m.Encode(&written); err != nil {
				t.Fatal(err)
			}
			if outlined, err := Decode(written.Bytes()); err != nil || Check(outlined) != nil {
				t.Fatalf("valid, but not once its functions are inlined and written: %v", err)
			}
		}
		Skeleton(m)
		inputs := map[string][]int{}
		for _, v := range m.Graph.DataInputs() {
			if len(v.Shape) == 4 {
				inputs[v.Name] = []int{2, 3, 16, 16}
			}
		}
		s, err := InferShapes(m, inputs)
		if err != nil {
			return
		}
		for name, shape := range s.Shape {
			if n, err := elements(shape); err != nil && m.Graph.Initializer(name) == nil {
				t.Fatalf("shape %v of %q with %d elements", shape, name, n)
			}
		}
		for name, c := range s.Const {
			if _, err := elements(c.Shape); err != nil {
				t.Fatalf("constant %q of shape %v", name, c.Shape)
			}
		}
	})
}

package main

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"onnxclr/importer"
	"onnxclr/importer/torch"
	"onnxclr/importer/weights"
)

// hostile writes a checkpoint whose pickle is the program given.
func hostile(t *testing.T, path, pickle string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, data := range map[string]string{"archive/data.pkl": pickle, "archive/version": "3\n"} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A pickle that runs a command in Python runs nothing here, whatever is done with the
// file, and the message names what it would have called.
func TestPicklesRunNothing(t *testing.T) {
	dir := t.TempDir()
	owned := filepath.Join(dir, "owned")
	program := "touch " + owned
	ckpt := hostile(t, filepath.Join(dir, "evil.pth"), "\x80\x02cposix\nsystem\nX"+string([]byte{byte(len(program)), 0, 0, 0})+program+"\x85R.")
	for _, args := range [][]string{
		{"convert", ckpt, "-o", filepath.Join(dir, "m.onnx")},
		{"inspect", ckpt},
		{"inspect", ckpt, "--json"},
	} {
		r := command(t, args...)
		if r.code != 1 || !strings.Contains(r.err, "calls posix.system") || !strings.Contains(r.err, "nothing was executed") || !strings.Contains(r.err, "evil.pth") {
			t.Errorf("%s: exit %d, %q", args[0], r.code, r.err)
		}
	}
	if names := contents(t, dir); names != "evil.pth" {
		t.Errorf("the folder holds %s, want the checkpoint alone", names)
	}
}

// wrapped writes basic's encoder as MoCo does, with a second one beside it.
func wrapped(t *testing.T, path string) string {
	t.Helper()
	state := &torch.Dict{Class: torch.OrderedDict}
	for _, prefix := range []string{"module.encoder_q.", "module.encoder_k."} {
		for _, x := range tensorsOf(t, basic(t)) {
			if strings.HasPrefix(x.Name, "fc.") {
				continue
			}
			named := *x
			named.Name = prefix + x.Name
			if prefix == "module.encoder_k." && x.Name == "bn1.num_batches_tracked" {
				named.Data = []byte{99, 0, 0, 0, 0, 0, 0, 0}
			}
			state.Set(named.Name, &named)
		}
	}
	queue := weights.FromFloat32("module.queue", []int{2, 2}, make([]float32, 4))
	state.Set(queue.Name, queue)
	root := &torch.Dict{}
	root.Set("epoch", int64(200))
	root.Set("state_dict", state)
	var b bytes.Buffer
	if err := torch.Write(&b, root); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// One command in, one command back, in the code base's own layout.
func TestWrappedCheckpointComesBack(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	ckpt := wrapped(t, in("moco.pth"))
	text := must(t, "convert", ckpt, "-o", in("m.onnx")).out
	for _, want := range []string{"layout of MoCo v1/v2", `recognised by`, `begin with "module.encoder_q."`, "MoCo's own evaluation loads the query encoder", "module.queue"} {
		if !strings.Contains(text, want) {
			t.Errorf("convert does not say %q:\n%s", want, text)
		}
	}
	text = must(t, "inspect", ckpt).out
	for _, want := range []string{"state_dict.module.encoder_q.conv1.weight", "– another encoder (MoCo v1/v2, key encoder)", "– MoCo's queue of negatives"} {
		if !strings.Contains(text, want) {
			t.Errorf("inspect does not say %q:\n%s", want, text)
		}
	}
	if text := must(t, "inspect", ckpt, "--prefix", "module.encoder_k").out; !strings.Contains(text, "layout of MoCo v1/v2, key encoder") {
		t.Errorf("--prefix module.encoder_k is not heeded:\n%s", text)
	}
	must(t, "export", in("m.onnx"), "-o", in("back.pth"))
	back, err := importer.OpenCheckpoint(in("back.pth"))
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	if d := back.Dicts[0]; d.Path != "state_dict" || d.Tensors[0].Name != "module.encoder_q.conv1.weight" {
		t.Errorf("came back in %q with %q first", d.Path, d.Tensors[0].Name)
	}
	must(t, "export", in("m.onnx"), "-o", in("plain.pth"), "--layout", "torchvision", "--dtype", "float16")
	first := tensorsOf(t, in("plain.pth"))[0]
	if first.Name != "conv1.weight" || first.DType != weights.Float16 {
		t.Errorf("torchvision's layout in float16 begins with %s of %v", first.Name, first.DType)
	}
	must(t, "convert", ckpt, "-o", in("k.onnx"), "--key", "encoder_k")
	if text := must(t, "inspect", in("k.onnx")).out; !strings.Contains(text, "source_prefix: state_dict.module.encoder_k") {
		t.Errorf("--key encoder_k took another encoder:\n%s", text)
	}
	if r := command(t, "convert", ckpt, "-o", in("x.onnx"), "--key", "teacher"); r.code != 1 || !strings.Contains(r.err, `no ResNet under the key "teacher"`) {
		t.Errorf("--key teacher: exit %d, %q", r.code, r.err)
	}
}

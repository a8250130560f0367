package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestInit(t *testing.T) {
	in := filepath.Join(t.TempDir(), "m.onnx")
	must(t, "init", "resnet18", "--stem", "cifar", "--classes", "10", "-o", in)
	if out := must(t, "inspect", in).out; !strings.Contains(out, "11173962 parameters") || !strings.Contains(out, "logits") {
		t.Errorf("inspect says %s", out)
	}
	must(t, "init", "resnet18", "--stem", "pad2", "-o", in, "--force")
	if out := must(t, "inspect", in, "--image-size", "32").out; !strings.Contains(out, "[1,64,34,34]") {
		t.Errorf("with padding 2, inspect says %s", out)
	}
	refused(t, exitUsage, "resnet50", "init", "resnet51", "-o", in, "--force")
	refused(t, exitFailed, "--force", "init", "resnet18", "-o", in)
	refused(t, exitUsage, "imagenet, cifar or pad2", "init", "resnet18", "--stem", "x", "-o", in, "--force")
}

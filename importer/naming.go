package importer

import (
	"fmt"
	"strconv"
	"strings"
)

// naming is what an encoder calls its layers.
type naming struct {
	// first is the index of layer1 in an nn.Sequential of the network's children
	// (conv1, bn1, relu, maxpool, layer1 …), or 0 where layers have names.
	first int
	// cifar is set for the names of the widespread CIFAR ResNets: shortcut for
	// downsample and linear for fc.
	cifar bool
	// detectron is set for detectron2's names: stem and res2 … res5, norm behind a
	// convolution's name instead of bn1 … bn3, shortcut for downsample.
	detectron bool
}

// see adds what a key's layer and part of a block tell.
func (n *naming) see(layer, part string) {
	switch i, err := strconv.Atoi(layer); {
	case err == nil && (n.first == 0 || i < n.first):
		n.first = i
	case strings.HasPrefix(layer, "res"):
		n.detectron = true
	}
	n.cifar = n.cifar || part == "shortcut" && !strings.HasPrefix(layer, "res")
}

// torchvision returns torchvision's name of a key below the prefix.
func (n naming) torchvision(key string) string {
	if n.detectron {
		return fromDetectron(key)
	}
	parts := strings.Split(key, ".")
	if n.first > 0 {
		i, err := strconv.Atoi(parts[0])
		switch {
		case err != nil:
		case i == 0:
			parts[0] = "conv1"
		case i == 1:
			parts[0] = "bn1"
		case i >= n.first && len(parts) > 3:
			parts[0] = "layer" + strconv.Itoa(i-n.first+1)
		}
	}
	if n.cifar && parts[0] == "linear" && len(parts) == 2 {
		parts[0] = "fc"
	}
	if len(parts) > 2 && parts[2] == "shortcut" {
		parts[2] = "downsample"
	}
	return strings.Join(parts, ".")
}

// write is the inverse of torchvision, for the names that a network has.
func (n naming) write(name string) string {
	if n.detectron {
		return toDetectron(name)
	}
	parts := strings.Split(name, ".")
	if n.first > 0 {
		layer, isLayer := strings.CutPrefix(parts[0], "layer")
		switch i, err := strconv.Atoi(layer); {
		case parts[0] == "conv1":
			parts[0] = "0"
		case parts[0] == "bn1":
			parts[0] = "1"
		case isLayer && err == nil:
			parts[0] = strconv.Itoa(n.first + i - 1)
		}
	}
	if n.cifar && parts[0] == "fc" {
		parts[0] = "linear"
	}
	if n.cifar && len(parts) > 2 && parts[2] == "downsample" {
		parts[2] = "shortcut"
	}
	return strings.Join(parts, ".")
}

// fromDetectron translates stem.conv1, stem.conv1.norm, res2.0.conv1,
// res2.0.conv1.norm, res2.0.shortcut and res2.0.shortcut.norm.
func fromDetectron(key string) string {
	parts := strings.Split(key, ".")
	layer, isLayer := strings.CutPrefix(parts[0], "res")
	stage, err := strconv.Atoi(layer)
	at := 1 // of the convolution
	switch {
	case parts[0] == "stem" && len(parts) > 2:
		parts = parts[1:]
		at = 0
	case isLayer && err == nil && stage > 1 && len(parts) > 3:
		parts[0] = "layer" + strconv.Itoa(stage-1)
		at = 2
	default:
		if parts[0] == "linear" && len(parts) == 2 {
			parts[0] = "fc"
		}
		return strings.Join(parts, ".")
	}
	normed := parts[at+1] == "norm"
	switch number, ok := strings.CutPrefix(parts[at], "conv"); {
	case parts[at] == "shortcut" && normed:
		parts[at], parts[at+1] = "downsample", "1"
	case parts[at] == "shortcut":
		parts[at] = "downsample.0"
	case ok && normed:
		parts[at] = "bn" + number
		parts = append(parts[:at+1:at+1], parts[at+2:]...)
	}
	return strings.Join(parts, ".")
}

// toDetectron is the inverse of fromDetectron.
func toDetectron(name string) string {
	parts := strings.Split(name, ".")
	at := 0
	if n, ok := strings.CutPrefix(parts[0], "layer"); ok && len(parts) > 3 {
		stage, _ := strconv.Atoi(n)
		parts[0] = "res" + strconv.Itoa(stage+1)
		at = 2
	} else if parts[0] == "conv1" || parts[0] == "bn1" {
		parts = append([]string{"stem"}, parts...)
		at = 1
	} else {
		if parts[0] == "fc" {
			parts[0] = "linear"
		}
		return strings.Join(parts, ".")
	}
	switch number, norm := strings.CutPrefix(parts[at], "bn"); {
	case norm:
		parts[at] = "conv" + number + ".norm"
	case parts[at] == "downsample" && parts[at+1] == "1":
		parts[at], parts[at+1] = "shortcut", "norm"
	case parts[at] == "downsample":
		parts = append(parts[:at:at], append([]string{"shortcut"}, parts[at+2:]...)...)
	}
	return strings.Join(parts, ".")
}

// String is the naming as a model's metadata keep it; parseNaming reads it. The
// empty one is torchvision's.
func (n naming) String() string {
	switch {
	case n.detectron:
		return "detectron2"
	case n.cifar && n.first > 0:
		return fmt.Sprintf("sequential-%d-shortcut", n.first)
	case n.cifar:
		return "shortcut"
	case n.first > 0:
		return fmt.Sprintf("sequential-%d", n.first)
	}
	return ""
}

func parseNaming(s string) (naming, error) {
	var n naming
	rest, sequential := strings.CutPrefix(s, "sequential-")
	if sequential {
		rest, n.cifar = strings.CutSuffix(rest, "-shortcut")
		var err error
		if n.first, err = strconv.Atoi(rest); err != nil || n.first < 2 || n.first > 9999 {
			return n, fmt.Errorf("unknown naming %q", s)
		}
		return n, nil
	}
	switch s {
	case "", "torchvision":
	case "shortcut":
		n.cifar = true
	case "detectron2":
		n.detectron = true
	default:
		return n, fmt.Errorf("unknown naming %q", s)
	}
	return n, nil
}

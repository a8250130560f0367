// Package checkpoints embeds the checkpoint that the demo starts from.
package checkpoints

import _ "embed"

// Demo is demo.pth, a file that torch.save wrote: a dictionary whose "state_dict"
// holds a small torchvision-style ResNet (BasicBlock, one a stage, 16 to 128
// channels, 12 classes) trained on procedural textures of 32×32 pixels by
// testdata/gen/demo_checkpoint.py.
//
//go:embed demo.pth
var Demo []byte

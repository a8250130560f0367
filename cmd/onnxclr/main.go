// Command onnxclr trains image encoders contrastively from PyTorch checkpoints by
// way of ONNX, on the CPU, and charts the dimensional collapse of what they learn
// (arXiv:2110.09348). "onnxclr help" lists its verbs.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	code := run(ctx, &terminal{out: os.Stdout, err: os.Stderr, live: isTerminal(os.Stderr)}, os.Args[1:])
	stop()
	os.Exit(code)
}

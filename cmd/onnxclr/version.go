package main

import (
	"context"
	"runtime"

	"github.com/spf13/pflag"

	"onnxclr/internal/version"
)

var versionVerb = &verb{
	name:    "version",
	summary: "print the version of the tool",
	example: "onnxclr version",
	prepare: func(*pflag.FlagSet) action {
		return func(_ context.Context, t *terminal, args []string) error {
			if len(args) > 0 {
				return usagef("takes no arguments, %q given", args[0])
			}
			t.print("onnxclr %s (%s, %s/%s)\n", version.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			t.kernels()
			return nil
		}
	},
}

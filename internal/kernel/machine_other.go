//go:build !amd64 || purego

package kernel

import "runtime"

// best returns the fastest implementation for this processor.
func best() *machine { return machines()[0] }

// machines lists the implementations that run on this processor, fastest first.
func machines() []*machine { return []*machine{&portableMachine} }

// portableReason says why there is nothing faster than the portable kernels.
func portableReason() string {
	if runtime.GOARCH == "amd64" {
		return "built with -tags purego"
	}
	return "there is no assembly for " + runtime.GOARCH
}

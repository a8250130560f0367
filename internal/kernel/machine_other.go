//go:build !amd64 || purego

package kernel

// best returns the fastest implementation for this processor.
func best() *machine { return machines()[0] }

// machines lists the implementations that run on this processor, fastest first.
func machines() []*machine { return []*machine{&portableMachine} }

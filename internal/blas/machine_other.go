//go:build !amd64 || purego

package blas

func machines() []*machine { return []*machine{&portableMachine} }

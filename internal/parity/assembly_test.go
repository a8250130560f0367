//go:build amd64 && !purego

package parity

const portable = false

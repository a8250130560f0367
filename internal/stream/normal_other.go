//go:build !amd64 || purego

package stream

func (n *Normals) blocks(to []float64, blocks int) { n.portable(to, blocks) }

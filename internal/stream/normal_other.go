//go:build !amd64 || purego

package stream

func (n *Normals) add(to []float64, blocks int, deviation float64) {
	n.portable(to, blocks, deviation)
}

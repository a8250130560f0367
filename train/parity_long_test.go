//go:build long

package train

func init() { parityAll = true }

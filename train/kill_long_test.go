//go:build long

package train

func init() { kills = 50 }

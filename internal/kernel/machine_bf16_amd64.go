//go:build amd64 && !purego

package kernel

import "golang.org/x/sys/cpu"

var halfBF16 = halfSet{
	multiplyRows:     func(t *tile) { t.run(&multiplyRowsBF16) },
	multiplyCols:     func(t *tile) { t.run(&multiplyColsBF16) },
	narrowRows:       narrowRowsBF16,
	affineNarrowRows: affineNarrowRowsBF16,
	pairRows:         pairRowsBF16,
	affinePairRows:   affinePairRowsBF16,
	input4:           winogradInput4BF16,
	input2:           winogradInput2BF16,
}

// halfOfAVX512 returns the bfloat16 loops of a processor with AVX-512, not all of
// which have AVX512_BF16.
func halfOfAVX512() *halfSet {
	if cpu.X86.HasAVX512BF16 {
		return &halfBF16
	}
	return widenedHalf(&winograd4AVX512, &winograd2AVX512)
}

// Command asm writes the assembly of package kernel: one file of functions for
// AVX-512, one for AVX512_BF16 and one for AVX2 with FMA, and their Go declarations.
//
//	cd internal/kernel/asm && go run . -isa avx512 -out ../avx512_amd64.s -stubs ../avx512_amd64.go -tables ../tiles_avx512_amd64.go -pkg kernel
//	cd internal/kernel/asm && go run . -isa bf16 -out ../bf16_amd64.s -stubs ../bf16_amd64.go -tables ../tiles_bf16_amd64.go -pkg kernel
//	cd internal/kernel/asm && go run . -isa avx2 -out ../avx2_amd64.s -stubs ../avx2_amd64.go -tables ../tiles_avx2_amd64.go -pkg kernel
//
// It is a module of its own, so that the generator is no dependency of the program.
// What each function computes is said by the portable Go function of that name.
package main

import (
	"flag"
	"fmt"
	"os"

	. "github.com/mmcloughlin/avo/build"
)

var (
	isaName = flag.String("isa", "avx512", "avx512, bf16 or avx2")
	tables  = flag.String("tables", "", "Go file for the tables of tile functions")
)

func main() {
	flag.Parse()
	ConstraintExpr("amd64,!purego")
	v := isa{name: "AVX512", wide: true, lanes: 16, registers: 32}
	if *isaName == "avx2" {
		v = isa{name: "AVX2", lanes: 8, registers: 16}
		maskTable()
	}
	if *isaName == "bf16" {
		v.name, v.pairs = "BF16", true
		v.half()
	} else {
		v.floats()
	}
	if *tables != "" {
		if err := os.WriteFile(*tables, v.tables(), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	Generate()
}

// floats writes the functions of float32 operands.
func (v isa) floats() {
	v.products()
	v.rowPasses()
	v.reductions()
	v.flatPasses()
	v.exponentials()
	v.erf()
	v.windows()
	v.winograd()
	v.winogradStride()
	if !v.wide {
		v.transposition()
	}
}

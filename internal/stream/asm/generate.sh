#!/bin/sh
# Writes the assembly of package stream anew; run by go generate.
cd "$(dirname "$0")" || exit 1
for isa in avx512 avx2; do
	go run . -isa $isa -out ../${isa}_amd64.s -stubs ../${isa}_amd64.go -pkg stream || exit 1
done

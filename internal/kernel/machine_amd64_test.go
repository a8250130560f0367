//go:build amd64 && linux && !purego

package kernel_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"onnxclr/internal/kernel"
)

// TestImplementationsOfTheProcessor holds the list of machines, which every other test
// goes through, against what Linux says that the processor has: a machine that was
// forgotten would be tested nowhere.
func TestImplementationsOfTheProcessor(t *testing.T) {
	if strings.Contains(os.Getenv("GODEBUG"), "cpu.") {
		t.Skip("GODEBUG hides features of the processor")
	}
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Skip(err)
	}
	flags := strings.Fields(string(info))
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(flags, n) })
	}
	var want []string
	if has("avx512f", "avx512bw", "avx512vl", "avx512dq") {
		want = append(want, "avx512")
	}
	if has("avx2", "fma", "bmi2") {
		want = append(want, "avx2")
	}
	want = append(want, "portable")
	if got := kernel.Implementations(); !slices.Equal(got, want) {
		t.Errorf("implementations %v, the processor has %v", got, want)
	}
}

package kernel

import "fmt"

// mustLen panics unless operand name of operator op has want elements: a
// programmer's error.
func mustLen(op, name string, got, want int) {
	if got != want {
		panic(fmt.Sprintf("kernel.%s: %s has %d elements, want %d", op, name, got, want))
	}
}

// mustHold panics unless operand name of operator op has at least want elements.
func mustHold(op, name string, got, want int) {
	if got < want {
		panic(fmt.Sprintf("kernel.%s: %s has %d elements, needs %d", op, name, got, want))
	}
}

// mustDivide panics unless n rows split into equal, non-empty groups.
func mustDivide(op string, n, groups int) {
	if groups < 1 || n < 1 || n%groups != 0 {
		panic(fmt.Sprintf("kernel.%s: %d rows do not split into %d equal groups", op, n, groups))
	}
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

func roundUp(a, multiple int) int { return ceilDiv(a, multiple) * multiple }

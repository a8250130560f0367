package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// help prints the help of the verb named, or the list of verbs.
func help(t *terminal, args []string) int {
	if len(args) == 0 {
		t.print("%s", overview())
		return exitDone
	}
	v := find(args[0])
	if v == nil {
		return unknownVerb(t, args[0])
	}
	flags, _ := v.flags(t)
	t.print("%s", v.help(flags))
	return exitDone
}

func overview() string {
	var b strings.Builder
	b.WriteString("onnxclr: contrastive training from PyTorch checkpoints, and the collapse of what it learns\n\n")
	b.WriteString("Usage: onnxclr VERB [flags] [arguments]\n\n")
	for _, v := range verbs {
		fmt.Fprintf(&b, "  %-10s %s\n", v.name, v.summary)
	}
	b.WriteString("\nonnxclr VERB --help explains a verb. Results go to standard output, progress and\n" +
		"warnings to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.\n\n" +
		"Example:\n  onnxclr demo -o demo\n")
	return b.String()
}

func (v *verb) help(flags *pflag.FlagSet) string {
	var b strings.Builder
	fmt.Fprintf(&b, "onnxclr %s: %s\n\nUsage: onnxclr %s\n", v.name, v.summary, strings.TrimSpace(v.name+" "+v.args))
	if v.about != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(v.about))
	}
	fmt.Fprintf(&b, "\nFlags:\n%s", flags.FlagUsagesWrapped(96))
	fmt.Fprintf(&b, "\nExample:\n  %s\n", strings.ReplaceAll(strings.TrimSpace(v.example), "\n", "\n  "))
	return b.String()
}

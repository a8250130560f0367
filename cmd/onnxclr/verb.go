package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"onnxclr/internal/nearest"
	"onnxclr/train"
)

// verb is one subcommand. Its file holds the options, their flags and the action.
type verb struct {
	name    string
	args    string // of the usage line
	summary string // one line, lower case
	about   string // further paragraphs of the help
	example string // one or more working command lines
	// prepare declares the flags on a fresh options struct and returns what the
	// verb does with them.
	prepare func(*pflag.FlagSet) action
}

// action does a verb's work. args are what the flags left over.
type action func(ctx context.Context, t *terminal, args []string) error

// verbs in the order in which one needs them.
var verbs []*verb

func init() { // in a function, because help refers to the list
	verbs = []*verb{demoVerb, convertVerb, initVerb, inspectVerb, runVerb, augmentVerb, recipeVerb, trainVerb, embedVerb, spectrumVerb, mergeVerb, probeVerb, diagnoseVerb, theoryVerb, reportVerb, ablateVerb, exportVerb, versionVerb}
}

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// usageError is a command line that cannot be understood.
type usageError string

func (e usageError) Error() string { return string(e) }

func usagef(format string, args ...any) error { return usageError(fmt.Sprintf(format, args...)) }

// run executes one command line and returns the exit code.
func run(ctx context.Context, t *terminal, args []string) int {
	name, rest := "", []string(nil)
	if len(args) > 0 {
		name, rest = args[0], args[1:]
	}
	switch name {
	case "":
		fmt.Fprint(t.err, overview())
		return exitUsage
	case "help", "-h", "--help":
		return help(t, rest)
	case "--version":
		name = "version"
	}
	v := find(name)
	if v == nil {
		return unknownVerb(t, name)
	}
	return v.execute(ctx, t, rest)
}

func (v *verb) execute(ctx context.Context, t *terminal, args []string) int {
	flags, act := v.flags(t)
	err := oneDash(args, flags)
	if err == nil {
		err = flags.Parse(args)
	}
	if errors.Is(err, pflag.ErrHelp) {
		t.print("%s", v.help(flags))
		return exitDone
	}
	start := time.Now()
	if err != nil {
		err = usageError(explain(err, flags))
	} else {
		err = act(ctx, t, flags.Args())
	}
	t.wipe()
	var usage usageError
	var recipe *train.UnknownRecipeError
	switch {
	case err == nil:
		t.detail("onnxclr %s: done in %.2f s", v.name, time.Since(start).Seconds())
		return exitDone
	case errors.As(err, &usage), errors.As(err, &recipe):
		fmt.Fprintf(t.err, "onnxclr %s: %v\nTry: onnxclr %s --help\n", v.name, err, v.name)
		return exitUsage
	case errors.Is(err, context.Canceled):
		fmt.Fprintf(t.err, "onnxclr %s: interrupted\n", v.name)
		return exitInterrupted
	case errors.Is(err, train.ErrInterrupted): // says what was saved
		fmt.Fprintf(t.err, "onnxclr %s: %v\n", v.name, err)
		return exitInterrupted
	}
	fmt.Fprintf(t.err, "onnxclr %s: %v\n", v.name, err)
	return exitFailed
}

// flags returns the verb's flags, those common to all included.
func (v *verb) flags(t *terminal) (*pflag.FlagSet, action) {
	f := pflag.NewFlagSet(v.name, pflag.ContinueOnError)
	f.SortFlags = false
	f.Usage = func() {}
	act := v.prepare(f)
	f.BoolVarP(&t.quiet, "quiet", "q", false, "no progress, only results, warnings and errors")
	f.BoolVarP(&t.verbose, "verbose", "v", false, "say more while working")
	return f, act
}

func find(name string) *verb {
	for _, v := range verbs {
		if v.name == name {
			return v
		}
	}
	return nil
}

func unknownVerb(t *terminal, name string) int {
	names := make([]string, len(verbs))
	for i, v := range verbs {
		names[i] = v.name
	}
	fmt.Fprintf(t.err, "onnxclr: unknown verb %q%s\nThe verbs: %s. Try: onnxclr help\n", name, nearest.Hint(name, names), strings.Join(names, ", "))
	return exitUsage
}

// wanted are what flags of a type take.
var wanted = map[string]string{
	"int": "a whole number", "uint64": "a whole number from 0", "float64": "a number", "bool": "true or false",
	"intSlice": "whole numbers with commas between them", "float64Slice": "numbers with commas between them",
}

// explain words pflag's errors, with the nearest flag for one that does not exist.
func explain(err error, flags *pflag.FlagSet) string {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		if want, ok := wanted[invalid.GetFlag().Value.Type()]; ok {
			return fmt.Sprintf("--%s is %q, want %s", invalid.GetFlag().Name, invalid.GetValue(), want)
		}
		return err.Error()
	}
	var lacking *pflag.ValueRequiredError
	if errors.As(err, &lacking) {
		return fmt.Sprintf("--%s lacks its value", lacking.GetFlag().Name)
	}
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err.Error()
	}
	name := unknown.GetSpecifiedName()
	if unknown.GetSpecifiedShortnames() != "" {
		return "unknown flag -" + name
	}
	if other := strings.ReplaceAll(train.OtherName(name), "_", "-"); other != "" && flags.Lookup(other) != nil {
		return fmt.Sprintf("unknown flag --%s; did you mean --%s?", name, other)
	}
	var names []string
	flags.VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return "unknown flag --" + name + nearest.Hint("--"+name, names)
}

// oneDash fails for a long flag behind a single dash, which pflag would take for
// letters: -out a.onnx for -o ut.
func oneDash(args []string, flags *pflag.FlagSet) error {
	for _, arg := range args {
		if arg == "--" {
			return nil
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
		if strings.HasPrefix(arg, "-") && len(name) > 1 && flags.Lookup(name) != nil {
			return fmt.Errorf("unknown flag -%s; did you mean --%s?", name, name)
		}
	}
	return nil
}

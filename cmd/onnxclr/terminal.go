package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// terminal is where a verb speaks: results go to out, everything else to err.
type terminal struct {
	out, err       io.Writer
	live           bool // err is a screen: progress may be redrawn in place
	quiet, verbose bool
	drawn          bool // a progress line stands unfinished
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// print writes a result.
func (t *terminal) print(format string, args ...any) { fmt.Fprintf(t.out, format, args...) }

// say reports what was done; -q silences it.
func (t *terminal) say(format string, args ...any) {
	if !t.quiet {
		t.line(format, args...)
	}
}

// detail reports what -v asks for.
func (t *terminal) detail(format string, args ...any) {
	if t.verbose {
		t.line(format, args...)
	}
}

// warn reports what the user should know even with -q.
func (t *terminal) warn(format string, args ...any) { t.line("warning: "+format, args...) }

func (t *terminal) line(format string, args ...any) {
	t.wipe()
	fmt.Fprintf(t.err, format+"\n", args...)
}

// progress redraws the progress line; where nobody can see it redrawn it is not
// written at all.
func (t *terminal) progress(format string, args ...any) {
	if t.live && !t.quiet {
		fmt.Fprintf(t.err, "\r\x1b[K"+format, args...)
		t.drawn = true
	}
}

// wipe removes the progress line.
func (t *terminal) wipe() {
	if t.drawn {
		fmt.Fprint(t.err, "\r\x1b[K")
		t.drawn = false
	}
}

// table writes rows as columns: the first left ones flush left, the others flush right.
func (t *terminal) table(rows [][]string, left int) {
	t.wipe()
	var widths []int
	for _, row := range rows {
		for j, cell := range row {
			if j == len(widths) {
				widths = append(widths, 0)
			}
			widths[j] = max(widths[j], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for j, cell := range row {
			pad := strings.Repeat(" ", widths[j]-utf8.RuneCountInString(cell))
			if j > 0 {
				b.WriteString("  ")
			}
			if j < left {
				b.WriteString(cell + pad)
			} else {
				b.WriteString(pad + cell)
			}
		}
		fmt.Fprintln(t.out, strings.TrimRight(b.String(), " "))
	}
}

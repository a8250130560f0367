package train

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"onnxclr/internal/memory"
)

// Reporter is told how a run goes, from one goroutine. What it does cannot change
// the result.
type Reporter interface {
	Begin(Start)
	Step(Metrics)
	Warn(text string)
	End(Result)
}

// Start describes a run that is about to make its first step.
type Start struct {
	Dir           string
	First, Total  int // the run makes the steps First … Total−1
	StepsPerEpoch int
	Batch         int // images a step
	Height, Width int
	Parameters    int // trained values
	Memory        int64
	Note          string // what was done to the model first; "" for nothing
}

// Result describes how a run ended.
type Result struct {
	Dir         string
	Steps       int  // made in all
	Interrupted bool // saved, to be continued
	Last        Metrics
	Best        string // the checkpoint of the epoch of the lowest mean loss; "" if none was kept
}

// Quiet reports nothing but warnings, to w.
func Quiet(w io.Writer) Reporter { return quiet{w} }

type quiet struct{ w io.Writer }

func (q quiet) Begin(Start)      {}
func (q quiet) Step(Metrics)     {}
func (q quiet) End(Result)       {}
func (q quiet) Warn(text string) { fmt.Fprintln(q.w, "warning:", text) }

// NewReporter reports progress to f: one line that renews itself on a terminal,
// elsewhere a plain line now and then.
func NewReporter(f *os.File) Reporter {
	p := &progress{w: f, now: time.Now, every: plainEvery}
	if term.IsTerminal(int(f.Fd())) {
		p.every = liveEvery
		p.width = func() int {
			if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
				return w
			}
			return 80
		}
	}
	return p
}

const (
	liveEvery  = 100 * time.Millisecond
	plainEvery = 10 * time.Second
)

// progress writes lines of progress. The line is live, renewed in place, when width
// is not nil.
type progress struct {
	w     io.Writer
	now   func() time.Time
	every time.Duration
	width func() int

	start   Start
	begun   time.Time
	shown   time.Time
	rate    float64 // images a second, smoothed
	last    Metrics
	pending bool // a step not yet shown
	drawn   int  // characters of the live line on the screen
}

func (p *progress) Begin(s Start) {
	p.start, p.begun = s, p.now()
	from := ""
	if s.First > 0 {
		from = fmt.Sprintf(", continuing at step %d", s.First)
	}
	if s.Note != "" {
		p.line(s.Note)
	}
	p.line(fmt.Sprintf("training %s: %s parameters, %d images a step at %d×%d, %d steps (%d an epoch), %s of memory%s",
		s.Dir, thousands(s.Parameters), s.Batch, s.Height, s.Width, s.Total, s.StepsPerEpoch, memory.Text(s.Memory), from))
}

func (p *progress) Step(m Metrics) {
	if p.rate == 0 {
		p.rate = m.ImagesPerSecond
	}
	p.rate += 0.1 * (m.ImagesPerSecond - p.rate)
	p.last, p.pending = m, true
	if now := p.now(); now.Sub(p.shown) >= p.every {
		p.shown = now
		p.show()
	}
}

func (p *progress) show() {
	p.pending = false
	text := p.text()
	if p.width == nil {
		fmt.Fprintln(p.w, text)
		return
	}
	if room := p.width() - 1; utf8.RuneCountInString(text) > room {
		text = string([]rune(text)[:max(room, 0)])
	}
	n := utf8.RuneCountInString(text)
	// Spaces instead of an escape sequence: every terminal understands them.
	fmt.Fprintf(p.w, "\r%s%s", text, strings.Repeat(" ", max(p.drawn-n, 0)))
	p.drawn = n
}

func (p *progress) text() string {
	m, s := p.last, p.start
	text := fmt.Sprintf("epoch %d  step %d/%d  loss %.4f  lr %.4g  %s images/s", m.Epoch+1, m.Step+1, s.Total, m.Loss, m.LearningRate, rounded(p.rate))
	if done := m.Step + 1 - s.First; done > 0 && s.Total > m.Step+1 {
		left := p.now().Sub(p.begun) / time.Duration(done) * time.Duration(s.Total-m.Step-1)
		text += "  ETA " + clock(left)
	}
	return text
}

// line writes a whole line, after removing the live one.
func (p *progress) line(text string) {
	if p.drawn > 0 {
		fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", p.drawn))
		p.drawn = 0
	}
	fmt.Fprintln(p.w, text)
}

func (p *progress) Warn(text string) { p.line("warning: " + text) }

func (p *progress) End(r Result) {
	if p.pending || p.drawn > 0 {
		p.line(p.text())
	}
	switch {
	case r.Interrupted: // the error says so
	case r.Steps > p.start.First:
		p.line(fmt.Sprintf("%d steps in %s; the model is %s", r.Steps-p.start.First, clock(p.now().Sub(p.begun)), r.Dir+string(os.PathSeparator)+modelName))
		if r.Best != "" {
			p.line("the lowest mean loss of an epoch is that of " + r.Best)
		}
	default:
		p.line(fmt.Sprintf("the run was complete; the model is %s", r.Dir+string(os.PathSeparator)+modelName))
	}
}

// clock writes a duration as 1h02m, 3m04s or 5.6s.
func clock(d time.Duration) string {
	switch {
	case d >= time.Hour:
		m := int(d.Round(time.Minute) / time.Minute)
		return fmt.Sprintf("%dh%02dm", m/60, m%60)
	case d >= time.Minute:
		s := int(d.Round(time.Second) / time.Second)
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	}
	return fmt.Sprintf("%.1fs", d.Seconds())
}

func rounded(x float64) string {
	if x < 10 {
		return fmt.Sprintf("%.2g", x)
	}
	return fmt.Sprintf("%.0f", x)
}

// thousands writes 25557032 as 25,557,032.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

package train

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"onnxclr/internal/memory"
)

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
	first   time.Time // when the first step began: the monitor may have looked before
	shown   time.Time
	steps   int     // since the start
	loss    float64 // a moving average: one batch says little
	rate    float64 // images a second, likewise
	wait    float64 // share of the time spent waiting for data, likewise
	waited  float64 // seconds of that in all
	rank    string  // RankMe at the monitor's last look, "" before the first
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

// smoothing is the weight of a step in moving averages, once there are 1/smoothing.
const smoothing = 0.05

func (p *progress) Step(m Metrics) {
	if p.steps++; p.steps == 1 {
		p.first = p.now().Add(-time.Duration(m.Time * float64(time.Second)))
	}
	w := max(1/float64(p.steps), smoothing)
	p.loss += w * (float64(m.Loss) - p.loss)
	p.rate += w * (m.ImagesPerSecond - p.rate)
	if m.Time > 0 {
		p.wait += w * (m.Wait/m.Time - p.wait)
	}
	p.waited += m.Wait
	if o := m.Monitor; o != nil && o.RankMeR != nil {
		p.rank = fmt.Sprintf("RankMe %.1f", *o.RankMeR)
	} else if o != nil && o.RankMeZ != nil {
		p.rank = fmt.Sprintf("RankMe of z %.1f", *o.RankMeZ)
	}
	p.last, p.pending = m, true
	if now := p.now(); now.Sub(p.shown) >= p.every {
		p.shown = now
		p.show()
	}
}

func (p *progress) show() {
	p.pending = false
	if p.width == nil {
		fmt.Fprintln(p.w, p.text(math.MaxInt))
		return
	}
	room := max(p.width()-1, 0)
	text := p.text(room)
	n := utf8.RuneCountInString(text)
	// Spaces instead of an escape sequence: every terminal understands them.
	fmt.Fprintf(p.w, "\r%s%s", text, strings.Repeat(" ", max(min(p.drawn, room)-n, 0)))
	p.drawn = n
}

// text says where the run is, in at most room characters: what matters less is left
// out where there is little.
func (p *progress) text(room int) string {
	m, s := p.last, p.start
	epochs := ""
	if s.StepsPerEpoch > 0 {
		epochs = fmt.Sprintf("/%d", (s.Total+s.StepsPerEpoch-1)/s.StepsPerEpoch)
	}
	parts := []struct {
		text string
		rank int // the highest goes first
	}{
		{fmt.Sprintf("epoch %d%s", m.Epoch+1, epochs), 5},
		{fmt.Sprintf("step %d/%d", m.Step+1, s.Total), 0},
		{fmt.Sprintf("loss %.4f", p.loss), 0},
		{fmt.Sprintf("lr %.3g", m.LearningRate), 4},
		{rounded(p.rate) + " images/s", 3},
		{p.waiting(), 5},
		{p.rank, 2},
		{p.left(), 1},
	}
	for rank := 6; ; rank-- {
		var shown []string
		for _, part := range parts {
			if part.text != "" && part.rank < max(rank, 1) {
				shown = append(shown, part.text)
			}
		}
		text := strings.Join(shown, "  ")
		if utf8.RuneCountInString(text) <= room {
			return text
		}
		if rank <= 1 {
			return string([]rune(text)[:room])
		}
	}
}

// slowData is the share of the time from which on waiting for data is worth a word.
const slowData = 0.1

// waiting says how much of the time goes into waiting for data, if it is much.
func (p *progress) waiting() string {
	if p.wait < slowData {
		return ""
	}
	return fmt.Sprintf("%.0f%% waiting for data", 100*p.wait)
}

// left says how much longer it will take, if it will.
func (p *progress) left() string {
	m, s := p.last, p.start
	done := m.Step + 1 - s.First
	if done <= 0 || s.Total <= m.Step+1 {
		return ""
	}
	return "ETA " + clock(p.now().Sub(p.first)/time.Duration(done)*time.Duration(s.Total-m.Step-1))
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
		p.line(p.text(math.MaxInt))
	}
	switch {
	case r.Interrupted: // the error says so
	case r.Steps > p.start.First:
		took, wait := p.now().Sub(p.begun), time.Duration(p.waited*float64(time.Second))
		waited := ""
		if wait.Seconds() >= slowData*took.Seconds() {
			waited = fmt.Sprintf(", %s of it waiting for data (more --workers, smaller images or faster disks help)", clock(wait))
		}
		p.line(fmt.Sprintf("%d steps in %s%s; the model is %s", r.Steps-p.start.First, clock(took), waited, r.Dir+string(os.PathSeparator)+modelName))
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

package train

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

func step(i int) Metrics {
	return Metrics{Step: i, Epoch: i / 50, Loss: 4.25, LearningRate: 0.0125, ImagesPerSecond: 64, Time: 1}
}

func TestPlainReportIsRateLimited(t *testing.T) {
	var out bytes.Buffer
	clock := time.Unix(0, 0)
	p := &progress{w: &out, now: func() time.Time { return clock }, every: plainEvery}
	p.Begin(Start{Dir: "run", Total: 100, StepsPerEpoch: 50, Batch: 32, Height: 64, Width: 64, Parameters: 25557032, Memory: 900 << 20})
	for i := range 100 {
		clock = clock.Add(time.Second)
		p.Step(step(i))
		if i == 20 {
			p.Warn("something")
		}
	}
	p.End(Result{Dir: "run", Steps: 100})
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 14 { // begin, steps 1 11 … 91, the last one, a warning, end
		t.Errorf("%d lines:\n%s", len(lines), out.String())
	}
	for i, want := range map[int]string{
		0:  "training run: 25,557,032 parameters, 32 images a step at 64×64, 100 steps (50 an epoch), 900 MB of memory",
		1:  "epoch 1/2  step 1/100  loss 4.2500  lr 0.0125  64 images/s  ETA 1m39s",
		4:  "warning: something",
		12: "epoch 2/2  step 100/100  loss 4.2500  lr 0.0125  64 images/s",
		13: "100 steps in 1m40s; the model is run/model.onnx",
	} {
		if i < len(lines) && strings.ReplaceAll(lines[i], `\`, "/") != want {
			t.Errorf("line %d is %q, want %q", i, lines[i], want)
		}
	}
}

func TestLiveLineRenewsItself(t *testing.T) {
	var out bytes.Buffer
	clock := time.Unix(0, 0)
	width := 200
	p := &progress{w: &out, now: func() time.Time { return clock }, every: liveEvery, width: func() int { return width }}
	p.Begin(Start{Dir: "run", First: 10, Total: 12, StepsPerEpoch: 5})
	if !strings.Contains(out.String(), "continuing at step 10") {
		t.Errorf("got %q", out.String())
	}
	out.Reset()
	clock = clock.Add(time.Second)
	p.Step(step(10))
	clock = clock.Add(time.Millisecond)
	p.Step(step(11))
	if strings.Count(out.String(), "\r") != 1 || strings.Contains(out.String(), "\n") {
		t.Errorf("two steps within 100 ms: %q", out.String())
	}
	for _, c := range []struct {
		width int
		want  string
	}{
		{200, "epoch 1/3  step 11/12  loss 4.2500  lr 0.0125  64 images/s  ETA 2.0s"},
		{60, "step 11/12  loss 4.2500  lr 0.0125  64 images/s  ETA 2.0s"},
		{50, "step 11/12  loss 4.2500  64 images/s  ETA 2.0s"},
		{40, "step 11/12  loss 4.2500  ETA 2.0s"},
		{30, "step 11/12  loss 4.2500"},
		{13, "step 11/12  "},
		{1, ""},
		{0, ""},
	} {
		width = c.width
		p.last = step(10)
		p.first = clock.Add(-2 * time.Second)
		out.Reset()
		p.show()
		got := strings.TrimRight(out.String()[strings.LastIndex(out.String(), "\r")+1:], " ")
		if got != strings.TrimRight(c.want, " ") {
			t.Errorf("at width %d: %q, want %q", width, got, c.want)
		}
	}
	p.drawn = 5
	out.Reset()
	p.End(Result{Dir: "run", Steps: 11, Interrupted: true})
	if !strings.HasSuffix(out.String(), "\n") || strings.Contains(out.String(), "run") {
		t.Errorf("end: %q", out.String())
	}
}

// What the monitor looked at before the first step does not count for what is left.
func TestTimeLeftIsOfSteps(t *testing.T) {
	clock := time.Unix(0, 0)
	p := &progress{w: io.Discard, now: func() time.Time { return clock }, every: time.Hour}
	p.Begin(Start{Total: 11, StepsPerEpoch: 11})
	clock = clock.Add(60 * time.Second) // a look
	p.Step(step(0))
	if text := p.text(200); !strings.HasSuffix(text, "ETA 10.0s") {
		t.Errorf("%q", text)
	}
}

// One batch's loss says little: the line shows the mean of the first ones and then a
// moving average.
func TestProgressSmoothsTheLoss(t *testing.T) {
	var out bytes.Buffer
	p := &progress{w: &out, now: func() time.Time { return time.Unix(0, 0) }, every: time.Hour}
	p.Begin(Start{Total: 1000, StepsPerEpoch: 1000})
	for i, loss := range []float32{4, 2, 6} {
		m := step(i)
		m.Loss = loss
		p.Step(m)
	}
	if text := p.text(200); !strings.Contains(text, "loss 4.0000") {
		t.Errorf("after 4, 2 and 6: %q", text)
	}
	for i := range 500 {
		m := step(i + 3)
		m.Loss = 1 + float32(i%2)
		p.Step(m)
	}
	if text := p.text(200); !strings.Contains(text, "loss 1.5") {
		t.Errorf("after 1 and 2 by turns: %q", text)
	}
}

// On a terminal of 80 columns a long run shows all but its epoch.
func TestProgressFitsATerminal(t *testing.T) {
	p := &progress{w: io.Discard, now: func() time.Time { return time.Unix(3600, 0) }, every: time.Hour}
	p.Begin(Start{Total: 78100, StepsPerEpoch: 781})
	rank, m := 41.25, step(12344)
	m.Epoch, m.LearningRate, m.ImagesPerSecond, m.Monitor = 15, 0.0748613, 666, &Monitor{RankMeR: &rank}
	p.Step(m)
	p.first = time.Unix(0, 0)
	if text := p.text(79); text != "step 12345/78100  loss 4.2500  lr 0.0749  666 images/s  RankMe 41.2  ETA 5h20m" {
		t.Errorf("%q", text)
	}
}

// Waiting for data is told where it is much of the time.
func TestProgressTellsOfSlowData(t *testing.T) {
	for wait, want := range map[float64][2]string{
		0.02: {"64 images/s  ETA", "2 steps in 4.0s; the model"},
		0.25: {"64 images/s  25% waiting for data  ETA", "2 steps in 4.0s, 0.5s of it waiting for data ("},
	} {
		var out bytes.Buffer
		clock := time.Unix(0, 0)
		p := &progress{w: &out, now: func() time.Time { return clock }, every: time.Hour}
		p.Begin(Start{Dir: "run", Total: 3, StepsPerEpoch: 3})
		clock = clock.Add(4 * time.Second)
		for i := range 2 {
			m := step(i)
			m.Wait = wait
			p.Step(m)
		}
		if text := p.text(200); !strings.Contains(text, want[0]) {
			t.Errorf("%q lacks %q", text, want[0])
		}
		p.End(Result{Dir: "run", Steps: 2})
		if !strings.Contains(out.String(), want[1]) {
			t.Errorf("%q lacks %q", out.String(), want[1])
		}
	}
}

// What the monitor saw last stays on the line until it looks again.
func TestProgressShowsRankMe(t *testing.T) {
	var out bytes.Buffer
	p := &progress{w: &out, now: func() time.Time { return time.Unix(0, 0) }, every: time.Hour}
	p.Begin(Start{Total: 1000, StepsPerEpoch: 1000})
	p.Step(step(0))
	if text := p.text(200); strings.Contains(text, "RankMe") {
		t.Errorf("before the first look: %q", text)
	}
	r, z, m := 41.25, 7.0, step(1)
	m.Monitor = &Monitor{RankMeR: &r, RankMeZ: &z}
	p.Step(m)
	p.Step(step(2))
	if text := p.text(200); !strings.Contains(text, "  RankMe 41.2  ") {
		t.Errorf("after it: %q", text)
	}
	m.Monitor = &Monitor{RankMeZ: &z}
	p.Step(m)
	if text := p.text(200); !strings.Contains(text, "  RankMe of z 7.0  ") {
		t.Errorf("of z: %q", text)
	}
}

func TestQuietWarnsOnly(t *testing.T) {
	var out bytes.Buffer
	q := Quiet(&out)
	q.Begin(Start{})
	q.Step(step(0))
	q.Warn("careful")
	q.End(Result{})
	if out.String() != "warning: careful\n" {
		t.Errorf("got %q", out.String())
	}
}

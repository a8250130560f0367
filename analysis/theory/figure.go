package theory

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"runtime"
	"strconv"
	"sync"

	"onnxclr/analysis"
)

// Options are what the figures have in common.
type Options struct {
	Seeds  int           // simulations a setting, at least 1
	Seed   uint64        // of the first; the others count up
	Change func(*Config) // overrides settings of every simulation; may be nil
	// Progress is told how many of all steps are made; may be nil. Calls do not overlap.
	Progress func(done, total int)
	Workers  int // simulations at a time; 0 means one a core; changes no result
}

// Figure is one chart with the numbers it shows and what they say.
type Figure struct {
	Name    string // of its files
	Chart   any    // an analysis.LineChart or analysis.HeatMap
	Columns []string
	Rows    [][]string
	Says    []string // sentences
}

// WriteChart draws the figure in one of analysis.Formats; dpi matters to .png alone.
func (f *Figure) WriteChart(w io.Writer, format string, dpi int) error {
	switch c := f.Chart.(type) {
	case analysis.LineChart:
		c.DPI = dpi
		return c.Write(w, format)
	case analysis.HeatMap:
		c.DPI = dpi
		return c.Write(w, format)
	}
	return fmt.Errorf("figure %s has no chart", f.Name)
}

// WriteCSV writes the numbers of the figure, one line each with the seed and the
// setting that it belongs to, in full precision.
func (f *Figure) WriteCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	c.Write(f.Columns)
	c.WriteAll(f.Rows)
	c.Flush()
	return c.Error()
}

// row appends a line of numbers, whole ones as such.
func (f *Figure) row(values ...any) {
	row := make([]string, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case float64:
			row[i] = strconv.FormatFloat(v, 'g', -1, 64)
		default:
			row[i] = fmt.Sprint(v)
		}
	}
	f.Rows = append(f.Rows, row)
}

// job is a simulation that is looked at after certain numbers of steps.
type job struct {
	config Config
	at     []int // ascending
	see    func(*Simulation) error
}

// simulate runs all jobs, some at a time.
func simulate(ctx context.Context, o Options, jobs []job) error {
	total := 0
	for i := range jobs {
		if err := jobs[i].config.Validate(); err != nil {
			return err
		}
		total += jobs[i].config.Steps
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		wait  sync.WaitGroup
		lock  sync.Mutex
		done  int
		queue = make(chan job)
	)
	progress := func(steps int) {
		lock.Lock()
		defer lock.Unlock()
		done += steps
		if o.Progress != nil {
			o.Progress(done, total)
		}
	}
	workers := o.Workers
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	for range min(workers, len(jobs)) {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for j := range queue {
				if err := j.run(ctx, progress); err != nil {
					cancel(err)
				}
			}
		}()
	}
	for _, j := range jobs {
		select {
		case queue <- j:
		case <-ctx.Done():
		}
	}
	close(queue)
	wait.Wait()
	return context.Cause(ctx)
}

func (j job) run(ctx context.Context, progress func(int)) error {
	const often = 200
	s, err := New(j.config)
	if err != nil {
		return err
	}
	at := j.at
	for {
		for len(at) > 0 && at[0] == s.Steps() {
			if err := j.see(s); err != nil {
				return err
			}
			at = at[1:]
		}
		if s.Steps() == j.config.Steps {
			progress(s.Steps() % often)
			return nil
		}
		if err := s.Step(); err != nil {
			return fmt.Errorf("seed %d: %w", j.config.Seed, err)
		}
		if s.Steps()%often == 0 {
			progress(often)
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
}

// seeded returns the configuration of every seed.
func (o Options) seeded(c Config) []Config {
	if o.Change != nil {
		o.Change(&c)
	}
	configs := make([]Config, max(o.Seeds, 1))
	for i := range configs {
		configs[i] = c
		configs[i].Seed = o.Seed + uint64(i)
	}
	return configs
}

// spaced returns 0 and about n steps up to last, evenly spaced on a logarithmic axis.
func spaced(last, n int) []int {
	at := []int{0}
	for i := range n {
		step := int(math.Round(math.Pow(float64(last), float64(i)/float64(n-1))))
		if step > at[len(at)-1] && step <= last {
			at = append(at, step)
		}
	}
	return at
}

// band returns mean, least and largest of the i-th values of several series.
func band(series [][]float64) (mean, low, high []float64) {
	n := len(series[0])
	mean, low, high = make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range n {
		low[i], high[i] = math.Inf(1), math.Inf(-1)
		for _, s := range series {
			mean[i] += s[i] / float64(len(series))
			low[i], high[i] = min(low[i], s[i]), max(high[i], s[i])
		}
	}
	return mean, low, high
}

func logs(values []float64) []float64 {
	l := make([]float64, len(values))
	for i, v := range values {
		l[i] = math.Log(v)
	}
	return l
}

func counting(n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = float64(i)
	}
	return x
}

func asFloats(v []int) []float64 {
	f := make([]float64, len(v))
	for i, x := range v {
		f[i] = float64(x)
	}
	return f
}

// bands names the spread of the seeds in a note.
func (o Options) bands() string {
	if o.Seeds < 2 {
		return fmt.Sprintf("Seed %d.", o.Seed)
	}
	return fmt.Sprintf("Lines: mean of %d seeds; bands: from the lowest to the highest.", o.Seeds)
}

// text says how the simulation was run.
func (c Config) text() string {
	loss := string(c.Loss)
	if c.Loss != Eq2 {
		loss += fmt.Sprintf(" at temperature %g", c.Temperature)
	}
	rate := fmt.Sprintf("learning rate %g", c.LR)
	if c.DropAt > 0 {
		rate += fmt.Sprintf(", %g times that after %d steps", c.LRDrop, c.DropAt)
	}
	return fmt.Sprintf("%d×%d layers, loss %s, batch %d of %d samples of variance %g, %d steps, %s.",
		c.Dim, c.Dim, loss, c.Batch, c.Pool, c.Variance, c.Steps, rate)
}

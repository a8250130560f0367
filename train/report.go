package train

import (
	"fmt"
	"io"
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

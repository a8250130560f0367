package report

import (
	"html/template"
	"strings"

	"onnxclr/train"
)

// points is how many points of a curve are drawn. Of more steps each point is the mean
// of as many neighbours as needed.
const points = 100

// shown are the numbers of every step that have a chart of their own, in this order.
// What is not listed and belongs to no object follows after them.
var shown = []struct{ name, title string }{
	{"loss", "loss"},
	{"contrastive_accuracy", "contrastive accuracy"},
	{"gradient_norm", "norm of the gradient"},
	{"learning_rate", "learning rate"},
	{"images_per_second", "images a second, both views"},
}

// hidden are numbers that summaries tell better.
var hidden = map[string]bool{"epoch": true, "time": true, "wait": true, "monitor.time": true}

// titles word the numbers of the monitor.
var titles = map[string]string{
	"rankme_r": "RankMe of r", "rankme_z": "RankMe of z", "live_r": "live dimensions of r", "live_z": "live dimensions of z",
	"knn_top1": "kNN, top-1", "probe_top1": "online probe, top-1",
}

// titleOf words the name of a series.
func titleOf(name string) string {
	for _, s := range shown {
		if s.name == name {
			return s.title
		}
	}
	if title := titles[name]; title != "" {
		return title
	}
	return strings.ReplaceAll(name, "_", " ")
}

// curves draws what the runs have in their metrics by step: the numbers of every step,
// then, for every object of numbers such as the collapse monitor's, those in it.
func curves(runs []*Run) []section {
	var groups []string
	names := map[string][]string{}
	add := func(name string) {
		group, _, nested := strings.Cut(name, ".")
		if !nested {
			group = ""
		}
		for _, n := range names[group] {
			if n == name {
				return
			}
		}
		if names[group] == nil && group != "" {
			groups = append(groups, group)
		}
		names[group] = append(names[group], name)
	}
	for _, s := range shown {
		for _, r := range runs {
			if r.series(s.name) != nil {
				add(s.name)
			}
		}
	}
	for _, r := range runs {
		for _, s := range r.history.Series {
			if !hidden[s.Name] {
				add(s.Name)
			}
		}
	}
	var sections []section
	for _, group := range append([]string{""}, groups...) {
		s := section{Title: "Learning curves", Legend: legend(runs)}
		if group != "" {
			name := titleOf(group)
			s.Title = strings.ToUpper(name[:1]) + name[1:]
		}
		averaged := false
		for _, name := range names[group] {
			svg, mean := curve(runs, name)
			s.Charts = append(s.Charts, svg)
			averaged = averaged || mean
		}
		if averaged {
			s.Text = "Each point is the mean of successive steps; the band spans their least and greatest."
		}
		if len(s.Charts) > 0 {
			sections = append(sections, s)
		}
	}
	return sections
}

// legend says which line is which run's.
func legend(runs []*Run) []key {
	var l []key
	for i, r := range runs {
		l = append(l, key{i, r.Label})
	}
	return l
}

// curve draws one number of the runs, and reports whether its points are means.
func curve(runs []*Run, name string) (svg template.HTML, mean bool) {
	_, last, nested := strings.Cut(name, ".")
	if !nested {
		last = name
	}
	c := chart{Title: titleOf(last), X: "step", Counts: true}
	seen := unequalBatches(runs)
	if seen {
		c.X, c.Counts = "thousands of images seen", false
	}
	for i, r := range runs {
		s := r.series(name)
		if s == nil {
			continue
		}
		scale := 1.0
		if seen {
			scale = float64(r.batch) / 1000
		}
		l := reduce(s, scale)
		l.Style, l.Label = i, r.Label
		mean = mean || l.Low != nil
		c.Lines = append(c.Lines, l)
	}
	return c.svg(), mean
}

// unequalBatches reports whether a step means different things to the runs.
func unequalBatches(runs []*Run) bool {
	for _, r := range runs {
		if r.batch == 0 {
			return false
		}
	}
	for _, r := range runs {
		if r.batch != runs[0].batch {
			return true
		}
	}
	return false
}

// reduce averages a series to points, at steps times scale.
func reduce(s *train.Series, scale float64) (l line) {
	l.X, l.Y, l.Low, l.High = s.Means(points)
	for i := range l.X {
		l.X[i] *= scale
	}
	return l
}

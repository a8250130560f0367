package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"onnxclr/analysis"
)

// saveRun makes the files of a run that a report reads.
func saveRun(t testing.TB, name, recipe string, steps int, done bool) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	var b strings.Builder
	for i := range steps {
		fmt.Fprintf(&b, `{"step":%d,"epoch":%d,"loss":%g,"learning_rate":0.1,"contrastive_accuracy":0.5,"gradient_norm":2,"images_per_second":64,"time":0.5,"wait":0.05`, i, i/10, 4-3*float64(i)/float64(steps))
		if i%10 == 9 {
			fmt.Fprintf(&b, `,"monitor":{"rankme_r":%g}`, 12.5+float64(i))
		}
		b.WriteString("}\n")
	}
	files := map[string]string{"recipe.yaml": recipe, "metrics.jsonl": b.String()}
	if done {
		files["model.onnx"] = "m"
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func read(t testing.TB, dir, label string) *Run {
	t.Helper()
	r, err := ReadRun(dir, label)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func write(t testing.TB, p *Page) string {
	t.Helper()
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// texts parses a page as far as browsers would not complain and returns its text,
// words parted by single spaces.
func texts(t testing.TB, html string) string {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(html))
	d.Strict = false
	d.AutoClose = []string{"meta", "img"}
	d.Entity = xml.HTMLEntity
	var b strings.Builder
	depth := 0
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch v := tok.(type) {
		case xml.StartElement:
			depth++
			for _, a := range v.Attr {
				if v.Name.Local == "img" && a.Name.Local == "src" && strings.HasPrefix(a.Value, "data:image/png;base64,") {
					continue // a part of the page
				}
				if n := a.Name.Local; n == "src" || n == "href" || strings.HasPrefix(n, "on") {
					t.Errorf("<%s %s=%q>", v.Name.Local, n, a.Value)
				}
			}
			if n := v.Name.Local; n == "script" || n == "link" || n == "iframe" {
				t.Errorf("the page has a <%s>", n)
			}
		case xml.EndElement:
			depth--
		case xml.CharData:
			if !strings.Contains(string(v), ":root") { // the style
				b.WriteString(string(v) + " ")
			}
		}
	}
	if depth != 0 {
		t.Errorf("%d elements are not closed", depth)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func has(t testing.TB, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

const recipeA = "method: simclr\nprojector: mlp\nprojector_dim: 128\nbatch: 16\nstep_at: [0.6, 0.8]\nseed: 1\n"

func TestPageComparesRuns(t *testing.T) {
	a := read(t, saveRun(t, "a", recipeA, 400, true), "a")
	b := read(t, saveRun(t, "b", strings.Replace(recipeA, "projector: mlp\nprojector_dim: 128", "d0: 12", 1)+"batch_extra: 7\n", 40, false), "b")
	html := write(t, &Page{Title: "Two runs", Runs: []*Run{a, b}})
	text := texts(t, html)
	has(t, text, "Two runs 2 runs",
		"a complete 400 40 6,400 1.041 1.041 (step 399) 50.0 % 3 min 20 s 64 10.0 % 411.5",
		"b not ended 40 4 640 1.413 1.413 (step 39) 50.0 % 20.0 s 64 10.0 % 51.50",
		"What differs: setting a b d0 – 12 projector mlp – projector_dim 128 – batch_extra – 7",
		"Settings that are the same method simclr batch 16 step_at [0.6, 0.8] seed 1",
		"Learning curves", "contrastive accuracy", "Monitor", "RankMe of r", "Each point is the mean of successive steps")
	if strings.Contains(text, "cannot be compared") {
		t.Error("losses of the same kind are called incomparable")
	}
	if n := strings.Count(html, "<figure>"); n != 6 {
		t.Errorf("%d charts, want 6", n)
	}
	if again := write(t, &Page{Title: "Two runs", Runs: []*Run{a, b}}); again != html {
		t.Error("equal inputs give different pages")
	}
}

func TestLossesOfDifferentKindsAreSaidToBe(t *testing.T) {
	a := read(t, saveRun(t, "a", "loss: infonce\ntemperature: 0.1\nbatch: 16\n", 12, true), "a")
	b := read(t, saveRun(t, "b", "loss: infonce\ntemperature: 0.2\nbatch: 32\n", 12, true), "b")
	text := texts(t, write(t, &Page{Runs: []*Run{a, b}}))
	has(t, text, "cannot be compared: they differ in temperature and batch", "thousands of images seen")
}

// What cannot change a result does not stand among what differs.
func TestFreeSettingsStandApart(t *testing.T) {
	a := read(t, saveRun(t, "a", recipeA+"workers: 1\n", 12, true), "a")
	b := read(t, saveRun(t, "b", recipeA+"workers: 2\nmonitor_every: 5\n", 12, true), "b")
	has(t, texts(t, write(t, &Page{Runs: []*Run{a, b}})), "The runs have the same settings, but for some that cannot change a result. Settings that differ and cannot change a result setting a b workers 1 2 monitor_every – 5 Settings that are the same")
}

func TestPageOfOneRun(t *testing.T) {
	text := texts(t, write(t, &Page{Runs: []*Run{read(t, saveRun(t, "a", recipeA, 3, true), "a")}}))
	has(t, text, "1 run", "a complete 3 1 48 3.000 3.000 (step 2)", "All settings method simclr")
	empty := texts(t, write(t, &Page{Runs: []*Run{read(t, saveRun(t, "a", recipeA, 0, false), "a")}}))
	has(t, empty, "a no step made")
}

// Whatever a file says is text.
func TestPageEscapes(t *testing.T) {
	evil := `</title><script>alert(1)</script><img src=x onerror="x">'&`
	run := read(t, saveRun(t, "a", "model: \""+strings.ReplaceAll(evil, `"`, `\"`)+"\"\nbatch: 4\n", 5, true), evil)
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "x"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	run.history.Series[1].Name = "<b>" + evil
	run.history.Series = append(run.history.Series, run.history.Series[1])
	run.history.Series[len(run.history.Series)-1].Name = "<i>." + evil
	html := write(t, &Page{Title: evil, Notes: []string{evil}, Runs: []*Run{run}, Spectra: []*analysis.Spectrum{spectrum(evil, 3, 1)}})
	texts(t, html)
	for _, bad := range []string{"<script", "<img", "<b>", "<i>"} {
		if strings.Contains(html, bad) {
			t.Errorf("%s of a file is markup", bad)
		}
	}
}

func TestPageLoadsNothing(t *testing.T) {
	html := write(t, &Page{Runs: []*Run{read(t, saveRun(t, "a", recipeA, 30, true), "a")}, Spectra: []*analysis.Spectrum{spectrum("e", 4, 2)}})
	for _, bad := range []string{"://", "url(", "@import", "src=", "href=", "<script"} {
		if strings.Contains(html, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
}

// spectrum has dim values of which the last are 0.
func spectrum(label string, dim, live int) *analysis.Spectrum {
	s := &analysis.Spectrum{Label: label, Samples: 100, Dim: dim, Normalized: true, DDOF: 1}
	for i := range dim {
		v := math.Exp(-float64(i))
		if i >= live {
			v = 0
		}
		s.SingularValues = append(s.SingularValues, v)
	}
	s.Metrics = analysis.Metrics{LiveDims: live, CollapsedDims: dim - live, RankMe: 1.25, EffectiveRank: 2.5, StableRank: 1.125, ParticipationRatio: 3}
	return s
}

func TestPageOfEmbeddings(t *testing.T) {
	html := write(t, &Page{Spectra: []*analysis.Spectrum{spectrum("before", 8, 8), spectrum("after", 8, 5), spectrum("nothing", 2, 0)}})
	has(t, texts(t, html), "3 sets of embeddings",
		"before 100 8 8 0 1.2 2.5 1.12 3.0 unit length 1",
		"after 100 8 5 3 1.2 2.5 1.12 3.0 unit length 1",
		"A triangle: what follows")
	if n := strings.Count(html, `class="falls"`); n != 1 {
		t.Errorf("%d curves fall off the axis, want 1", n)
	}
	// Embeddings of a run are drawn as the run is.
	r := read(t, saveRun(t, "after", recipeA, 20, true), "after")
	html = write(t, &Page{Runs: []*Run{r}, Spectra: []*analysis.Spectrum{spectrum("before", 8, 8), spectrum("after", 8, 5)}})
	has(t, html, `<g class="c1 d1"><title>before</title>`, `<g class="c0 d0"><title>after</title>`)
}

const knnJSON = `{"kind":"knn","encoder":"ab","on":"r[:12]","dim":12,"classes":10,"train_samples":50000,"test_samples":10000,"k":200,"temperature":0.1,"top1":0.41125,"top5":0.9}`

func TestPageShowsProbes(t *testing.T) {
	dir := saveRun(t, "a", recipeA, 20, true)
	save := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	knn := save("probe-knn.json", knnJSON)
	save("probe-linear.json", `{"kind":"linear","encoder":"cd","on":"r","dim":64,"classes":4,"train_samples":1,"test_samples":1,"top1":0.25,
		"linear":{"learning_rate":0.1,"schedule":"constant","best_top1":{"share":0.5,"epoch":2},"epochs":[{"epoch":0},{"epoch":1},{"epoch":2}]}}`)
	save("probe-knn-confusion.csv", "x")
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 3, 2))); err != nil {
		t.Fatal(err)
	}
	save("probe-knn-confusion.png", picture.String())
	before, err := ReadProbe(knn, "before")
	if err != nil {
		t.Fatal(err)
	}
	html := write(t, &Page{Runs: []*Run{read(t, dir, "a")}, Probes: []*Probe{before}})
	for _, title := range []string{"a", "before"} {
		has(t, html, fmt.Sprintf(`<figcaption>Confusion: %s, knn on r[:12]</figcaption><img src="data:image/png;base64,iVBOR`, title))
	}
	text := texts(t, html)
	has(t, text, "1 run and 3 probes",
		"a knn, k 200, temperature 0.1 r[:12] 12 10 50,000 10,000 41.12 % 90.00 %",
		"a linear, 3 epochs, lr 0.1 constant r 64 4 1 1 25.00 % 50.00 % (epoch 3)",
		"before knn, k 200", "The probes of a saw different weights", "chosen on the test rows")
	for name, c := range map[string]struct{ text, want string }{
		"garbage": {"{", "unexpected end"}, "empty": {"{}", `no "kind"`}, "no top1": {`{"kind":"knn"}`, `no "top1"`},
		"share": {`{"kind":"knn","top1":41}`, "a share of 41"},
	} {
		save("probe-x.json", c.text)
		if _, err := ReadRun(dir, "a"); err == nil || !strings.Contains(err.Error(), "probe-x.json: not the result of a probe") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPageShowsWhatTheMonitorSaw(t *testing.T) {
	dir := saveRun(t, "a", recipeA, 20, true)
	var b bytes.Buffer
	for i := range 9 {
		r, z := spectrum("r", 6, 6-i/2), spectrum("z", 4, 4)
		if err := json.NewEncoder(&b).Encode(map[string]any{"steps": 10 * i, "r": r, "z": z}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "monitor.jsonl"), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	html := write(t, &Page{Runs: []*Run{read(t, dir, "a"), read(t, saveRun(t, "b", recipeA, 20, true), "b")}})
	has(t, texts(t, html), "representation r at the last look", "embedding z at the last look",
		"a, representation r after 80 steps 100 6 2 4", "a, embedding z after 80 steps 100 4 4 0", "Spectra over training")
	// Of nine looks six are drawn, the first and the last among them.
	if n := strings.Count(html, "<title>after "); n != looks || !strings.Contains(html, "<title>after 0 steps") || !strings.Contains(html, "<title>after 80 steps") {
		t.Errorf("%d spectra over each other", n)
	}
}

func TestEmptyPage(t *testing.T) {
	if err := (&Page{}).Write(io.Discard); !errors.Is(err, ErrEmpty) {
		t.Errorf("%v, want ErrEmpty", err)
	}
}

func TestReadRunRefuses(t *testing.T) {
	if _, err := ReadRun(t.TempDir(), ""); err == nil || !strings.Contains(err.Error(), "is not a run directory") {
		t.Errorf("an empty folder: %v", err)
	}
	dir := saveRun(t, "a", recipeA, 3, true)
	path := filepath.Join(dir, "metrics.jsonl")
	b, _ := os.ReadFile(path)
	os.WriteFile(path, append(b, "\x00\x00\n"...), 0o644)
	if _, err := ReadRun(dir, ""); err == nil || !strings.Contains(err.Error(), "metrics.jsonl:4: damaged") {
		t.Errorf("damaged metrics: %v", err)
	}
	os.WriteFile(filepath.Join(dir, "recipe.yaml"), []byte("- a\n"), 0o644)
	if _, err := ReadRun(dir, ""); err == nil || !strings.Contains(err.Error(), "recipe.yaml:1") {
		t.Errorf("damaged recipe: %v", err)
	}
}

// A curve of many steps is their means, with the extremes around them, and loses no
// step.
func TestReduce(t *testing.T) {
	r := read(t, saveRun(t, "a", recipeA, 1234, true), "a")
	s := r.series("loss")
	l := reduce(s, 2)
	if len(l.X) != points || len(l.Low) != points {
		t.Fatalf("%d points", len(l.X))
	}
	for i := range l.X {
		if !(l.Low[i] <= l.Y[i] && l.Y[i] <= l.High[i]) || i > 0 && l.X[i] <= l.X[i-1] {
			t.Fatalf("point %d: %g in %g … %g at %g", i, l.Y[i], l.Low[i], l.High[i], l.X[i])
		}
	}
	if l.High[0] != s.Values[0] || l.Low[points-1] != s.Values[1233] {
		t.Error("the first or the last step is lost")
	}
	if few := reduce(r.series("monitor.rankme_r"), 1); len(few.X) != 1230/10 && few.Low == nil {
		t.Errorf("%d points of few", len(few.X))
	}
}

func TestNumbersInWords(t *testing.T) {
	for got, want := range map[string]string{
		short(0): "0", short(-3): "−3", short(1234567): "1,234,567", short(12345.6): "12,346", short(4.27): "4.270",
		short(0.0012345): "0.001234", short(1.5e-7): "1.5e−07", short(123.45): "123.5", short(-0.5): "−0.5000",
		clock(0.5): "0.5 s", clock(59.96): "1 min 00 s", clock(3599.6): "1 h 00 min", clock(7384): "2 h 03 min", clock(3.6e6): "1,000 h 00 min",
		and([]string{"a"}): "a", and([]string{"a", "b", "c"}): "a, b and c", thousands(-1234): "-1,234",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Axes show what is drawn, and do not go below 0 for what does not.
func TestAxes(t *testing.T) {
	for name, c := range map[string]struct {
		lines  []line
		y0, y1 float64
	}{
		"none":     {nil, 0, 1.05},
		"constant": {[]line{{X: []float64{1, 2}, Y: []float64{2, 2}}}, 1.8, 2.2},
		"positive": {[]line{{X: []float64{1, 2}, Y: []float64{0.01, 1}}}, 0, 1.0495},
		"band":     {[]line{{X: []float64{1, 2}, Y: []float64{4, 5}, Low: []float64{3, 5}, High: []float64{4, 7}}}, 2.8, 7.2},
	} {
		a := chart{Lines: c.lines}.axes()
		if math.Abs(a.y0-c.y0) > 1e-9 || math.Abs(a.y1-c.y1) > 1e-9 || a.x0 >= a.x1 {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

const diagnosisJSON = `{"representation":null,"augmentation":[{"place":"the representation r","dim":64,"pairs":1280,"x_eigenvalues":[2,0.5,-0.0125],"directions":[],"negative_directions":7,"negative_variance":0.031,"augmentation_over_data":0.5}],
	"weights":{"layers":[{"name":"projector.0","shape":[32,64],"singular_values":[3,2,1],"effective_rank":2.75,"live":3},{"name":"projector.2","shape":[16,32],"singular_values":[3,2],"effective_rank":1.25,"live":2}],
		"alignments":[{"first":"projector.0","second":"projector.2","matrix":[],"leading":4,"subspace_overlap":0.75,"chance":0.125,"mean_diagonal":0.5}]},
	"verdict":{"collapse":"dimensional","sentences":["Mechanism 1 at <r>: augmentation outweighs data.","Verdict: collapsed."]}}`

func TestPageShowsDiagnoses(t *testing.T) {
	dir := saveRun(t, "a", recipeA, 20, true)
	save := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	found := save("findings/diagnosis.json", diagnosisJSON)
	before, err := ReadDiagnosis(found, "before")
	if err != nil {
		t.Fatal(err)
	}
	html := write(t, &Page{Runs: []*Run{read(t, dir, "a")}, Diagnoses: []*Diagnosis{before}})
	has(t, texts(t, html), "1 run and 2 diagnoses", "a Verdict: collapsed. Mechanism 1 at <r>: augmentation outweighs data. before Verdict: collapsed.",
		"a the representation r 64 1,280 7 0.031 -0.0125 0.50 before the representation r",
		"a projector.0 32×64 2.8 of 3 3", "a projector.2 16×32 1.2 of 2 2 0.75 0.12")
	for name, c := range map[string]struct{ text, want string }{
		"garbage": {"{", "unexpected EOF"}, "empty": {"{}", `no "verdict"`},
		"null":  {`{"augmentation":[null],"verdict":{"sentences":["x"]}}`, "augmentation 0 is null"},
		"count": {`{"augmentation":[{"dim":2,"negative_directions":3}],"verdict":{"sentences":["x"]}}`, "3 negative directions of 2"},
	} {
		save("findings/diagnosis.json", c.text)
		if _, err := ReadRun(dir, "a"); err == nil || !strings.Contains(err.Error(), "diagnosis.json: not a diagnosis in JSON") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

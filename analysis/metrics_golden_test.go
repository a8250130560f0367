package analysis

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"

	"onnxclr/internal/golden"
	"onnxclr/internal/npy"
)

// Every metric against numpy's on the rows of the spectra.
func TestMetricsAreNumpys(t *testing.T) {
	rows, want := golden.Load(t, "analysis/spectra.npz"), golden.Load(t, "analysis/metrics.npz")
	for _, name := range []string{"random", "relu", "scaled", "float32"} {
		x := rows[name+".x"]
		dim := x.Shape[1]
		m := moments(t, dim, true, x.Float64s())
		u, err := m.Unit()
		if err != nil {
			t.Fatal(err)
		}
		golden.Check(t, name+" unit", golden.Loss, []float64{u.ChannelStd, u.W2Uniformity, u.SelfCluster}, want[name+".unit"].F64)
		lambda := spectrumOf(t, dim, true, 1, x.Float64s()).SingularValues
		sigma := roots(lambda)
		golden.Check(t, name+" spectral", golden.Loss, []float64{AlphaReQ(lambda), AUC(sigma), ConditionNumber(sigma), PseudoCondition(sigma)}, want[name+".spectral"].F64)
		s, err := NewSample(dim, 5000)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Add(x.Float64s()); err != nil {
			t.Fatal(err)
		}
		p, err := s.Metrics()
		if err != nil {
			t.Fatal(err)
		}
		golden.Check(t, name+" pairs", golden.Loss, []float64{p.Uniformity, p.Coherence, p.TwoNN}, want[name+".pairs"].F64)
		if p.ClusterLearnability < 0 || p.ClusterLearnability > 1 {
			t.Errorf("%s: cluster learnability %v", name, p.ClusterLearnability)
		}
	}
	x := want["views.x"]
	v, err := CompareViews(x.F64, x.Shape[2], x.Shape[1])
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "views", golden.Loss, []float64{v.Alignment, v.LiDAR}, want["views.metrics"].F64)
}

// The values that the papers' definitions give in cases one can do by hand.
func TestMetricsInClosedForm(t *testing.T) {
	power := make([]float64, 64)
	for j := range power {
		power[j] = math.Pow(float64(j+1), -1.3)
	}
	golden.Check(t, "α of a power law", golden.Closed, []float64{AlphaReQ(power)}, []float64{1.3})
	golden.Check(t, "AUC", golden.Loss, []float64{
		AUC(roots([]float64{4, 2, 1, .5, .25, 0, 0, 0})), AUC([]float64{2, 2, 2, 2}), AUC([]float64{5, 0, 0}),
	}, []float64{0.8324341, 5.0 / 8, 1})
	if got := ConditionNumber([]float64{1, 0}); !math.IsInf(got, 1) {
		t.Errorf("condition number %v, want +Inf", got)
	}
	if got := AlphaReQ([]float64{1, 0.5, 0.25}); !math.IsNaN(got) {
		t.Errorf("α of three values is %v", got)
	}
	cross := []float64{1, 0, -1, 0, 0, 1, 0, -1}
	u, err := moments(t, 2, true, cross).Unit()
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "W2 of a cross", golden.Zero, []float64{u.W2Uniformity}, []float64{0})
	line, err := moments(t, 2, true, []float64{1, 0, -1, 0}).Unit()
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "W2 of two points", golden.Loss, []float64{line.W2Uniformity}, []float64{0.7653669})
	equal, err := moments(t, 3, true, repeat(50, 1, 2, 3)).Unit()
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "equal rows", golden.Loss, []float64{equal.SelfCluster + 1, equal.ChannelStd + 1}, []float64{2, 1})
	s, err := NewSample(2, 10)
	if err != nil {
		t.Fatal(err)
	}
	s.Add(cross)
	p, err := s.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "uniformity of a cross", golden.Loss, []float64{p.Uniformity}, []float64{-4.3963490})
	if _, err := moments(t, 2, false, cross).Unit(); err == nil {
		t.Error("rows as they are have metrics of unit rows")
	}
	golden.Check(t, "cumulative", golden.Closed, CumulativeVariance([]float64{2, 1, 1}), []float64{0.5, 0.75, 1})
	golden.Check(t, "CLID", golden.Closed, CLID([]float64{0.2, 0.4}, []float64{3, 9}), []float64{-2, 2})
}

// Gaussian rows of dimension 3 in 10: the intrinsic dimension is 3, and clusters of a
// mixture are learnable where they are apart.
func TestSampleMetricsSeeStructure(t *testing.T) {
	const n = 600
	flat := make([]float64, 0, n*10)
	low := normal(4, n, 3)
	for i := range n {
		flat = append(flat, low[3*i], low[3*i+1], low[3*i+2], low[3*i]+low[3*i+1], 0, 0, 0, 0, 0, 1)
	}
	metrics := func(rows []float64, dim, most int) SampleMetrics {
		s, err := NewSample(dim, most)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Add(rows); err != nil {
			t.Fatal(err)
		}
		m, err := s.Metrics()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	if m := metrics(flat, 10, n); math.Abs(m.TwoNN-3) > 0.4 {
		t.Errorf("intrinsic dimension %.2f of 3", m.TwoNN)
	}
	for _, scale := range []float64{0x1p-1000, 0x1p700} {
		scaled := slices.Clone(flat)
		for i := range scaled {
			scaled[i] *= scale
		}
		a, b := metrics(scaled, 10, n), metrics(flat, 10, n)
		golden.Check(t, fmt.Sprintf("metrics of rows times %g", scale), golden.Closed, []float64{a.TwoNN, a.Coherence, a.Uniformity}, []float64{b.TwoNN, b.Coherence, b.Uniformity})
	}
	if m := metrics(flat, 10, 100); m.Samples != 100 {
		t.Errorf("%d rows kept of at most 100", m.Samples)
	}
	noise := normal(5, n, 40)
	groups := normal(6, n, 40)
	for i := range n {
		groups[i*40+i%24] += 30
	}
	if a, b := metrics(groups, 40, n).ClusterLearnability, metrics(noise, 40, n).ClusterLearnability; a < 0.9 || b > 0.6 {
		t.Errorf("cluster learnability %.2f of groups, %.2f of noise", a, b)
	}
	s, _ := NewSample(2, 10)
	s.Add([]float64{0, 0, 1, 0, 0, 1, 1, 1})
	if _, err := s.Metrics(); err == nil {
		t.Error("a zero row has a direction")
	}
	if _, err := CompareViews([]float64{1, 2, 3, 4}, 2, 2); err == nil {
		t.Error("one sample has a covariance")
	}
}

// Rank and condition number against numpy's SVD of the centred rows, however rows come
// and through a file.
func TestExactRankIsNumpys(t *testing.T) {
	g := golden.Load(t, "analysis/rank.npz")
	for _, name := range []string{"full", "deficient", "scaled", "offset", "few"} {
		x, want := g[name+".x"], g[name+".want"].F64
		dim := x.Shape[1]
		part := func(rows []float64) *Moments {
			m, err := NewMoments(dim, false)
			if err != nil {
				t.Fatal(err)
			}
			m.KeepFactor()
			if err := m.Add(rows); err != nil {
				t.Fatal(err)
			}
			return m
		}
		check := func(how string, m *Moments) {
			t.Helper()
			e, err := m.Exact()
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, name+how, golden.Closed, e.SingularValues, want[3:])
			golden.Check(t, name+how+" tolerance", golden.Loss, []float64{e.Tolerance}, want[1:2])
			if e.Rank != int(want[0]) {
				t.Errorf("%s%s: rank %d, numpy's is %v", name, how, e.Rank, want[0])
			}
			if c := e.ConditionNumber; c == nil != math.IsInf(want[2], 1) {
				t.Errorf("%s%s: condition number %v, numpy's is %v", name, how, c, want[2])
			} else if c != nil && name != "scaled" { // whose least value is good to 1e-5
				golden.Check(t, name+how+" condition", golden.Loss, []float64{*c}, want[2:3])
			} else if c != nil {
				golden.Check(t, name+how+" condition", golden.BF16Loss, []float64{*c}, want[2:3])
			}
		}
		whole := part(x.F64)
		check("", whole)
		half := x.Shape[0] / 2 * dim
		merged := part(x.F64[:half])
		if err := merged.Merge(part(x.F64[half:])); err != nil {
			t.Fatal(err)
		}
		check(", merged", merged)
		var file bytes.Buffer
		if err := whole.Save(&file); err != nil {
			t.Fatal(err)
		}
		z, err := npy.DecodeZip(file.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := LoadMoments(z)
		if err != nil {
			t.Fatal(err)
		}
		check(", loaded", loaded)
	}
	m, err := NewMoments(3, false)
	if err != nil {
		t.Fatal(err)
	}
	m.KeepFactor()
	for range 3000 { // several blocks
		if err := m.Add([]float64{.1, .7, 1e9}); err != nil {
			t.Fatal(err)
		}
	}
	if e, err := m.Exact(); err != nil || e.Rank != 0 || e.ConditionNumber != nil {
		t.Errorf("equal rows: %+v, %v", e, err)
	}
}

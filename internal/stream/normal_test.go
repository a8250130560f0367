package stream

import (
	"math"
	"slices"
	"testing"
)

// Like other streams these are part of what a run's results depend on, on any machine.
func TestNormalsAreFixed(t *testing.T) {
	got := make([]float64, 17)
	NewNormals(11, "test", 4).Add(got, 1)
	want := []float64{0.09814916638005211, -0.2669882395096939, 0.5769734028198601, 2.8531637261814415, 0.7175326736231079, 0.08123096664496582, -0.40923035770392574, 1.2088105222473908, 0.44627998186113416, 1.067868909526831, -0.33054094473732215, 2.293820025097525, -0.17231545970563986, 0.936569602554062, 0.7128786821134334, 0.7466303987475575, -0.3095548569166481}
	if !slices.Equal(got, want) {
		t.Errorf("got %#v, want %v", got, want)
	}
}

// A stream goes on from draw to draw, and draws of any length begin with a block.
func TestNormalsAreBlocks(t *testing.T) {
	all, parts := make([]float64, 160), make([]float64, 160)
	NewNormals(1, "test").Add(all, 1)
	source := NewNormals(1, "test")
	at := 0
	for _, n := range []int{16, 5, 0, 33, 16} {
		clear(parts)
		source.Add(parts[:n], 1)
		if !slices.Equal(parts[:n], all[at:at+n]) {
			t.Errorf("%d numbers from %d on are others", n, at)
		}
		at += (n + 15) / 16 * 16
	}
	before := make([]float64, 16)
	for i := range before {
		before[i] = float64(i)
	}
	sums := slices.Clone(before)
	NewNormals(1, "test").Add(sums, 0.5)
	for i, sum := range sums {
		if sum != math.FMA(all[i], 0.5, before[i]) {
			t.Errorf("%v and half of %v are %v", before[i], all[i], sum)
		}
	}
}

// The distribution, by its moments, its tails and Kolmogorov and Smirnov's distance, of
// all numbers and of those of every place in a block.
func TestNormalsAreNormal(t *testing.T) {
	const n = 1 << 20
	source, x := NewNormals(3, "test"), make([]float64, n)
	source.Add(x, 1)
	check := func(what string, x []float64) {
		n := float64(len(x))
		sorted := slices.Sorted(slices.Values(x))
		var moment [9]float64
		var apart float64
		for i, v := range sorted {
			power := 1.0
			for k := range moment {
				moment[k] += power / n
				power *= v
			}
			at := math.Erfc(-v/math.Sqrt2) / 2
			apart = max(apart, math.Abs(at-float64(i)/n), math.Abs(at-float64(i+1)/n))
		}
		double := func(k int) float64 { // (k−1)!!, the moment of even k
			product := 1.0
			for k--; k > 1; k -= 2 {
				product *= float64(k)
			}
			return product
		}
		for k := 1; k <= 4; k++ {
			want := 0.0
			if k%2 == 0 {
				want = double(k)
			}
			if deviation := math.Sqrt((double(2*k) - want*want) / n); math.Abs(moment[k]-want) > 4.5*deviation {
				t.Errorf("%s: moment %d is %.5f, want %.5f ± %.5f", what, k, moment[k], want, deviation)
			}
		}
		if limit := 2.0 / math.Sqrt(n); apart > limit { // one of 1500 is beyond
			t.Errorf("%s: the distribution is %.2g from the normal one, want at most %.2g", what, apart, limit)
		}
		for _, far := range []float64{3, 4, 4.5} {
			above, _ := slices.BinarySearch(sorted, far)
			below, _ := slices.BinarySearch(sorted, -far)
			want := n * math.Erfc(far/math.Sqrt2) / 2
			for _, count := range []float64{n - float64(above), float64(below)} {
				if math.Abs(count-want) > 4.5*math.Sqrt(want)+1 {
					t.Errorf("%s: %v beyond %g, want about %.1f", what, count, far, want)
				}
			}
		}
	}
	check("all", x)
	for place := range block {
		var of []float64
		for i := place; i < n; i += block {
			of = append(of, x[i])
		}
		check("one place", of)
	}
	// Neither numbers nor their squares know of each other, in a block or in the next.
	for _, lag := range []int{1, 2, 4, 7, 8, 9, 15, 16, 17, 32} {
		var product, squares float64
		for i := lag; i < n; i++ {
			product += x[i] * x[i-lag]
			squares += (x[i]*x[i] - 1) * (x[i-lag]*x[i-lag] - 1) / 2
		}
		if limit := 4.5 * math.Sqrt(n); math.Abs(product) > limit || math.Abs(squares) > limit {
			t.Errorf("numbers %d apart are correlated by %.2g, their squares by %.2g", lag, product/n, squares/n)
		}
	}
}

// The transform against its formula, also at the ends.
func TestNormalsTransform(t *testing.T) {
	r := New(5, "test")
	for i := range 100000 {
		first, second := r.Uint64(), r.Uint64()
		switch i {
		case 0:
			first = 0
		case 1:
			first = math.MaxUint64
		case 2:
			second = 0
		case 3:
			second = math.MaxUint64
		}
		if i%2 == 0 {
			first >>= i % 50 // u near 1
		} else {
			first |= math.MaxUint64 << (i % 50) // u near 0
		}
		u, v := 1-float64(first>>12)/(1<<52), float64(second>>12)/(1<<52)-0.5
		radius := math.Sqrt(-2 * math.Log(u))
		sin, cos := math.Sincos(math.Pi * v)
		if second&(1<<11) != 0 {
			cos = -cos
		}
		along, across := transform(first, second)
		if math.Abs(along-radius*cos) > 1e-11 || math.Abs(across-radius*sin) > 1e-11 || !(math.Abs(along) < 8.5) {
			t.Fatalf("%x, %x give %v and %v, want %v and %v", first, second, along, across, radius*cos, radius*sin)
		}
	}
}

func BenchmarkNormals(b *testing.B) {
	source, values := NewNormals(1, "test"), make([]float64, 2048)
	for b.Loop() {
		source.Add(values, 1e-3)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2048, "ns/number")
}

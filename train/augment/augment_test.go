package augment

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"onnxclr/internal/golden"
	"onnxclr/internal/stream"
)

// ks is the two-sample Kolmogorov–Smirnov statistic divided by its 0.1 % critical
// value: above 1, the samples come from different distributions (with fixed seeds,
// always or never).
func ks(a, b []float64) float64 {
	slices.Sort(a)
	slices.Sort(b)
	worst, i, j := 0.0, 0, 0
	for i < len(a) && j < len(b) {
		v := min(a[i], b[j])
		for i < len(a) && a[i] == v {
			i++
		}
		for j < len(b) && b[j] == v {
			j++
		}
		worst = max(worst, math.Abs(float64(i)/float64(len(a))-float64(j)/float64(len(b))))
	}
	n, m := float64(len(a)), float64(len(b))
	return worst / (1.95 * math.Sqrt((n+m)/(n*m)))
}

func TestDrawsAreDistributedAsTorchvisions(t *testing.T) {
	draws := golden.Load(t, "augment/draws.npz")
	crop := Contrastive(1, 224)[0].(RandomResizedCrop)
	for name, size := range map[string][2]int{
		"crop 320 240": {320, 240}, "crop 32 32": {32, 32}, "crop 500 60": {500, 60}, "crop 40 400": {40, 400},
	} {
		theirs := draws[name]
		columns := [5][2][]float64{} // top, left, height, width, area; theirs and ours
		r := stream.New(1, name)
		for i := range theirs.Shape[0] {
			p := theirs.I64[4*i : 4*i+4]
			for c, v := range []int64{p[0], p[1], p[2], p[3], p[2] * p[3]} {
				columns[c][0] = append(columns[c][0], float64(v))
			}
			b := crop.Draw(size[0], size[1], r)
			if b.Min.X < 0 || b.Min.Y < 0 || b.Max.X > size[0] || b.Max.Y > size[1] || b.Empty() {
				t.Fatalf("%s: box %v", name, b)
			}
			for c, v := range []int{b.Min.Y, b.Min.X, b.Dy(), b.Dx(), b.Dx() * b.Dy()} {
				columns[c][1] = append(columns[c][1], float64(v))
			}
		}
		for c, what := range []string{"top", "left", "height", "width", "area"} {
			if d := ks(columns[c][0], columns[c][1]); d > 1 {
				t.Errorf("%s: %s is distributed differently (KS %.2f of the critical value)", name, what, d)
			}
		}
	}

	jitter := Contrastive(1, 224)[2].(ColorJitter)
	factors := draws["jitter factors"]
	orders := draws["jitter order"]
	var columns [4][2][]float64
	count := map[[4]int][2]int{}
	r := stream.New(1, "jitter")
	n := factors.Shape[0]
	for i := range n {
		j := jitter.Draw(r)
		for c, v := range []float64{j.Brightness, j.Contrast, j.Saturation, j.Hue} {
			columns[c][0] = append(columns[c][0], float64(factors.F32[4*i+c]))
			columns[c][1] = append(columns[c][1], v)
		}
		var theirs [4]int
		for c := range theirs {
			theirs[c] = int(orders.U8[4*i+c])
		}
		a, b := count[theirs], count[j.Order]
		if theirs == j.Order {
			count[theirs] = [2]int{a[0] + 1, a[1] + 1}
			continue
		}
		count[theirs], count[j.Order] = [2]int{a[0] + 1, a[1]}, [2]int{b[0], b[1] + 1}
	}
	for c, what := range []string{"brightness", "contrast", "saturation", "hue"} {
		if d := ks(columns[c][0], columns[c][1]); d > 1 {
			t.Errorf("%s is distributed differently (KS %.2f of the critical value)", what, d)
		}
	}
	if len(count) != 24 {
		t.Errorf("%d orders of the four properties, want 24", len(count))
	}
	for order, c := range count {
		if want := float64(n) / 24; math.Abs(float64(c[1])-want) > 5*math.Sqrt(want) {
			t.Errorf("order %v drawn %d times of %d, want about %.0f", order, c[1], n, want)
		}
	}
}

// The probabilities of the two views, read off the images they make.
func TestProbabilities(t *testing.T) {
	const n = 4000
	img := NewImage(8, 8)
	for i := range img.Pix {
		img.Pix[i] = uint8(i * 37)
	}
	for _, view := range []int{1, 2} {
		p := Contrastive(view, 8)
		want := map[int]float64{1: 0.5, 2: 0.8, 3: 0.2, 4: map[int]float64{1: 1, 2: 0.1}[view], 5: map[int]float64{1: 0, 2: 0.2}[view]}
		for k, prob := range want {
			r := stream.New(uint64(view), "probability", uint64(k))
			changed := 0
			var ws Workspace
			for range n {
				if got := p[k].Apply(&ws, img, r); got != img {
					changed++
				}
			}
			got := float64(changed) / n
			if math.Abs(got-prob) > 4*math.Sqrt(prob*(1-prob)/n) {
				t.Errorf("view %d: %v applied with frequency %.3f", view, p[k], got)
			}
		}
		var sigmas []float64
		r := stream.New(uint64(view), "sigma")
		for range n {
			sigmas = append(sigmas, p[4].(GaussianBlur).Draw(r))
		}
		slices.Sort(sigmas)
		for i, s := range sigmas {
			if want := 0.1 + 1.9*float64(i)/n; math.Abs(s-want) > 1.95*1.9/math.Sqrt(n) {
				t.Fatalf("view %d: blur radius %.3f at rank %d, want %.3f", view, s, i, want)
			}
		}
	}
}

func TestPipelineIsAFunctionOfImageAndStream(t *testing.T) {
	img := sources(t)["whole"]
	before := bytes.Clone(img.Pix)
	var ws Workspace
	for _, size := range []int{17, 64} {
		for seed := range uint64(40) {
			for view := 1; view <= 2; view++ {
				p := Contrastive(view, size)
				first := bytes.Clone(p.Apply(&ws, img, stream.New(seed, "t")).Pix)
				again := p.Apply(new(Workspace), img, stream.New(seed, "t"))
				if again.W != size || again.H != size {
					t.Fatalf("view of %d×%d pixels, want %d", again.W, again.H, size)
				}
				if !bytes.Equal(first, again.Pix) {
					t.Fatalf("view %d, seed %d: a used workspace gave other pixels", view, seed)
				}
				if other := p.Apply(&ws, img, stream.New(seed+1000, "t")); bytes.Equal(first, other.Pix) {
					t.Errorf("view %d, seed %d: another stream gave the same view", view, seed)
				}
			}
		}
	}
	if !bytes.Equal(before, img.Pix) {
		t.Error("the image was changed")
	}
}

// Images of extreme shapes and every small size, through everything.
func TestExtremeShapes(t *testing.T) {
	var ws Workspace
	r := rand.New(rand.NewPCG(1, 2))
	shapes := [][2]int{{1, 20000}, {20000, 1}, {1, 1}, {2, 1}, {300, 7}}
	for w := 1; w <= 6; w++ {
		for h := 1; h <= 6; h++ {
			shapes = append(shapes, [2]int{w, h})
		}
	}
	for _, s := range shapes {
		img := NewImage(s[0], s[1])
		for i := range img.Pix {
			img.Pix[i] = 200
		}
		for _, size := range []int{1, 2, 9} {
			for _, p := range []Pipeline{Contrastive(1, size), Contrastive(2, size), Evaluation(size)} {
				got := p.Apply(&ws, img, r)
				if got.W != size || got.H != size {
					t.Fatalf("%v: %d×%d pixels from %v, want %d", p, got.W, got.H, s, size)
				}
			}
		}
		// What is flat stays flat, whatever the size and the blur.
		got := Evaluation(9).Apply(&ws, img, nil)
		ws.Blur(got, 1.3)
		for _, v := range got.Pix {
			if v != 200 {
				t.Fatalf("a flat image of %v became %d where 200 was", s, v)
			}
		}
	}
}

func TestContrastiveRefusesOtherViews(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("view 3 was accepted")
		}
	}()
	Contrastive(3, 8)
}

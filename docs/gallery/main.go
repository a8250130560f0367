// Gallery draws a small picture of every kind of chart, from made data, for
// docs/gallery.md: go run ./docs/gallery, from the repository's root.
package main

import (
	"fmt"
	"io"
	"log"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"gonum.org/v1/gonum/mat"

	"onnxclr/analysis"
	"onnxclr/analysis/diagnosis"
	"onnxclr/internal/stream"
)

const (
	dim = 64
	dpi = 80
)

func main() {
	log.SetFlags(0)
	collapsed := source("no projector", 250, 20, 0.12)
	partly := source("two-layer projector", 250, 44, 0.05)
	full := source("DirectCLR", 250, dim, 0.02)
	three := []*analysis.Spectrum{collapsed, partly, full}
	draw("spectrum", func(w io.Writer) error { return analysis.Chart{DPI: dpi, Of: "r"}.Write(w, ".png", without(three)) })
	draw("bands", func(w io.Writer) error {
		return analysis.Chart{DPI: dpi, Of: "r"}.Write(w, ".png", []*analysis.Spectrum{source("DirectCLR", 1000, dim, 0.02)})
	})
	draw("metrics", func(w io.Writer) error { return analysis.Forest{DPI: dpi, Of: "r"}.Write(w, ".png", three) })
	draw("cumulative", func(w io.Writer) error {
		return analysis.Cumulative{DPI: dpi, Of: "r"}.Write(w, ".png", without(three))
	})
	draw("covariance", covariance().write)
	draw("evolution", lines(evolution()).write)
	draw("confusion", maps(confusion()).write)
	augmentation, weights := diagnose()
	draw("diagnosis-augmentation", lines(augmentation.Chart()).write)
	draw("diagnosis-weights", lines(weights.Chart()).write)
	draw("diagnosis-alignment", maps(weights.HeatMap()).write)
}

// draw writes a picture beside this file.
func draw(name string, write func(io.Writer) error) {
	path := filepath.Join("docs", "gallery", name+".png")
	f, err := os.Create(path)
	if err == nil {
		err = write(f)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		log.Fatal(path, ": ", err)
	}
	fmt.Println(path)
}

type (
	lines analysis.LineChart
	maps  analysis.HeatMap
)

func (c lines) write(w io.Writer) error {
	c.DPI = dpi
	return analysis.LineChart(c).Write(w, ".png")
}

func (c maps) write(w io.Writer) error {
	c.DPI = dpi
	return analysis.HeatMap(c).Write(w, ".png")
}

// rows are made of some live directions whose deviations decay, turned at random.
func rows(r *rand.Rand, n, live int, decay float64) *mat.Dense {
	turn := gaussian(r, dim, dim)
	var qr mat.QR
	qr.Factorize(turn)
	var q mat.Dense
	qr.QTo(&q)
	z := gaussian(r, n, dim)
	for i := range n {
		for j := range dim {
			deviation := math.Exp(-decay * float64(j))
			if j >= live {
				deviation *= 2e-4
			}
			z.Set(i, j, z.At(i, j)*deviation)
		}
	}
	z.Mul(mat.DenseCopyOf(z), &q)
	return z
}

func gaussian(r *rand.Rand, n, d int) *mat.Dense {
	m := mat.NewDense(n, d, nil)
	for i := range n {
		for j := range d {
			m.Set(i, j, r.NormFloat64())
		}
	}
	return m
}

func spectrum(label string, z *mat.Dense) *analysis.Spectrum {
	m, err := analysis.NewMoments(dim, true)
	if err == nil {
		err = m.Add(z.RawMatrix().Data)
	}
	if err != nil {
		log.Fatal(err)
	}
	s, err := m.Spectrum(label, 1)
	if err != nil {
		log.Fatal(err)
	}
	return s
}

// source is a spectrum of n rows with bands.
func source(label string, n, live int, decay float64) *analysis.Spectrum {
	r := stream.New(0, "gallery", uint64(live))
	z := rows(r, n, live, decay)
	s := spectrum(label, z)
	var replicates []*analysis.Spectrum
	for range 40 {
		again := mat.NewDense(n, dim, nil)
		for i := range n {
			again.SetRow(i, z.RawRowView(r.IntN(n)))
		}
		replicates = append(replicates, spectrum(label, again))
	}
	s.Bootstrap = analysis.NewBand(replicates)
	return s
}

// without leaves bands out.
func without(spectra []*analysis.Spectrum) []*analysis.Spectrum {
	var plain []*analysis.Spectrum
	for _, s := range spectra {
		p := *s
		p.Bootstrap = nil
		plain = append(plain, &p)
	}
	return plain
}

func covariance() maps {
	const shown = 24
	m := maps{Scale: "covariance"}
	for _, live := range []int{4, shown} {
		z := rows(stream.New(1, "gallery"), 2000, live, 0)
		a, err := analysis.NewMoments(dim, false)
		if err == nil {
			err = a.Add(z.RawMatrix().Data)
		}
		if err != nil {
			log.Fatal(err)
		}
		c, err := a.Covariance(1)
		if err != nil {
			log.Fatal(err)
		}
		p := analysis.HeatPanel{Title: fmt.Sprintf("%d live directions", live), X: "channel", Y: "channel"}
		for i := range shown {
			row := make([]float64, shown)
			for j := range row {
				row[j] = c.At(i, j)
			}
			p.Cells = append(p.Cells, row)
		}
		m.Panels = append(m.Panels, p)
	}
	return m
}

func evolution() analysis.LineChart {
	var e analysis.Evolution
	for k := range 6 {
		r := stream.New(2, "gallery", uint64(k))
		e.Points = append(e.Points, analysis.EvolutionPoint{
			Steps: 200 * k,
			R:     spectrum("r", rows(r, 1000, dim, 0.01+0.01*float64(k))),
			Z:     spectrum("z", rows(r, 1000, dim-6*k, 0.01+0.03*float64(k))),
		})
	}
	return e.Chart()
}

func confusion() analysis.HeatMap {
	names := []string{"cat", "dog", "deer", "horse", "frog"}
	counts := make([][]int, len(names))
	for i := range counts {
		counts[i] = make([]int, len(names))
		for j := range counts[i] {
			counts[i][j] = 80 / (1 + 4*(i-j)*(i-j))
		}
	}
	return analysis.Confusion(counts, names)
}

// diagnose looks at a head of two layers under an augmentation that is stronger than the
// data in some directions.
func diagnose() (*diagnosis.Augmentation, *diagnosis.Weights) {
	const n, batch, d = 2048, 256, 16
	r := stream.New(3, "gallery")
	p, err := diagnosis.NewPlace("the representation r", d, 0.1)
	if err != nil {
		log.Fatal(err)
	}
	for range n / batch {
		x, xp := mat.NewDense(batch, d, nil), mat.NewDense(batch, d, nil)
		for i := range batch {
			for j := range d {
				v, noise := r.NormFloat64(), 0.3+1.6*float64(j)/d
				x.Set(i, j, v+noise*r.NormFloat64())
				xp.Set(i, j, v+noise*r.NormFloat64())
			}
		}
		if err := p.Add(x, xp, x, xp); err != nil {
			log.Fatal(err)
		}
	}
	a, err := p.Augmentation()
	if err != nil {
		log.Fatal(err)
	}
	// Layers whose singular vectors meet, and decay alike.
	scales := mat.NewDense(d, d, nil)
	for i := range d {
		scales.Set(i, i, math.Exp(-0.5*float64(i)))
	}
	turn := func() *mat.Dense {
		var qr mat.QR
		qr.Factorize(gaussian(r, d, d))
		var q mat.Dense
		qr.QTo(&q)
		return &q
	}
	middle := turn()
	var first, second, blur mat.Dense
	first.Product(middle, scales, turn())
	blur.Scale(0.004, gaussian(r, d, d))
	first.Add(&first, &blur)
	second.Product(turn(), scales, middle.T())
	w, err := diagnosis.InspectWeights([]diagnosis.Layer{layer("projector.0", &first, false), layer("projector.1", &second, true)})
	if err != nil {
		log.Fatal(err)
	}
	return a, w
}

func layer(name string, m *mat.Dense, fed bool) diagnosis.Layer {
	out, in := m.Dims()
	return diagnosis.Layer{Name: name, Out: out, In: in, K: 1, FedByPrior: fed, Weights: m.RawMatrix().Data}
}

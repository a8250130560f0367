package train

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"onnxclr/train/augment"
	"onnxclr/train/data"
	"onnxclr/train/tensorboard"
)

// events logs a run for TensorBoard: the numbers of every step and, now and then, what
// the network saw and how its parameters, gradients and embeddings are distributed. A
// nil *events logs nothing.
type events struct {
	w      *tensorboard.Writer
	every  int // steps between histograms and pictures
	first  bool
	total  int
	values *augment.Normalization // of the images
}

// openEvents starts an event file in the run directory for the steps from first on; none
// for a run that is complete. Events that the run left of these steps, when it was
// stopped, are void.
func openEvents(dir string, r *Recipe, first, perEpoch, total int, complete bool) (*events, error) {
	if !r.TensorBoard || complete {
		return nil, nil
	}
	w, err := tensorboard.Create(dir, first)
	if err != nil {
		return nil, err
	}
	e := &events{w: w, every: r.EventsEvery, first: true, total: total, values: r.Normalization()}
	if e.every == 0 {
		e.every = perEpoch
	}
	// Indented, Markdown shows it as it is.
	text := "    " + string(bytes.ReplaceAll(bytes.TrimSpace(r.YAML()), []byte("\n"), []byte("\n    ")))
	if err := w.Write(first, tensorboard.Text("recipe", text)); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return e, nil
}

// step logs the step that the learner has just made on a batch, whose line of the
// metrics is given.
func (e *events) step(l *learner, batch *data.Batch, m Metrics, line []byte) error {
	if e == nil {
		return nil
	}
	numbers, err := numbersOf(line)
	if err != nil {
		return err
	}
	var values []tensorboard.Value
	for _, n := range numbers {
		if tag := tagOf(n.name); tag != "" {
			values = append(values, tensorboard.Scalar(tag, n.value))
		}
	}
	if e.first || (m.Step+1)%e.every == 0 || m.Step+1 == e.total {
		e.first = false
		sheet := viewSheet(batch, l.images, e.values)
		var b bytes.Buffer
		if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, sheet); err != nil {
			return err
		}
		values = append(values, tensorboard.Image("views/batch", sheet.Rect.Dx(), sheet.Rect.Dy(), b.Bytes()))
		values = append(values, tensorboard.Histogram("embedding/z", l.embedding))
		for i, p := range l.params {
			values = append(values, tensorboard.Histogram("parameters/"+p.Name, p.Value), tensorboard.Histogram("gradients/"+p.Name, l.grads[i]))
		}
	}
	return e.w.Write(m.Step, values...)
}

// monitor logs what the monitor saw after a step that is logged already, from the
// step's line of the metrics.
func (e *events) monitor(step int, line []byte) error {
	if e == nil {
		return nil
	}
	numbers, err := numbersOf(line)
	if err != nil {
		return err
	}
	var values []tensorboard.Value
	for _, n := range numbers {
		if strings.HasPrefix(n.name, "monitor.") {
			values = append(values, tensorboard.Scalar(tagOf(n.name), n.value))
		}
	}
	return e.w.Write(step, values...)
}

// spectra logs the spectra that the monitor saw after a step.
func (e *events) spectra(step int, m *monitor) error {
	if e == nil {
		return nil
	}
	chart := m.picture()
	if len(chart.Panels) == 0 {
		return nil
	}
	var b bytes.Buffer
	if err := chart.Write(&b, ".png"); err != nil {
		return err
	}
	return e.image(step, "monitor/spectrum", b.Bytes())
}

// evolution logs the monitor's chart of the run, if there is one, at the last step.
func (e *events) evolution(dir string) error {
	if e == nil {
		return nil
	}
	b, err := os.ReadFile(filepath.Join(dir, spectrumName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return e.image(e.total-1, "monitor/evolution", b)
}

func (e *events) image(step int, tag string, b []byte) error {
	c, err := png.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return err
	}
	return e.w.Write(step, tensorboard.Image(tag, c.Width, c.Height, b))
}

// tagOf returns what TensorBoard calls a number of the metrics: train/loss, and
// monitor/rankme for monitor.rankme. The step is not a value of its own.
func tagOf(name string) string {
	if name == "step" {
		return ""
	}
	if strings.Contains(name, ".") {
		return strings.ReplaceAll(name, ".", "/")
	}
	return "train/" + name
}

func (e *events) sync() error {
	if e == nil {
		return nil
	}
	return e.w.Sync()
}

func (e *events) close() error {
	if e == nil {
		return nil
	}
	return e.w.Close()
}

// A sheet of views shows up to sheetPairs images, as many as fit into sheetPixels.
const sheetPairs, sheetPixels = 16, 1 << 20

// viewSheet draws the first images of a batch, of shape [2N,3,H,W], as the network saw them, the
// two views of one image above each other.
func viewSheet(batch *data.Batch, shape []int, values *augment.Normalization) *image.RGBA {
	n, h, w := shape[0]/2, shape[2], shape[3]
	pairs := max(1, min(n, sheetPairs, sheetPixels/(2*h*w)))
	const gap = 2
	sheet := image.NewRGBA(image.Rect(0, 0, pairs*(w+gap)-gap, 2*h+gap))
	for i := range sheet.Pix {
		sheet.Pix[i] = 0xff
	}
	pixels := make([]float32, 3*h*w)
	for view := range 2 {
		for i := range pairs {
			batch.Rows(pixels, view*n+i, 1)
			for y := range h {
				for x := range w {
					var c [3]uint8
					for k := range c {
						c[k] = values.Level(k, pixels[(k*h+y)*w+x])
					}
					sheet.SetRGBA(i*(w+gap)+x, view*(h+gap)+y, color.RGBA{c[0], c[1], c[2], 0xff})
				}
			}
		}
	}
	return sheet
}

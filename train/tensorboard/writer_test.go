package tensorboard

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"onnxclr/internal/golden"
)

var update = flag.Bool("update", false, "write testdata/golden/tensorboard anew; then run testdata/gen/verify_tensorboard.py")

// weights are numbers of all sizes and both signs, and zeros.
func weights() []float32 {
	var v []float32
	for i := range 500 {
		x := float32(math.Sin(float64(i))) * float32(math.Pow(10, float64(i%7)-5))
		v = append(v, x)
	}
	return append(v, 0, float32(math.Copysign(0, -1)), 0, 1, -1, math.SmallestNonzeroFloat32)
}

func picture(t testing.TB) []byte {
	b, err := os.ReadFile(filepath.Join(golden.Path(t, "tensorboard"), "picture.png"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// log writes a run that was stopped after step 3 and resumed at step 2.
func log(t testing.TB, dir string) {
	t.Helper()
	clock := time.Unix(1700000000, 250e6)
	now := func() time.Time { clock = clock.Add(time.Second / 2); return clock }
	for _, part := range []struct{ first, last int }{{0, 3}, {2, 5}} {
		w, err := create(dir, part.first, now)
		if err != nil {
			t.Fatal(err)
		}
		check := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		check(w.Write(part.first, Text("recipe", "    lr: 0.1 # <b>µ</b>")))
		for step := part.first; step <= part.last; step++ {
			loss := 4 / float64(step+1)
			if part.first > 0 {
				loss *= -1
			}
			check(w.Write(step, Scalar("train/loss", loss), Scalar("train/learning_rate", 1e-3*float64(step))))
			if step%2 == 0 {
				check(w.Write(step, Histogram("parameters/layer1.0.conv1.weight", weights()), Image("views/batch", 5, 3, picture(t))))
			}
		}
		check(w.Write(part.last))
		check(w.Sync())
		check(w.Close())
		check(w.Close())
	}
}

// What TensorBoard itself reads in the golden files is in reading.json, written by the
// script that checks them.
func TestTensorBoardReadsThis(t *testing.T) {
	want := golden.Path(t, "tensorboard")
	dir := t.TempDir()
	if *update {
		for n := range 2 {
			os.Remove(filepath.Join(want, fileName(n)))
		}
		dir = want
	}
	log(t, dir)
	for n := range 2 {
		got, err := os.ReadFile(filepath.Join(dir, fileName(n)))
		if err != nil {
			t.Fatal(err)
		}
		if w, _ := os.ReadFile(filepath.Join(want, fileName(n))); !bytes.Equal(got, w) {
			t.Errorf("%s differs from the file that TensorBoard read", fileName(n))
		}
	}
	b, err := os.ReadFile(filepath.Join(want, "reading.json"))
	if err != nil {
		t.Fatal(err)
	}
	var reading struct {
		Scalars    map[string][][2]float64
		Texts      map[string][]string
		Images     map[string][]struct{ Step, Width, Height int }
		Histograms map[string][]struct {
			Step               int
			Min, Max, Num, Sum float64
			Squares            float64
			Limit, Count       []float64
		}
	}
	if err := json.Unmarshal(b, &reading); err != nil {
		t.Fatal(err)
	}
	var steps []float64
	for i, p := range reading.Scalars["train/loss"] {
		steps = append(steps, p[0])
		loss := 4 / float64(i+1)
		if i >= 2 {
			loss *= -1 // of the second start
		}
		golden.CheckValue(t, "loss", golden.Stat, p[1], loss)
	}
	if !slices.Equal(steps, []float64{0, 1, 2, 3, 4, 5}) {
		t.Errorf("TensorBoard sees steps %v: each is to be there once", steps)
	}
	if got := reading.Texts["recipe/text_summary"]; len(got) != 2 || got[0] != "    lr: 0.1 # <b>µ</b>" {
		t.Errorf("texts %q", got)
	}
	if got := reading.Images["views/batch"]; len(got) != 3 || got[2].Step != 4 || got[0].Width != 5 || got[0].Height != 3 {
		t.Errorf("images %+v", got)
	}
	h := reading.Histograms["parameters/layer1.0.conv1.weight"]
	if len(h) != 3 {
		t.Fatalf("%d histograms", len(h))
	}
	v := weights()
	below := make([]float64, len(h[0].Limit)) // count them by what TensorBoard takes the buckets for
	var sum, squares float64
	for _, x := range v {
		i, _ := slices.BinarySearch(h[0].Limit, float64(x))
		below[i]++
		sum += float64(x)
		squares += float64(x) * float64(x)
	}
	total := 0.0
	for i := range below {
		total += h[0].Count[i]
		// A value on the edge belongs to the bucket above it for positive ones here, to
		// the one below it there: 1 and −1 are such.
		if d := math.Abs(below[i] - h[0].Count[i]); d > 1 {
			t.Errorf("bucket up to %g has %g, want %g", h[0].Limit[i], h[0].Count[i], below[i])
		}
	}
	if h[0].Num != float64(len(v)) || total != h[0].Num || h[0].Min != float64(slices.Min(v)) || h[0].Max != float64(slices.Max(v)) {
		t.Errorf("%g values from %g to %g, %g in buckets", h[0].Num, h[0].Min, h[0].Max, total)
	}
	golden.CheckValue(t, "sum", golden.Grad64, h[0].Sum, sum)
	golden.CheckValue(t, "squares", golden.Grad64, h[0].Squares, squares)
}

// Every record is whole, and its checksums are right.
func TestFraming(t *testing.T) {
	dir := t.TempDir()
	log(t, dir)
	b, err := os.ReadFile(filepath.Join(dir, fileName(1)))
	if err != nil {
		t.Fatal(err)
	}
	var kinds []protowire.Number
	for len(b) > 0 {
		n := int(binary.LittleEndian.Uint64(b))
		data := b[headerSize : headerSize+n]
		if binary.LittleEndian.Uint32(b[8:]) != checksum(b[:8]) || binary.LittleEndian.Uint32(b[headerSize+n:]) != checksum(data) {
			t.Fatal("a checksum is wrong")
		}
		b = b[headerSize+n+footerSize:]
		for len(data) > 0 {
			num, typ, m := protowire.ConsumeField(data)
			if m < 0 {
				t.Fatalf("field %d of type %d: %v", num, typ, protowire.ParseError(m))
			}
			if num >= eventFileVersion {
				kinds = append(kinds, num)
			}
			data = data[m:]
		}
	}
	// The version, the session, the text, four steps of numbers and two of pictures.
	if want := []protowire.Number{3, 7, 5, 5, 5, 5, 5, 5, 5}; !slices.Equal(kinds, want) {
		t.Errorf("events of kinds %v, want %v", kinds, want)
	}
	// The vector of RFC 3720, section B.4: 32 bytes of zero give 8a9136aa.
	if c := checksum(make([]byte, 32)); c != func() uint32 { c := uint32(0x8a9136aa); return (c>>15 | c<<17) + 0xa282ead8 }() {
		t.Errorf("masked CRC-32C %08x", c)
	}
}

func TestHistogramOfNothing(t *testing.T) {
	for name, v := range map[string][]float32{
		"empty": nil, "not finite": {float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))},
	} {
		if m := string(Histogram("h", v).message); strings.Contains(m, string(protowire.AppendFixed64(nil, math.Float64bits(1)))) {
			t.Errorf("%s: counted", name)
		}
	}
	largest := Histogram("h", []float32{math.MaxFloat32, -math.MaxFloat32}).message
	if !bytes.Contains(largest, protowire.AppendFixed64(nil, math.Float64bits(2))) {
		t.Error("the largest numbers are not counted")
	}
}

func TestEventFileNames(t *testing.T) {
	for name, want := range map[string]bool{
		"events.out.tfevents.0000000003": true, "events.out.tfevents.12345678901": true,
		"events.out.tfevents.3": false, "events.out.tfevents.1700000000.host.12.0": false,
		"events.out.tfevents.-000000003": false, "metrics.jsonl": false,
	} {
		if IsEventFile(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
	if _, err := Create(filepath.Join(t.TempDir(), "absent"), 0); err == nil {
		t.Error("a folder that is not there was accepted")
	}
}

func BenchmarkHistogram(b *testing.B) {
	v := make([]float32, 1<<20)
	for i := range v {
		v[i] = float32(math.Sin(float64(i)))
	}
	b.SetBytes(int64(4 * len(v)))
	for b.Loop() {
		Histogram("parameters/weight", v)
	}
}

func BenchmarkScalars(b *testing.B) {
	w, err := Create(b.TempDir(), 0)
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	for b.Loop() {
		if err := w.Write(1, Scalar("train/loss", 1), Scalar("train/learning_rate", 2), Scalar("train/time", 3)); err != nil {
			b.Fatal(err)
		}
	}
}

package train

import (
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"onnxclr/internal/file"
)

// pictures writes a folder of n images of side×side pixels.
func pictures(t testing.TB, n, side int, extension string) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		m := image.NewNRGBA(image.Rect(0, 0, side, side))
		for y := range side {
			for x := range side {
				m.Set(x, y, color.NRGBA{uint8(x*7 + i*31), uint8(y*5 + i), uint8(x*y + i*11), 255})
			}
		}
		err := file.Write(filepath.Join(dir, fmt.Sprintf("%03d%s", i, extension)), func(w io.Writer) error {
			if extension == ".png" {
				return png.Encode(w, m)
			}
			return jpeg.Encode(w, m, nil)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// perStep returns the heap bytes that a step of the run allocates, data loading
// included: the median of the steps after the first five.
func perStep(t testing.TB, r Recipe) int64 {
	t.Helper()
	var at []uint64
	w := &watcher{step: func(Metrics) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		at = append(at, m.TotalAlloc)
	}}
	if err := Run(t.Context(), r, Options{Dir: filepath.Join(t.TempDir(), "run"), Reporter: w}); err != nil {
		t.Fatal(err)
	}
	var steps []int64
	for i := 5; i < len(at); i++ {
		steps = append(steps, int64(at[i]-at[i-1]))
	}
	slices.Sort(steps)
	return steps[len(steps)/2]
}

// TestStepsAllocateLittle: in the steady state a step with its data loading allocates
// less than a megabyte, whatever the images come from, once they have been decoded.
func TestStepsAllocateLittle(t *testing.T) {
	const batch, side, most = 32, 64, 1 << 20
	views := t.TempDir()
	for k := range 2 {
		writeViews(t, filepath.Join(views, fmt.Sprintf("%d.npz", k)), pair(uint64(k), batch, side)...)
	}
	array := filepath.Join(t.TempDir(), "a.npy")
	head := fmt.Sprintf("\x93NUMPY\x01\x00\x76\x00%-117s\n", fmt.Sprintf("{'descr': '|u1', 'fortran_order': False, 'shape': (64, %d, %d, 3), }", side, side))
	os.WriteFile(array, append([]byte(head), make([]byte, 64*side*side*3)...), 0o644)
	cifar := t.TempDir()
	os.WriteFile(filepath.Join(cifar, "data_batch_1.bin"), make([]byte, 64*3073), 0o644)
	os.WriteFile(filepath.Join(cifar, "batches.meta.txt"), []byte("a\nb\n"), 0o644)
	for _, c := range []struct{ name, key, path string }{
		{"views", "views", views},
		{"generated", "data", "generated:textures?train=64&size=64"},
		{"array", "data", array},
		{"cifar", "data", cifar},
		{"PNG", "data", pictures(t, 64, side, ".png")},
		{"JPEG", "data", pictures(t, 64, side, ".jpg")},
		{"JPEG256", "data", pictures(t, 64, 256, ".jpg")},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := perStep(t, recipe(t, c.key, c.path, "batch", strconv.Itoa(batch), "image-size", strconv.Itoa(side), "steps", "12", "warmup-epochs", "0", "checkpoint-every", "1000"))
			if n > most {
				t.Errorf("a step allocates %d bytes, want at most %d", n, most)
			}
		})
	}
}

package data

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"onnxclr/internal/golden"
)

// Decoding, two views and normalisation through a Loader of one worker; the rate
// counts source images. Compare with a torchvision script on the same files.
func BenchmarkLoader(b *testing.B) {
	run := func(name string, open func() Dataset, size int) {
		b.Run(name, func(b *testing.B) {
			ds := open()
			defer ds.Close()
			batch := min(32, ds.Len())
			l, err := NewTraining(ds, batch, size, 1, 0, 1)
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			images := 0
			for b.Loop() {
				if _, err := l.Next(context.Background()); err != nil {
					b.Fatal(err)
				}
				images += batch
			}
			b.ReportMetric(float64(images)/b.Elapsed().Seconds(), "images/s")
		})
	}
	run("32to64", func() Dataset {
		ds, err := Open(golden.Shared(b, "cifar10-jpeg.tar.gz"), "train")
		if err != nil {
			b.Fatal(err)
		}
		return ds
	}, 64)
	// ONNXCLR_BENCH_IMAGES names a folder of larger JPEG files.
	if dir := os.Getenv("ONNXCLR_BENCH_IMAGES"); dir != "" {
		run(filepath.Base(dir)+"to224", func() Dataset {
			ds, err := Open(dir, "all")
			if err != nil {
				b.Fatal(err)
			}
			return ds
		}, 224)
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, name := range []string{"420.jpg", "444.jpg", "rgb.png"} {
		b.Run(name, func(b *testing.B) {
			file := readImage(b, name)
			for b.Loop() {
				if _, err := decode(file); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkTextures(b *testing.B) {
	ds, err := Open("generated:textures", "train")
	if err != nil {
		b.Fatal(err)
	}
	i := 0
	for b.Loop() {
		ds.Image(i % ds.Len())
		i++
	}
}

package main

import (
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"onnxclr/internal/stream"
	"onnxclr/train/data"
)

// picturesHead names the columns of the table of images.
const picturesHead = "| JPEG files | views | engine | images/s a core (min–max) | ours is |"

// comparePictures measures reading JPEG files and making the paper's two views of each,
// normalised, on one core, beside torchvision on PIL images. Every repetition reads all
// files again and draws other views. The clock is the processor's, so that others on
// the machine disturb neither side, and rates are source images a second of it.
func comparePictures(p plan, cases []string) error {
	dir, err := os.MkdirTemp("", "onnxclr-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	out := io.Writer(os.Stdout)
	if p.report != "" {
		f, err := os.OpenFile(p.report, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		out = io.MultiWriter(out, f)
	}
	fmt.Fprintf(out, "\n%s, one core, %s; median of %d interleaved passes, processor's clock\n\n", processor(), runtime.Version(), p.reps)
	fmt.Fprintln(out, picturesHead)
	fmt.Fprintln(out, "|---|---|---|---|---|")
	for _, text := range cases {
		c := benchCase{Pass: "pictures", Threads: 1, Clock: "processor"}
		var w, h int
		folder, size, ok := strings.Cut(text, "@")
		if _, err := fmt.Sscan(size, &c.Size); err != nil || !ok {
			return fmt.Errorf("pictures %q, want WIDTHxHEIGHT@VIEW or FOLDER@VIEW", text)
		}
		if _, err := fmt.Sscanf(folder, "%dx%d", &w, &h); err == nil {
			folder = filepath.Join(dir, folder)
			if err := makePictures(folder, w, h); err != nil {
				return err
			}
		}
		c.Model = folder
		if err := pictureRates(out, self, p, c); err != nil {
			return err
		}
	}
	return nil
}

func pictureRates(out io.Writer, self string, p plan, c benchCase) error {
	files, bytes, err := pictureFiles(c.Model)
	if err != nil {
		return err
	}
	c.Batch = len(files)
	ours, err := start("onnxclr", c, self, "--worker")
	if err != nil {
		return err
	}
	theirs, err := start("torchvision", c, p.python, "bench/torchvision_worker.py")
	if err != nil {
		return err
	}
	sides := []*side{ours, theirs}
	for rep := range p.reps + 1 {
		for _, s := range sides {
			seconds, err := s.step()
			if err != nil {
				return err
			}
			if rep > 0 {
				s.seconds = append(s.seconds, seconds)
			}
		}
	}
	for _, s := range sides {
		if err := s.stop(); err != nil {
			return err
		}
		low, high := s.seconds[0], s.seconds[0]
		for _, v := range s.seconds {
			low, high = min(low, v), max(high, v)
		}
		n := float64(len(files))
		fmt.Fprintf(out, "| %d of %s, %d kB on average | %d² | %s (%s) | %.0f (%.0f–%.0f) | %.2f× |\n", len(files), filepath.Base(c.Model),
			bytes/int64(len(files))/1000, c.Size, s.name, s.version, n/median(s.seconds), n/high, n/low, median(s.seconds)/median(ours.seconds))
	}
	return nil
}

// pictureFiles lists the JPEG files of a folder, at most 512, and counts their bytes.
func pictureFiles(folder string) (files []string, bytes int64, err error) {
	err = filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.EqualFold(filepath.Ext(path), ".jpg") && len(files) < 512 {
			info, err := d.Info()
			if err != nil {
				return err
			}
			files, bytes = append(files, path), bytes+info.Size()
		}
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s holds no .jpg file", folder)
	}
	return files, bytes, err
}

// makePictures writes JPEG files of w×h pixels, generated textures with the noise of a
// camera on them, of as many bytes a pixel as ImageNet's photographs.
func makePictures(folder string, w, h int) error {
	n := max(64, min(512, 512*64*64/(w*h)))
	set, err := data.Open(fmt.Sprintf("generated:textures?size=%d&train=%d", max(w, h), n), "train")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for i := range n {
		from, err := set.Image(i)
		if err != nil {
			return err
		}
		r := stream.New(1, "pictures", uint64(i))
		rgb := image.NewRGBA(image.Rect(0, 0, w, h))
		for y := range h {
			for x := range w {
				noise := 12 * r.NormFloat64()
				p := from.At(x, y)
				for c, v := range p {
					rgb.Pix[rgb.PixOffset(x, y)+c] = uint8(min(max(float64(v)+noise, 0), 255))
				}
				rgb.Pix[rgb.PixOffset(x, y)+3] = 255
			}
		}
		f, err := os.Create(filepath.Join(folder, fmt.Sprintf("%04d.jpg", i)))
		if err != nil {
			return err
		}
		if err := jpeg.Encode(f, rgb, &jpeg.Options{Quality: 90}); err != nil {
			f.Close()
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

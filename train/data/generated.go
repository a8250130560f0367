package data

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"onnxclr/internal/stream"
	"onnxclr/train/augment"
)

// textures are images computed from their index: ten kinds of surface, each turned,
// scaled, coloured and lit at random, so that the kind alone tells the class.
type textures struct {
	size, train, test int
	seed              uint64
}

// The defaults of "generated:textures".
const (
	textureSize  = 64
	textureTrain = 4096
	textureTest  = 1024
)

func openGenerated(name string) (*Source, error) {
	kind, query, _ := strings.Cut(name, "?")
	if kind != "textures" {
		return nil, fmt.Errorf("there is no generated data set %q; there is textures", kind)
	}
	t := &textures{size: textureSize, train: textureTrain, test: textureTest, seed: 1}
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("cannot read the settings %q: %w", query, err)
	}
	var keys []string
	for k := range values {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, key := range keys {
		number := func(low, high int) (n int) {
			var e error
			n, e = strconv.Atoi(values.Get(key))
			if e != nil || n < low || n > high {
				err = fmt.Errorf("setting %s is %q, want a whole number from %d to %d", key, values.Get(key), low, high)
			}
			return n
		}
		switch key {
		case "train":
			t.train = number(1, 1<<24)
		case "test":
			t.test = number(0, 1<<24)
		case "size":
			t.size = number(8, 1024)
		case "seed":
			t.seed = uint64(number(0, math.MaxInt32))
		default:
			err = fmt.Errorf("there is no setting %q; there are train, test, size, seed", key)
		}
		if err != nil {
			return nil, err
		}
	}
	s := &Source{samples: t, effort: true, parts: []part{{"train", 0, t.train}}}
	if t.test > 0 {
		s.parts = append(s.parts, part{"test", t.train, t.train + t.test})
	}
	for _, k := range textureKinds {
		s.classes = append(s.classes, k.name)
	}
	return s, nil
}

func (t *textures) Len() int { return t.train + t.test }

// place returns the split of image i and its number there, which is what an image
// depends on: a larger set begins with the images of a smaller one.
func (t *textures) place(i int) (split string, n int) {
	if i < t.train {
		return "train", i
	}
	return "test", i - t.train
}

func (t *textures) Label(i int) int {
	_, n := t.place(i)
	return n % len(textureKinds)
}

func (t *textures) Name(i int) string {
	split, n := t.place(i)
	return fmt.Sprintf("%s/%s/%05d", split, textureKinds[t.Label(i)].name, n)
}

func (t *textures) Image(i int) (*augment.Image, error) {
	split, n := t.place(i)
	r := stream.New(t.seed, "textures "+split, uint64(n))
	between := func(low, high float64) float64 { return low + (high-low)*r.Float64() }

	sin, cos := math.Sincos(between(0, 2*math.Pi))
	periods := between(3, 7) // across the image
	offset := [2]float64{between(-20, 20), between(-20, 20)}
	lean := between(-0.25, 0.25) // shear, as of a surface seen at an angle
	noise := r.Uint64()

	// Two colours that differ in lightness, whatever their hues.
	dark := hsv(between(0, 1), between(0.2, 0.9), between(0.15, 0.45))
	light := hsv(between(0, 1), between(0.1, 0.8), between(0.65, 1))
	if r.IntN(2) == 0 {
		dark, light = light, dark
	}
	lightSin, lightCos := math.Sincos(between(0, 2*math.Pi))
	falloff, grain := between(0.1, 0.5), between(2, 8)
	lamp := [3]float64{0.7 * lightCos, 0.7 * lightSin, 0.7}

	kind := textureKinds[t.Label(i)]
	img := augment.NewImage(t.size, t.size)
	scale := 1 / float64(t.size)
	edge := periods * scale * 1.2 // a pixel's width on the surface, for smooth edges
	for y := range t.size {
		for x := range t.size {
			px, py := (float64(x)+0.5)*scale-0.5, (float64(y)+0.5)*scale-0.5
			u := periods*(cos*px+sin*py) + offset[0]
			v := periods*(cos*py-sin*px+lean*px) + offset[1]
			mix, slope := kind.surface(u, v, edge, noise)
			// Lambert's law on the relief, and a lamp to one side.
			nx, ny := cos*slope[0]-sin*slope[1], sin*slope[0]+cos*slope[1]
			shade := (lamp[2] + nx*lamp[0] + ny*lamp[1]) / (lamp[2] * math.Sqrt(1+nx*nx+ny*ny))
			shade = min(max(shade, 0.15), 1.5) * (1 - falloff*(0.5-px*lightCos-py*lightSin))
			g := grain * (r.Float64() - r.Float64())
			for c := range 3 {
				value := 255 * shade * (dark[c] + mix*(light[c]-dark[c]))
				img.Pix[3*(y*t.size+x)+c] = uint8(min(max(value+g, 0), 255))
			}
		}
	}
	return img, nil
}

// hsv converts hue, saturation and value, all 0…1, to red, green and blue.
func hsv(h, s, v float64) (rgb [3]float64) {
	for c := range rgb {
		d := math.Mod(h*6+[3]float64{5, 3, 1}[c], 6)
		rgb[c] = v - v*s*max(0, min(d, 4-d, 1))
	}
	return rgb
}

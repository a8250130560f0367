package analysis

import (
	"fmt"
	"image/color"
	"io"
	"path/filepath"
	"strings"
	"time"

	pdf "codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgpdf"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Formats are the file name extensions of the image formats charts are written in.
var Formats = []string{".png", ".svg", ".pdf"}

// FormatOf returns the image format that the name of a file asks for.
func FormatOf(path string) (string, error) {
	ext := strings.ToLower(filepath.Ext(path))
	for _, f := range Formats {
		if ext == f {
			return f, nil
		}
	}
	return "", fmt.Errorf("%s: charts are written as %s, by the extension", path, strings.Join(Formats, ", "))
}

// render writes what paint draws as an image of the format, one of Formats. Equal
// drawings give equal bytes. dpi matters to .png alone.
func render(w io.Writer, format string, width, height vg.Length, dpi int, paint func(draw.Canvas)) error {
	var canvas vg.CanvasWriterTo
	switch format {
	case ".png":
		canvas = vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(dpi), vgimg.UseBackgroundColor(color.White))}
	case ".svg":
		canvas = outlined{vgsvg.New(width, height)}
	case ".pdf":
		canvas = outlined{vgpdf.New(width, height)}
	default:
		return fmt.Errorf("image format %q, want one of %s", format, strings.Join(Formats, ", "))
	}
	paint(draw.New(canvas))
	_, err := canvas.WriteTo(w)
	return err
}

// PDF files carry dates; a fixed one keeps equal charts equal. The library takes it
// only as a default for the whole process.
func init() {
	epoch := time.Unix(0, 0).UTC()
	pdf.SetDefaultCreationDate(epoch)
	pdf.SetDefaultModificationDate(epoch)
	pdf.SetDefaultCatalogSort(true)
}

// outlined draws text as filled outlines. A .svg would otherwise be set in whatever
// font its reader has, whose widths differ, and a .pdf in the 256 characters of the
// one code page that vgpdf embeds.
type outlined struct{ vg.CanvasWriterTo }

func (c outlined) FillString(face font.Face, at vg.Point, s string) {
	var buf sfnt.Buffer
	ppem := fixed.I(int(face.Face.UnitsPerEm())) // font units: nothing is hinted or rounded
	scale := face.Font.Size / vg.Length(face.Face.UnitsPerEm())
	point := func(p fixed.Point26_6) vg.Point {
		return vg.Point{X: at.X + scale*vg.Length(p.X)/64, Y: at.Y - scale*vg.Length(p.Y)/64}
	}
	for _, r := range s {
		glyph, err := face.Face.GlyphIndex(&buf, r) // 0, the empty box, for what the font lacks
		if err != nil {
			continue
		}
		if segments, err := face.Face.LoadGlyph(&buf, glyph, ppem, nil); err == nil {
			var path vg.Path
			for i, seg := range segments {
				a := seg.Args
				switch seg.Op {
				case sfnt.SegmentOpMoveTo:
					if i > 0 {
						path.Close()
					}
					path.Move(point(a[0]))
				case sfnt.SegmentOpLineTo:
					path.Line(point(a[0]))
				case sfnt.SegmentOpQuadTo:
					path.QuadTo(point(a[0]), point(a[1]))
				case sfnt.SegmentOpCubeTo:
					path.CubeTo(point(a[0]), point(a[1]), point(a[2]))
				}
			}
			if len(path) > 0 {
				path.Close()
				c.Fill(path)
			}
		}
		if advance, err := face.Face.GlyphAdvance(&buf, glyph, ppem, 0); err == nil {
			at.X += scale * vg.Length(advance) / 64
		}
	}
}

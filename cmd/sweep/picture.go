package main

import (
	"fmt"
	"image/color"
	"os"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// picture writes three panels beside each other: rate and quality, the search's CPU and bytes, and the other systems' CPU and bytes at equal quality.
func picture(path string, list []entry, j *journal) (err error) {
	panels := []func([]entry, *journal) (*plot.Plot, error){rateAndQuality, searchPanel, peersPanel}
	image := vgimg.NewWith(vgimg.UseWH(vg.Length(len(panels))*13*vg.Centimeter, 12*vg.Centimeter), vgimg.UseDPI(110))
	tiles := draw.Tiles{Rows: 1, Cols: len(panels), PadX: 8 * vg.Millimeter, PadTop: 3 * vg.Millimeter, PadBottom: 3 * vg.Millimeter, PadLeft: 3 * vg.Millimeter, PadRight: 5 * vg.Millimeter}
	canvas := draw.New(image)
	for i, panel := range panels {
		p, err := panel(list, j)
		if err != nil {
			return fmt.Errorf("drawing: %w", err)
		}
		p.Add(plotter.NewGrid())
		p.Draw(tiles.At(canvas, i, 0))
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if closed := f.Close(); err == nil {
			err = closed
		}
	}()
	_, err = vgimg.PngCanvas{Canvas: image}.WriteTo(f)
	return err
}

func blue() color.Color { return color.RGBA{R: 20, G: 90, B: 180, A: 255} }
func red() color.Color  { return color.RGBA{R: 190, G: 40, B: 40, A: 255} }
func grey() color.Color { return color.RGBA{R: 130, G: 130, B: 130, A: 255} }

// dots draws points of one colour and radius, each with its name.
func dots(p *plot.Plot, points plotter.XYs, names []string, c color.Color, radius vg.Length) error {
	if len(points) == 0 {
		return nil
	}
	s, err := plotter.NewScatter(points)
	if err != nil {
		return err
	}
	s.GlyphStyle = draw.GlyphStyle{Color: c, Radius: radius, Shape: draw.CircleGlyph{}}
	labels, err := plotter.NewLabels(plotter.XYLabels{XYs: points, Labels: names})
	if err != nil {
		return err
	}
	for i := range labels.TextStyle {
		labels.TextStyle[i].Color = c
		labels.TextStyle[i].Font.Size = vg.Points(8)
	}
	labels.Offset = vg.Point{X: radius + vg.Points(2), Y: -vg.Points(2)}
	p.Add(s, labels)
	return nil
}

// logarithmic gives an axis ticks where they are named, and room for the names of dots at its end.
func logarithmic(a *plot.Axis, room float64, ticks ...float64) {
	a.Scale = plot.LogScale{}
	var marks plot.ConstantTicks
	for _, t := range ticks {
		if a.Min <= t && t <= a.Max*room {
			marks = append(marks, plot.Tick{Value: t, Label: fmt.Sprint(t)})
		}
	}
	a.Max *= room
	a.Tick.Marker = marks
}

func line(p *plot.Plot, points plotter.XYs, c color.Color) error {
	if len(points) == 0 {
		return nil
	}
	l, err := plotter.NewLine(points)
	if err != nil {
		return err
	}
	l.Color, l.Width = c, vg.Points(1.5)
	p.Add(l)
	return nil
}

// rateAndQuality is the 1080p clip: the default's curve over its quality settings, the other systems and codecs as they are set; the larger a dot,
// the more CPU.
func rateAndQuality(list []entry, j *journal) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = "1080p recording: rate and quality (size: CPU)"
	p.X.Label.Text, p.Y.Label.Text = "kbit/s", "SSIM, dB"
	for _, e := range list {
		c, named := blue(), e.Name
		switch e.Set {
		case "peer":
			c = red()
		case "option":
			if c = grey(); !strings.HasPrefix(e.Encoder[0], "libx264") || e.Name == before {
				break
			}
			named = ""
		case "final":
		default:
			continue
		}
		curve := j.find(e.Set, e.Name, fullHD)
		slices.SortFunc(curve, func(a, b *point) int { return int(a.Bytes - b.Bytes) })
		var points plotter.XYs
		for _, q := range curve {
			points = append(points, plotter.XY{X: float64(q.Bytes) * 8 / q.Seconds / 1000, Y: decibels(q.SSIM)})
		}
		if err := line(p, points, c); err != nil {
			return nil, err
		}
		for i, q := range curve {
			name := ""
			if i == len(curve)-1 {
				name = named
			}
			if err := dots(p, points[i:i+1], []string{name}, c, vg.Points(1.6*j.multiple(e.Set, e.Name, fullHD, q.CRF))); err != nil {
				return nil, err
			}
		}
	}
	logarithmic(&p.X, 1.6, 250, 500, 1000, 2000, 4000, 8000, 16000)
	return p, nil
}

// searchPanel is the search: what each encoder needs for the same quality, with the front drawn through. Only the presets, the choice and the front
// have names, or none could be read.
func searchPanel(_ []entry, j *journal) (*plot.Plot, error) {
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = "encoder's CPU", "bytes"
	names, clips := j.names("search"), j.complete("search")
	if len(clips) == 0 {
		return p, nil
	}
	p.Title.Text = fmt.Sprintf("Search: encoders at equal SSIM, %s = 1", names[0])
	spots := j.spots("search", names[0], clips, names)
	on := map[string]string{}
	var edge plotter.XYs
	for i, s := range front(spots) {
		if on[s.name] = s.name; i > 0 && s.cpu < 1.05*edge[i-1].X {
			on[s.name] = "" // its name would lie on its neighbour's
		}
		edge = append(edge, plotter.XY{X: s.cpu, Y: s.bytes})
	}
	if err := line(p, edge, blue()); err != nil {
		return nil, err
	}
	for _, s := range spots {
		c, name := grey(), ""
		label, best := on[s.name]
		switch {
		case s.name == found:
			c, name = red(), s.name
		case best:
			c, name = blue(), label
		case !strings.Contains(s.name, " "):
			name = s.name
		}
		if err := dots(p, plotter.XYs{{X: s.cpu, Y: s.bytes}}, []string{name}, c, vg.Points(2.5)); err != nil {
			return nil, err
		}
	}
	logarithmic(&p.Y, 1.05, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.5, 2, 3, 4, 6, 8)
	p.X.Max *= 1.2
	return p, nil
}

// peersPanel is what the other systems take, from the recording to the proxy, as a multiple of the default at their own quality.
func peersPanel(list []entry, j *journal) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = "Whole job at each system's SSIM, default = 1"
	p.X.Label.Text, p.Y.Label.Text = "CPU", "bytes"
	points, names := plotter.XYs{{X: 1, Y: 1}}, []string{""}
	for _, e := range list {
		if e.Set != "peer" {
			continue
		}
		var cpu, bytes []float64
		for _, clip := range j.clips("peer") {
			if c, b, err := j.versus(e, clip); err == nil {
				cpu, bytes = append(cpu, 1/c), append(bytes, 1/b)
			}
		}
		if len(cpu) > 0 {
			points, names = append(points, plotter.XY{X: mean(cpu), Y: mean(bytes)}), append(names, e.Name)
		}
	}
	if err := dots(p, points, names, red(), vg.Points(4)); err != nil {
		return nil, err
	}
	if err := dots(p, points[:1], []string{chosen}, blue(), vg.Points(4)); err != nil {
		return nil, err
	}
	logarithmic(&p.Y, 1.05, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.5, 2, 3, 4)
	p.X.Max *= 1.15
	return p, nil
}

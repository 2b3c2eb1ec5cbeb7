package main

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// chartID names a chart and its file.
type chartID string

const (
	chartSize    chartID = "fleet-size"
	chartPeriod  chartID = "period"
	chartHistory chartID = "history"
	chartHits    chartID = "hits"
)

// chart is how a chart looks.
type chart struct {
	id          chartID
	title, x    string
	logarithmic bool
}

func chartList() []chart {
	return []chart{
		{chartSize, "Month, whole fleet, by billing value", "live resources", true},
		{chartPeriod, "Whole fleet, by length of the period", "days", false},
		{chartHistory, "The same month after years of history", "years", false},
		{chartHits, "Month, whole fleet, by share of lines that a filter selects", "percent of the lines", false},
	}
}

// draw writes the charts as SVG files into a folder.
func drawCharts(dir string, r *results) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, c := range chartList() {
		if err := c.draw(filepath.Join(dir, string(c.id)+".svg"), r.Charts[c.id]); err != nil {
			return fmt.Errorf("chart %s: %w", c.id, err)
		}
	}
	return nil
}

// colours tell series apart, also for those who see few colours.
func colours() []color.Color {
	return []color.Color{color.RGBA{0x1f, 0x6f, 0xb4, 0xff}, color.RGBA{0xd9, 0x5f, 0x02, 0xff}, color.RGBA{0x66, 0x66, 0x66, 0xff}}
}

func (c *chart) draw(path string, series map[string][]point) error {
	p := plot.New()
	p.Title.Padding, p.X.Label.Padding, p.Y.Label.Padding = vg.Points(6), vg.Points(4), vg.Points(4)
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.title, c.x, "ms (p50)"
	p.BackgroundColor = color.White
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.Padding = vg.Points(3)
	p.Add(plotter.NewGrid())
	greatest := 0.0
	for i, name := range sortedKeys(series) {
		points := plotter.XYs{}
		for _, at := range series[name] {
			points = append(points, plotter.XY{X: at.X, Y: at.Y})
			greatest = max(greatest, at.Y)
		}
		slices.SortFunc(points, func(a, b plotter.XY) int { return int(math.Copysign(1, a.X-b.X)) })
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return err
		}
		line.Color, dots.Color = colours()[i%3], colours()[i%3]
		line.Width, dots.Shape, dots.Radius = vg.Points(1.5), draw.CircleGlyph{}, vg.Points(2.5)
		p.Add(line, dots)
		p.Legend.Add(name, line, dots)
	}
	if c.logarithmic {
		p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
		p.X.Tick.Marker, p.Y.Tick.Marker = decades{}, decades{}
		p.X.Max, p.Y.Max = p.X.Max*1.2, p.Y.Max*4 // room for the last label and for the legend
	} else {
		p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, p.X.Max*1.04, 0, greatest*1.35
	}
	return save(p, path)
}

// save writes a chart as SVG, in a typeface that readers have.
func save(p *plot.Plot, path string) error {
	w, err := p.WriterTo(15*vg.Centimeter, 9*vg.Centimeter, "svg")
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if _, err := w.WriteTo(&text); err != nil {
		return err
	}
	return os.WriteFile(path, bytes.ReplaceAll(text.Bytes(), []byte("Liberation Serif"), []byte("Liberation Sans,Arial,sans-serif")), 0o644)
}

// decades marks 1, 2 and 5 times the powers of ten.
type decades struct{}

// Ticks implements plot.Ticker.
func (decades) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for power := math.Floor(math.Log10(low)); power <= math.Ceil(math.Log10(high)); power++ {
		for _, factor := range []float64{1, 2, 5} {
			if v := factor * math.Pow(10, power); v >= low && v <= high {
				ticks = append(ticks, plot.Tick{Value: v, Label: number(v)})
			}
		}
	}
	return ticks
}

package console

import (
	"slices"
	"strconv"
	"strings"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/console/timeline"
)

// resourceDrawing is the timeline as SVG: places across are shares, places down
// are pixels, so that it fits any width without stretching its texts.
type resourceDrawing struct {
	Height, AxisY, LabelY int
	Description           string
	Lanes                 []drawnLane
	Marks                 []drawnMark
	Ticks                 []drawnTick
	Kinds                 []drawnKind // what the marks mean
	Charts                []drawnChart
}

type drawnLane struct {
	Label         string
	Colour        int // of the palette
	LabelY, BarY  int
	Minutes       int64
	Bars          []drawnBar
	MinutesLegend string
}

type drawnBar struct {
	X, Width timeline.Share
	Title    string
}

type drawnMark struct {
	At           timeline.Share
	Letter, Kind string
	Title        string
}

type drawnTick struct {
	At            timeline.Share
	Label, Anchor string
}

type drawnKind struct{ Letter, Kind, Text string }

// drawnChart has the bars by day of a counted line.
type drawnChart struct {
	Anchor, Metric, Greatest, Per string
	Unit                          string
	Columns                       []drawnColumn
}

type drawnColumn struct {
	X, Width timeline.Share
	Y, H     int
	Label    string
	Sum      string
	Shown    string
	Windows  int
}

// Sizes of the drawing in pixels.
const (
	marksHeight = 24
	laneHeight  = 42
	axisHeight  = 22
	chartHeight = 120
	paletteSize = 6
	labelRunes  = 44 // that fit a phone
)

func drawResource(plan *timeline.Plan, a *client.Account, runs []timeline.Run, changes []timeline.Change) (d resourceDrawing) {
	for _, t := range plan.Scale.Ticks() {
		anchor := "middle"
		switch {
		case t.At == 0:
			anchor = "start"
		case t.At > 9500:
			anchor = "end"
		}
		d.Ticks = append(d.Ticks, drawnTick{t.At, t.Label, anchor})
	}
	for i, l := range plan.Lanes(runs) {
		d.Lanes = append(d.Lanes, drawLane(i, &l))
	}
	d.mark(timeline.Marks(changes, plan.Scale))
	d.AxisY = marksHeight + len(d.Lanes)*laneHeight
	d.Height, d.LabelY = d.AxisY+axisHeight, d.AxisY+16
	for i := range a.Lines {
		if columns := timeline.Columns(&a.Lines[i], plan.Scale); len(columns) > 0 {
			d.Charts = append(d.Charts, drawChart(i, &a.Lines[i].Line, columns))
		}
	}
	d.Description = d.describe(plan.Scale)
	return d
}

func drawLane(i int, l *timeline.Lane) drawnLane {
	top := marksHeight + i*laneHeight
	lane := drawnLane{
		Label: shortened(l.Label, labelRunes), Colour: i % paletteSize, LabelY: top + 13, BarY: top + 19,
		Minutes: l.Minutes, MinutesLegend: readable(jsonNumber(l.Minutes), "minutes").Readable,
	}
	for _, b := range l.Bars {
		lane.Bars = append(lane.Bars, drawnBar{b.X, b.Width, l.Label + ": " + exactTime(b.From) + " to " + exactTime(b.To) + " UTC, " + strconv.FormatInt(b.Minutes, 10) + " minutes"})
	}
	return lane
}

func shortened(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// kindLetters are what the marks show, so that colour is not all that tells them
// apart.
func kindLetters() []drawnKind {
	return []drawnKind{
		{"C", "created", string(timeline.Created)}, {"S", "resized", string(timeline.Resized)}, {"N", "renamed", string(timeline.Renamed)},
		{"A", "changed", "other attributes changed"}, {"M", "moved", "moved between projects or regions"}, {"D", "deleted", string(timeline.Deleted)},
		{"R", "retracted", "an observation was retracted"},
	}
}

func markKind(k timeline.Kind) drawnKind {
	name := string(k)
	if k == timeline.MovedIn || k == timeline.MovedAway {
		name = "moved"
	}
	kinds := kindLetters()
	return kinds[slices.IndexFunc(kinds, func(d drawnKind) bool { return d.Kind == name })]
}

// mark draws the marks, and explains the kinds that there are. A mark of several
// kinds shows how many changes it stands for.
func (d *resourceDrawing) mark(marks []timeline.Mark) {
	there := map[string]bool{}
	for _, m := range marks {
		first := markKind(m.Kinds[0])
		drawn := drawnMark{m.At, first.Letter, first.Kind, strings.Join(m.Texts, "\n")}
		for _, k := range m.Kinds {
			if there[markKind(k).Kind] = true; markKind(k) != first {
				drawn.Kind = "several"
			}
		}
		if len(m.Kinds) > 1 {
			drawn.Letter = countText(len(m.Kinds))
		}
		d.Marks = append(d.Marks, drawn)
	}
	for _, k := range kindLetters() {
		if there[k.Kind] {
			d.Kinds = append(d.Kinds, k)
		}
	}
}

func countText(n int) string {
	if n > 99 {
		return "99+"
	}
	return strconv.Itoa(n)
}

// describe says what the drawing shows; the tables below have its numbers.
func (d *resourceDrawing) describe(scale timeline.Scale) string {
	text := "From " + exactTime(scale.From) + " to " + exactTime(scale.To) + " UTC. "
	for _, l := range d.Lanes {
		text += l.Label + " for " + strconv.FormatInt(l.Minutes, 10) + " minutes. "
	}
	return text + strconv.Itoa(len(d.Marks)) + " marks. The tables below have all numbers."
}

func drawChart(line int, l *client.Line, columns []timeline.Column) drawnChart {
	c := drawnChart{Anchor: "chart-" + strconv.Itoa(line), Metric: l.BillingMetricName, Unit: unitWord(l.BillingValueUnit), Per: "day"}
	if len(columns[0].Label) == len("2006-01") {
		c.Per = "month"
	}
	for _, column := range columns {
		height := int(int64(column.Height) * chartHeight / 10_000)
		if height == 0 && column.Sum != "0" {
			height = 1
		}
		shown := shownAmount(jsonText(column.Sum), l.BillingValueUnit)
		c.Columns = append(c.Columns, drawnColumn{column.X, max(column.Width*9/10, 5), chartHeight - height, height, column.Label, column.Sum, shown, column.Windows})
	}
	if g := timeline.Greatest(columns); g != nil {
		c.Greatest = readable(jsonText(g.Sum), l.BillingValueUnit).Readable + " on " + g.Label
	}
	return c
}

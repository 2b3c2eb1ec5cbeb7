package metering

import (
	"fmt"
	"slices"
	"strings"
)

// A timeline of up to this many minutes is drawn to scale, a character a minute.
const drawnMinutes = 90

func letter(i int) string { return string(rune('A' + i)) }

// clock prints an instant without the date where it is the script's day.
func (s *script) clock(i Instant) string {
	text := i.Time().Format("15:04:05.999999999")
	if i.Day() != s.day {
		text = i.Time().Format("01-02 ") + text
	}
	return text
}

// start prints the start of a minute.
func (s *script) start(m Minute) string {
	if m == Open {
		return "open"
	}
	return strings.TrimSuffix(s.clock(m.Sample()-sampleOffset), ":00")
}

func describe(d *Description) string {
	words := []string{}
	for i, text := range d.Attributes.Texts {
		switch a := Attribute(i); {
		case text == "":
		case a == Name:
			words = append(words, text)
		default:
			words = append(words, a.String()+"="+text)
		}
	}
	switch t := d.Meter.Type; {
	case t.Measure() == Sized && t.SizeUnit() == GiB:
		words = append(words, fmt.Sprintf("last_size=%d", t.LastSize(d.Multiplier)))
	case t.Measure() == Sized:
		words = append(words, fmt.Sprintf("size=%d", d.Multiplier))
	case d.Multiplier != 1:
		words = append(words, fmt.Sprintf("count=%d", d.Multiplier))
	}
	return strings.Join(words, " ")
}

// drawTimeline draws the segments and lists them.
func (s *script) drawTimeline() string {
	var out strings.Builder
	if segments := s.timeline.Segments; len(segments) == 0 {
		out.WriteString("never there\n")
	} else if s.timeline.LastBoundary-segments[0].From <= drawnMinutes {
		s.drawToScale(&out)
	} else {
		s.drawSchema(&out)
	}
	for i, seg := range s.timeline.Segments {
		length := "open"
		if seg.To != Open {
			length = fmt.Sprintf("%d min", seg.To-seg.From)
		}
		fmt.Fprintf(&out, "%s [%s, %s) %s: %s\n", letter(i), s.start(seg.From), s.start(seg.To), length, describe(seg.Is))
	}
	return out.String()
}

// drawToScale draws each minute as one character: the letter of its segment, or
// a dot when the resource is not there; ">" when it goes on.
func (s *script) drawToScale(out *strings.Builder) {
	from := s.timeline.Segments[0].From / 10 * 10
	to := max(s.timeline.LastBoundary, s.timeline.Segments[0].From) + 5
	var labels, ticks, row strings.Builder
	for m := from; m < to; m++ {
		mark := "."
		for i, seg := range s.timeline.Segments {
			if seg.From <= m && m < seg.To {
				mark = letter(i)
				if seg.To == Open && m == to-1 {
					mark = ">"
				}
			}
		}
		row.WriteString(mark)
		tick := " "
		switch {
		case m%10 == 0:
			tick = "|"
			fmt.Fprintf(&labels, "%-10s", (m.Sample() - sampleOffset).Time().Format("15:04"))
		case m%5 == 0:
			tick = "'"
		}
		ticks.WriteString(tick)
	}
	for _, line := range []string{labels.String(), ticks.String(), row.String()} {
		out.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// drawSchema draws the segments side by side, not to scale.
func (s *script) drawSchema(out *strings.Builder) {
	const width = 20
	var labels, row strings.Builder
	for i, seg := range s.timeline.Segments {
		fmt.Fprintf(&labels, "%-*s", width, s.start(seg.From))
		row.WriteString("|" + strings.Repeat("-", 8) + " " + letter(i) + " " + strings.Repeat("-", 8))
		switch {
		case seg.To == Open:
			row.WriteString(">")
		case i+1 == len(s.timeline.Segments):
			labels.WriteString(s.start(seg.To))
			row.WriteString("|")
		case s.timeline.Segments[i+1].From != seg.To:
			fmt.Fprintf(&labels, "%-*s", width, s.start(seg.To))
			row.WriteString("|" + strings.Repeat(" ", width-1))
		}
	}
	out.WriteString(strings.TrimRight(labels.String(), " ") + "\n" + row.String() + "\n")
}

// drawDay draws the windows, an hour as two characters, and lists the sums with
// their arithmetic.
func (s *script) drawDay() string {
	var out strings.Builder
	out.WriteString("0   2   4   6   8   10  12  14  16  18  20  22  24\n")
	counted := naiveCounted(s.windows)
	for i := range s.windows {
		w := &s.windows[i]
		verdict := "corrected"
		if slices.Contains(counted, *w) {
			verdict = "counts"
		}
		column := func(at Instant) int { return int((at - s.day.Start()) / (1800 * Second)) }
		bar := strings.Repeat(" ", column(w.From)) + "[" + strings.Repeat("=", max(column(w.To)-column(w.From)-1, 0)) + ")"
		fmt.Fprintf(&out, "%-51s %s %s: %s\n", bar, w.ID, w.Quantity.Format(QuantityScale), verdict)
	}
	if len(s.sums) == 0 {
		out.WriteString("nothing counts\n")
	}
	for _, sum := range s.sums {
		s.drawSum(&out, sum, counted)
	}
	return out.String()
}

func (s *script) drawSum(out *strings.Builder, sum DaySum, counted []Window) {
	mine := slices.DeleteFunc(slices.Clone(counted), func(w Window) bool { return w.Meter != sum.Meter })
	if sumOf(mine).Cmp(sum.Sum.big()) != 0 {
		s.t.Errorf("%s sums to %v, want %v", sum.Meter.Metric, sum.Sum.big(), sumOf(mine))
	}
	slices.SortFunc(mine, func(a, b Window) int { return a.compareKey(&b) })
	var terms []string
	named := ""
	for _, w := range mine {
		terms = append(terms, w.Quantity.Format(QuantityScale))
		if w.Attributes == sum.Attributes {
			named = w.ID
		}
	}
	fmt.Fprintf(out, "%s: %s = %s %s\n", sum.Meter.Metric, strings.Join(terms, " + "), sum.Sum.Format(QuantityScale), sum.Meter.Unit)
	fmt.Fprintf(out, "  on %s from %s to %s, described by %s\n", sum.Day, s.clock(sum.First), s.clock(sum.Last), named)
}

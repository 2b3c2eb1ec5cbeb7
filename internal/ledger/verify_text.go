package ledger

import (
	"fmt"
	"slices"
	"strings"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
)

func observationText(s *layout.Stored) string {
	return fmt.Sprintf("observation %q of source %q in project %d (number %d)", s.Name.ID, s.Name.Source, s.Name.Project, s.Seq)
}

// idText names what an id entry is about.
func (v *verifier) idText(key []byte) string {
	project, source, id, err := layout.DecodeID(key)
	if err != nil {
		return fmt.Sprintf("id entry %x", key)
	}
	text, err := v.sources.text(source)
	if err != nil {
		text = fmt.Sprintf("number %d", source)
	}
	return fmt.Sprintf("id entry %q of source %q in project %d", id, text, project)
}

func resourceText(k metering.ResourceKey) string {
	return fmt.Sprintf("%v %v of project %d in region %d", k.Type, k.ID, k.Project, k.Region)
}

func unitText(u layout.Unit) string {
	if u.Resource.Type.Measure() == metering.Counted {
		return resourceText(u.Resource) + " on " + u.Day.String()
	}
	return resourceText(u.Resource)
}

// timelineDifference says in what two timelines differ. Hidden and Shared may say more
// than necessary: that only costs looking at the observations.
func timelineDifference(stored, want *metering.Timeline) (is, should string, differs bool) {
	for i := range max(len(stored.Segments), len(want.Segments)) {
		if i >= len(stored.Segments) || i >= len(want.Segments) || !sameSegment(&stored.Segments[i], &want.Segments[i]) {
			return segmentText(stored.Segments, i), segmentText(want.Segments, i), true
		}
	}
	switch {
	case stored.Known != want.Known:
		return knownText(stored), knownText(want), true
	case stored.Known && stored.LastBoundary != want.LastBoundary:
		return knownText(stored), knownText(want), true
	case stored.Hidden != want.Hidden && stored.Hidden != metering.ManyHidden:
		return hiddenText(stored), hiddenText(want), true
	case want.Shared && !stored.Shared:
		return "each state with a minute of its own", "several states that share a minute", true
	}
	return "", "", false
}

func sameSegment(s, t *metering.Segment) bool {
	return s.From == t.From && s.To == t.To && s.Is.Equal(t.Is)
}

func knownText(t *metering.Timeline) string {
	if !t.Known {
		return "no states"
	}
	return "last boundary " + minuteText(t.LastBoundary)
}

func hiddenText(t *metering.Timeline) string {
	switch t.Hidden {
	case metering.NoneHidden:
		return "no hidden boundary"
	case metering.ManyHidden:
		return "several hidden boundaries"
	}
	return "a hidden boundary " + minuteText(t.Hidden)
}

func minuteText(m metering.Minute) string {
	if m == metering.Open {
		return "open"
	}
	return (metering.Instant(m) * 60 * metering.Second).String()
}

func segmentText(segments []metering.Segment, i int) string {
	if i >= len(segments) {
		return fmt.Sprintf("no segment %d", i+1)
	}
	s := &segments[i]
	return fmt.Sprintf("segment %d from %s to %s: %s x %d%s", i+1, minuteText(s.From), minuteText(s.To),
		meterText(&s.Is.Meter), s.Is.Multiplier, attributesText(&s.Is.Attributes))
}

func meterText(m *metering.Meter) string {
	return strings.Join(slices.DeleteFunc([]string{m.Metric, m.Dimension, m.Unit}, func(s string) bool { return s == "" }), "/")
}

func attributesText(a *metering.Attributes) string {
	var b strings.Builder
	for i, text := range a.Texts {
		if text != "" {
			fmt.Fprintf(&b, " %v=%q", metering.Attribute(i), text)
		}
	}
	for _, t := range a.Tags {
		fmt.Fprintf(&b, " tag %q=%q", t.Key, t.Value)
	}
	return b.String()
}

func windowsText(s *metering.DaySum) string {
	return fmt.Sprintf("%s of the windows %x", meterText(&s.Meter), []byte(s.Windows))
}

func sumsText(sums []metering.DaySum) string {
	if len(sums) == 0 {
		return "nothing"
	}
	texts := make([]string, len(sums))
	for i := range sums {
		s := &sums[i]
		texts[i] = fmt.Sprintf("%s %s from %v to %v%s", s.Sum.Format(metering.QuantityScale), meterText(&s.Meter), s.First, s.Last, attributesText(s.Attributes))
	}
	return strings.Join(texts, "; ")
}

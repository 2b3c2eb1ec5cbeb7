package console

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/meterbook/meterbook/client"
)

// strip is a small chart of how much came, one bar a step, as the paths of an
// SVG. Heights grow with the logarithm, so that a trickle is seen beside a flood,
// and a step without any event cannot be taken for little.
type strip struct {
	Width, Height int
	// Accepted, Refused and Gaps are paths: bars of accepted events, marks of
	// refused ones, and steps in which nothing came of a source that otherwise sends
	// in most of them. Others send when something happens: their silence is no gap.
	Accepted, Refused, Gaps string
	Label                   string // what it shows, for those who do not see it
}

const (
	stripStep   = 5
	stripHeight = 30
	stripTop    = 4 // kept free for marks
)

// newStrip draws a series. first is the step in which the source was heard first:
// what lies before is no gap. The last step is not over, so it is none either.
func newStrip(what string, s *client.CountSeries, first int, at func(int) string) strip {
	n := len(s.Accepted)
	g := strip{Width: max(1, n*stripStep), Height: stripHeight}
	most, refused, runs := int64(1), int64(0), []string{}
	for i := range n {
		most = max(most, s.Accepted[i])
	}
	var accepted, marks, gaps strings.Builder
	began, regular := -1, isRegular(s, first)
	for i := range n {
		x := i*stripStep + stripStep/2
		if h := barHeight(s.Accepted[i], most); h > 0 {
			fmt.Fprintf(&accepted, "M%d %dV%d", x, stripHeight, stripHeight-h)
		}
		if s.Rejected[i] > 0 {
			refused += s.Rejected[i]
			fmt.Fprintf(&marks, "M%d 0v3", x)
		}
		gap := regular && i > first && i < n-1 && nothing(s, i)
		if gap {
			fmt.Fprintf(&gaps, "M%d %dh%d", i*stripStep, stripHeight-1, stripStep)
		}
		if gap && began < 0 {
			began = i
		}
		if !gap && began >= 0 {
			runs, began = append(runs, gapText(what, began, i, at)), -1
		}
	}
	g.Accepted, g.Refused, g.Gaps = accepted.String(), marks.String(), gaps.String()
	g.Label = stripLabel(what, n, refused, runs)
	if !regular {
		g.Label = strings.Replace(g.Label, ", no gap", ", only now and then", 1)
	}
	return g
}

func nothing(s *client.CountSeries, i int) bool {
	return s.Accepted[i]+s.Duplicates[i]+s.Rejected[i] == 0
}

// someSteps are enough to tell a source that is back after a long outage from one
// that sends now and then.
const someSteps = 6

// isRegular reports whether something came in at least half of the steps that are
// over since the source was heard first. The longest silence is not counted where
// there is enough besides it: an outage must not hide itself by its length.
func isRegular(s *client.CountSeries, first int) bool {
	over, with, silence, longest := 0, 0, 0, 0
	for i := max(first, 0); i < len(s.Accepted)-1; i++ {
		over++
		if silence++; !nothing(s, i) {
			with, silence = with+1, 0
		}
		longest = max(longest, silence)
	}
	if with >= someSteps {
		over -= longest
	}
	return with > 0 && 2*with >= over
}

func gapText(what string, from, to int, at func(int) string) string {
	if to == from+1 {
		return at(from)
	}
	return fmt.Sprintf("%d %ss from %s", to-from, what, at(from))
}

// runsTold is how many gaps are told in words; the numbers tell all.
const runsTold = 3

func stripLabel(what string, n int, refused int64, runs []string) string {
	text := fmt.Sprintf("Accepted events by %s, %d %[1]ss", what, n)
	switch {
	case len(runs) == 0:
		text += ", no gap"
	case len(runs) > runsTold:
		text += fmt.Sprintf(", %d gaps, the last one %s", len(runs), runs[len(runs)-1])
	default:
		text += ", nothing came in " + strings.Join(runs, ", ")
	}
	if refused > 0 {
		text += fmt.Sprintf(", %d refused", refused)
	}
	return text
}

// barHeight is the height of a bar in pixels: 0 for nothing, at least 3 for
// something.
func barHeight(n, most int64) int {
	if n == 0 {
		return 0
	}
	const least = 3
	room := stripHeight - stripTop - least
	return least + room*bits.Len64(uint64(n))/bits.Len64(uint64(most))
}

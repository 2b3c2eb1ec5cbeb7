package metering

import (
	"cmp"
	"slices"
)

// MinuteSpan is a half-open run of minutes [From, To), never empty.
type MinuteSpan struct{ From, To Minute }

// Counted returns the minutes in [from, to) that count, in order; spans that
// touch are one.
func (t Timeline) Counted(from, to Minute) []MinuteSpan {
	var spans []MinuteSpan
	for i := range t.Segments {
		start, end := max(t.Segments[i].From, from), min(t.Segments[i].To, to)
		if start < end {
			spans = appendSpan(spans, MinuteSpan{start, end})
		}
	}
	return spans
}

// CountedDays returns the whole days of the period on which day sums in ascending
// order of days count, as minutes.
func CountedDays(sums []DaySum, in Period) []MinuteSpan {
	var spans []MinuteSpan
	for i := range sums {
		if day := sums[i].Day; in.Contains(day) {
			spans = appendSpan(spans, MinuteSpan{day.FirstMinute(), (day + 1).FirstMinute()})
		}
	}
	return spans
}

// appendSpan adds a span that does not begin before the last one.
func appendSpan(spans []MinuteSpan, s MinuteSpan) []MinuteSpan {
	if n := len(spans); n > 0 && s.From <= spans[n-1].To {
		spans[n-1].To = max(spans[n-1].To, s.To)
		return spans
	}
	return append(spans, s)
}

// Claim is the minutes that a resource counts.
type Claim struct {
	Resource ResourceKey
	Counted  []MinuteSpan // disjoint, not touching
}

// Sharing is the minutes that resources of one type and id count in two or more
// projects at once (spec 2-metering, "The model").
type Sharing struct {
	Resources []ResourceKey // that take part, in canonical order
	From, To  Minute        // from the first such minute to behind the last one
	Minutes   int64         // how many there are in [From, To)
}

// Shared finds the minutes that are counted in two or more projects. What a
// project counts twice, in two regions, is not shared by it. ok is false when
// there is no such minute.
//
//	project 10  ======....====
//	project 11  ...=======....
//	project 11  ...........==.     (another region)
//	shared      ...===.....==.     5 minutes
func Shared(claims []Claim) (s Sharing, ok bool) {
	edges := edgesOf(claims)
	active := map[int]bool{} // claims, by index
	counting := map[ProjectID]int{}
	taking := map[int]bool{}
	for i, e := range edges {
		project := claims[e.claim].Resource.Project
		if e.begins {
			active[e.claim] = true
			counting[project]++
		} else {
			delete(active, e.claim)
			if counting[project]--; counting[project] == 0 {
				delete(counting, project)
			}
		}
		if len(counting) < 2 || edges[i+1].at == e.at {
			continue
		}
		if s.Minutes == 0 {
			s.From = e.at
		}
		s.To = edges[i+1].at
		s.Minutes += int64(s.To - e.at)
		for c := range active {
			taking[c] = true
		}
	}
	for c := range taking {
		s.Resources = append(s.Resources, claims[c].Resource)
	}
	slices.SortFunc(s.Resources, ResourceKey.Compare)
	return s, s.Minutes > 0
}

// edge is where a span of a claim begins or ends.
type edge struct {
	at     Minute
	begins bool
	claim  int
}

func edgesOf(claims []Claim) []edge {
	var edges []edge
	for i := range claims {
		for _, span := range claims[i].Counted {
			edges = append(edges, edge{span.From, true, i}, edge{span.To, false, i})
		}
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Compare(a.at, b.at) }) // only what holds behind all edges of a minute matters
	return edges
}

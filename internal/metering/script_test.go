package metering

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestScripts runs the scripts in testdata/timeline, which specify the algebra;
// README.txt there explains them. With -rewrite it rewrites what they expect.
func TestScripts(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/timeline", func(t *testing.T, path string) {
		if strings.HasSuffix(path, "README.txt") {
			return
		}
		s := &script{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			return s.run(d)
		})
	})
}

// script is what the commands of one file have told so far.
type script struct {
	t        *testing.T
	day      Day
	typ      ResourceType
	states   []State
	timeline Timeline
	windows  []Window
	sums     []DaySum
}

func (s *script) run(d *datadriven.TestData) string {
	if d.Cmd == "timeline" || d.Cmd == "quantities" {
		s.begin(d)
		s.states, s.windows = nil, nil
	}
	lines := strings.Split(strings.TrimSpace(d.Input), "\n")
	switch d.Cmd {
	case "timeline":
		for _, line := range lines {
			s.states = append(s.states, s.parseState(line))
		}
		return s.fold()
	case "place":
		return s.place(lines)
	case "minutes":
		return s.minutes(d)
	case "quantities":
		for _, line := range lines {
			s.windows = append(s.windows, s.parseWindow(line))
		}
		s.sums = FoldDay(s.day, slices.Clone(s.windows))
		return s.drawDay()
	case "add":
		return s.add(lines)
	case "retract":
		return s.retract(lines)
	case "explain":
		return s.explain(d)
	}
	s.t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
	return ""
}

func (s *script) begin(d *datadriven.TestData) {
	day, typ := "2024-07-01", "instance"
	if d.Cmd == "quantities" {
		typ = "functions"
	}
	d.MaybeScanArgs(s.t, "day", &day)
	d.MaybeScanArgs(s.t, "type", &typ)
	var ok bool
	if s.day, ok = ParseDate(day); !ok {
		s.t.Fatalf("%s: bad day %q", d.Pos, day)
	}
	if s.typ, ok = ResourceTypeNamed(typ); !ok {
		s.t.Fatalf("%s: no type %q", d.Pos, typ)
	}
}

// fold makes the timeline of the states, and checks that their order does not
// matter.
func (s *script) fold() string {
	s.timeline = FoldStates(slices.Clone(s.states))
	random := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		if again := FoldStates(shuffled(random, s.states)); !equalTimelines(s.timeline, again) {
			s.t.Errorf("in another order the states give\n%+v, not\n%+v", again, s.timeline)
		}
	}
	checkTimeline(s.t, s.timeline, s.states)
	return s.drawTimeline()
}

func (s *script) place(lines []string) string {
	var out strings.Builder
	for _, line := range lines {
		state := s.parseState(line)
		s.states = append(s.states, state)
		placed, ok := s.timeline.Place(&state)
		anew := s.fold()
		if !ok {
			fmt.Fprintf(&out, "%s: folded anew\n%s", line, anew)
			continue
		}
		if !equalTimelines(placed, s.timeline) {
			s.t.Errorf("%s: placed gives\n%+v, folding anew\n%+v", line, placed, s.timeline)
		}
		s.timeline = placed
		fmt.Fprintf(&out, "%s: placed\n%s", line, s.drawTimeline())
	}
	return out.String()
}

// minutes counts the timeline's minutes in a period, one line a meter, and
// checks them against the naive evaluation.
func (s *script) minutes(d *datadriven.TestData) string {
	var from, to string
	now := "2100-01-01T00:00:00Z"
	d.ScanArgs(s.t, "from", &from)
	d.ScanArgs(s.t, "to", &to)
	d.MaybeScanArgs(s.t, "now", &now)
	first, ok1 := ParseDate(from)
	end, ok2 := ParseDate(to)
	if !ok1 || !ok2 {
		s.t.Fatalf("%s: bad period", d.Pos)
	}
	p, at := Period{first, end}, s.instant(now)
	naive := naiveMinutes(s.states, p, at)
	usages := s.timeline.Usage(p.Minutes(at))
	if len(usages) != len(naive) {
		s.t.Errorf("%s: %d lines, want %d", d.Pos, len(usages), len(naive))
	}
	var out strings.Builder
	for _, u := range usages {
		n := naive[u.Meter]
		if n == nil || u.Value.big().Cmp(n.value) != 0 || u.First != n.first || u.Last != n.last || u.Multiplier != n.lastIs.Multiplier || !u.Attributes.Equal(&n.lastIs.Attributes) {
			s.t.Errorf("%s: %s: got %+v, want %+v", d.Pos, u.Meter.Metric, u, n)
			continue
		}
		terms := strings.Join(s.terms(u.Meter, p, at), " + ")
		fmt.Fprintf(&out, "%s: %s = %s %s\n", u.Meter.Metric, terms, u.Value.Format(s.typ.Measure().Scale()), u.Meter.Unit)
		fmt.Fprintf(&out, "  from %s to %s, then %s\n", s.clock(u.First), s.clock(u.Last), describe(n.lastIs))
	}
	if out.Len() == 0 {
		return "nothing counts\n"
	}
	return out.String()
}

// terms tells what each segment adds to a meter.
func (s *script) terms(meter Meter, p Period, now Instant) []string {
	var terms []string
	first, end := p.Minutes(now)
	for i, seg := range s.timeline.Segments {
		from, to := max(seg.From, first), min(seg.To, end)
		if from >= to || seg.Is.Meter != meter {
			continue
		}
		term := fmt.Sprintf("%s %d", letter(i), to-from)
		if seg.Is.Multiplier != 1 {
			term += fmt.Sprintf(" x %d", seg.Is.Multiplier)
		}
		terms = append(terms, term)
	}
	return terms
}

func (s *script) add(lines []string) string {
	var out strings.Builder
	for _, line := range lines {
		w := s.parseWindow(line)
		s.windows = append(s.windows, w)
		sums, ok := PlaceWindow(s.sums, &w)
		s.sums = FoldDay(s.day, slices.Clone(s.windows))
		how := "folded anew"
		if ok {
			how = "placed"
			if !slices.EqualFunc(sums, s.sums, sameSum) {
				s.t.Errorf("%s: placed gives\n%+v, folding anew\n%+v", line, sums, s.sums)
			}
		}
		fmt.Fprintf(&out, "%s: %s\n%s", line, how, s.drawDay())
	}
	return out.String()
}

// retract treats the observations of these ids as never made.
func (s *script) retract(ids []string) string {
	before := len(s.states) + len(s.windows)
	s.states = slices.DeleteFunc(s.states, func(state State) bool { return slices.Contains(ids, state.ID) })
	s.windows = slices.DeleteFunc(s.windows, func(w Window) bool { return slices.Contains(ids, w.ID) })
	if len(s.states)+len(s.windows) != before-len(ids) {
		s.t.Fatalf("not each of %v names one observation", ids)
	}
	if s.typ.Measure() == Counted {
		s.sums = FoldDay(s.day, slices.Clone(s.windows))
		return s.drawDay()
	}
	return s.fold()
}

// parseState reads "10:00:31 active web-1 flavor=a" or "10:05 deleted seq=2".
func (s *script) parseState(line string) State {
	words := strings.Fields(line)
	if len(words) < 2 {
		s.t.Fatalf("%q: want a time and a status", line)
	}
	state := State{At: s.instant(words[0]), Source: "/s"}
	is := &Description{Multiplier: 1}
	rest := words[2:]
	if words[1] == "active" && len(rest) > 0 && !strings.Contains(rest[0], "=") {
		is.Attributes.Texts[Name], rest = rest[0], rest[1:]
	}
	is.Attributes.Texts[Flavor] = "a"
	if s.typ.Measure() == Sized {
		is.Attributes.Texts[Flavor], is.Attributes.Texts[s.typ.Dimension()] = "", "ssd"
	}
	for _, word := range rest {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "seq":
			state.Sequence = Sequence(s.number(value))
		case "id":
			state.ID = value
		case "source":
			state.Source = value
		case "count":
			is.Multiplier = s.number(value)
		case "size":
			is.Multiplier = s.size(value)
		default:
			a, ok := AttributeNamed(key)
			if !ok || !s.typ.Takes(a) {
				s.t.Fatalf("%q: %s does not take %s", line, s.typ, key)
			}
			is.Attributes.Texts[a] = value
		}
	}
	if words[1] == "active" {
		is.Meter = s.typ.Meter("", "", &is.Attributes)
		state.Is = is
	} else if words[1] != "deleted" {
		s.t.Fatalf("%q: status must be active or deleted", line)
	}
	return state
}

// parseWindow reads "00:00..01:00 1048576 id=q1 at=01:00:10".
func (s *script) parseWindow(line string) Window {
	words := strings.Fields(line)
	from, to, ok := strings.Cut(words[0], "..")
	if !ok || len(words) < 2 {
		s.t.Fatalf("%q: want from..to and a quantity", line)
	}
	w := Window{From: s.instant(from), To: s.instant(to), Source: "/s", Attributes: &Attributes{}}
	w.At = w.To
	if w.Quantity, ok = ParseQuantity(words[1]); !ok || !s.typ.CheckQuantity(w.Quantity) {
		s.t.Fatalf("%q: bad quantity", line)
	}
	if d := s.typ.Dimension(); d != NoAttribute {
		w.Attributes.Texts[d] = "vm"
	}
	for _, word := range words[2:] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "id":
			w.ID = value
		case "source":
			w.Source = value
		case "at":
			w.At = s.instant(value)
		default:
			a, ok := AttributeNamed(key)
			if !ok || !s.typ.Takes(a) {
				s.t.Fatalf("%q: %s does not take %s", line, s.typ, key)
			}
			w.Attributes.Texts[a] = value
		}
	}
	w.Meter = s.typ.Meter("", "", w.Attributes)
	return w
}

// instant reads "10:00", "10:00:31", "2024-07-01T10:00" and the like; times
// without a date are on the script's day, which ends at 24:00.
func (s *script) instant(text string) Instant {
	text = strings.TrimSuffix(text, "Z")
	if text == "24:00" {
		return (s.day + 1).Start()
	}
	if !strings.Contains(text, "T") {
		text = s.day.String() + "T" + text
	}
	if strings.Count(text, ":") == 1 {
		text += ":00"
	}
	ts, _, ok := ParseTimestamp(text)
	i, ok2 := ts.Instant()
	if !ok || !ok2 {
		s.t.Fatalf("bad time %q", text)
	}
	return i
}

func (s *script) number(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *script) size(text string) uint64 {
	if gib, ok := strings.CutSuffix(text, "GiB"); ok {
		return s.number(gib) << 30
	}
	return s.number(strings.TrimSuffix(text, "B"))
}

// sumOf adds up with math/big.
func sumOf(windows []Window) *big.Int {
	sum := new(big.Int)
	for _, w := range windows {
		sum.Add(sum, w.Quantity.big())
	}
	return sum
}

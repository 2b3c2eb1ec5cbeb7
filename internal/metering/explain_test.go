package metering

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// received makes what a store keeps of a state.
func receivedState(t ResourceType, s State) Received {
	r := Received{Observation: Observation{Kind: StateObserved, Time: s.At, Sequence: s.Sequence}}
	r.Name.Source, r.Name.ID, r.Resource.Type = s.Source, s.ID, t
	r.Deleted, r.Meter = s.Is == nil, Meter{Type: t}
	if s.Is != nil {
		r.Meter, r.Multiplier, r.Attributes = s.Is.Meter, s.Is.Multiplier, s.Is.Attributes
	}
	return r
}

// receivedWindow makes what a store keeps of a quantity.
func receivedWindow(w Window) Received {
	r := Received{Observation: Observation{Kind: QuantityObserved, Time: w.At, From: w.From, To: w.To, Quantity: w.Quantity, Meter: w.Meter, Attributes: *w.Attributes}}
	r.Name.Source, r.Name.ID, r.Resource.Type = w.Source, w.ID, w.Meter.Type
	return r
}

// explain accounts for what the script has told; the input is the ids of what is
// retracted.
func (s *script) explain(d *datadriven.TestData) string {
	from, to, now := "2024-07-01", "2024-07-02", "2100-01-01T00:00:00Z"
	d.MaybeScanArgs(s.t, "from", &from)
	d.MaybeScanArgs(s.t, "to", &to)
	d.MaybeScanArgs(s.t, "now", &now)
	first, ok1 := ParseDate(from)
	end, ok2 := ParseDate(to)
	if !ok1 || !ok2 {
		s.t.Fatalf("%s: bad period", d.Pos)
	}
	var told []Received
	for _, state := range s.states {
		told = append(told, receivedState(s.typ, state))
	}
	for _, w := range s.windows {
		told = append(told, receivedWindow(w))
	}
	for i := range told {
		if slices.Contains(strings.Fields(d.Input), told[i].Name.ID) {
			told[i].Retracted = &Retraction{ID: "back"}
		}
	}
	return s.drawAccount(Explain(told, Period{first, end}, s.instant(now)))
}

func (s *script) drawAccount(a Account) string {
	var out strings.Builder
	for i := range a.Lines {
		s.drawAccountLine(&out, &a.Lines[i])
	}
	for i := range a.Traces {
		t := &a.Traces[i]
		fmt.Fprintf(&out, "%s: %s", t.Name.ID, t.Fate)
		if t.By != nil {
			fmt.Fprintf(&out, " %s", t.By.Name.ID)
		}
		if t.Term >= 0 {
			fmt.Fprintf(&out, " -> %s %s", a.Lines[t.Line].Meter.Metric, letter(t.Term))
		}
		out.WriteString("\n")
	}
	if out.Len() == 0 {
		return "nothing bears on it\n"
	}
	return out.String()
}

func (s *script) drawAccountLine(out *strings.Builder, l *AccountLine) {
	scale := s.typ.Measure().Scale()
	fmt.Fprintf(out, "%s = %s %s\n", l.Meter.Metric, l.Value.Format(scale), l.Meter.Unit)
	for i, seg := range l.Segments {
		fmt.Fprintf(out, "  %s [%s, %s) %d min x %d = %s: %s\n", letter(i), s.start(seg.From), s.start(seg.To),
			seg.To-seg.From, seg.Is.Multiplier, Product(seg.Is.Multiplier, uint64(seg.To-seg.From)).Format(scale), describe(seg.Is))
	}
	for i, w := range l.Windows {
		fmt.Fprintf(out, "  %s %s..%s %s\n", letter(i), s.clock(w.From), s.clock(w.To), w.Quantity.Format(scale))
	}
}

// checkSums checks that the terms of each line sum to its value, and that the
// usage is what a report shows.
func checkSums(t *testing.T, a *Account, usages []Usage) {
	t.Helper()
	if len(a.Lines) != len(usages) {
		t.Errorf("%d lines, want %d", len(a.Lines), len(usages))
		return
	}
	for i := range a.Lines {
		l := &a.Lines[i]
		var sum Amount
		for _, s := range l.Segments {
			sum = sum.Add(Product(s.Is.Multiplier, uint64(s.To-s.From)))
		}
		for _, w := range l.Windows {
			sum = sum.Add(w.Quantity)
		}
		attributes := *usages[i].Attributes
		if sum != l.Value || l.Value != usages[i].Value || l.Meter != usages[i].Meter || l.First != usages[i].First || l.Last != usages[i].Last ||
			l.Multiplier != usages[i].Multiplier || !l.Attributes.Equal(&attributes) {
			t.Errorf("terms sum to %v, line %+v, want %+v", sum, l.Usage, usages[i])
		}
	}
}

// checkTraces checks that each term has one observation that counts for it, and
// that what stands for another one stands for one that is listed.
func checkTraces(t *testing.T, a *Account) {
	t.Helper()
	counted := map[[2]int]int{}
	listed := map[*Received]bool{}
	for i := range a.Traces {
		listed[a.Traces[i].Received] = true
		if tr := &a.Traces[i]; tr.Fate == FateCounted && tr.Term >= 0 {
			counted[[2]int{tr.Line, tr.Term}]++
		}
	}
	terms := 0
	for line := range a.Lines {
		for term := range len(a.Lines[line].Segments) + len(a.Lines[line].Windows) {
			terms++
			if n := counted[[2]int{line, term}]; n != 1 {
				t.Errorf("term %d of line %d is counted by %d observations", term, line, n)
			}
		}
	}
	if terms != len(counted) {
		t.Errorf("%d terms are counted, there are %d", len(counted), terms)
	}
	for i := range a.Traces {
		tr := &a.Traces[i]
		if tr.By != nil && !listed[tr.By] || (tr.Fate == FateSuperseded || tr.Fate == FateCorrected) && tr.By == nil {
			t.Errorf("%s is %s by %v, which is not listed", tr.Name.ID, tr.Fate, tr.By)
		}
		if tr.Retracted != nil && (tr.Fate != FateRetracted || tr.Term >= 0) {
			t.Errorf("%s is retracted and %s", tr.Name.ID, tr.Fate)
		}
	}
}

// retractSome takes some observations back, and returns which ones stand.
func retractSome(random *rand.Rand, told []Received) (stands []bool) {
	stands = make([]bool, len(told))
	for i := range told {
		if stands[i] = random.IntN(4) > 0; !stands[i] {
			told[i].Retracted = &Retraction{Source: "/ops", ID: "back"}
		}
	}
	return stands
}

func TestTermsOfStatesSumToWhatTheTimelineCounts(t *testing.T) {
	t.Parallel()
	volume, _ := ResourceTypeNamed("volume")
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		states := someStates(random)
		told := make([]Received, len(states))
		for i := range states {
			told[i] = receivedState(volume, states[i])
		}
		stands := retractSome(random, told)
		var standing []State
		for i := range states {
			if stands[i] {
				standing = append(standing, states[i])
			}
		}
		p := Period{From: historyDay + Day(random.IntN(2)), To: historyDay + Day(random.IntN(3))}
		now := (historyDay + 1).Start() + Instant(random.IntN(80)-40)*30*Second + pick[Instant](random, -1, 0, 1)
		a := Explain(shuffled(random, told), p, now)
		if p.From >= p.To {
			if len(a.Lines)+len(a.Traces) > 0 {
				t.Errorf("an empty period has %+v", a)
			}
			return
		}
		checkSums(t, &a, FoldStates(standing).Usage(p.Minutes(now)))
		checkTraces(t, &a)
		if again := Explain(shuffled(random, told), p, now); !reflect.DeepEqual(a, again) {
			t.Errorf("in another order: %+v, not %+v", again, a)
		}
	})
}

func TestStatesBeforeTheOneInEffectMayBeLeftOut(t *testing.T) {
	t.Parallel()
	volume, _ := ResourceTypeNamed("volume")
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		states := someStates(random)
		told := make([]Received, len(states))
		for i := range states {
			told[i] = receivedState(volume, states[i])
		}
		retractSome(random, told)
		p, now := Period{From: historyDay + 1, To: historyDay + 2}, (historyDay + 3).Start()
		all := Explain(told, p, now)
		if len(all.Traces) == 0 {
			return
		}
		since := slices.MinFunc(all.Traces, func(a, b Trace) int { return int(FirstMinute(a.Time)) - int(FirstMinute(b.Time)) })
		told = slices.DeleteFunc(slices.Clone(told), func(r Received) bool { return FirstMinute(r.Time) < FirstMinute(since.Time) })
		if part := Explain(told, p, now); !reflect.DeepEqual(all, part) {
			t.Errorf("with all before it %+v, without %+v", all, part)
		}
	})
}

func TestWindowsSumToWhatTheDaysCount(t *testing.T) {
	t.Parallel()
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		windows := someWindows(random)
		told := make([]Received, len(windows))
		var standing []Window
		for i := range windows {
			told[i] = receivedWindow(windows[i])
		}
		for i, stands := range retractSome(random, told) {
			if stands {
				standing = append(standing, windows[i])
			}
		}
		p := Period{From: historyDay + Day(random.IntN(2)), To: historyDay + Day(random.IntN(3))}
		a := Explain(shuffled(random, told), p, 0)
		checkSums(t, &a, SumDays(FoldDay(historyDay, standing), p))
		checkTraces(t, &a)
		if p.Contains(historyDay) && len(a.Traces) != len(windows) {
			t.Errorf("%d observations are listed, want %d", len(a.Traces), len(windows))
		}
		for i := range a.Traces {
			corrected := !slices.ContainsFunc(naiveCounted(standing), func(w Window) bool { return w.Source == a.Traces[i].Name.Source && w.ID == a.Traces[i].Name.ID })
			if a.Traces[i].Retracted == nil && corrected != (a.Traces[i].Fate == FateCorrected) {
				t.Errorf("%s is %s", a.Traces[i].Name.ID, a.Traces[i].Fate)
			}
		}
	})
}

func TestNothingToldHasNoAccount(t *testing.T) {
	t.Parallel()
	if a := Explain(nil, Period{From: historyDay, To: historyDay + 1}, 0); len(a.Lines)+len(a.Traces) > 0 {
		t.Errorf("got %+v", a)
	}
}

func TestEachFateHasAWordOfItsOwn(t *testing.T) {
	t.Parallel()
	words := map[string]bool{}
	for _, f := range Fates() {
		words[f.String()] = true
	}
	if len(words) != int(FateRetracted)+1 {
		t.Errorf("got %v", words)
	}
}

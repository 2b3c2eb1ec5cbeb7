package timeline_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/console/timeline"
	"github.com/meterbook/meterbook/internal/metering"
)

// at reads a time of July 2024, such as "3 10:00".
func at(t *testing.T, text string) time.Time {
	t.Helper()
	moment, err := time.Parse("2006-01-02 15:04", "2024-07-"+text)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

func july() timeline.Scale {
	return timeline.Scale{From: time.Date(2024, 7, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2024, 8, 1, 0, 0, 0, 0, time.UTC)}
}

func volumes(t *testing.T) *timeline.Plan {
	t.Helper()
	of, ok := metering.ResourceTypeNamed("volume")
	if !ok {
		t.Fatal("no volumes")
	}
	return &timeline.Plan{Type: of, Scale: july(), Size: func(bytes int64) string { return fmt.Sprint(bytes, "B") }}
}

func segment(t *testing.T, from, to string, bytes int64, attributes client.Told) client.Segment {
	t.Helper()
	s := client.Segment{From: at(t, from), To: at(t, to), Multiplier: bytes, Attributes: attributes}
	s.Minutes = int64(s.To.Sub(s.From) / time.Minute)
	s.FirstSeen, s.LastSeen = s.From.Add(30*time.Second), s.To.Add(-30*time.Second)
	return s
}

func account(segments ...client.Segment) *client.Account {
	return &client.Account{Lines: []client.AccountLine{{Segments: segments}}}
}

func TestPlacesAreSharesOfThePeriod(t *testing.T) {
	t.Parallel()
	scale := july()
	for text, want := range map[string]string{"01 00:00": "0%", "16 12:00": "50%", "04 02:24": "10%", "01 00:06": "0.01%"} {
		if got := scale.At(at(t, text)).String(); got != want {
			t.Errorf("%s lies at %s, want %s", text, got, want)
		}
	}
	if got := scale.At(scale.To.AddDate(1, 0, 0)); got.String() != "100%" {
		t.Errorf("what lies behind the period lies at %s", got)
	}
	if got := (timeline.Scale{From: scale.From, To: scale.From}).At(scale.From); got != 0 {
		t.Errorf("in no time at all: %s", got)
	}
}

func TestTicksFitAPhone(t *testing.T) {
	t.Parallel()
	from := july().From
	for _, c := range []struct {
		days int
		want string
	}{
		{1, "00:00 06:00 12:00 18:00"}, {2, "00:00 12:00 00:00 12:00"}, {7, "1 Jul|3 Jul|5 Jul|7 Jul"},
		{31, "1 Jul|7 Jul|13 Jul|19 Jul|25 Jul"}, {365, "1 Jul 2024|1 Oct 2024|1 Jan 2025|3 Apr 2025"}, {0, ""},
	} {
		var labels []string
		for _, tick := range (timeline.Scale{From: from, To: from.AddDate(0, 0, c.days)}).Ticks() {
			labels = append(labels, tick.Label)
		}
		if got := strings.Join(labels, map[bool]string{true: " ", false: "|"}[c.days <= 2]); got != c.want {
			t.Errorf("%d days: got %s, want %s", c.days, got, c.want)
		}
	}
}

func TestEachStateHasALaneAndBarsWhereItHeld(t *testing.T) {
	t.Parallel()
	p := volumes(t)
	ssd := client.Told{"volume_type": "ssd", "name": "a"}
	a := account(segment(t, "01 00:00", "04 02:24", 5, ssd), segment(t, "04 02:24", "07 04:48", 5, client.Told{"volume_type": "ssd", "name": "b"}),
		segment(t, "07 04:48", "16 12:00", 9, ssd), segment(t, "16 12:00", "17 12:00", 5, ssd))
	var got []string
	for _, lane := range p.Lanes(timeline.Runs(a)) {
		for _, b := range lane.Bars {
			got = append(got, fmt.Sprintf("%s %d: %s+%s of %d", lane.Label, lane.Minutes, b.X, b.Width, b.Segments))
		}
	}
	want := []string{"ssd · 5B 10368: 0%+20% of 2", "ssd · 5B 10368: 50%+3.22% of 1", "ssd · 9B 13392: 20%+30% of 1"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestManyStatesShareALaneAndNoMinuteIsLost(t *testing.T) {
	t.Parallel()
	p := volumes(t)
	var segments []client.Segment
	start := july().From
	for i := range 40 {
		length := time.Duration(i+1) * 10 * time.Minute
		s := client.Segment{From: start, To: start.Add(length), Minutes: int64(length / time.Minute), Multiplier: int64(i + 1)}
		segments, start = append(segments, s), start.Add(length)
	}
	lanes := p.Lanes(timeline.Runs(account(segments...)))
	var minutes int64
	for _, lane := range lanes {
		minutes += lane.Minutes
	}
	if len(lanes) != 12 || lanes[0].Label != "30B" || lanes[10].Label != "40B" || lanes[11].Label != "29 others" || minutes != 8200 {
		t.Errorf("%d lanes with %d minutes: %+v", len(lanes), minutes, lanes)
	}
}

func TestBarsThatTheEyeCannotTellApartAreOne(t *testing.T) {
	t.Parallel()
	p := volumes(t)
	var segments []client.Segment
	for m := range 10_000 {
		from := july().From.Add(time.Duration(m) * 4 * time.Minute)
		segments = append(segments, client.Segment{From: from, To: from.Add(time.Minute), Minutes: 1, Multiplier: 1})
	}
	lanes := p.Lanes(timeline.Runs(account(segments...)))
	if len(lanes) != 1 || len(lanes[0].Bars) != 1 || lanes[0].Bars[0].Segments != 10_000 || lanes[0].Minutes != 10_000 {
		t.Errorf("got %+v", lanes)
	}
}

// texts of changes, such as "03 10:00 created".
func texts(changes []timeline.Change) (all []string) {
	for _, c := range changes {
		all = append(all, c.At.Format("02 15:04 ")+string(c.Kind)+": "+c.Text)
	}
	return all
}

func TestChangesTellWhatHappened(t *testing.T) {
	t.Parallel()
	p := volumes(t)
	told := func(name, tag string) client.Told {
		return client.Told{"volume_type": "ssd", "name": name, "tags": map[string]any{"env": tag}}
	}
	a := account(segment(t, "02 10:00", "03 10:00", 5, told("a", "dev")), segment(t, "03 10:00", "04 10:00", 9, told("a", "dev")),
		segment(t, "04 10:00", "05 10:00", 9, told("b", "dev")), segment(t, "05 10:00", "06 10:00", 9, told("b", "prod")), segment(t, "08 10:00", "09 10:00", 9, told("b", "prod")))
	want := []string{
		"02 10:00 created: As ssd · 5B.", "03 10:00 resized: From ssd · 5B to ssd · 9B.", "04 10:00 renamed: From a to b.",
		"05 10:00 changed: tags: from env=dev to env=prod.", "06 10:00 deleted: From here on it is not there.", "08 10:00 created: As ssd · 9B.", "09 10:00 deleted: From here on it is not there.",
	}
	if got := texts(p.Changes(timeline.Runs(a), july().To, nil)); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestWhatLastsBeyondThePeriodOrThePresentWasNeitherCreatedNorDeleted(t *testing.T) {
	t.Parallel()
	p := volumes(t)
	whole := account(client.Segment{From: july().From, To: july().To, Multiplier: 1})
	if got := p.Changes(timeline.Runs(whole), july().To, nil); len(got) != 0 {
		t.Errorf("got %q", texts(got))
	}
	for now, until := range map[string]string{"05 10:00": "05 10:00", "05 09:59": "05 09:59"} {
		present := account(segment(t, "02 00:00", until, 1, nil))
		if got := p.Changes(timeline.Runs(present), timeline.CountedUntil(july().To, at(t, now).Add(29*time.Second)), nil); len(got) != 1 {
			t.Errorf("at %s: got %q", now, texts(got))
		}
		later := timeline.CountedUntil(july().To, at(t, now).Add(30*time.Second))
		if got := p.Changes(timeline.Runs(present), later, nil); len(got) != 2 || got[1].Kind != timeline.Deleted {
			t.Errorf("30 s after %s: got %q", now, texts(got))
		}
	}
	if got := timeline.CountedUntil(july().To, july().To.AddDate(0, 1, 0)); !got.Equal(july().To) {
		t.Errorf("a period that has passed counts until %s", got)
	}
}

func TestWhatIsElsewhereBeforeOrAfterHasMoved(t *testing.T) {
	t.Parallel()
	p := volumes(t)
	a := account(segment(t, "03 10:00", "20 10:00", 1, nil))
	others := []timeline.Elsewhere{
		{Project: 11, Region: 76, FirstSeen: at(t, "01 00:00"), LastSeen: at(t, "03 09:59")},
		{Project: 12, Region: 77, FirstSeen: at(t, "20 12:00"), LastSeen: at(t, "25 00:00")},
		{Project: 13, Region: 77, FirstSeen: at(t, "01 00:00"), LastSeen: at(t, "31 00:00")},
	}
	want := []string{"03 10:00 moved here: It was in project 11, region 76 until 2024-07-03 09:59.", "20 10:00 moved away: It is in project 12, region 77 from 2024-07-20 12:00 on."}
	if got := texts(p.Changes(timeline.Runs(a), july().To, others)); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestMarksTooCloseForAPhoneAreOne(t *testing.T) {
	t.Parallel()
	marks := timeline.Marks([]timeline.Change{
		{At: at(t, "02 00:00"), Kind: timeline.Created, Text: "a"}, {At: at(t, "02 12:00"), Kind: timeline.Resized, Text: "b"}, {At: at(t, "09 00:00"), Kind: timeline.Deleted, Text: "c"},
	}, july())
	if len(marks) != 2 || len(marks[0].Texts) != 2 || marks[0].Kinds[1] != timeline.Resized || marks[1].Texts[0] != "2024-07-09 00:00 deleted: c" {
		t.Errorf("got %+v", marks)
	}
}

func TestColumnsSumTheDaysExactly(t *testing.T) {
	t.Parallel()
	l := &client.AccountLine{
		Days: []client.Day{{Day: "2024-07-01", Quantity: "0.000001"}},
		Windows: []client.Window{
			{From: at(t, "02 00:00"), To: at(t, "02 01:00"), Quantity: "9223372036854775807"}, {From: at(t, "02 23:00"), To: at(t, "03 01:00"), Quantity: "9223372036854775807"},
			{From: at(t, "31 23:00"), To: at(t, "31 23:30"), Quantity: "4611686018427387903.5"},
		},
	}
	var got []string
	for _, c := range timeline.Columns(l, july()) {
		got = append(got, fmt.Sprintf("%s %s %s %d at %s+%s", c.Label, c.Sum, c.Height, c.Windows, c.X, c.Width))
	}
	want := []string{"2024-07-01 0.000001 0% 0 at 0%+3.22%", "2024-07-02 18446744073709551614 100% 2 at 3.22%+3.23%", "2024-07-31 4611686018427387903.5 25% 1 at 96.77%+3.23%"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	year := timeline.Scale{From: july().From, To: july().From.AddDate(2, 0, 0)}
	if got := timeline.Columns(l, year); len(got) != 1 || got[0].Label != "2024-07" || got[0].Sum != "23058430092136939517.500001" {
		t.Errorf("two years: got %+v", got)
	}
}

func TestSumsAreWrittenAsTheAPIDoes(t *testing.T) {
	t.Parallel()
	for want, terms := range map[string][]json.Number{
		"0": nil, "1168553.2270592": {"1168553", "0.2270592"}, "100": {"99.999999", "0.000001"}, "0.000000001": {"0.000000001"}, "10": {"10"},
	} {
		if got := timeline.Sum(terms...); got != want {
			t.Errorf("%v: got %s, want %s", terms, got, want)
		}
	}
}

package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

// augustNow is the clock of the tests with few events.
func augustNow() metering.Instant { return storetest.At("2024-08-15T12:00:00Z") }

func month(t testing.TB, text string) metering.Month {
	t.Helper()
	m, ok := metering.ParseMonth(text)
	if !ok {
		t.Fatalf("%q is no month", text)
	}
	return m
}

// closedStore is a ledger on a simulated disk in August.
type closedStore struct {
	*testing.T
	fs     *vfs.MemFS
	ledger *ledger.Ledger
}

func newClosedStore(t *testing.T) *closedStore {
	t.Helper()
	s := &closedStore{T: t, fs: vfs.NewMem()}
	s.ledger = open(t, s.options())
	return s
}

func (s *closedStore) options() ledger.Options {
	return ledger.Options{Dir: "store", FS: s.fs, Clock: augustNow}
}

func (s *closedStore) close() {
	s.Helper()
	if err := s.ledger.Close(); err != nil {
		s.Error(err)
	}
}

// floating is the key of a floating IP, port that of egress traffic.
func floating(n byte) metering.ResourceKey {
	t, _ := metering.ResourceTypeNamed("floatingip")
	return metering.ResourceKey{Project: 10, Region: 76, Type: t, ID: metering.UUID{n}}
}

func port(n byte) metering.ResourceKey {
	k := floating(n)
	k.Type, _ = metering.ResourceTypeNamed("egress_traffic")
	return k
}

func told(o *metering.Observation) report.Submission {
	o.Name.Project, o.Name.Source = 10, "/s"
	return report.Submission{Observation: o, Client: "client-a", AnyClient: true, ReceivedAt: augustNow()}
}

// active and deleted are states of a floating IP, used a quantity of a port.
func active(id string, n byte, at string) report.Submission {
	o := &metering.Observation{Kind: metering.StateObserved, Time: storetest.At(at), Resource: floating(n), Multiplier: 1}
	o.Name.ID = id
	o.Attributes.Texts[metering.Name] = "ip"
	o.Meter = o.Resource.Type.Meter("", "", &o.Attributes)
	return told(o)
}

func deleted(id string, n byte, at string) report.Submission {
	s := active(id, n, at)
	o := s.Observation
	o.Deleted, o.Multiplier, o.Attributes, o.Meter = true, 0, metering.Attributes{}, metering.Meter{Type: o.Resource.Type}
	return s
}

func used(id string, n byte, from, to string) report.Submission {
	o := &metering.Observation{Kind: metering.QuantityObserved, Time: storetest.At(from), From: storetest.At(from), To: storetest.At(to), Resource: port(n), Quantity: metering.Product(7, 1_000_000)}
	o.Name.ID = id
	o.Attributes.Texts[metering.InstanceType] = "vm"
	o.Meter = o.Resource.Type.Meter("", "", &o.Attributes)
	return told(o)
}

func takesBack(id, target string) report.Submission {
	o := &metering.Observation{Kind: metering.RetractionMade, Time: augustNow(), TargetSource: "/s", TargetID: target}
	o.Name.ID = id
	return told(o)
}

// sends returns the outcome of each, and the message of a rejection.
func (s *closedStore) sends(batch ...report.Submission) (words []string) {
	s.Helper()
	outcomes, err := submitTogether(s.Context(), s.ledger, [][]report.Submission{batch})
	if err != nil {
		s.Fatal(err)
	}
	for _, o := range outcomes[0] {
		words = append(words, outcomeWord(o))
	}
	return words
}

func (s *closedStore) retains(before string) *report.Retained {
	s.Helper()
	r, err := s.ledger.Retain(s.Context(), report.Retention{Before: month(s, before)}, func(report.Progress) {})
	if err != nil {
		s.Fatal(err)
	}
	return r
}

// refusal wants a rejection of an observation, with these words.
func (s *closedStore) refusal(sub report.Submission, code metering.RejectCode, field string, texts ...string) {
	s.Helper()
	outcomes, err := submitTogether(s.Context(), s.ledger, [][]report.Submission{{sub}})
	if err != nil {
		s.Fatal(err)
	}
	r := outcomes[0][0].Rejected
	if r == nil || r.Code != code || r.Field != field {
		s.Errorf("%s: want %v of %q, got %+v", sub.Observation.Name.ID, code, field, r)
		return
	}
	for _, text := range texts {
		if !strings.Contains(r.Message, text) {
			s.Errorf("%s: the message %q does not say %q", sub.Observation.Name.ID, r.Message, text)
		}
	}
}

func TestClosedMonthsTakeNothingMore(t *testing.T) {
	t.Parallel()
	s := newClosedStore(t)
	s.sends(active("old", 1, "2024-06-01T00:00:00Z"), active("held", 1, "2024-07-01T00:00:00Z"), active("late", 2, "2024-07-31T23:59:40Z"),
		used("june", 1, "2024-06-02T00:00:00Z", "2024-06-02T01:00:00Z"), used("over", 1, "2024-07-31T23:30:00Z", "2024-08-01T00:30:00Z"),
		active("open", 3, "2024-08-02T00:00:00Z"), takesBack("early", "unseen"), takesBack("back", "never"))
	if r := s.retains("2024-08"); r.Observations != 2 || r.Resources != 2 || r.Kept != 2 || r.Bytes < 50 || r.Closed {
		t.Errorf("dropped %+v", r)
	}
	const remedy, closed = "bill the correction in an open month", "all before 2024-08 are"
	s.refusal(active("a", 9, "2024-07-31T23:59:30Z"), metering.PeriodClosed, "time", "2024-07-31T23:59:30Z lies in a month", remedy, closed)
	s.refusal(used("b", 9, "2024-07-31T23:59:59.999999999Z", "2024-08-01T00:00:01Z"), metering.PeriodClosed, "data.from", remedy, closed)
	for _, id := range []string{"old", "held", "june", "over"} {
		s.refusal(takesBack("r-"+id, id), metering.PeriodClosed, "data.id", fmt.Sprintf("%q of source", id), remedy, closed)
	}
	s.refusal(active("old", 1, "2024-06-01T00:00:00Z"), metering.PeriodClosed, "time") // sent again
	s.refusal(active("old", 1, "2024-08-01T00:00:00Z"), metering.IDReused, "id")
	s.refusal(used("june", 1, "2024-08-01T00:00:00Z", "2024-08-01T01:00:00Z"), metering.IDReused, "id")
	s.refusal(takesBack("old", "open"), metering.IDReused, "id")
	got := s.sends(active("c", 9, "2024-07-31T23:59:30.000000001Z"), used("d", 9, "2024-08-01T00:00:00Z", "2024-08-01T01:00:00Z"),
		takesBack("r-late", "late"), takesBack("r-open", "open"), takesBack("early", "unseen"), active("unseen", 4, "2024-08-03T00:00:00Z"), takesBack("r-none", "none"))
	if want := "[accepted accepted accepted accepted duplicate accepted accepted]"; fmt.Sprint(got) != want {
		t.Errorf("what lies in open months: want %s, got %v", want, got)
	}
	s.close()
}

func TestMonthsThatCannotBeClosedAreNamed(t *testing.T) {
	t.Parallel()
	s := newClosedStore(t)
	s.sends(active("old", 1, "2024-05-01T00:00:00Z"), deleted("end", 1, "2024-06-01T00:00:00Z"))
	retain := func(before string, dry bool) (*report.Retained, error) {
		return s.ledger.Retain(t.Context(), report.Retention{Before: month(t, before), DryRun: dry}, func(report.Progress) {})
	}
	refused := func(before, text string) {
		for _, dry := range []bool{false, true} {
			if _, err := retain(before, dry); metering.KindOf(err) != metering.KindInvalid || !strings.Contains(err.Error(), text) {
				t.Errorf("before %s: %v does not say %q", before, err, text)
			}
		}
	}
	refused("2024-09", "2024-09 has not begun: the latest month before which all can be closed is the present one, 2024-08")
	refused("2000-01", "there is nothing before 2000-01")
	s.retains("2024-07")
	refused("2024-06", "all before 2024-07 are closed already")
	for _, dry := range []bool{false, true} {
		if r, err := retain("2024-07", dry); err != nil || *r != (report.Retained{Closed: true}) {
			t.Errorf("the same month again: %+v, %v", r, err)
		}
	}
	if r := s.retains("2024-08"); *r != (report.Retained{}) {
		t.Errorf("nothing happened in July: %+v", r)
	}
	s.close()
}

func TestAccountsSayWhatRestsOnClosedMonths(t *testing.T) {
	t.Parallel()
	s := newClosedStore(t)
	s.sends(active("a", 1, "2024-06-30T00:00:00Z"), active("b", 1, "2024-07-31T23:00:00Z"), deleted("c", 1, "2024-08-01T01:00:00Z"),
		used("q", 1, "2024-07-01T00:00:00Z", "2024-07-01T01:00:00Z"), used("r", 1, "2024-08-01T00:00:00Z", "2024-08-01T01:00:00Z"),
		active("x", 2, "2024-07-01T00:00:00Z"), takesBack("y", "x"))
	s.retains("2024-08")
	ask := func(k metering.ResourceKey, from, to, asOf string) (*metering.Account, error) {
		in := metering.Period{From: storetest.At(from + "T00:00:00Z").Day(), To: storetest.At(to + "T00:00:00Z").Day()}
		return s.ledger.Audit(t.Context(), report.AuditQuery{Resource: k, Period: in, AsOf: storetest.At(asOf)})
	}
	const now = "2024-08-15T12:00:00Z"
	for _, c := range []struct {
		of       metering.ResourceKey
		from, to string
		want     string
	}{
		{floating(1), "2024-07-01", "2024-08-01", "closed 2024-08: 44640 in 1 segments; b counted 0/0"},
		{floating(1), "2024-07-01", "2024-08-02", "closed 2024-08: 44700 in 1 segments; b counted 0/0; c counted -1/-1"},
		{floating(1), "2024-08-01", "2024-08-02", "60 in 1 segments; b counted 0/0; c counted -1/-1"},
		{floating(1), "2024-08-03", "2024-08-04", "; c counted -1/-1"},
		{floating(1), "2024-06-01", "2024-07-01", "closed 2024-08: 1440 in 1 segments"},
		{port(1), "2024-07-01", "2024-08-01", "closed 2024-08: 7000000 in 1 days"},
		{port(1), "2024-07-01", "2024-09-01", "closed 2024-08: 14000000 in 1 days and 1 windows; r counted 0/0"},
		{port(1), "2024-08-01", "2024-09-01", "7000000 in 1 windows; r counted 0/0"},
		{floating(2), "2024-07-01", "2024-08-01", "closed 2024-08: "},
	} {
		a, err := ask(c.of, c.from, c.to, now)
		if err != nil {
			t.Fatal(err)
		}
		if got := accountWords(a); got != c.want {
			t.Errorf("%v from %s to %s: want %q, got %q", c.of.Type, c.from, c.to, c.want, got)
		}
	}
	for _, k := range []metering.ResourceKey{floating(1), port(1)} {
		_, err := ask(k, "2024-07-01", "2024-08-01", "2024-08-15T11:59:59Z")
		if metering.KindOf(err) != metering.KindInvalid || !strings.Contains(err.Error(), "is not known any more: the period rests on months before 2024-08") {
			t.Errorf("as it stood before the months were closed: %v", err)
		}
	}
	if _, err := ask(floating(7), "2024-07-01", "2024-08-01", now); metering.KindOf(err) != metering.KindNotFound {
		t.Errorf("nobody observed it: %v", err)
	}
	s.close()
}

func accountWords(a *metering.Account) string {
	var parts []string
	closed := ""
	if a.Closed != 0 {
		closed = fmt.Sprintf("closed %v: ", a.Closed)
	}
	for _, l := range a.Lines {
		var terms []string
		for _, n := range []struct {
			n    int
			what string
		}{{len(l.Segments), "segments"}, {len(l.Days), "days"}, {len(l.Windows), "windows"}} {
			if n.n > 0 {
				terms = append(terms, fmt.Sprintf("%d %s", n.n, n.what))
			}
		}
		parts = append(parts, fmt.Sprintf("%d in %s", l.Value.Lo, strings.Join(terms, " and ")))
	}
	if len(parts) == 0 {
		parts = []string{""}
	}
	for _, tr := range a.Traces {
		parts = append(parts, fmt.Sprintf("%s %v %d/%d", tr.Name.ID, tr.Fate, tr.Line, tr.Term))
	}
	return closed + strings.Join(parts, "; ")
}

func TestFindingsAreNotLookedForWhereWindowsAreGone(t *testing.T) {
	t.Parallel()
	s := newClosedStore(t)
	s.sends(used("q", 1, "2024-07-31T23:30:00Z", "2024-08-01T00:30:00Z"), used("r", 1, "2024-08-01T00:00:00Z", "2024-08-01T01:00:00Z"),
		used("p", 1, "2024-07-01T00:00:00Z", "2024-07-01T01:00:00Z"))
	s.retains("2024-08")
	scope := report.Scope{Projects: report.Everything[metering.ProjectID](), Regions: report.Everything[metering.RegionID](), Types: report.AllTypes}
	found := 0
	look := func(from string) error {
		in := metering.Period{From: storetest.At(from).Day(), To: augustNow().Day()}
		return s.ledger.Findings(t.Context(), report.FindingQuery{Period: in, Scope: scope, Kinds: wrongBills()}, func(*report.Finding) error { found++; return nil })
	}
	if err := look("2024-08-01T00:00:00Z"); err != nil || found != 1 {
		t.Errorf("an overlap that begins in a closed month: %d findings, %v", found, err)
	}
	if err := look("2024-07-31T00:00:00Z"); metering.KindOf(err) != metering.KindInvalid || !strings.Contains(err.Error(), "ask from 2024-08-01 on") {
		t.Errorf("a closed month: %v", err)
	}
	scope.Types = report.TypesOf(floating(1).Type)
	if err := look("2024-07-31T00:00:00Z"); err != nil {
		t.Errorf("a closed month, without counted types: %v", err)
	}
	s.close()
}

func TestADryRunAtRestChangesNothing(t *testing.T) {
	t.Parallel()
	s := newClosedStore(t)
	s.sends(active("a", 1, "2024-06-30T00:00:00Z"), deleted("b", 1, "2024-07-02T00:00:00Z"), used("q", 1, "2024-07-01T00:00:00Z", "2024-07-01T01:00:00Z"))
	if _, err := ledger.ExamineRetention(t.Context(), s.options(), month(t, "2024-08"), func(report.Progress) {}); metering.KindOf(err) != metering.KindUnavailable {
		t.Errorf("a store in use: %v", err)
	}
	s.close()
	before := s.fs.String()
	r, err := ledger.ExamineRetention(t.Context(), s.options(), month(t, "2024-08"), func(report.Progress) {})
	if err != nil || r.Observations != 3 || r.Resources != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	if after := s.fs.String(); after != before {
		t.Errorf("the dry run changed the store from\n%s\nto\n%s", before, after)
	}
	if text := readAll(t, s.fs, "store/FORMAT"); string(text) != "meterbook store format 1\n" {
		t.Errorf("FORMAT says %q", text)
	}
	s.ledger = open(t, s.options())
	if done := s.retains("2024-08"); *done != *r {
		t.Errorf("dropped %+v, the dry run said %+v", done, r)
	}
	s.close()
	if text := readAll(t, s.fs, "store/FORMAT"); string(text) != "meterbook store format 2\n" {
		t.Errorf("FORMAT says %q", text)
	}
}

// TestTheDiskShrinks closes two months of traffic.
func TestTheDiskShrinks(t *testing.T) {
	t.Parallel()
	s := newClosedStore(t)
	for n := range byte(20) {
		var batch []report.Submission
		for hour := range 24 * 60 {
			from := storetest.At("2024-06-01T00:00:00Z") + metering.Instant(hour)*3600*metering.Second
			q := used(fmt.Sprintf("%d-%d", n, hour), n, "2024-06-01T00:00:00Z", "2024-06-01T01:00:00Z")
			q.Observation.From, q.Observation.To, q.Observation.Time = from, from+3600*metering.Second, from
			batch = append(batch, q, active(fmt.Sprintf("s%d-%d", n, hour), n, from.String()))
		}
		s.sends(batch...)
	}
	s.close()
	s.ledger = open(t, s.options())
	stored := s.ledger.Stats().DiskBytes
	r := s.retains("2024-08")
	if r.Observations != 20*(24*60*2-1) || r.Kept != 20 {
		t.Errorf("dropped %+v", r)
	}
	s.close()
	s.ledger = open(t, s.options())
	if left := s.ledger.Stats().DiskBytes; left > stored*6/10 { // the ids stay
		t.Errorf("%d bytes before, %d after", stored, left)
	}
	s.close()
}

func TestABackupKeepsClosedMonths(t *testing.T) {
	t.Parallel()
	s := newClosedStore(t)
	s.sends(active("a", 1, "2024-06-30T00:00:00Z"), deleted("b", 1, "2024-07-02T00:00:00Z"), used("q", 1, "2024-07-01T00:00:00Z", "2024-07-01T01:00:00Z"))
	s.retains("2024-08")
	want := describe(t, s.ledger)
	var b bytes.Buffer
	if err := s.ledger.Backup(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	s.close()
	s.fs = vfs.NewMem()
	if err := ledger.Restore(t.Context(), s.options(), &b, func(report.Progress) {}); err != nil {
		t.Fatal(err)
	}
	if v, err := ledger.Verify(t.Context(), s.options(), func(report.Progress) {}); err != nil || v.Total != 0 || v.Dropped != 3 || v.Closed.String() != "2024-08" {
		t.Errorf("verification found %+v, %v", v, err)
	}
	s.ledger = open(t, s.options())
	if got := describe(t, s.ledger); got != want {
		t.Errorf("want %s, got %s", want, got)
	}
	s.refusal(active("c", 1, "2024-07-30T00:00:00Z"), metering.PeriodClosed, "time")
	s.close()
}

// TestRetentionMakesRoomOnAFullDisk: it is what an operator turns to then.
func TestRetentionMakesRoomOnAFullDisk(t *testing.T) {
	t.Parallel()
	s := newClosedStore(t)
	s.sends(active("a", 1, "2024-06-30T00:00:00Z"), deleted("b", 1, "2024-07-02T00:00:00Z"))
	s.fs.TestingSetDiskUsage(vfs.DiskUsage{TotalBytes: 1 << 40})
	if _, err := s.ledger.Submit(t.Context(), []report.Submission{active("c", 2, "2024-08-01T00:00:00Z")}); metering.KindOf(err) != metering.KindUnavailable {
		t.Errorf("the disk is full: %v", err)
	}
	if r := s.retains("2024-08"); r.Observations != 2 {
		t.Errorf("dropped %+v", r)
	}
	s.fs.TestingSetDiskUsage(vfs.DiskUsage{TotalBytes: 1 << 40, AvailBytes: 1 << 40})
	s.close()
}

// TestARetentionThatIsBrokenOffGoesOn ends one by its context, and one by
// closing the store.
func TestARetentionThatIsBrokenOffGoesOn(t *testing.T) {
	t.Parallel()
	s := newClosedStore(t)
	s.sends(active("a", 1, "2024-06-30T00:00:00Z"), deleted("b", 1, "2024-07-02T00:00:00Z"), used("q", 1, "2024-07-01T00:00:00Z", "2024-07-01T01:00:00Z"))
	want := describe(t, s.ledger)
	q := report.Retention{Before: month(t, "2024-08")}
	ctx, leave := context.WithCancel(t.Context())
	if _, err := s.ledger.Retain(ctx, q, func(report.Progress) { leave() }); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits any more: %v", err)
	}
	s.refusal(active("c", 1, "2024-07-30T00:00:00Z"), metering.PeriodClosed, "time")
	closed := make(chan error, 1)
	begin := sync.OnceFunc(func() {
		go func() { closed <- s.ledger.Close() }()
	})
	_, err := s.ledger.Retain(t.Context(), q, func(report.Progress) {
		begin()
		for s.ledger.Writable() == nil { // until it is closing
			runtime.Gosched()
		}
	})
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if metering.KindOf(err) != metering.KindUnavailable {
		t.Errorf("the store was closed: %v", err)
	}
	if v, err := ledger.Verify(t.Context(), s.options(), func(report.Progress) {}); err != nil || v.Total != 0 || v.Closed != q.Before {
		t.Errorf("verification found %+v, %v", v, err)
	}
	s.ledger = open(t, s.options())
	s.retains("2024-08")
	if r := s.retains("2024-08"); !r.Closed {
		t.Errorf("nothing should be left: %+v", r)
	}
	if got := describe(t, s.ledger); got != want {
		t.Errorf("want %s, got %s", want, got)
	}
	s.close()
}

// TestRetentionGoesOnBesideWritersAndReaders closes month after month while
// others write and ask.
func TestRetentionGoesOnBesideWritersAndReaders(t *testing.T) {
	t.Parallel()
	s := newClosedStore(t)
	stop := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			at := storetest.At("2024-04-01T00:00:00Z") + metering.Instant(n%180)*12*3600*metering.Second
			_, err := submitTogether(t.Context(), s.ledger, [][]report.Submission{{active(fmt.Sprint("w", n), byte(n%50), at.String()),
				used(fmt.Sprint("q", n), byte(n%50), at.String(), (at + 3600*metering.Second).String()), takesBack(fmt.Sprint("r", n), fmt.Sprint("w", n/2))}})
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	q := allLines()
	q.Period, q.Now = metering.Period{From: storetest.At("2024-04-01T00:00:00Z").Day(), To: storetest.At("2024-05-01T00:00:00Z").Day()}, augustNow()
	s.retains("2024-05")
	want, err := storetest.Ask(t.Context(), s.ledger, q)
	if err != nil {
		t.Fatal(err)
	}
	for _, before := range []string{"2024-06", "2024-07", "2024-08"} {
		s.retains(before)
		got, err := storetest.Ask(t.Context(), s.ledger, q)
		if err != nil {
			t.Fatal(err)
		}
		storetest.AssertEqualAnswers(t, want, got)
		if v, err := s.ledger.Verify(t.Context(), func(report.Progress) {}); err != nil || v.Total != 0 {
			t.Errorf("before %s: %+v, %v", before, v, err)
		}
	}
	close(stop)
	others.Wait()
	s.close()
}

// TestVerifyNamesWhatIsBrokenOfClosedMonths breaks one thing at a time.
func TestVerifyNamesWhatIsBrokenOfClosedMonths(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		harm        func(*broken)
		check, text string
	}{
		"a record cannot be read":      {func(b *broken) { k, v := b.first(layout.ClosedStates, anyPair); b.set(k, v[:len(v)-1]) }, "closed", "closed record"},
		"a record is gone":             {func(b *broken) { b.remove(key(b.first(layout.ClosedQuantities, anyPair))) }, "usage", "usage in the base"},
		"a record says something else": {harmMultiplier, "usage", "segment 1"},
		"a record is not in its form":  {func(b *broken) { k, v := b.first(layout.ClosedQuantities, anyPair); b.set(k, spoiled(v)) }, "closed", "its one form"},
		"the state in effect is gone":  {func(b *broken) { b.remove(key(b.first(layout.States, noMark))) }, "closed", "in effect"},
		"the boundary is gone":         {func(b *broken) { b.remove(append([]byte{layout.Meta}, "closed"...)) }, "closed", "months are closed before 1970-01"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newClosedStore(t)
			s.sends(active("a", 1, "2024-06-30T00:00:00Z"), active("b", 1, "2024-07-02T00:00:00Z"), used("q", 1, "2024-07-01T00:00:00Z", "2024-07-01T01:00:00Z"))
			s.retains("2024-08")
			s.close()
			breakStore(t, s.fs, c.harm)
			v, err := ledger.Verify(t.Context(), s.options(), func(report.Progress) {})
			if err != nil {
				t.Fatal(err)
			}
			wantDifference(t, v, c.check, c.text)
		})
	}
}

// harmMultiplier makes a closed timeline say that there were two.
func harmMultiplier(b *broken) {
	k, v := b.first(layout.ClosedStates, anyPair)
	c, err := layout.DecodeClosedTimeline(floating(1).Type, v)
	if err != nil {
		b.Fatal(err)
	}
	c.Timeline.Segments[0].Is.Multiplier = 2
	b.set(k, c.Append(nil))
}

// spoiled repeats the only sum in full, which the form shortens.
func spoiled(v []byte) []byte {
	return slices.Concat([]byte{2}, v[1:], v[1:])
}

package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

// retaining is a ledger whose months are closed now and then, beside a model
// that keeps everything.
type retaining struct {
	*testing.T
	*rand.Rand
	fs      *vfs.MemFS
	options ledger.Options
	ledger  *ledger.Ledger
	model   *storetest.Model
	now     metering.Instant
	told    []report.Submission
	queries []report.Query
	before  metering.Month // 0: nothing is closed
}

// firstMonth is the first one in which something can be observed.
const firstMonth metering.Month = 30 * 12

// newRetaining takes histories that lie close together, from a few days before
// the end of a month on in most seeds.
func newRetaining(t *testing.T, seed uint64) *retaining {
	t.Helper()
	s := newScript(seed, 6)
	r := &retaining{T: t, Rand: rand.New(rand.NewPCG(seed, 8)), fs: vfs.NewCrashableMem(), now: s.now}
	if r.IntN(2) == 0 || metering.MonthOf(r.now.Day()) == firstMonth {
		r.now += 33 * 86400 * metering.Second // everything may be closed
	}
	s.now = r.now
	for _, h := range s.histories {
		for _, told := range h.Submissions {
			told.AnyClient, told.ReceivedAt = true, r.now
			r.told = append(r.told, told)
		}
	}
	r.Shuffle(len(r.told), func(i, j int) { r.told[i], r.told[j] = r.told[j], r.told[i] })
	r.queries = s.queries()
	r.options = ledger.Options{Dir: "store", FS: r.fs, Clock: func() metering.Instant { return r.now }, MergeUnits: 8}
	r.ledger, r.model = open(t, r.options), storetest.NewModel(r.options.Clock)
	return r
}

// TestClosedMonthsKeepTheirUsage: whenever months are closed, every report, of
// closed and open months, is that of a model that keeps all observations.
func TestClosedMonthsKeepTheirUsage(t *testing.T) {
	t.Parallel()
	for seed := uint64(1); seed <= 24/raceShare; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := newRetaining(t, seed)
			r.tell(len(r.told) / 3)
			r.retain(1)
			r.tell(len(r.told) / 2)
			r.something()
			r.tell(len(r.told) / 2)
			r.retain(r.IntN(3))
			r.tell(len(r.told))
			r.something()
			r.agree()
			if err := r.ledger.Close(); err != nil {
				t.Error(err)
			}
			r.verify()
		})
	}
}

// tell sends the next n submissions, in batches, to both.
func (r *retaining) tell(n int) {
	r.Helper()
	for n > 0 {
		batch := r.told[:min(n, 1+r.IntN(12))]
		r.told, n = r.told[len(batch):], n-len(batch)
		var words [2][]string
		for i, w := range []report.Writer{r.ledger, r.model} {
			outcomes, err := submitTogether(r.Context(), w, [][]report.Submission{batch})
			if err != nil {
				r.Fatal(err)
			}
			for _, o := range outcomes[0] {
				words[i] = append(words[i], outcomeWord(o))
			}
		}
		for i := range batch {
			if words[0][i] != words[1][i] {
				r.Errorf("closed before %v: the model says %s, the ledger %s: %+v", r.before, words[1][i], words[0][i], batch[i].Observation)
			}
		}
	}
}

func outcomeWord(o report.Outcome) string {
	switch {
	case o.Rejected != nil:
		return o.Rejected.Code.String()
	case o.Duplicate:
		return "duplicate"
	}
	return "accepted"
}

// retain closes months, up to that of the earliest history's end or so many
// after, and checks that nothing changed.
func (r *retaining) retain(more int) {
	r.Helper()
	to := metering.MonthOf(r.queries[0].Period.From + 2)
	to = max(r.before, min(to+metering.Month(more), metering.MonthOf(r.now.Day())), firstMonth+1)
	dry, err := r.ledger.Retain(r.Context(), report.Retention{Before: to, DryRun: true}, func(report.Progress) {})
	if err != nil {
		r.Fatal(err)
	}
	r.agree()
	stored := r.observations()
	r.before = to
	r.model.CloseMonths(to)
	done, err := r.ledger.Retain(r.Context(), report.Retention{Before: to}, func(report.Progress) {})
	if err != nil {
		r.Fatal(err)
	}
	if *dry != *done {
		r.Errorf("the dry run told %+v, and %+v was done", *dry, *done)
	}
	if left := r.observations(); stored-left != done.Observations {
		r.Errorf("%d observations of %d are left, %d should be dropped", left, stored, done.Observations)
	}
	r.agree()
	r.verifyOnline()
}

// observations counts those that are there.
func (r *retaining) observations() int64 { return r.verifyOnline().Observations }

func (r *retaining) verifyOnline() *report.Verification {
	r.Helper()
	v, err := r.ledger.Verify(r.Context(), func(report.Progress) {})
	if err != nil {
		r.Fatal(err)
	}
	r.clean(v)
	return v
}

func (r *retaining) verify() {
	r.Helper()
	v, err := ledger.Verify(r.Context(), r.options, func(report.Progress) {})
	if err != nil {
		r.Fatal(err)
	}
	r.clean(v)
}

func (r *retaining) clean(v *report.Verification) {
	r.Helper()
	if v.Total != 0 || v.Closed != r.before || v.IDs < v.Observations+v.Dropped {
		r.Errorf("closed before %v: verification found %+v", r.before, v)
	}
}

// something merges, restarts, crashes, or loses what is derived.
func (r *retaining) something() {
	r.Helper()
	how := r.IntN(4)
	switch how {
	case 0:
		if err := r.ledger.Merge(r.Context()); err != nil {
			r.Fatal(err)
		}
		return
	case 1:
		r.fs = r.fs.CrashClone(vfs.CrashCloneCfg{})
	}
	if err := r.ledger.Close(); err != nil {
		r.Fatal(err)
	}
	if how == 2 {
		r.breakDerived()
	}
	r.options.FS = r.fs
	r.ledger = open(r.T, r.options)
	if err := r.ledger.Merge(r.Context()); how == 2 && err != nil { // writes what was made again
		r.Fatal(err)
	}
}

// breakDerived damages the base and the id filter, so that the next start makes
// them again.
func (r *retaining) breakDerived() {
	r.Helper()
	names, err := r.fs.List("store")
	if err != nil {
		r.Fatal(err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, "base-") || strings.HasPrefix(name, "ids-") {
			data := readAll(r.T, r.fs, path.Join("store", name))
			data[len(data)/2] ^= 1
			writeAll(r.T, r.fs, path.Join("store", name), data)
		}
	}
}

// agree compares reports of all kinds of periods, accounts, and findings of the
// open months.
func (r *retaining) agree() {
	r.Helper()
	all := slices.Clone(r.queries)
	boundary := r.before.Start()
	if r.before > 0 {
		until, from := r.queries[0], r.queries[0]
		until.Period.To, from.Period.From = max(until.Period.From, boundary), min(from.Period.To, boundary)
		last := until
		last.Period.From = until.Period.To - 1
		all = append(all, until, from, last)
	}
	for _, q := range all {
		want, err := storetest.Ask(r.Context(), r.model, q)
		if err != nil {
			r.Fatal(err)
		}
		got, err := storetest.Ask(r.Context(), r.ledger, q)
		if err != nil {
			r.Fatal(err)
		}
		if diff := storetest.Diff(want, got); diff != "" {
			r.Fatalf("closed before %v, report of %v:\n%s", r.before, q.Period, diff)
		}
		r.agreeOnAccounts(want, q.Period)
	}
	open := metering.Period{From: max(r.queries[0].Period.From, boundary), To: r.queries[0].Period.To}
	if want, got := r.findings(r.model, open), r.findings(r.ledger, open); want != got {
		r.Errorf("closed before %v: findings of %v\nwant %s\ngot  %s", r.before, open, want, got)
	}
}

// agreeOnAccounts holds the lines of accounts, and their terms, against the
// lines of a report.
func (r *retaining) agreeOnAccounts(a *storetest.Answer, in metering.Period) {
	r.Helper()
	for i := range a.Lines {
		line := &a.Lines[i]
		q := report.AuditQuery{Resource: line.Resource, Period: in, AsOf: r.now}
		account, err := r.ledger.Audit(r.Context(), q)
		if err != nil {
			r.Fatal(err)
		}
		at := slices.IndexFunc(account.Lines, func(l metering.AccountLine) bool { return l.Meter == line.Meter })
		if at < 0 {
			r.Fatalf("closed before %v: the account of %v in %v has no line of %v", r.before, line.Resource, in, line.Meter)
		}
		l := &account.Lines[at]
		shown := report.LineOf(line.Resource, &l.Usage)
		if want, got := storetest.FormatLine(line), storetest.FormatLine(&shown); want != got {
			r.Errorf("closed before %v: account in %v\nwant %s\ngot  %s", r.before, in, want, got)
		}
		if sum := sumOfTerms(l); sum != l.Value {
			r.Errorf("closed before %v: the terms of %v sum to %v, not %v", r.before, line.Resource, sum, l.Value)
		}
		if account.Closed > r.before || account.Closed != 0 && in.From >= account.Closed.Start() {
			r.Errorf("the account of %v rests on months before %v, and those before %v are closed", in, account.Closed, r.before)
		}
	}
}

func sumOfTerms(l *metering.AccountLine) (sum metering.Amount) {
	for _, s := range l.Segments {
		sum = sum.Add(metering.Product(s.Is.Multiplier, uint64(s.To-s.From)))
	}
	for _, d := range l.Days {
		sum = sum.Add(d.Sum)
	}
	for _, w := range l.Windows {
		sum = sum.Add(w.Quantity)
	}
	return sum
}

func (r *retaining) findings(store report.Inspector, in metering.Period) string {
	r.Helper()
	var b strings.Builder
	everything := report.Scope{Projects: report.Everything[metering.ProjectID](), Regions: report.Everything[metering.RegionID](), Types: report.AllTypes}
	err := store.Findings(r.Context(), report.FindingQuery{Period: in, Scope: everything, Kinds: wrongBills()}, func(f *report.Finding) error {
		fmt.Fprintf(&b, "%v %v %v %v %d", f.Kind, f.Resources, f.From, f.To, f.Minutes)
		for _, w := range f.Windows {
			fmt.Fprintf(&b, " %q %q %v", w.Source, w.ID, w.Quantity)
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		r.Fatal(err)
	}
	return b.String()
}

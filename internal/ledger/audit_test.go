package ledger_test

import (
	"fmt"
	"path"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// auditOf asks for the account of a submission's resource on the day of noon.
func auditOf(s report.Submission) report.AuditQuery {
	return report.AuditQuery{Resource: s.Observation.Resource, Period: metering.Period{From: noon().Day(), To: noon().Day() + 1}, AsOf: noon()}
}

// retractionOf takes a submission back.
func retractionOf(s report.Submission) report.Submission {
	o := &metering.Observation{Kind: metering.RetractionMade, Time: noon(), TargetSource: s.Observation.Name.Source, TargetID: s.Observation.Name.ID}
	o.Name = metering.ObservationName{Project: s.Observation.Name.Project, Source: "/ops", ID: "back-" + o.TargetID}
	return report.Submission{Observation: o, AnyClient: true, ReceivedAt: noon()}
}

// audited returns the fates of what was observed.
func (v *tested) audited(s report.Submission) (fates []string) {
	v.Helper()
	a, err := v.ledger.Audit(v.Context(), auditOf(s))
	if err != nil {
		v.Fatalf("audit: %v", err)
	}
	for i := range a.Traces {
		fates = append(fates, a.Traces[i].Fate.String())
	}
	return fates
}

func TestAnAuditShowsNothingThatIsNotOnTheDisk(t *testing.T) {
	t.Parallel()
	v := newTested(t)
	known, unknown := machines(1, 1)[0], machines(2, 1)[0]
	v.store([]report.Submission{known})
	v.fs.fail(logIsLost)
	again := machines(1, 1)[0]
	again.Observation.Name.ID = "later"
	_, err := submitTogether(t.Context(), v.ledger, [][]report.Submission{{again, retractionOf(known), unknown}})
	v.unavailable("submit", err)
	if got := fmt.Sprint(v.audited(known)); got != "[counted]" {
		t.Errorf("what was there before is %s", got)
	}
	if _, err := v.ledger.Audit(t.Context(), auditOf(unknown)); metering.KindOf(err) != metering.KindNotFound {
		t.Errorf("what nobody has a receipt for: %v", err)
	}
	if err := v.ledger.Close(); err == nil {
		t.Error("close does not say that the log could not be written")
	}
}

func TestAnAuditThatCannotReadSaysSo(t *testing.T) {
	t.Parallel()
	v := newTested(t)
	known := machines(1000, 1)[0]
	v.store(machines(0, 2000), []report.Submission{retractionOf(known)}) // more than a start reads
	v.close()
	v.reopen() // Pebble writes its tables when it opens
	v.fs.fail(func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileReadAt && path.Ext(op.Path) == ".sst" })
	if a, err := v.ledger.Audit(t.Context(), auditOf(known)); err == nil || metering.KindOf(err) != metering.KindInternal {
		t.Errorf("got %+v and %v", a, err)
	}
	v.fs.heal()
	if got := fmt.Sprint(v.audited(known)); got != "[retracted]" {
		t.Errorf("once the disk can be read it is %s", got)
	}
	v.close()
}

// TestAnAuditSeesWholeBatches lets new sources send batches while others audit.
func TestAnAuditSeesWholeBatches(t *testing.T) {
	t.Parallel()
	const batches, size = 200, 5
	v := newTested(t)
	first := machines(1, 1)[0]
	v.store([]report.Submission{first})
	written := make(chan error, 1)
	go func() {
		for n := range batches {
			var batch []report.Submission
			for i := range size {
				s := machines(1, 1)[0]
				s.Observation.Time += metering.Instant(n*size+i+1) * metering.Second
				s.Observation.Name.Source, s.Observation.Name.ID = fmt.Sprint("/source-", n), fmt.Sprint(i)
				batch = append(batch, s)
			}
			if _, err := submitTogether(t.Context(), v.ledger, [][]report.Submission{batch}); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	for seen, end := 1, 1+batches*size; seen < end; {
		n := len(v.audited(first))
		if n < seen || (n-1)%size != 0 {
			t.Fatalf("%d observations after %d", n, seen)
		}
		seen = n
		select {
		case err := <-written:
			if err != nil {
				t.Fatal(err)
			}
			written <- nil
			end = n
		default:
		}
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if n := len(v.audited(first)); n != 1+batches*size {
		t.Errorf("%d observations in the end", n)
	}
	v.close()
}

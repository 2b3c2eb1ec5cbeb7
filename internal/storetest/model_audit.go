package storetest

import (
	"context"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// receipt is when and as which one an observation was stored.
type receipt struct {
	number uint64
	at     metering.Instant
}

// Audit implements [report.Auditor]. It hands everything that was received by
// then to the domain.
func (m *Model) Audit(_ context.Context, q report.AuditQuery) (*metering.Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.openLocked(); err != nil {
		return nil, err
	}
	retractions := m.retractionsLocked(q.AsOf)
	var received []metering.Received
	for name, o := range m.mu.stored {
		r := m.mu.receipts[name]
		if o.Kind != metering.RetractionMade && o.Resource == q.Resource && r.at <= q.AsOf {
			received = append(received, metering.Received{Observation: *o, Number: r.number, ReceivedAt: r.at, Retracted: retractions[name]})
		}
	}
	if len(received) == 0 {
		return nil, metering.Errorf(metering.KindNotFound, "nobody has observed this resource")
	}
	account := metering.Explain(received, q.Period, q.AsOf)
	if len(account.Traces) > report.MaxAudited {
		return nil, report.TooMuchToAudit()
	}
	return &account, nil
}

// retractionsLocked returns who took back what, the first one received of each,
// as far as it had been received by then.
func (m *Model) retractionsLocked(by metering.Instant) map[metering.ObservationName]*metering.Retraction {
	all := map[metering.ObservationName]*metering.Retraction{}
	numbers := map[metering.ObservationName]uint64{}
	for name, o := range m.mu.stored {
		r := m.mu.receipts[name]
		if o.Kind != metering.RetractionMade || r.at > by {
			continue
		}
		target := metering.ObservationName{Project: name.Project, Source: o.TargetSource, ID: o.TargetID}
		known := all[target]
		if known == nil || r.at < known.ReceivedAt || r.at == known.ReceivedAt && r.number < numbers[target] {
			all[target] = &metering.Retraction{Source: name.Source, ID: name.ID, Reason: o.Reason, ReceivedAt: r.at}
			numbers[target] = r.number
		}
	}
	return all
}

// asOf returns a model of what had been received by then. It knows the
// observations only.
func (m *Model) asOf(at metering.Instant) *Model {
	m.mu.Lock()
	defer m.mu.Unlock()
	past := NewModel(func() metering.Instant { return at })
	for name, o := range m.mu.stored {
		if m.mu.receipts[name].at > at {
			continue
		}
		past.mu.stored[name] = o
		if o.Kind == metering.RetractionMade {
			past.mu.retracted[metering.ObservationName{Project: name.Project, Source: o.TargetSource, ID: o.TargetID}] = true
		}
	}
	return past
}

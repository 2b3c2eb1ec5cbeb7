package storetest

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// audits is what stands behind a line.
func audits() []behaviour {
	july := period("2024-07-01", "2024-08-01")
	return []behaviour{
		{"LineOfStatesIsTheSumOfItsSegments", func(s *scene) {
			s.accept(s.state(volume(1), "2024-06-30T22:00:00Z", named("early")), s.state(volume(1), "2024-06-30T23:00:00Z", named("v")),
				s.state(volume(1), "2024-07-01T10:00:05Z", named("v"), multiplied(2_000_000_000)), s.state(volume(1), "2024-07-01T10:00:10Z", named("v"), multiplied(3_000_000_000)),
				s.state(volume(1), "2024-07-01T11:00:00Z", named("v"), multiplied(3_000_000_000)), s.gone(volume(1), "2024-07-01T12:00:00Z"), s.gone(volume(1), "2024-07-01T13:00:00Z"),
				s.state(volume(2), "2024-07-01T00:00:00Z"))
			s.expectAudit(volume(1), july, s.clock.Now(),
				"volume_t_g1_gbm = 960: 600 x 1000000000 + 120 x 3000000000",
				"e002 counted -> 0/0", "e003 superseded e004", "e004 counted -> 0/1", "e005 repeated e004 -> 0/1", "e006 counted", "e007 repeated e006")
			s.expectAudit(volume(1), period("2024-07-02", "2024-08-01"), s.clock.Now(), "e007 counted")
		}},
		{"LineOfQuantitiesIsTheSumOfItsWindows", func(s *scene) {
			s.accept(s.quantity(port(1), "2024-06-30T23:00:00Z", "2024-07-01T00:00:00Z", "1"), s.quantity(port(1), "2024-07-01T00:00:00Z", "2024-07-01T01:00:00Z", "2"),
				s.quantity(port(1), "2024-07-01T00:00:00Z", "2024-07-01T01:00:00Z", "4", toldAt("2024-07-03T00:00:00Z")),
				s.quantity(port(1), "2024-08-01T00:00:00Z", "2024-08-01T01:00:00Z", "8"), s.quantity(port(1), "2024-07-31T23:00:00Z", "2024-08-01T00:00:00Z", "16"))
			s.expectAudit(port(1), july, s.clock.Now(), "egress_traffic_vm_gbs = 20: 4 + 16",
				"e002 corrected e003", "e003 counted -> 0/0", "e005 counted -> 0/1")
			s.expectAudit(port(1), period("2024-06-01", "2025-01-01"), s.clock.Now(), "egress_traffic_vm_gbs = 29: 1 + 4 + 16 + 8",
				"e001 counted -> 0/0", "e002 corrected e003", "e003 counted -> 0/1", "e005 counted -> 0/2", "e004 counted -> 0/3")
			s.expectAudit(port(1), period("0001-01-01", "2024-07-01"), s.clock.Now(), "egress_traffic_vm_gbs = 1: 1", "e001 counted -> 0/0")
		}},
		{"RetractedIsListedWithWhoTookItBack", func(s *scene) {
			late, early := s.state(instance(1), "2024-07-01T01:00:00Z"), s.state(instance(1), "2024-07-01T02:00:00Z", multiplied(7))
			wrong := s.quantity(port(1), "2024-07-01T00:00:00Z", "2024-07-01T01:00:00Z", "2")
			s.accept(s.retraction(early), s.state(instance(1), "2024-07-01T00:00:00Z"), late, early, s.gone(instance(1), "2024-07-01T03:00:00Z"), wrong)
			s.accept(s.retraction(late), s.retraction(late), s.retraction(wrong))
			s.expectAudit(instance(1), july, s.clock.Now(), "g1_min = 180: 180 x 1", "e005 counted -> 0/0", "e001 retracted e007", "e002 retracted e004", "e006 counted")
			s.expectAudit(instance(1), period("2024-07-02", "2024-08-01"), s.clock.Now(), "e006 counted")
			s.expectAudit(port(1), july, s.clock.Now(), "e003 retracted e009")
		}},
	}
}

// pasts is the report as it stood.
func pasts() []behaviour {
	july, month := period("2024-07-01", "2024-07-02"), period("2024-07-01", "2024-08-01")
	return []behaviour{
		{"FigureAsItStoodBeforeACorrection", func(s *scene) {
			window := func(amount, told string) *metering.Observation {
				return s.quantity(port(1), "2024-07-01T00:00:00Z", "2024-07-01T01:00:00Z", amount, toldAt(told))
			}
			s.clock.Set(At("2024-07-02T00:00:00Z"))
			s.accept(window("5", "2024-07-01T01:00:00Z"))
			s.clock.Set(At("2024-07-03T00:00:00Z"))
			s.accept(window("9", "2024-07-03T00:00:00Z"))
			s.clock.Set(At("2024-07-05T00:00:00Z"))
			s.expectAudit(port(1), july, At("2024-07-02T23:59:59.999999999Z"), "egress_traffic_vm_gbs = 5: 5", "e001 counted -> 0/0")
			s.expectAudit(port(1), july, At("2024-07-03T00:00:00Z"), "egress_traffic_vm_gbs = 9: 9", "e001 corrected e002", "e002 counted -> 0/0")
		}},
		{"FigureAsItStoodBeforeARetraction", func(s *scene) {
			s.clock.Set(At("2024-07-02T00:00:00Z"))
			first, second := s.state(instance(1), "2024-06-01T00:00:00Z"), s.state(instance(1), "2024-06-02T00:00:00Z", multiplied(5))
			s.accept(first, second)
			s.clock.Set(At("2024-07-03T00:00:00Z"))
			s.accept(s.retraction(second))
			s.clock.Set(At("2024-07-04T00:00:00Z"))
			s.accept(s.retraction(first, from("/ops", "r2")), s.retraction(first, from("/ops", "r3")))
			s.expectAudit(instance(1), july, At("2024-07-02T00:00:00Z"), "g1_min = 7200: 1440 x 5", "e002 counted -> 0/0")
			s.expectAudit(instance(1), july, At("2024-07-03T00:00:00Z"), "g1_min = 1440: 1440 x 1", "e001 counted -> 0/0", "e002 retracted e003")
			s.expectAudit(instance(1), july, s.clock.Now(), "e001 retracted r2", "e002 retracted e003")
		}},
		{"NoMinuteCountsAfterTheInstantOfTheReport", func(s *scene) {
			s.clock.Set(At("2024-07-01T00:00:00Z"))
			s.accept(s.state(instance(1), "2024-07-01T00:00:00Z"), s.state(instance(1), "2024-07-01T00:50:00Z", multiplied(2)))
			s.clock.Set(At("2024-07-05T00:00:00Z"))
			s.expectAudit(instance(1), month, At("2024-07-01T00:00:00Z"), "e001 pending", "e002 pending")
			s.expectAudit(instance(1), month, At("2024-07-01T00:10:30Z"), "g1_min = 11: 11 x 1", "e001 counted -> 0/0", "e002 pending")
			s.expectAudit(instance(1), july, s.clock.Now(), "g1_min = 2830: 50 x 1 + 1390 x 2", "e001 counted -> 0/0", "e002 counted -> 0/1")
		}},
	}
}

// unaudited is what cannot be audited.
func unaudited() []behaviour {
	july := period("2024-07-01", "2024-08-01")
	return []behaviour{
		{"WhatNobodyHasObservedIsNotFound", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T00:00:00Z"), s.quantity(port(1), "2024-07-01T00:00:00Z", "2024-07-01T01:00:00Z", "1"))
			for _, k := range []metering.ResourceKey{instance(2), volume(1), elsewhere(instance(1), 11, 76), elsewhere(instance(1), 10, 77), port(2), elsewhere(port(1), 10, 77)} {
				s.expectNoAudit(metering.KindNotFound, k, july, s.clock.Now())
			}
			for _, k := range []metering.ResourceKey{instance(1), port(1)} {
				s.expectNoAudit(metering.KindNotFound, k, july, s.clock.Now()-1)
				s.expectAudit(k, period("2024-06-01", "2024-07-01"), s.clock.Now())
				s.expectAudit(k, period("2024-07-01", "2024-07-01"), s.clock.Now())
				s.expectAudit(k, period("0001-01-01", "1970-01-02"), s.clock.Now())
			}
			s.expectAudit(port(1), period("2300-01-01", "9999-12-31"), s.clock.Now())
			s.expectAudit(instance(1), period("2300-01-01", "9999-12-31"), s.clock.Now(), "e001 pending")
		}},
		{"WhatIsWhollyRetractedIsKnown", func(s *scene) {
			wrong := s.state(instance(1), "2024-07-01T00:00:00Z")
			s.accept(wrong, s.retraction(wrong))
			s.expectAudit(instance(1), july, s.clock.Now(), "e001 retracted e002")
		}},
		{"AnAuditIsBounded", func(s *scene) {
			begin := At("2024-03-01T00:00:00Z")
			minute := func(n int) *metering.Observation {
				o := s.quantity(functions(1), "2024-03-01T00:00:00Z", "2024-03-01T00:01:00Z", "1")
				o.From += metering.Instant(n) * 60 * metering.Second
				o.To += metering.Instant(n) * 60 * metering.Second
				return o
			}
			for n := 0; n <= report.MaxAudited; n += 20_000 {
				var batch []*metering.Observation
				for i := n; i < min(n+20_000, report.MaxAudited+1); i++ {
					batch = append(batch, minute(i))
				}
				s.accept(batch...)
			}
			last := (begin + report.MaxAudited*60*metering.Second).Day()
			s.expectNoAudit(metering.KindInvalid, functions(1), metering.Period{From: begin.Day(), To: last + 1}, s.clock.Now())
			s.accept(s.retraction(minute(0), func(d *draft) { d.TargetID = "e000" }))
			a, err := s.store.Audit(s.t.Context(), report.AuditQuery{Resource: functions(1), Period: metering.Period{From: begin.Day() + 1, To: last + 1}, AsOf: s.clock.Now()})
			if err != nil || len(a.Traces) != report.MaxAudited+1-24*60 || len(a.Lines[0].Windows) != len(a.Traces) {
				s.t.Errorf("a day less: %v", err)
			}
		}},
		{"AClosedStoreCannotBeAudited", func(s *scene) {
			s.close()
			s.expectNoAudit(metering.KindUnavailable, instance(1), july, s.clock.Now())
		}},
	}
}

// expectAudit demands an account as [briefAccount] writes it; the same again
// after merging, and again after a restart.
func (s *scene) expectAudit(k metering.ResourceKey, p metering.Period, asOf metering.Instant, want ...string) {
	s.t.Helper()
	q := report.AuditQuery{Resource: k, Period: p, AsOf: asOf}
	s.checkAudit("", q, want)
	if s.merge() {
		s.checkAudit(" after merging", q, want)
	}
	if s.restart() {
		s.checkAudit(" after a restart", q, want)
	}
}

func (s *scene) checkAudit(when string, q report.AuditQuery, want []string) {
	s.t.Helper()
	a, err := s.store.Audit(s.t.Context(), q)
	if err != nil {
		s.t.Fatalf("audit%s: %v", when, err)
	}
	if got := briefAccount(a); !slices.Equal(got, want) {
		s.t.Fatalf("audit%s:\nwant %s\ngot  %s", when, strings.Join(want, "\n     "), strings.Join(got, "\n     "))
	}
}

func (s *scene) expectNoAudit(kind metering.Kind, k metering.ResourceKey, p metering.Period, asOf metering.Instant) {
	s.t.Helper()
	a, err := s.store.Audit(s.t.Context(), report.AuditQuery{Resource: k, Period: p, AsOf: asOf})
	if err == nil || metering.KindOf(err) != kind {
		s.t.Errorf("audit of %v: got %v and %v, want kind %d", k, a, err, kind)
	}
}

// briefAccount writes a row a line, "<metric> = <value>: <terms>", and a row an
// observation, "<id> <fate> <by> -> <line>/<term>".
func briefAccount(a *metering.Account) []string {
	var rows []string
	for i := range a.Lines {
		l := &a.Lines[i]
		var terms []string
		for _, seg := range l.Segments {
			terms = append(terms, fmt.Sprintf("%d x %d", seg.To-seg.From, seg.Is.Multiplier))
		}
		for _, w := range l.Windows {
			terms = append(terms, w.Quantity.Format(metering.QuantityScale))
		}
		rows = append(rows, fmt.Sprintf("%s = %s: %s", l.Meter.Metric, l.Value.Format(l.Meter.Type.Measure().Scale()), strings.Join(terms, " + ")))
	}
	for i := range a.Traces {
		t := &a.Traces[i]
		row := t.Name.ID + " " + t.Fate.String()
		switch {
		case t.Retracted != nil:
			row += " " + t.Retracted.ID
		case t.By != nil:
			row += " " + t.By.Name.ID
		}
		if t.Term >= 0 {
			row += fmt.Sprintf(" -> %d/%d", t.Line, t.Term)
		}
		rows = append(rows, row)
	}
	return rows
}

// formatAccount shows all that an account says, a row a line and observation.
func formatAccount(a *metering.Account) []string {
	rows := briefAccount(a)
	for i := range a.Traces {
		t := &a.Traces[i]
		o := t.Observation
		if o.Deleted {
			o.Meter = metering.Meter{} // a deletion has none
		}
		rows[len(a.Lines)+i] += fmt.Sprintf(" %+v number %d received %s", o, t.Number, t.ReceivedAt)
		if t.Retracted != nil {
			rows[len(a.Lines)+i] += fmt.Sprintf(" %+v", *t.Retracted)
		}
	}
	return rows
}

// auditPercent of the random queries are audited too: the model walks the minutes
// once more for each.
const auditPercent = 10

// compareAudit audits a resource in the store and in the model, as of some
// instant, and fails when they differ, or when the lines are not those of a
// report that knows only what had been received by then.
func (p *player) compareAudit(q report.Query) {
	p.t.Helper()
	if len(p.h.resources) == 0 || !p.chance(auditPercent) {
		return
	}
	audit := report.AuditQuery{Resource: pick(p.Rand, p.h.resources...), Period: q.Period, AsOf: q.Now}
	if p.chance(50) {
		audit.AsOf = min(q.Now, p.h.Start+metering.Instant(p.Int64N(int64(max(p.clock.Now()-p.h.Start, 1)))))
	}
	want, missing := p.model.Audit(p.t.Context(), audit)
	got, err := p.store.Audit(p.t.Context(), audit)
	if metering.KindOf(missing) != metering.KindOf(err) || (missing == nil) != (err == nil) {
		p.failf("audit of %v as of %s: want %v, got %v", audit.Resource, audit.AsOf, missing, err)
	}
	if err != nil || missing != nil {
		return
	}
	var diff strings.Builder
	diffTexts(&diff, "row", formatAccount(want), formatAccount(got))
	q.Now = audit.AsOf
	q.Limit, q.Offset, q.Where, q.Tags, q.Order = math.MaxInt, 0, nil, nil, []report.OrderTerm{{Field: report.ByProject}}
	q.Projects, q.Regions, q.Types = report.Only(audit.Resource.Project), report.Only(audit.Resource.Region), report.TypesOf(audit.Resource.Type)
	past, err := Ask(p.t.Context(), p.model.asOf(audit.AsOf), q)
	if err != nil {
		p.t.Fatalf("model: %v", err)
	}
	var lines []string
	for i := range got.Lines {
		line := report.LineOf(audit.Resource, &got.Lines[i].Usage)
		lines = append(lines, FormatLine(&line))
	}
	past.Lines = slices.DeleteFunc(past.Lines, func(l report.Line) bool { return l.Resource != audit.Resource })
	diffTexts(&diff, "line", formatAll(past.Lines, FormatLine), lines)
	if diff.Len() > 0 {
		p.failf("audit of %v in %s to %s as of %s\n%s", audit.Resource, audit.Period.From, audit.Period.To, audit.AsOf, &diff)
	}
}

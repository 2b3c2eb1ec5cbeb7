package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/meterbook/meterbook/internal/metering"
)

// peerReport is a report as SQL: the first page of ten lines of a period in one
// order.
type peerReport struct {
	in    metering.Period
	order string // "<field>.<asc or desc>"
}

// fill replaces what begins with a dollar sign by what the report is about.
func (r peerReport) fill(text string) string {
	field, direction, _ := strings.Cut(r.order, ".")
	return strings.NewReplacer(
		"$from", fmt.Sprint(r.in.From.FirstMinute()), "$to", fmt.Sprint(r.in.To.FirstMinute()),
		"$day_from", fmt.Sprint(int(r.in.From)), "$day_to", fmt.Sprint(int(r.in.To)),
		"$end", fmt.Sprint(int64(r.in.To.Start()/metering.Second)),
		"$clipped", "(least(to_min, $to) - greatest(from_min, $from))",
		"$field", field, "$direction", direction,
	).Replace(text)
}

// The conditions that select what counts in the period.
const (
	inPeriod  = "from_min < $to AND to_min > $from"
	inDays    = "day >= $day_from AND day < $day_to"
	clipped   = "weight * (least(to_min, $to) - greatest(from_min, $from))"
	firstSeen = "greatest(from_min, $from) * 60 + 30"
	lastSeen  = "least(to_min, $to) * 60 - 30"
	bestTen   = "ORDER BY key $direction NULLS LAST, line LIMIT 10"
)

// keyOf is what a line is ordered by, from the rows of a group of segments and of
// days.
func (r peerReport) keyOf() (ofSegments, ofDays string) {
	switch field, _, _ := strings.Cut(r.order, "."); field {
	case "billing_value":
		return "sum(" + clipped + ")", "sum(amount)"
	case "first_seen":
		return "min(" + firstSeen + ")", "min(first)"
	case "last_seen":
		return "max(" + lastSeen + ")", "least(max(last), $end)"
	case "last_name":
		return "arg_max_null(name_rank, from_min)", "arg_max_null(name_rank, day)"
	default:
		return "any_value(" + field + ")", "any_value(" + field + ")"
	}
}

// grouped sums all lines first, and takes totals, count and page from the sums.
func (r peerReport) grouped(table string) string {
	ofSegments, ofDays := r.keyOf()
	return r.fill(`WITH sums AS MATERIALIZED (
	SELECT line, any_value(total) AS total, sum(` + clipped + `) AS amount, ` + ofSegments + ` AS key
	FROM ` + table + ` WHERE ` + inPeriod + ` GROUP BY line
	UNION ALL
	SELECT line, any_value(total), sum(amount), ` + ofDays + `
	FROM days WHERE ` + inDays + ` GROUP BY line)
SELECT 0 AS kind, total AS id, sum(amount) AS amount, count(*) AS lines FROM sums GROUP BY total
UNION ALL
SELECT 1, line, NULL, NULL FROM (SELECT line FROM sums ` + bestTen + `)`)
}

// unsummed never groups by line where a line has one segment in the period, as
// nearly all have: prev_to and next_from tell its first and its last one. Totals
// and count need no grouping by line either.
func (r peerReport) unsummed(table string) string {
	_, ofDays := r.keyOf()
	return r.fill(`SELECT 0 AS kind, total AS id, sum(` + clipped + `) AS amount, count(*) FILTER (prev_to <= $from) AS lines
FROM ` + table + ` WHERE ` + inPeriod + ` GROUP BY total
UNION ALL
SELECT 0, total, sum(amount), count(*) FILTER (prev_day < $day_from) FROM days WHERE ` + inDays + ` GROUP BY total
UNION ALL
SELECT 1, line, NULL, NULL FROM (SELECT line FROM (
	` + r.candidates(table) + `
	UNION ALL
	SELECT line, ` + ofDays + ` AS key FROM days WHERE ` + inDays + ` GROUP BY line
) ` + bestTen + `)`)
}

// candidates are the lines of segments with their keys.
func (r peerReport) candidates(table string) string {
	first := " FROM " + table + " WHERE " + inPeriod + " AND prev_to <= $from"
	last := " FROM " + table + " WHERE " + inPeriod + " AND next_from >= $to"
	switch field, _, _ := strings.Cut(r.order, "."); field {
	case "billing_value":
		return `SELECT line, (` + clipped + `)::HUGEINT AS key` + first + ` AND next_from >= $to
	UNION ALL
	SELECT line, sum(` + clipped + `) FROM ` + table + ` WHERE ` + inPeriod + ` AND (prev_to > $from OR next_from < $to) GROUP BY line`
	case "first_seen":
		return "SELECT line, " + firstSeen + " AS key" + first
	case "last_seen":
		return "SELECT line, " + lastSeen + " AS key" + last
	case "last_name":
		return "SELECT line, name_rank AS key" + last
	default:
		return "SELECT line, " + field + " AS key" + first
	}
}

// tenBestTwice is candidates for the order by value: a multiplication that does
// not fit 64 bits would be an error.
func (r peerReport) tenBestTwice() string {
	one := "prev_to <= $from AND next_from >= $to"
	return `SELECT line, key::HUGEINT AS key FROM (SELECT line, ` + clipped + ` AS key FROM segments_by_end WHERE ` + inPeriod + ` AND ` + one + ` ` + bestTen + `)
	UNION ALL
	SELECT line, sum(` + clipped + `) FROM segments_by_end WHERE ` + inPeriod + ` AND NOT (` + one + `) GROUP BY line`
}

// clippedSQL makes a table of the month's lines, as Meterbook makes a projection
// of a period when it is first asked for.
const clippedSQL = `CREATE OR REPLACE TABLE month_lines AS
SELECT line, any_value(total) AS total, any_value(project) AS project, any_value(region) AS region, any_value(type) AS type,
	sum(` + clipped + `)::HUGEINT AS billing_value, min(` + firstSeen + `)::BIGINT AS first_seen, max(` + lastSeen + `)::BIGINT AS last_seen,
	arg_max_null(name_rank, from_min) AS last_name
FROM segments WHERE ` + inPeriod + ` GROUP BY line
UNION ALL
SELECT line, any_value(total), any_value(project), any_value(region), any_value(type), sum(amount), min(first), least(max(last), $end), arg_max_null(name_rank, day)
FROM days WHERE ` + inDays + ` GROUP BY line
ORDER BY line`

// projected asks such a table.
func (r peerReport) projected() string {
	return r.fill(`SELECT 0 AS kind, total AS id, sum(billing_value) AS amount, count(*) AS lines FROM month_lines GROUP BY total
UNION ALL
SELECT 1, line, NULL, NULL FROM (SELECT line FROM month_lines ORDER BY $field $direction NULLS LAST, line LIMIT 10)`)
}

// page asks for what is printed of the given lines, in the order of the report.
// The rows of the lines are found by index, which DuckDB does where nothing else
// is a condition, and stand by themselves before they are clipped.
func (r peerReport) page(lines []string) string {
	ofSegments, ofDays := r.keyOf()
	if field, _, _ := strings.Cut(r.order, "."); field == "project" || field == "region" || field == "type" {
		ofSegments, ofDays = ofSegments+"::BIGINT", ofDays+"::BIGINT"
	}
	only := "WHERE line IN (" + strings.Join(lines, ", ") + ")"
	return r.fill(`WITH s AS MATERIALIZED (SELECT * FROM segments ` + only + `),
	d AS MATERIALIZED (SELECT * FROM days ` + only + `),
	l AS MATERIALIZED (SELECT * FROM lines ` + only + `)
SELECT project, region, type, id_hi, id_lo, meter, amount, first, last, size, attributes
FROM (SELECT line, sum(` + clipped + `) AS amount, min(` + firstSeen + `) AS first, max(` + lastSeen + `) AS last,
		arg_max(size, from_min) AS size, arg_max(attributes, from_min) AS attributes, ` + ofSegments + ` AS key
	FROM s WHERE ` + inPeriod + ` GROUP BY line
	UNION ALL
	SELECT line, sum(amount), min(first), least(max(last), $end), 0, arg_max(attributes, day), ` + ofDays + `
	FROM d WHERE ` + inDays + ` GROUP BY line) JOIN l USING (line)
ORDER BY key $direction NULLS LAST, line`)
}

// prepare prepares one way to ask.
func (p *peer) prepare(ctx context.Context, r peerReport, variant, text string) (*statement, error) {
	prepared, err := p.conn.PrepareContext(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", text, err)
	}
	return &statement{peer: p, report: r, variant: variant, text: text, prepared: prepared}, nil
}

// variants are the ways to ask that are tried for each order.
func (r peerReport) variants() map[string]string {
	variants := map[string]string{
		"grouped by line":                  r.grouped("segments"),
		"grouped by line, by end":          r.grouped("segments_by_end"),
		"without grouping by line":         r.unsummed("segments"),
		"without grouping by line, by end": r.unsummed("segments_by_end"),
	}
	if strings.HasPrefix(r.order, "billing_value") {
		// The ten best of the lines of one segment are found in 64 bits.
		variants["without grouping by line, by end, ten best twice"] = strings.Replace(r.unsummed("segments_by_end"), r.fill(r.candidates("segments_by_end")), r.fill(r.tenBestTwice()), 1)
	}
	return variants
}

// fastest tries every variant a few times, checks that all answer alike, and
// returns the one that answered soonest once.
func (p *peer) fastest(ctx context.Context, r peerReport, variants map[string]string, want *answer) (*statement, error) {
	var best *statement
	var bestTook time.Duration
	for _, variant := range sortedKeys(variants) {
		s, err := p.prepare(ctx, r, variant, variants[variant])
		if err != nil {
			return nil, err
		}
		if err := s.check(ctx, want); err != nil {
			return nil, fmt.Errorf("%s: %w", variant, err)
		}
		t, err := repeat(3, func() error { return s.fetchOnly(ctx) })
		if err != nil {
			return nil, err
		}
		if took := slices.Min(t); best == nil || took < bestTook {
			best, bestTook = s, took
		}
	}
	return best, nil
}

func (s *statement) fetchOnly(ctx context.Context) error {
	_, err := s.fetch(ctx)
	return err
}

// check asks and compares.
func (s *statement) check(ctx context.Context, want *answer) error {
	got, err := s.fetch(ctx)
	if err != nil {
		return err
	}
	if difference := want.difference(s.answer(got)); difference != "" {
		return fmt.Errorf("the answers of Meterbook and DuckDB differ, in order %s: %s", s.report.order, difference)
	}
	return nil
}

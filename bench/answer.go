package main

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// answer is a report as texts, so that those of two engines can be compared for
// equality. Amounts are in billionths, whatever the scale of their measure.
type answer struct {
	count  int
	totals []string // sorted
	page   []string // in order
}

// difference says where two answers differ, "" when they are equal.
func (a *answer) difference(b *answer) string {
	switch {
	case a.count != b.count:
		return fmt.Sprintf("count %d, DuckDB has %d", a.count, b.count)
	case !slices.Equal(a.page, b.page):
		return fmt.Sprintf("page\n%s\nDuckDB has\n%s", strings.Join(a.page, "\n"), strings.Join(b.page, "\n"))
	case !slices.Equal(a.totals, b.totals):
		for i := range min(len(a.totals), len(b.totals)) {
			if a.totals[i] != b.totals[i] {
				return fmt.Sprintf("total %s, DuckDB has %s", a.totals[i], b.totals[i])
			}
		}
		return fmt.Sprintf("%d totals, DuckDB has %d", len(a.totals), len(b.totals))
	}
	return ""
}

// answerOf reads a report to its end.
func answerOf(r *report.Report) *answer {
	a := &answer{count: r.Count}
	for i := range r.Totals {
		t := &r.Totals[i]
		a.totals = append(a.totals, totalText(int64(t.Region), t.Meter, billionths(t.Value, t.Meter.Type)))
	}
	for l := range r.Lines {
		a.page = append(a.page, lineText(l.Resource, l.Meter, billionths(l.Value, l.Meter.Type),
			int64(l.First/metering.Second), int64(l.Last/metering.Second), l.SizeBytes, attributesText(l.Attributes)))
	}
	slices.Sort(a.totals)
	return a
}

func billionths(a metering.Amount, t metering.ResourceType) *big.Int {
	hi, mid, lo := report.ValueKey(a, t.Measure().Scale())
	v := new(big.Int).SetUint64(hi)
	for _, word := range []uint64{mid, lo} {
		v.Lsh(v, 64).Or(v, new(big.Int).SetUint64(word))
	}
	return v
}

func totalText(region int64, m metering.Meter, amount *big.Int) string {
	return fmt.Sprintf("%s region %d %s %q %s = %s", m.Type, region, m.Metric, m.Dimension, m.Unit, amount)
}

func lineText(k metering.ResourceKey, m metering.Meter, amount *big.Int, first, last int64, size uint64, attributes string) string {
	return fmt.Sprintf("%d %d %s %s %s %q %s = %s, %d to %d, %d bytes, %s", k.Project, k.Region, k.Type, k.ID, m.Metric, m.Dimension, m.Unit, amount, first, last, size, attributes)
}

// attributesText writes attributes as JSON.
func attributesText(a *metering.Attributes) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, text := range a.Texts {
		if text != "" {
			member(&b, metering.Attribute(i).String(), text)
		}
	}
	for _, tag := range a.Tags {
		member(&b, "tag "+tag.Key, tag.Value)
	}
	b.WriteByte('}')
	return b.String()
}

func member(b *strings.Builder, name, value string) {
	if b.Len() > 1 {
		b.WriteByte(',')
	}
	b.WriteString(strconv.Quote(name))
	b.WriteByte(':')
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // a string
	}
	b.Write(text)
}

package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Answer is a report read to its end: it stays valid, and can be compared.
type Answer struct {
	Count         int
	Lines         []report.Line
	Totals        []report.Total
	CompleteUntil metering.Instant
}

// Ask reads a whole report.
func Ask(ctx context.Context, r report.Reader, q report.Query) (*Answer, error) {
	rep, err := r.Report(ctx, q)
	if err != nil {
		return nil, err
	}
	return Collect(rep), nil
}

// Collect reads a report to its end and closes it. It copies every text, as
// lines are valid only until the next one.
func Collect(r *report.Report) *Answer {
	defer r.Close()
	a := &Answer{Count: r.Count, CompleteUntil: r.CompleteUntil}
	for l := range r.Lines {
		a.Lines = append(a.Lines, copyLine(l))
	}
	for _, t := range r.Totals {
		t.Meter = copyMeter(t.Meter)
		a.Totals = append(a.Totals, t)
	}
	return a
}

func copyLine(l *report.Line) report.Line {
	c := *l
	c.Meter = copyMeter(l.Meter)
	c.Attributes = &metering.Attributes{}
	if l.Attributes == nil {
		return c
	}
	for i, text := range l.Attributes.Texts {
		c.Attributes.Texts[i] = strings.Clone(text)
	}
	for _, tag := range l.Attributes.Tags {
		c.Attributes.Tags = append(c.Attributes.Tags, metering.Tag{Key: strings.Clone(tag.Key), Value: strings.Clone(tag.Value)})
	}
	return c
}

func copyMeter(m metering.Meter) metering.Meter {
	m.Metric, m.Dimension, m.Unit = strings.Clone(m.Metric), strings.Clone(m.Dimension), strings.Clone(m.Unit)
	return m
}

// FormatLine shows all that a line says, in one row of text. Two lines are
// equal when their texts are.
func FormatLine(l *report.Line) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d/%d %s %s %s %s..%s", l.Resource.Project, l.Resource.Region, l.Resource.Type, l.Resource.ID,
		formatValue(l.Meter, l.Value), l.First, l.Last)
	if l.Resource.Type.Measure() == metering.Sized {
		fmt.Fprintf(&b, " size=%d", l.SizeBytes)
	}
	if l.Attributes == nil {
		return b.String()
	}
	for i, text := range l.Attributes.Texts {
		if text != "" {
			fmt.Fprintf(&b, " %s=%q", metering.Attribute(i), text)
		}
	}
	for _, tag := range l.Attributes.Tags {
		fmt.Fprintf(&b, " tag %q=%q", tag.Key, tag.Value)
	}
	return b.String()
}

// FormatTotal shows all that a total says, in one row of text.
func FormatTotal(t *report.Total) string {
	return fmt.Sprintf("%d %s %s", t.Region, t.Meter.Type, formatValue(t.Meter, t.Value))
}

func formatValue(m metering.Meter, v metering.Amount) string {
	return fmt.Sprintf("%q[%s]=%s %s", m.Metric, m.Dimension, v.Format(m.Type.Measure().Scale()), m.Unit)
}

// diffRows is the number of different rows that a difference shows.
const diffRows = 6

// Diff describes how two answers differ; "" when they don't.
func Diff(want, got *Answer) string {
	var b strings.Builder
	if want.Count != got.Count {
		fmt.Fprintf(&b, "count: want %d, got %d\n", want.Count, got.Count)
	}
	if want.CompleteUntil != got.CompleteUntil {
		fmt.Fprintf(&b, "complete until: want %s, got %s\n", want.CompleteUntil, got.CompleteUntil)
	}
	diffTexts(&b, "line", formatAll(want.Lines, FormatLine), formatAll(got.Lines, FormatLine))
	diffTexts(&b, "total", formatAll(want.Totals, FormatTotal), formatAll(got.Totals, FormatTotal))
	return b.String()
}

func formatAll[T any](items []T, format func(*T) string) []string {
	texts := make([]string, len(items))
	for i := range items {
		texts[i] = format(&items[i])
	}
	return texts
}

// diffTexts shows the rows that differ, by their place, and says so when the
// rows are the same and only their order is wrong.
func diffTexts(b *strings.Builder, what string, want, got []string) {
	if slices.Equal(want, got) {
		return
	}
	if slices.Equal(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(got))) {
		fmt.Fprintf(b, "the %ss are right, their order is not\n", what)
	}
	shown := 0
	for i := range max(len(want), len(got)) {
		w, g := textAt(want, i), textAt(got, i)
		if w == g {
			continue
		}
		if shown++; shown > diffRows {
			fmt.Fprintf(b, "… more %ss differ: want %d of them, got %d\n", what, len(want), len(got))
			return
		}
		fmt.Fprintf(b, "%s %d:\n  want %s\n  got  %s\n", what, i, w, g)
	}
}

func textAt(texts []string, i int) string {
	if i < len(texts) {
		return texts[i]
	}
	return "(none)"
}

// AssertEqualAnswers fails the test when two answers differ in any way.
func AssertEqualAnswers(t testing.TB, want, got *Answer) {
	t.Helper()
	if diff := Diff(want, got); diff != "" {
		t.Errorf("the reports differ:\n%s", diff)
	}
}

// AssertEqualReports reads both reports to their ends, closes them, and fails
// the test when they differ in any way.
func AssertEqualReports(t testing.TB, want, got *report.Report) {
	t.Helper()
	AssertEqualAnswers(t, Collect(want), Collect(got))
}

package report_test

import (
	"io"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// benchmarkLines are what a fleet has most of.
func benchmarkLines(b *testing.B) []*report.Line {
	type texts = map[metering.Attribute]string
	tags := []metering.Tag{{Key: "env", Value: "production"}, {Key: "os_distro", Value: "ubuntu"}, {Key: "os_version", Value: "22.04"}}
	lines := []*report.Line{
		line(b, "instance", texts{metering.Name: "web-frontend-17", metering.Flavor: "g1-standard-4-8"}, tags...),
		line(b, "volume", texts{metering.Name: "web-frontend-17-data", metering.VolumeType: "ssd_hiiops", metering.AttachedToVM: anID}),
		line(b, "floatingip", texts{metering.Name: "fip", metering.IPAddress: "203.0.113.17"}),
		line(b, "snapshot", texts{metering.Name: "Sicherung für Köln", metering.VolumeType: "standard", metering.SourceVolumeUUID: anID}, tags[:1]...),
	}
	for _, l := range lines {
		l.Value = metering.AmountOf(1168553_227059200)
		l.First, l.Last = 1719792030*metering.Second, 1722470370*metering.Second
	}
	return lines
}

func BenchmarkWriteJSON(b *testing.B) {
	const pageSize = 10_000
	lines := benchmarkLines(b)
	page := func(yield func(*report.Line) bool) {
		for i := range pageSize {
			if !yield(lines[i%len(lines)]) {
				return
			}
		}
	}
	size := 0
	for _, l := range lines {
		size += len(report.AppendLine(nil, l)) * pageSize / len(lines)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		if err := report.WriteJSON(io.Discard, &report.Report{Count: pageSize, Lines: page}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	body := []byte(withPeriod(`"limit":100,"projects":[1,2,3],"types":["instance","volume"],"order_by":["billing_value.desc","last_name.asc"],
		"schema_filter":{"type":"instance","field":"flavor","values":["g1-standard-4-8"]},"tags":{"conditions":[{"key":"env","value":"prod","strict":false}]}`))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := report.Parse(body, 0, report.FullScope()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompare(b *testing.B) {
	lines := benchmarkLines(b)
	terms := order(b, `"billing_value.desc","last_name.asc"`)
	for b.Loop() {
		if report.Compare(terms, lines[0], lines[1]) == 0 {
			b.Fatal("equal")
		}
	}
}

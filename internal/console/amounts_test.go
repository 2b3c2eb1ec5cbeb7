package console

import (
	"encoding/json"
	"testing"
)

func TestReadableAmountsAreRoundedOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ exact, unit, want, plain string }{
		{"43200", "minutes", "720 h", "43200 minutes"},
		{"59", "minutes", "59 min", "59 minutes"},
		{"60", "minutes", "1 h", "60 minutes"},
		{"100", "minutes", "1.67 h", "100 minutes"},
		{"0", "minutes", "0 min", "0 minutes"},
		{"1168553.2270592", "gbminutes", "19,476 GB·h", "1168553.2270592 GB-minutes"},
		{"59999999.4", "gbminutes", "1,000,000 GB·h", "59999999.4 GB-minutes"},
		{"60000000", "gbminutes", "1,000 TB·h", "60000000 GB-minutes"},
		{"569071606980", "gbminutes", "9,484.53 PB·h", "569071606980 GB-minutes"},
		{"0.000000001", "gbminutes", "< 0.01 GB·h", "0.000000001 GB-minutes"},
		{"1023", "bytes", "1,023 bytes", "1023 bytes"},
		{"1024", "bytes", "1 KiB", "1024 bytes"},
		{"1048575", "bytes", "1,024 KiB", "1048575 bytes"},
		{"9223372036854775807", "bytes", "8,192 PiB", "9223372036854775807 bytes"},
		{"340282366920938463463374607431768211455", "bytes", "302,231,454,903,657,293,676,544 PiB", "340282366920938463463374607431768211455 bytes"},
		{"3600", "GBS", "1 GB·h", "3600 GB-seconds"},
		{"3599.999999", "GBS", "3,600 GB·s", "3599.999999 GB-seconds"},
		{"0.25", "MLS", "0.25 million calls", "0.25 million calls"},
		{"16025.88", "MLS", "16.03 billion calls", "16025.88 million calls"},
		{"30.575", "GB", "30.58 GB", "30.575 GB"},
		{"9999.994", "GB", "9,999.99 GB", "9999.994 GB"},
		{"10000.5", "GB", "10,001 GB", "10000.5 GB"},
		{"7", "H", "7 h", "7 hours"},
		{"7", "tokens", "7 tokens", "7 tokens"},
		{"x", "tokens", "x tokens", "x tokens"},
	} {
		got := readable(json.Number(c.exact), c.unit)
		if got.Readable != c.want || got.Plain() != c.plain || string(got.Exact) != c.exact {
			t.Errorf("%s %s reads %q, %q", c.exact, c.unit, got.Readable, got.Plain())
		}
	}
	if a := readable("1023", "bytes"); !a.Alike() {
		t.Error("1,023 bytes is not alike")
	}
	if a := readable("1024", "bytes"); a.Alike() {
		t.Error("1 KiB is alike")
	}
}

func TestSharesAreExact(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value, total string
		want         int64
	}{{"1", "3", 333}, {"2", "3", 667}, {"5", "10000", 1}, {"4", "10000", 0}, {"3", "3", 1000}, {"0", "0", 0}, {"x", "1", 0}, {"0.1", "0.3", 333}} {
		if got := shareOf(json.Number(c.value), json.Number(c.total)); got != c.want {
			t.Errorf("%s of %s is %d, want %d", c.value, c.total, got, c.want)
		}
	}
}

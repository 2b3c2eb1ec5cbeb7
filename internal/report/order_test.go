package report_test

import (
	"cmp"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

func order(t testing.TB, terms string) []report.OrderTerm {
	t.Helper()
	return parse(t, withPeriod(`"order_by":[`+terms+`]`)).Order
}

// comesBefore wants a before b, and says so from both sides.
func comesBefore(t *testing.T, what string, terms []report.OrderTerm, a, b *report.Line) {
	t.Helper()
	if ab, ba := report.Compare(terms, a, b), report.Compare(terms, b, a); ab >= 0 || ba <= 0 {
		t.Errorf("%s: compare gives %d and %d, want the first line before the second", what, ab, ba)
	}
}

func TestNamesOrderByBytesAndMissingOnesComeLast(t *testing.T) {
	t.Parallel()
	named := func(name string) *report.Line {
		return line(t, "volume", map[metering.Attribute]string{metering.Name: name})
	}
	ascending := []*report.Line{named("B"), named("a"), named("aa"), named("é"), named("\uffff"), named("😀")}
	nameless := []*report.Line{
		line(t, "egress_traffic", map[metering.Attribute]string{metering.InstanceName: "A"}),
		line(t, "external_ip", nil),
		named(""),
	}
	for i := range len(ascending) - 1 {
		comesBefore(t, "ascending", order(t, `"last_name.asc"`), ascending[i], ascending[i+1])
		comesBefore(t, "descending", order(t, `"last_name.desc"`), ascending[i+1], ascending[i])
	}
	for _, terms := range []string{`"last_name.asc"`, `"last_name.desc"`} {
		for _, none := range nameless {
			for _, some := range ascending {
				comesBefore(t, "no name, "+terms, order(t, terms), some, none)
			}
		}
		for i := range len(nameless) - 1 { // among themselves by type
			comesBefore(t, "no names, "+terms, order(t, terms), nameless[i], nameless[i+1])
		}
	}
}

func TestTimesOrderAsPrinted(t *testing.T) {
	t.Parallel()
	const at = 1_720_000_000 * metering.Second
	early, late := line(t, "functions", nil), line(t, "functions", nil)
	early.First, early.Last, early.Resource.Project = at, at+5*metering.Second+1, 2
	late.First, late.Last, late.Resource.Project = at+999_999_999, at+6*metering.Second, 1
	for _, terms := range []string{`"first_seen.asc"`, `"first_seen.desc"`} {
		comesBefore(t, "same second, "+terms, order(t, terms), late, early) // by project
	}
	early.Last++
	comesBefore(t, "last_seen", order(t, `"last_seen.asc"`), early, late)
	comesBefore(t, "last_seen", order(t, `"last_seen.desc"`), late, early)
	late.Last = early.Last - 1
	comesBefore(t, "last_seen of one second", order(t, `"last_seen.asc"`), late, early)
	comesBefore(t, "last_seen of one second", order(t, `"last_seen.desc"`), late, early)
	late.First = at + metering.Second
	comesBefore(t, "first_seen", order(t, `"first_seen.asc"`), early, late)
	comesBefore(t, "first_seen", order(t, `"first_seen.desc"`), late, early)
}

func TestIDsAndTypesOrder(t *testing.T) {
	t.Parallel()
	small, large := line(t, "backup", nil), line(t, "volume", nil)
	small.Resource.Project, large.Resource.Project = 9, 10 // as numbers, not as texts
	small.Resource.Region, large.Resource.Region = 76, 1<<53-1
	for _, field := range []string{"project", "region", "type"} {
		comesBefore(t, field, order(t, `"`+field+`.asc"`), small, large)
		comesBefore(t, field, order(t, `"`+field+`.desc"`), large, small)
	}
}

func TestTiesAreBrokenByIdentityAlwaysAscending(t *testing.T) {
	t.Parallel()
	base := line(t, "inference", map[metering.Attribute]string{metering.Name: "n"})
	changed := func(change func(*report.Line)) *report.Line {
		l := *base
		change(&l)
		return &l
	}
	greater := []*report.Line{ // each differs from base, and from its predecessor, in a part that counts more
		changed(func(l *report.Line) { l.Meter.Unit += "x" }),
		changed(func(l *report.Line) { l.Meter.Dimension += "x" }),
		changed(func(l *report.Line) { l.Meter.Metric += "x" }),
		changed(func(l *report.Line) { l.Resource.ID[15]++ }),
		changed(func(l *report.Line) { l.Resource.Type++; l.Meter.Type++ }),
		changed(func(l *report.Line) { l.Resource.Region++ }),
		changed(func(l *report.Line) { l.Resource.Project++ }),
	}
	for _, terms := range []string{`"billing_value.asc"`, `"billing_value.desc"`, `"first_seen.desc","last_name.desc"`} {
		last := base
		for _, next := range greater {
			comesBefore(t, terms, order(t, terms), last, next)
			last = next
		}
		if c := report.Compare(order(t, terms), base, changed(func(*report.Line) {})); c != 0 {
			t.Errorf("%s: %d for the same line twice", terms, c)
		}
	}
}

func TestValuesOfDifferentScalesCompareAsNumbers(t *testing.T) {
	t.Parallel()
	valued := func(typeName string, value metering.Amount) *report.Line {
		l := line(t, typeName, nil)
		l.Value = value
		return l
	}
	most := metering.Amount{Hi: math.MaxUint64, Lo: math.MaxUint64}
	ascending := []*report.Line{
		valued("volume", metering.AmountOf(0)),
		valued("volume", metering.AmountOf(1)),               // 0.000000001
		valued("functions", metering.AmountOf(1)),            // 0.000001
		valued("volume", metering.AmountOf(999_999_999)),     // 0.999999999
		valued("instance", metering.AmountOf(1)),             // 1
		valued("functions", metering.AmountOf(1_000_001)),    // 1.000001
		valued("volume", metering.AmountOf(1_000_001_001)),   // 1.000001001
		valued("egress_traffic", metering.AmountOf(2000000)), // 2
		valued("instance", metering.AmountOf(math.MaxUint64)),
		valued("instance", metering.Amount{Hi: 1}),
		valued("volume", most),
		valued("functions", most),
		valued("instance", most),
	}
	for i := range len(ascending) - 1 {
		comesBefore(t, "ascending", order(t, `"billing_value.asc"`), ascending[i], ascending[i+1])
		comesBefore(t, "descending", order(t, `"billing_value.desc"`), ascending[i+1], ascending[i])
	}
	equal := []*report.Line{
		valued("functions", metering.AmountOf(3_000_000)), valued("instance", metering.AmountOf(3)), valued("volume", metering.AmountOf(3_000_000_000)),
	}
	for i := range len(equal) - 1 { // equal numbers: by type
		comesBefore(t, "equal", order(t, `"billing_value.desc"`), equal[i], equal[i+1])
	}
}

func TestValueKeyIsTheAmountInBillionths(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		a := metering.Amount{Hi: random.Uint64() >> random.UintN(65), Lo: random.Uint64() >> random.UintN(65)}
		for scale := range 10 {
			hi, mid, lo := report.ValueKey(a, scale)
			factor := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(9-scale)), nil)
			if want := factor.Mul(factor, words(a.Hi, a.Lo)); words(hi, mid, lo).Cmp(want) != 0 {
				t.Fatalf("%v at scale %d: %v, want %v", a, scale, words(hi, mid, lo), want)
			}
		}
	}
}

func words(highFirst ...uint64) *big.Int {
	n := new(big.Int)
	for _, w := range highFirst {
		n.Or(n.Lsh(n, 64), new(big.Int).SetUint64(w))
	}
	return n
}

// randomLine draws from few values, so that ties are frequent.
func randomLine(t testing.TB, random *rand.Rand) *report.Line {
	names := []string{"", "a", "A", "é", "b"}
	typeNames := []string{"egress_traffic", "external_ip", "functions", "instance", "volume"}
	l := line(t, typeNames[random.IntN(len(typeNames))], map[metering.Attribute]string{metering.Name: names[random.IntN(len(names))]})
	l.Resource.Project = metering.ProjectID(random.IntN(2))
	l.Resource.Region = metering.RegionID(random.IntN(2))
	l.Resource.ID[0] = byte(random.IntN(2))
	l.Meter.Dimension = names[random.IntN(2)]
	l.Value = metering.AmountOf([]uint64{0, 1, 1e3, 1e6, 1e9}[random.IntN(5)])
	l.First = metering.Instant(random.IntN(3)) * metering.Second / 2
	l.Last = metering.Instant(random.IntN(3)) * metering.Second / 2
	return l
}

func TestCompareIsAStrictTotalOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 0))
		terms := make([]report.OrderTerm, 1+random.IntN(4))
		for i := range terms {
			terms[i] = report.OrderTerm{Field: report.OrderField(random.IntN(int(report.ByLastName) + 1)), Descending: random.IntN(2) == 0}
		}
		lines := make([]*report.Line, 40)
		for i := range lines {
			lines[i] = randomLine(t, random)
		}
		expectTotalOrder(t, seed, terms, lines)
	}
}

func expectTotalOrder(t *testing.T, seed uint64, terms []report.OrderTerm, lines []*report.Line) {
	t.Helper()
	compare := func(a, b *report.Line) int { return report.Compare(terms, a, b) }
	for _, a := range lines {
		for _, b := range lines {
			ab := compare(a, b)
			if cmp.Compare(ab, 0) != -cmp.Compare(compare(b, a), 0) {
				t.Fatalf("seed %d, %v: not antisymmetric: %+v, %+v", seed, terms, a, b)
			}
			if same := a.CompareIdentity(b) == 0; same && a == b && ab != 0 || !same && ab == 0 {
				t.Fatalf("seed %d, %v: %d for %+v, %+v", seed, terms, ab, a, b)
			}
			for _, c := range lines {
				if ab < 0 && compare(b, c) < 0 && compare(a, c) >= 0 {
					t.Fatalf("seed %d, %v: not transitive: %+v, %+v, %+v", seed, terms, a, b, c)
				}
			}
		}
	}
	slices.SortFunc(lines, compare)
	if !slices.IsSortedFunc(lines, compare) {
		t.Fatalf("seed %d, %v: sorting leaves the lines out of order", seed, terms)
	}
}

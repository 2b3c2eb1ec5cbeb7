package metering

import (
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
)

// someAmount has a random number of bits, so that small ones and those around
// 2^64 occur.
func someAmount(random *rand.Rand) Amount {
	a := Amount{random.Uint64(), random.Uint64()}
	switch n := random.IntN(128); {
	case n < 64:
		a = Amount{0, a.Lo >> n}
	default:
		a.Hi >>= n - 64
	}
	if random.IntN(4) == 0 { // long runs of zero digits
		a = Product(random.Uint64N(1000), 1_000_000_000_000_000_000)
	}
	return a
}

// decimalOf prints n / 10^scale by way of math/big.
func decimalOf(n *big.Int, scale int) string {
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)
	text := new(big.Rat).SetFrac(n, power).FloatString(scale)
	if strings.Contains(text, ".") {
		text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	}
	return text
}

func TestAmountsAreExact(t *testing.T) {
	t.Parallel()
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		a, b := someAmount(random), someAmount(random)
		a.Hi, b.Hi = a.Hi>>1, b.Hi>>1
		if got, want := a.Add(b).big(), new(big.Int).Add(a.big(), b.big()); got.Cmp(want) != 0 {
			t.Errorf("%v + %v = %v, want %v", a, b, got, want)
		}
		if got, want := a.Compare(b), a.big().Cmp(b.big()); got != want || a.Compare(a) != 0 {
			t.Errorf("%v compared with %v: %d, want %d", a, b, got, want)
		}
		x, y := random.Uint64(), random.Uint64()
		want := new(big.Int).Mul(new(big.Int).SetUint64(x), new(big.Int).SetUint64(y))
		if got := Product(x, y).big(); got.Cmp(want) != 0 {
			t.Errorf("%d x %d = %v, want %v", x, y, got, want)
		}
		if got, want := a.mod1e6(), new(big.Int).Mod(a.big(), big.NewInt(1e6)).Uint64(); got != want {
			t.Errorf("%v mod 10^6 = %d, want %d", a, got, want)
		}
	})
}

func TestAmountsPrintAllTheirDigits(t *testing.T) {
	t.Parallel()
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		a := someAmount(random)
		for _, scale := range []int{0, 6, 9} {
			if got, want := a.Format(scale), decimalOf(a.big(), scale); got != want {
				t.Errorf("%v at scale %d: %s, want %s", a, scale, got, want)
			}
		}
	})
	for _, c := range []struct {
		a     Amount
		scale int
		want  string
	}{
		{Amount{}, 0, "0"},
		{Amount{}, 9, "0"},
		{AmountOf(1), 9, "0.000000001"},
		{AmountOf(1e9), 9, "1"},
		{AmountOf(1_500_000_000), 9, "1.5"},
		{AmountOf(100), 0, "100"},
		{Product(10883, 100<<30), 9, "1168553.2270592"},
		{Product(14400, 100<<30).Add(Product(30240, 200<<30)), 9, "8040178.778112"},
		{Amount{1, 0}, 0, "18446744073709551616"},
		{AmountOf(1<<64 - 1), 0, "18446744073709551615"},
		{Amount{1<<64 - 1, 1<<64 - 1}, 0, "340282366920938463463374607431768211455"},
		{Amount{1<<64 - 1, 1<<64 - 1}, 9, "340282366920938463463374607431.768211455"},
	} {
		if got := c.a.Format(c.scale); got != c.want {
			t.Errorf("%v at scale %d: %s, want %s", c.a, c.scale, got, c.want)
		}
		if got := string(c.a.AppendDecimal([]byte("x"), c.scale)); got != "x"+c.want {
			t.Errorf("appended: %s", got)
		}
	}
}

func TestOverflowIsABug(t *testing.T) {
	t.Parallel()
	defer func() {
		if text, _ := recover().(string); !strings.HasPrefix(text, "bug: amount overflow") {
			t.Errorf("got %q", text)
		}
	}()
	Amount{Hi: 1<<64 - 1}.Add(Amount{Hi: 1})
}

func TestQuantitiesAreReadExactly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want string // in millionths, "" for refused
	}{
		{"0", "0"}, {"0.0", "0"}, {"1", "1000000"}, {"12.000001", "12000001"}, {"0.5", "500000"}, {"007.250", "7250000"},
		{"999999999999999.999999", "999999999999999999999"},
		{"9223372036854775807", "9223372036854775807000000"},
		{"9999999999999999999", "9999999999999999999000000"}, {"10000000000000000000", ""},
		{"00000000000000000000000000001", "1000000"},
		{"0.123456", "123456"}, {"0.1234567", ""}, {"0.1000000", ""},
		{"", ""}, {".5", ""}, {"5.", ""}, {".", ""}, {"-1", ""}, {"-0", ""}, {"+1", ""}, {"+", ""}, {"1e3", ""}, {"1E3", ""}, {"1.5e3", ""},
		{"0x10", ""}, {"1_000", ""}, {"1,5", ""}, {" 1", ""}, {"1 ", ""}, {"1.5.5", ""}, {"1.-5", ""}, {"1.+5", ""}, {"NaN", ""}, {"Inf", ""}, {"١", ""},
	} {
		got, ok := ParseQuantity(c.text)
		if ok != (c.want != "") || ok && got.big().String() != c.want {
			t.Errorf("%q: %s, %v; want %q", c.text, got.big(), ok, c.want)
		}
	}
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		want := Product(random.Uint64N(1e15), 1e6).Add(AmountOf(random.Uint64N(1e6)))
		if got, ok := ParseQuantity(want.Format(QuantityScale)); !ok || got != want {
			t.Errorf("%s: %v, %v", want.Format(QuantityScale), got, ok)
		}
	})
}

func TestQuantitiesHaveTheirTypesLimits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typ, text string
		want      bool
	}{
		{"egress_traffic", "0", true},
		{"egress_traffic", "9223372036854775807", true},
		{"egress_traffic", "9223372036854775808", false},
		{"egress_traffic", "1.0", true},
		{"egress_traffic", "1.000001", false},
		{"egress_traffic", "9223372036854775806.5", false},
		{"functions", "0.000001", true},
		{"functions", "999999999999999.999999", true},
		{"functions", "1000000000000000", false},
		{"functions_calls", "999999999999999", true},
		{"functions_traffic", "1000000000000000.000001", false},
		{"inference", "999999999999999.999999", true},
		{"containers", "9223372036854775807", false},
	} {
		typ, _ := ResourceTypeNamed(c.typ)
		q, ok := ParseQuantity(c.text)
		if !ok || typ.CheckQuantity(q) != c.want {
			t.Errorf("%s %s: parsed %v, within limits %v, want %v", c.typ, c.text, ok, typ.CheckQuantity(q), c.want)
		}
	}
}

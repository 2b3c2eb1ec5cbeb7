package metering

import (
	"math/big"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzParseQuantity compares with arbitrary precision: what is taken is a plain
// decimal number within the limits, and exactly that number; it is written as it
// would be by hand, and read again.
func FuzzParseQuantity(f *testing.F) {
	for _, text := range []string{"0", "7340032", "000012.500000", "999999999999999.999999", "9223372036854775807", "18446744073709551615.999999", "1.", ".5", "1e3", "+1", "-0", "1_0", "٣"} {
		f.Add(text)
	}
	plain := regexp.MustCompile(`^0*([0-9]{1,19})(\.[0-9]{1,6})?$`)
	scale := big.NewRat(1_000_000, 1)
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := ParseQuantity(text)
		exact, isNumber := new(big.Rat).SetString(text)
		want := isNumber && plain.MatchString(text) && exact.Cmp(new(big.Rat).SetFrac(new(big.Int).Lsh(big.NewInt(1), 64), big.NewInt(1))) < 0
		if ok != want {
			t.Fatalf("%q is taken: %v, want %v", text, ok, want)
		}
		if !ok {
			return
		}
		sum := new(big.Int).Lsh(new(big.Int).SetUint64(got.Hi), 64)
		sum.Add(sum, new(big.Int).SetUint64(got.Lo))
		if new(big.Rat).SetInt(sum).Cmp(exact.Mul(exact, scale)) != 0 {
			t.Errorf("%q is read as %s millionths", text, sum)
		}
		written := got.Format(QuantityScale)
		if again, ok := ParseQuantity(written); !ok || again != got || len(written) > len(text) {
			t.Errorf("%q is written as %q, which is read as %v", text, written, again)
		}
	})
}

// FuzzAmount compares sums, products, order and notation with arbitrary
// precision.
func FuzzAmount(f *testing.F) {
	f.Add(uint64(0), uint64(0), uint64(0), uint64(1), uint8(0))
	f.Add(uint64(1<<62), uint64(1<<64-1), uint64(1<<62), uint64(10_000_000_000_000_000_000), uint8(9))
	f.Fuzz(func(t *testing.T, hi1, lo1, hi2, lo2 uint64, scale uint8) {
		a, b := Amount{hi1 >> 1, lo1}, Amount{hi2 >> 1, lo2} // whose sum has room
		x, y := bigOf(a), bigOf(b)
		if sum := a.Add(b); bigOf(sum).Cmp(new(big.Int).Add(x, y)) != 0 {
			t.Errorf("%s + %s gave %s", x, y, bigOf(sum))
		}
		if product := Product(lo1, lo2); bigOf(product).Cmp(new(big.Int).Mul(new(big.Int).SetUint64(lo1), new(big.Int).SetUint64(lo2))) != 0 {
			t.Errorf("%d * %d gave %s", lo1, lo2, bigOf(product))
		}
		if a.Compare(b) != x.Cmp(y) {
			t.Errorf("%s and %s compare as %d", x, y, a.Compare(b))
		}
		places := int(scale % 20)
		want := new(big.Rat).SetFrac(x, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil)).FloatString(places)
		if strings.Contains(want, ".") {
			want = strings.TrimRight(strings.TrimRight(want, "0"), ".")
		}
		if got := a.Format(places); got != want {
			t.Errorf("%s / 10^%d is written as %s, want %s", x, places, got, want)
		}
	})
}

func bigOf(a Amount) *big.Int {
	n := new(big.Int).Lsh(new(big.Int).SetUint64(a.Hi), 64)
	return n.Add(n, new(big.Int).SetUint64(a.Lo))
}

// FuzzParseDate compares with the standard library.
func FuzzParseDate(f *testing.F) {
	for _, text := range []string{"2024-07-01", "2024-02-30", "0001-01-01", "9999-12-31", "2024-7-01", "1900-02-29"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := ParseDate(text)
		want, err := time.Parse(time.DateOnly, text)
		if accepted := err == nil && want.Year() > 0; ok != accepted || ok && (got.String() != text || !got.Start().Time().Equal(want) && want.Year() > 1678 && want.Year() < 2262) {
			t.Errorf("%q is read as %s, %v, want %s, %v", text, got, ok, want, err)
		}
	})
}

// FuzzParseIP: what is taken is an address that is written in one form only.
func FuzzParseIP(f *testing.F) {
	for _, text := range []string{"192.0.2.1", "::ffff:192.0.2.1", "2001:DB8:0::1", "fe80::1%eth0", "010.0.0.1", "::"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		address, ok := ParseIP(text)
		if !ok {
			return
		}
		again, ok := ParseIP(address.String())
		if !ok || again != address || address.Zone() != "" || address.Is4In6() || netip.MustParseAddr(text).Unmap() != address {
			t.Errorf("%q is read as %s, and that as %s", text, address, again)
		}
	})
}

// FuzzWindowList reads any bytes as what a day sum knows of its windows. What can be
// read is written and read again; what is placed or taken back then is what folding the
// windows anew gives.
func FuzzWindowList(f *testing.F) {
	egress, _ := ResourceTypeNamed("egress_traffic")
	described := &Attributes{}
	windows := func(all []heldWindow) []Window {
		told := make([]Window, len(all))
		for i, h := range all {
			told[i] = Window{From: h.From, To: h.To, At: h.Since, Quantity: h.Quantity, Meter: egress.Meter("", "", described), Attributes: described}
		}
		return told
	}
	for _, length := range []Instant{1, 60 * Second, 3600 * Second} {
		var all []heldWindow
		for n := range Instant(24) {
			from := historyDay.Start() + n*3600*Second
			all = append(all, heldWindow{From: from, To: from + length, Since: from + length, Quantity: Amount{Hi: uint64(n % 2), Lo: uint64(n) * millionths}, Corrects: n%3 == 0})
		}
		f.Add([]byte(listWindows(historyDay, all, length == 1)), uint8(3), int64(0))
		f.Add([]byte(listWindows(historyDay, all[5:6], false)), uint8(0), int64(length))
	}
	f.Fuzz(func(t *testing.T, list []byte, which uint8, after int64) {
		all, partly, ok := WindowList(list).windows(historyDay, nil)
		if ok != WindowList(list).Valid(historyDay) {
			t.Fatalf("%x can be read: %t, and is valid: %t", list, ok, !ok)
		}
		if !ok {
			return
		}
		if again := listWindows(historyDay, all, partly); again != nil {
			if read, _, ok := again.windows(historyDay, nil); !ok || !slices.Equal(read, all[len(all)-len(read):]) {
				t.Errorf("%x is written as %x, which is read as %+v", list, []byte(again), read)
			}
		}
		told := windows(all)
		sums := FoldDay(historyDay, slices.Clone(told))
		if len(sums) != 1 {
			t.Fatalf("%d sums of one meter", len(sums))
		}
		sums[0].Windows = list
		late := told[int(which)%len(told)]
		late.At += Instant(after)
		if placed, ok := PlaceWindow(sums, &late); ok {
			checkFolded(t, placed, FoldDay(historyDay, append(slices.Clone(told), late)))
		}
		if rest, ok := TakeBackWindow(sums, late.From); ok {
			checkFolded(t, rest, FoldDay(historyDay, slices.DeleteFunc(slices.Clone(told), func(w Window) bool { return w.From == late.From })))
		}
	})
}

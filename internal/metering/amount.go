package metering

import (
	"math/bits"
	"strconv"
)

// Amount is an unsigned 128-bit integer: a number of units of the measure's
// scale (see [Measure.Scale]). It is wide enough for any sum the limits allow:
// 2^60 bytes for every minute of 8000 years on 2^30 resources is below 2^123.
type Amount struct{ Hi, Lo uint64 }

// AmountOf returns n as an Amount.
func AmountOf(n uint64) Amount { return Amount{Lo: n} }

// Add returns a + b.
func (a Amount) Add(b Amount) Amount {
	lo, carry := bits.Add64(a.Lo, b.Lo, 0)
	hi, over := bits.Add64(a.Hi, b.Hi, carry)
	if over != 0 {
		panic("bug: amount overflow") // not Bug, so that Add can be inlined
	}
	return Amount{Hi: hi, Lo: lo}
}

// Product returns x * y.
func Product(x, y uint64) Amount {
	hi, lo := bits.Mul64(x, y)
	return Amount{Hi: hi, Lo: lo}
}

// Compare returns -1, 0 or +1.
func (a Amount) Compare(b Amount) int {
	switch {
	case a.Hi != b.Hi:
		if a.Hi < b.Hi {
			return -1
		}
		return 1
	case a.Lo < b.Lo:
		return -1
	case a.Lo > b.Lo:
		return 1
	}
	return 0
}

// AppendDecimal appends a / 10^scale as a plain decimal number: no exponent, no
// trailing zeros, no rounding.
func (a Amount) AppendDecimal(dst []byte, scale int) []byte {
	var buf [48]byte
	digits := a.appendInteger(buf[:0])
	for len(digits) <= scale { // at least one digit before the point
		digits = append(digits, 0)
		copy(digits[1:], digits)
		digits[0] = '0'
	}
	whole, fraction := digits[:len(digits)-scale], digits[len(digits)-scale:]
	for len(fraction) > 0 && fraction[len(fraction)-1] == '0' {
		fraction = fraction[:len(fraction)-1]
	}
	dst = append(dst, whole...)
	if len(fraction) > 0 {
		dst = append(dst, '.')
		dst = append(dst, fraction...)
	}
	return dst
}

const tenTo19 = 10_000_000_000_000_000_000

func (a Amount) appendInteger(dst []byte) []byte {
	if a.Hi == 0 {
		return strconv.AppendUint(dst, a.Lo, 10)
	}
	hiQuo, hiRem := a.Hi/tenTo19, a.Hi%tenTo19
	lo, rem := bits.Div64(hiRem, a.Lo, tenTo19)
	dst = Amount{Hi: hiQuo, Lo: lo}.appendInteger(dst)
	start := len(dst)
	dst = append(dst, "0000000000000000000"...)
	var buf [20]byte
	low := strconv.AppendUint(buf[:0], rem, 10)
	copy(dst[start+19-len(low):], low)
	return dst
}

// Format returns a / 10^scale as a plain decimal number.
func (a Amount) Format(scale int) string { return string(a.AppendDecimal(nil, scale)) }

// QuantityScale is the decimal scale of every quantity: six places after the
// point (spec 2-metering, "Quantities").
const QuantityScale = 6

// ParseQuantity parses a plain decimal number >= 0, up to 15 digits before the
// point and 6 after it, without sign or exponent, into millionths. Leading
// zeros before the point do not count. It takes up to 19 digits before the
// point, for bytes; [ResourceType.CheckQuantity] has the limit of each type.
func ParseQuantity(s string) (Amount, bool) {
	whole, fraction := s, ""
	for i := range len(s) {
		if s[i] == '.' {
			whole, fraction = s[:i], s[i+1:]
			if fraction == "" {
				return Amount{}, false
			}
			break
		}
	}
	for len(whole) > 1 && whole[0] == '0' {
		whole = whole[1:]
	}
	if whole == "" || len(fraction) > MaxQuantityPlaces || len(whole) > 19 {
		return Amount{}, false
	}
	w, err := strconv.ParseUint(whole, 10, 64)
	if err != nil || whole[0] == '+' {
		return Amount{}, false
	}
	f := 0
	if fraction != "" {
		padded := (fraction + "000000")[:MaxQuantityPlaces]
		n, ok := digits(padded, 999999)
		if !ok {
			return Amount{}, false
		}
		f = n
	}
	return Product(w, 1e6).Add(AmountOf(uint64(f))), true
}

func (a Amount) mod1e6() uint64 {
	_, rem := bits.Div64(a.Hi%1e6, a.Lo, 1e6)
	return rem
}

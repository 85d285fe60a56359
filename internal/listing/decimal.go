package listing

import (
	"math"
	"strconv"
	"strings"
)

// maxNumber bounds the text of a number, in bytes, and its digits when it is written out. It has
// room for every double precision written out.
const maxNumber = 400

// nan is PostgreSQL's spelling.
const nan = "NaN"

// AppendDecimal appends v / 10^scale with exactly scale decimals: 350000.00. Or NaN.
func AppendDecimal(dst []byte, v int64, scale int) []byte {
	if v == NaN {
		return append(dst, nan...)
	}
	return appendFixed(dst, v, scale)
}

// appendFixed appends v / 10^scale with exactly scale decimals.
func appendFixed(dst []byte, v int64, scale int) []byte {
	u := uint64(v)
	if v < 0 {
		dst, u = append(dst, '-'), -u
	}
	if scale == 0 {
		return strconv.AppendUint(dst, u, 10)
	}
	unit := uint64(powerOfTen(scale))
	dst = append(strconv.AppendUint(dst, u/unit, 10), '.')
	for rest := u % unit; unit > 1; rest %= unit {
		unit /= 10
		dst = append(dst, '0'+byte(rest/unit))
	}
	return dst
}

// appendShortest appends v / 10^scale without needless decimals, the one spelling that
// canonical text uses: 350000, 499999.5.
func appendShortest(dst []byte, v int64, scale int) []byte {
	for scale > 0 && v%10 == 0 {
		v, scale = v/10, scale-1
	}
	return appendFixed(dst, v, scale)
}

// parseFixed reads a decimal that is of the scale by its value, as an integer of that scale:
// 1.50, 1.500 and 15e-1 are the same. Of a number that no int64 can be, which does not fit, it
// returns the nearest one.
func parseFixed(s string, scale int) (v int64, fits, ok bool) {
	d, ok := cutDecimal(s)
	if !ok {
		return 0, false, false
	}
	most := uint64(math.MaxInt64)
	if d.negative {
		most++
	}
	var u uint64
	fits = true
	push := func(digit uint64) {
		if u > (most-digit)/10 {
			u, fits = most, false
			return
		}
		u = u*10 + digit
	}
	place := len(d.whole) + d.exponent + scale // of the units behind the digit at hand
	for _, digits := range [...]string{d.whole, d.rest} {
		for i := range len(digits) {
			switch place--; {
			case place >= 0:
				push(uint64(digits[i] - '0'))
			case digits[i] != '0':
				return 0, false, false
			}
		}
	}
	for ; place > 0 && u > 0 && fits; place-- {
		push(0)
	}
	if d.negative {
		u = -u
	}
	return int64(u), fits, true
}

// decimal is a number in parts: digits before the point, behind it, and the power of ten that
// they are multiplied by.
type decimal struct {
	negative    bool
	whole, rest string
	exponent    int
}

// cutDecimal reads a number as JSON writes one, but for zeros in front: digits, perhaps with a
// minus, a point with digits on either side, and an exponent. No infinity, no hexadecimal.
func cutDecimal(s string) (d decimal, ok bool) {
	if len(s) > maxNumber {
		return d, false
	}
	s, d.negative = strings.CutPrefix(s, "-")
	if e := strings.IndexAny(s, "eE"); e >= 0 {
		if d.exponent, ok = parseExponent(s[e+1:]); !ok {
			return d, false
		}
		s = s[:e]
	}
	var point bool
	d.whole, d.rest, point = strings.Cut(s, ".")
	return d, onlyDigits(d.whole) && (!point || onlyDigits(d.rest))
}

// farExponent stands for all exponents beyond it: they make any digits but zeros too large or
// too small, all the same.
const farExponent = 3 * maxNumber

func parseExponent(s string) (exponent int, ok bool) {
	digits, negative := strings.CutPrefix(s, "-")
	if !negative {
		digits = strings.TrimPrefix(s, "+")
	}
	if !onlyDigits(digits) {
		return 0, false
	}
	exponent, err := strconv.Atoi(digits)
	if err != nil || exponent > farExponent {
		exponent = farExponent
	}
	if negative {
		exponent = -exponent
	}
	return exponent, true
}

// writtenOut returns the shortest text of the number without an exponent; false if that has
// more than maxNumber digits.
func (d decimal) writtenOut() (string, bool) {
	digits := d.whole + d.rest
	point := len(d.whole) + d.exponent // how many digits stand before it
	significant := strings.TrimLeft(digits, "0")
	point -= len(digits) - len(significant)
	significant = strings.TrimRight(significant, "0")
	if significant == "" {
		return "0", true
	}
	if max(point, len(significant))-min(point, 0) > maxNumber {
		return "", false
	}
	var b strings.Builder
	if d.negative {
		b.WriteByte('-')
	}
	switch {
	case point <= 0:
		b.WriteString("0." + strings.Repeat("0", -point) + significant)
	case point >= len(significant):
		b.WriteString(significant + strings.Repeat("0", point-len(significant)))
	default:
		b.WriteString(significant[:point] + "." + significant[point:])
	}
	return b.String(), b.Len() <= maxNumber
}

func onlyDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

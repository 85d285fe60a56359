package listing

import (
	"math"
	"strconv"
	"strings"
)

// maxDigits bounds the text of a number. No column needs so many.
const maxDigits = 32

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

// parseFixed reads a plain decimal of at most scale decimals, perhaps with a sign, as an
// integer of that scale. Of a number that no int64 can be, which does not fit, it returns the
// nearest one.
func parseFixed(s string, scale int) (v int64, fits, ok bool) {
	digits, negative := strings.CutPrefix(s, "-")
	decimals, ok := plainDecimal(digits)
	if !ok || decimals > scale {
		return 0, false, false
	}
	most := uint64(math.MaxInt64)
	if negative {
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
	for i := range len(digits) {
		if digits[i] != '.' {
			push(uint64(digits[i] - '0'))
		}
	}
	for range scale - decimals {
		push(0)
	}
	if negative {
		u = -u
	}
	return int64(u), fits, true
}

// plainDecimal reports whether s is digits, and perhaps a point with digits on either side,
// and how many digits stand behind the point.
func plainDecimal(s string) (decimals int, ok bool) {
	if len(s) > maxDigits {
		return 0, false
	}
	whole, rest, point := strings.Cut(s, ".")
	if !onlyDigits(whole) || point && !onlyDigits(rest) {
		return 0, false
	}
	return len(rest), true
}

func onlyDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

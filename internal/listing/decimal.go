package listing

import (
	"strconv"
	"strings"
)

// The decimal places of the numeric columns: how many digits of a stored
// integer stand behind the point.
const (
	priceScale     = 2
	bathroomsScale = 1
)

// The largest values that the table's columns take. Their types, numeric(14, 2) and
// numeric(3, 1), hold the same values below zero, and NaN.
const (
	MaxPrice     = 999_999_999_999_99 // cents
	MaxBathrooms = 99_9               // tenths
)

// maxDigits bounds the text of a number. No column needs so many.
const maxDigits = 32

// nan is PostgreSQL's spelling.
const nan = "NaN"

// AppendPrice appends a price in cents with its two decimals: 350000.00. Or NaN, also for
// NoPrice.
func AppendPrice(dst []byte, cents int64) []byte {
	if cents >= NaNPrice {
		return append(dst, nan...)
	}
	return appendFixed(dst, cents, priceScale)
}

// AppendBathrooms appends a number of bathrooms in tenths with its one decimal: 2.5.
// Or NaN.
func AppendBathrooms(dst []byte, tenths int16) []byte {
	if tenths == NaNBathrooms {
		return append(dst, nan...)
	}
	return appendFixed(dst, int64(tenths), bathroomsScale)
}

// appendFixed appends v / 10^scale with exactly scale decimals.
func appendFixed(dst []byte, v int64, scale int) []byte {
	u := uint64(v)
	if v < 0 {
		dst, u = append(dst, '-'), -u
	}
	start := len(dst)
	dst = strconv.AppendUint(dst, u, 10)
	for len(dst)-start <= scale { // a digit before the point
		dst = append(dst, 0)
		copy(dst[start+1:], dst[start:])
		dst[start] = '0'
	}
	if scale == 0 {
		return dst
	}
	point := len(dst) - scale
	dst = append(dst, 0)
	copy(dst[point+1:], dst[point:])
	dst[point] = '.'
	return dst
}

// appendShortest appends v / 10^scale without needless decimals, the one
// spelling that canonical text uses: 350000, 499999.5.
func appendShortest(dst []byte, v int64, scale int) []byte {
	for scale > 0 && v%10 == 0 {
		v, scale = v/10, scale-1
	}
	return appendFixed(dst, v, scale)
}

// parseFixed reads a plain decimal of at most scale decimals as an integer of
// that scale. A number too large for an int64 saturates, so that the caller's
// upper limit refuses it.
func parseFixed(s string, scale int) (int64, bool) {
	decimals, ok := plainDecimal(s)
	if !ok || decimals > scale {
		return 0, false
	}
	const most = 1<<63 - 1
	var v int64
	push := func(digit int64) {
		if v > (most-digit)/10 {
			v = most
			return
		}
		v = v*10 + digit
	}
	for i := range len(s) {
		if s[i] != '.' {
			push(int64(s[i] - '0'))
		}
	}
	for range scale - decimals {
		push(0)
	}
	return v, true
}

// plainDecimal reports whether s is digits, and perhaps a point with digits on
// either side, and how many digits stand behind the point.
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

package listing

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/freshlist/freshlist/internal/description"
)

// The first and the last of what PostgreSQL's types hold: instants from 4714 BC to the year
// 294276, days to the year 5874897.
const (
	firstInstant = -211_813_488_000_000_000
	lastInstant  = 9_223_371_331_200_000_000 - 1
	firstDay     = -2_451_545
	lastDay      = 2_145_031_948
)

// limits returns the least and the greatest number that a column whose values are kept as
// numbers can hold, by its type: the table's checks may have been dropped. Those of no place
// among the others are odd.
func (c *Column) limits() (least, greatest int64) {
	switch c.Form {
	case Whole:
		switch c.Type.Kind {
		case description.Smallint:
			return math.MinInt16, math.MaxInt16
		case description.Integer:
			return math.MinInt32, math.MaxInt32
		}
		return math.MinInt64, math.MaxInt64
	case Decimal:
		greatest = powerOfTen(c.Type.Precision) - 1
		return -greatest, greatest
	case Float:
		return FloatNumber(math.Inf(-1)), FloatNumber(math.Inf(+1))
	case Truth:
		return 0, 1
	case Label:
		return 0, int64(len(c.Type.Labels)) - 1
	case Day:
		return firstDay, lastDay
	case Moment, Instant:
		return firstInstant, lastInstant
	}
	return 0, -1
}

// odd reports whether a number that is beyond the limits is a value all the same.
func (c *Column) odd(n int64) bool {
	switch c.Form {
	case Decimal:
		return n == NaN
	case Float:
		return n == FloatNumber(math.NaN())
	case Day, Moment, Instant:
		return n == Infinity || n == LongAgo
	}
	return false
}

// holds reports whether a column whose values are kept as numbers can hold one.
func (c *Column) holds(n int64) bool { return n >= c.least && n <= c.greatest || c.odd(n) }

// writable is which numbers a write may give to a column, by its type and its checks.
type writable struct {
	least, greatest           int64   // of a Whole or a Decimal
	leastFloat, greatestFloat float64 // of a Float
}

func (c *Column) newWritable() writable {
	w := writable{c.least, c.greatest, math.Inf(-1), math.Inf(+1)}
	unit := new(big.Rat).SetInt(power(c.Scale))
	if n, ok := new(big.Rat).SetString(c.Least); ok {
		w.leastFloat, _ = n.Float64()
		if exact := new(big.Rat).SetFloat64(w.leastFloat); exact != nil && exact.Cmp(n) < 0 {
			w.leastFloat = math.Nextafter(w.leastFloat, math.Inf(+1))
		}
		n.Mul(n, unit)
		w.least = max(w.least, clipped(new(big.Int).Neg(floor(n.Neg(n)))))
	}
	if n, ok := new(big.Rat).SetString(c.Greatest); ok {
		w.greatestFloat, _ = n.Float64()
		if exact := new(big.Rat).SetFloat64(w.greatestFloat); exact != nil && exact.Cmp(n) > 0 {
			w.greatestFloat = math.Nextafter(w.greatestFloat, math.Inf(-1))
		}
		w.greatest = min(w.greatest, clipped(floor(n.Mul(n, unit))))
	}
	return w
}

// floor returns the greatest whole number that is not above n.
func floor(n *big.Rat) *big.Int { return new(big.Int).Div(n.Num(), n.Denom()) } // which rounds down: the divisor is positive

// clipped returns the int64 that is nearest.
func clipped(n *big.Int) int64 {
	switch {
	case n.IsInt64():
		return n.Int64()
	case n.Sign() < 0:
		return math.MinInt64
	}
	return math.MaxInt64
}

// spells reports whether a text is one that PostgreSQL reads as a value that only it compares.
func (c *Column) spells(text string) bool {
	switch {
	case c.Type.Kind == description.Char:
		return storable(text)
	case text == nan, text == "Infinity", text == "-Infinity":
		return true
	}
	mantissa, exponent, given := strings.Cut(strings.TrimPrefix(text, "-"), "e")
	whole, rest, point := strings.Cut(mantissa, ".")
	switch {
	case !onlyDigits(whole) || point && !onlyDigits(rest):
		return false
	case c.Type.Kind != description.Real:
		return !given
	case given && !onlyDigits(strings.TrimLeft(exponent, "+-")):
		return false
	}
	v, err := strconv.ParseFloat(text, 32)
	return err == nil && (v != 0 || strings.Trim(mantissa, "0.") == "") // neither too large nor too small
}

// Holds reports whether a value of a column is one that its type can hold, as far as values
// that are kept as numbers go. Of a text it says nothing.
func (c *Column) Holds(v Value) bool { return !c.Form.InNumber() || c.holds(v.Number) }

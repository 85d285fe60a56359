package listing

import (
	"cmp"
	"math"
	"strings"
	"time"
)

// Null is a value that may be absent, as a nullable column's is.
type Null[T any] struct {
	V     T
	Valid bool
}

// Some returns a present value.
func Some[T any](v T) Null[T] { return Null[T]{V: v, Valid: true} }

// Value is one value of a column. Its column's Form says which of the members it is in, and
// what that means. Values of one column are the same if they are equal in Go.
type Value struct {
	Number int64
	Text   string
}

// compareValues orders values of one column: any order, in which only the same ones are equal.
func compareValues(a, b Value) int {
	return cmp.Or(cmp.Compare(a.Number, b.Number), strings.Compare(a.Text, b.Text))
}

// Form says how programs keep the values of a column.
type Form uint8

// The forms. Those up to Instant are in Number, the others in Text.
const (
	Whole   Form = iota // a whole number
	Decimal             // a numeric of fixed scale: its units, or NaN
	Float               // a double precision: see FloatNumber
	Truth               // a boolean: 0 or 1
	Label               // a value of an enum: its place among the labels, from 0
	Day                 // a date: days since 2000-01-01, or Infinity, or LongAgo
	Moment              // a timestamp without time zone: microseconds since 2000-01-01, or Infinity, or LongAgo
	Instant             // a timestamp with time zone: the same, in UTC
	Words               // a text
	UUID                // in lower case, with hyphens
	Spelled             // what only PostgreSQL compares, as the text that it shows
	JSON                // what is only shown, and arrays, as PostgreSQL's JSON
)

// InNumber reports whether values of the form are in Value.Number.
func (f Form) InNumber() bool { return f <= Instant }

// Values that order as PostgreSQL orders them: NaN, which is equal to itself, is greater than
// every number, and the infinities lie at the ends of time. None is an int64's very end: those
// are left to NULL, wherever it has to stand among values.
const (
	NaN      = math.MaxInt64 - 1 // a numeric that is no number
	Infinity = math.MaxInt64 - 1
	LongAgo  = -Infinity // -infinity
)

// Finite reports whether a day, moment or instant is one, and not an end of time.
func Finite(v int64) bool { return v < Infinity && v > LongAgo }

// year2000 is when instants are 0, in seconds since 1970.
const year2000 = 946_684_800

// secondsPerDay is the length of a day, without leap seconds, which PostgreSQL has none of.
const secondsPerDay = 24 * 60 * 60

// InstantOf returns the instant of t, cut to whole microseconds.
func InstantOf(t time.Time) int64 {
	return (t.Unix()-year2000)*1_000_000 + int64(t.Nanosecond()/1000)
}

// TimeOf returns a finite instant in UTC.
func TimeOf(instant int64) time.Time {
	seconds, rest := instant/1_000_000, instant%1_000_000
	return time.Unix(year2000+seconds, rest*1000).UTC()
}

// dayTime returns the first instant of a finite day.
func dayTime(day int64) time.Time { return time.Unix(year2000+day*secondsPerDay, 0).UTC() }

// FloatNumber returns the number that a float is kept as. Numbers order as PostgreSQL orders
// floats, NaN above all; only -0, which is equal to 0 there, stands just below it, since it is
// shown differently: see Column.Order.
func FloatNumber(v float64) int64 {
	if v != v {
		v = math.NaN() // whatever its bits
	}
	b := int64(math.Float64bits(v))
	if b < 0 {
		b ^= math.MaxInt64 // the bits of positive floats are in order, those of negative ones in reverse
	}
	return b
}

// minusZero is what FloatNumber returns for -0.
const minusZero = -1

// FloatOf is the inverse of FloatNumber.
func FloatOf(n int64) float64 {
	if n < 0 {
		n ^= math.MaxInt64
	}
	return math.Float64frombits(uint64(n))
}

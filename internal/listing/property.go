// Package listing holds the nouns that both paths of freshlist share: a
// property, the queries that can be asked about properties, their one canonical
// spelling, and what it means that a property belongs to a query's answer.
//
// The read path uses it to parse requests and to encode answers, the write path
// to decide which answers a change touches. It does no I/O, imports nothing of
// ours and never uses a float for money: a price is a number of cents, a number
// of bathrooms a number of tenths.
//
// It holds every value that a column's type can hold, also those that the table's
// checks keep out, for a check can be dropped: see NaNPrice, Infinity, PlaceOf.
package listing

import (
	"math"
	"time"
)

// Null is a value that may be absent, as a nullable column's is.
type Null[T any] struct {
	V     T
	Valid bool
}

// Some returns a present value.
func Some[T any](v T) Null[T] { return Null[T]{V: v, Valid: true} }

// Values that order as PostgreSQL orders them: NaN, which is equal to itself, is
// greater than every number, and the infinities lie at the ends of time. None is an
// int64's very end: those are left to NULL, wherever it has to stand among values.
const (
	NaNPrice            = math.MaxInt64 - 1 // a price that is no number
	NaNBathrooms        = math.MaxInt16     // a number of bathrooms that is none
	Infinity     Micros = math.MaxInt64 - 1
	LongAgo      Micros = -Infinity // -infinity
)

// What stands for NULL in a column that has a NOT NULL, where somebody has dropped that: a
// value behind all others, as PostgreSQL orders NULLs. It is shown as its neighbour, NaN or
// infinity. Such a table is not cached.
const (
	NoPrice          = math.MaxInt64
	NoInstant Micros = math.MaxInt64
)

// Micros is an instant: microseconds since 2000-01-01T00:00:00Z, which is what
// PostgreSQL's timestamptz holds, from 4714 BC to the year 294276. Or it is Infinity
// or LongAgo.
type Micros int64

// year2000 is when Micros are 0, in seconds since 1970.
const year2000 = 946_684_800

// MicrosOf returns the instant of t, cut to whole microseconds.
func MicrosOf(t time.Time) Micros {
	return Micros((t.Unix()-year2000)*1_000_000 + int64(t.Nanosecond()/1000))
}

// MicrosOfStored returns the instant that PostgreSQL stores as v, whose ends are the
// infinities.
func MicrosOfStored(v int64) Micros { return min(max(Micros(v), LongAgo), Infinity) }

// Finite reports whether the instant is one, and not an end of time.
func (m Micros) Finite() bool { return m < Infinity && m != LongAgo }

// Time returns a finite instant in UTC.
func (m Micros) Time() time.Time {
	seconds, rest := int64(m)/1_000_000, int64(m)%1_000_000
	return time.Unix(year2000+seconds, rest*1000).UTC()
}

// PlaceOf returns a number that orders as PostgreSQL orders floats: -0 is 0, and NaN
// is equal to itself and greater than everything. It is neither end of an int64.
func PlaceOf(v float64) int64 {
	if v != v {
		v = math.NaN() // whatever its bits
	}
	b := int64(math.Float64bits(v + 0)) // -0 + 0 is 0
	if b < 0 {
		b ^= math.MaxInt64 // the bits of positive floats are in order, those of negative ones in reverse
	}
	return b
}

// Row is the part of a property that filters and orders look at.
type Row struct {
	ID           int64
	PropertyType string
	Status       string
	Price        int64 // cents
	City         string
	PostalCode   Null[string]
	Bedrooms     Null[int16]
	Bathrooms    Null[int16] // tenths
	LivingArea   Null[int32] // square feet
	Latitude     Null[float64]
	Longitude    Null[float64]
	CreatedAt    Micros
}

// Property is one listing, with all that its own page shows.
type Property struct {
	Row
	Title       string
	Description string // empty in the items of a list, which do not show it
	UpdatedAt   Micros // zero in the items of a list, which do not show it
}

// Same reports whether two properties are shown alike. Floats are compared by their
// bits: NaN is the same as itself, 0 and -0 are not.
func (p *Property) Same(q *Property) bool {
	a, b := *p, *q
	same := sameFloat(a.Latitude, b.Latitude) && sameFloat(a.Longitude, b.Longitude)
	a.Latitude, a.Longitude = b.Latitude, b.Longitude
	a.Latitude.V, a.Longitude.V, b.Latitude.V, b.Longitude.V = 0, 0, 0, 0
	return same && a == b
}

func sameFloat(a, b Null[float64]) bool {
	return a.Valid == b.Valid && math.Float64bits(a.V) == math.Float64bits(b.V)
}

// Column names one column of the table properties. Its number is its bit in a
// Columns set and in the changed mask that the capture triggers write.
type Column uint8

// The columns of properties, in the table's order.
const (
	ID Column = iota
	Title
	Description
	PropertyType
	Status
	Price
	City
	PostalCode
	Bedrooms
	Bathrooms
	LivingArea
	Latitude
	Longitude
	CreatedAt
	UpdatedAt
)

// Columns is a set of columns, a bit each.
type Columns uint32

// ColumnSet returns the set of the given columns.
func ColumnSet(columns ...Column) Columns {
	var s Columns
	for _, c := range columns {
		s |= 1 << c
	}
	return s
}

// AllColumns is the set of every column.
const AllColumns Columns = 1<<(UpdatedAt+1) - 1

// ListColumns are the columns that an item of a list shows.
const ListColumns = AllColumns &^ (1<<Description | 1<<UpdatedAt)

// SummaryColumns are the columns that a summary aggregates.
const SummaryColumns Columns = 1<<PropertyType | 1<<Price | 1<<City | 1<<Bedrooms

// Package listing holds the nouns that both paths of freshlist share: a
// property, the queries that can be asked about properties, their one canonical
// spelling, and what it means that a property belongs to a query's answer.
//
// The read path uses it to parse requests and to encode answers, the write path
// to decide which answers a change touches. It does no I/O, imports nothing of
// ours and never uses a float for money: a price is a number of cents, a number
// of bathrooms a number of tenths.
package listing

import "time"

// Null is a value that may be absent, as a nullable column's is.
type Null[T any] struct {
	V     T
	Valid bool
}

// Some returns a present value.
func Some[T any](v T) Null[T] { return Null[T]{V: v, Valid: true} }

// Micros is an instant: microseconds since 1970-01-01T00:00:00Z, which is
// exactly what PostgreSQL's timestamptz can hold.
type Micros int64

// MicrosOf returns the instant of t, cut to whole microseconds.
func MicrosOf(t time.Time) Micros { return Micros(t.UnixMicro()) }

// Time returns the instant in UTC.
func (m Micros) Time() time.Time { return time.UnixMicro(int64(m)).UTC() }

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

package match

import "github.com/freshlist/freshlist/internal/listing"

// Change is what one statement did to one row, or, in bulk, to many.
type Change struct {
	Kind    Kind
	Old     listing.Row     // the row before; of RowChange, if HasOld
	New     listing.Row     // the row after; of RowChange, if HasNew
	HasOld  bool            // false for an inserted row
	HasNew  bool            // false for a deleted row
	Changed listing.Columns // the columns that differ; all of them for an insert or a delete
	Bulk    *Envelope       // of BulkChange
	Unread  error           // of WholeTable: why what was captured could not be understood, if that is why
}

// Kind tells how much a Change stands for.
type Kind uint8

// The kinds of change. A Change of no known kind, or a BulkChange without an
// Envelope, is taken for WholeTable.
const (
	RowChange  Kind = iota // one row
	BulkChange             // very many rows: an Envelope of them
	WholeTable             // anything may have changed
)

// bounded reports whether the change says what it may have touched.
func (c *Change) bounded() bool {
	return c.Kind == RowChange || c.Kind == BulkChange && c.Bulk != nil
}

// Envelope bounds the old and new values of all rows of one bulk statement.
// A zero Range or Set means that no row had a value there (all were NULL, see
// Nulls). Set.Any and Range.Any mean that any value may occur.
type Envelope struct {
	Changed      listing.Columns // columns that may differ, or all after an insert or a delete
	ID           Range[int64]
	PropertyType Set
	Status       Set
	Price        Range[int64]
	City         Set
	PostalCode   Set
	Bedrooms     Range[int16]
	Bathrooms    Range[int16]
	LivingArea   Range[int32]
	Latitude     Range[int64] // listing.PlaceOf: floats have a value, NaN, that Go does not order
	Longitude    Range[int64]
	CreatedAt    Range[listing.Micros]
	Nulls        listing.Columns // columns in which some row was NULL, before or after
}

// Range is an inclusive range of values. NULLs are no values.
type Range[T int16 | int32 | int64 | listing.Micros] struct {
	Min, Max T
	Valid    bool // false: no value at all
	Any      bool // true: any value
}

// Set is a set of texts. It is no range, since Go orders texts otherwise than the
// database's collation.
type Set struct {
	Values []string
	Any    bool // true: any text
}

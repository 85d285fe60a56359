package match

import "github.com/freshlist/freshlist/internal/listing"

// Change is what one statement did to one row of a table, or, in bulk, to many.
type Change struct {
	Table   *listing.Table  // of the index's site; nil with WholeTable stands for all tables
	Kind    Kind            //
	Xid     uint64          // the transaction; decides nothing
	Old     listing.Row     // the row before: of RowChange, if HasOld; the columns of the table's image
	New     listing.Row     // the row after: of RowChange, if HasNew
	HasOld  bool            // false for an inserted row
	HasNew  bool            // false for a deleted row
	Changed listing.Columns // the columns that differ; all of them for an insert or a delete
	Bulk    *Envelope       // of BulkChange
	Unread  error           // of WholeTable: why what was captured could not be understood, if that is why
}

// Kind tells how much a Change stands for.
type Kind uint8

// The kinds of change. A Change of no known kind, or a BulkChange without an Envelope, is
// taken for WholeTable; and one of a table that is not of the index's site for WholeTable of
// all tables.
const (
	RowChange  Kind = iota // one row
	BulkChange             // very many rows: an Envelope of them
	WholeTable             // anything may have changed
)

// bounded reports whether the change says what it may have touched.
func (c *Change) bounded() bool {
	return c.Kind == RowChange || c.Kind == BulkChange && c.Bulk != nil
}

// Envelope bounds the old and new values of all rows of one bulk statement. Of a column that
// it says nothing of any value may occur, so a zero Envelope with all columns Changed is true
// of every statement:
//
//	Envelope{
//		Changed:  table.AllColumns(),
//		Bounded:  columns, // those that PostgreSQL has min() of: numbers, days, instants, enums
//		Least:    least,   // their least values; NULL if all rows were NULL there
//		Greatest: greatest,
//		Sets:     map[int][]listing.Value{city: {{Text: "FOLSOM"}, {Text: "GALT"}}},
//		Nulls:    nulls,
//	}
//
// A column may be both bounded and in Sets, or only one of them.
type Envelope struct {
	Changed  listing.Columns         // columns that may differ, or all after an insert or a delete
	Bounded  listing.Columns         // columns whose least and greatest values are known
	Least    listing.Row             // the least values of the Bounded columns, as PostgreSQL orders them
	Greatest listing.Row             // the greatest; NULL in both if no row had a value
	Sets     map[int][]listing.Value // all values that occur, by column number; nil: any value, empty: none
	Nulls    listing.Columns         // columns in which some row was NULL, before or after
}

// Name returns what a change is called: insert, update or delete of a row; bulk for very many
// rows; whole if anything may have changed.
func (c *Change) Name() string {
	switch {
	case c.Kind == BulkChange && c.Bulk != nil:
		return "bulk"
	case c.Kind != RowChange:
		return "whole"
	case !c.HasOld:
		return "insert"
	case !c.HasNew:
		return "delete"
	}
	return "update"
}

// Key spells the key of the row that changed; false if it is not one row.
func (c *Change) Key() (key string, ok bool) {
	if c.Kind != RowChange || c.Table == nil {
		return "", false
	}
	row := &c.New
	if !c.HasNew {
		row = &c.Old
	}
	return c.Table.KeyColumn().Spell(row.Values[c.Table.Key]), true
}

// Columns returns the names of the columns that an update changed; nil of any other change.
func (c *Change) Columns() []string {
	if c.Name() != "update" || c.Table == nil {
		return nil
	}
	names := []string{}
	for i := range c.Table.Columns {
		if c.Changed.Has(i) {
			names = append(names, c.Table.Columns[i].Name)
		}
	}
	return names
}

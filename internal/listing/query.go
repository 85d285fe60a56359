package listing

// Kind tells what a query asks for.
type Kind uint8

// The kinds of query.
const (
	PageKind    Kind = iota // one page of an ordered, filtered list
	SummaryKind             // count, statistics and facets of a filter
	RowKind                 // one row by its key
)

// Query is one canonical read of a table.
type Query struct {
	Table  *Table
	Kind   Kind
	Key    Value     // of a RowKind query
	Filter Filter    // of a page or a summary
	Sort   int       // of a page: the order's number in the table's Orders; 0 is the default
	Limit  int       // of a page, 1 to 100
	After  Null[Key] // of a page: its cursor, the last row of the page before

	Backward bool // of a page with a cursor: it is the page before the cursor, which is the first row of the page behind
}

// RowQuery returns the query of one row.
func (t *Table) RowQuery(key Value) Query { return Query{Table: t, Kind: RowKind, Key: key} }

// Columns returns the columns that an answer's rows have: those that are shown, the key, what a
// page is ordered by, and what holds the keys of inner rows.
func (q *Query) Columns() Columns {
	switch q.Kind {
	case RowKind:
		return q.Table.ItemColumns | q.Table.itemJoining | ColumnSet(q.Table.Key)
	case PageKind:
		return q.Table.ListColumns | q.Table.listJoining | ColumnSet(q.Table.Key, q.Order().Column.Number)
	}
	return 0
}

// Filter is a conjunction of conditions, in the order of the table's parameters, at most one
// for each parameter. A NULL in the row meets no condition on its column.
type Filter []Condition

// Condition is what one parameter of a filter asks for.
type Condition struct {
	Parameter int     // its number in the table's Parameters
	Values    []Value // of any-of and contains: distinct, in the order of the canonical text
	Bound     Value   // of min and max, inclusive
	Box       Box     // of bbox
	Text      string  // of q, as websearch_to_tsquery reads it
}

// Box is a rectangle of coordinates in degrees, its edges included.
type Box struct{ West, South, East, North float64 }

// Window is what an answer covers. A page reaches from where it begins to the place of its last
// row, and to that of the row after it, which decides whether there is a next page. A page before a
// cursor is read backwards: it reaches to its first row, and to the row before that. If it is not
// Bounded, every row behind the cursor, or before it, counts as on the page: so it is for a page that
// nothing follows, for an empty page, for one whose content is not known yet, and for an order that
// only PostgreSQL knows. In the rows of other tables an answer reaches as far as its Covers.
// The zero Window is wide in all.
type Window struct {
	Bounded bool
	Last    Place
	Ahead   Place
	Shown   Null[[]Value] // with a condition that only PostgreSQL can judge: the keys of the answer's rows, in order, if they are known
	Covers  []Cover       // one for each of the query's joins, in their order; if one is missing, it is wide
}

// Queryset is the answer to one query: the rows that a view is rendered from.
type Queryset struct {
	Query   Query
	Items   []Row     // of a page; of a row's query: none (404) or one
	Ahead   Null[Key] // of a page: the key of the row after its last, if any; of one that is read backwards, of the row before its first
	Summary Summary   // of a summary
}

// Summary is what a filter's rows amount to.
type Summary struct {
	Count  int64
	Stats  []Stat    // of the table's Stats, in their order
	Facets [][]Facet // of the table's Facets, in their order
}

// Stat is the least, the greatest and the mean value of a column. They are invalid if no row
// has a value.
type Stat struct {
	Min, Max Null[Value]
	Mean     Null[Value] // rounded half away from zero as PostgreSQL's round does; see MeanColumn
}

// Facet is one value of a column and how many rows have it.
type Facet struct {
	Value Null[Value]
	Count int64
}

// meanScale is how many decimals the mean of whole numbers has.
const meanScale = 2

// MeanColumn returns what is known of the mean of a column's values. It is a numeric with the
// column's own scale, or with two decimals if the column is of whole numbers. That of bigints,
// which no int64 can hold, is Spelled, and so is that of numerics that only PostgreSQL compares:
// they have as many decimals as PostgreSQL gives them.
func (c *Column) MeanColumn() Column {
	if c.mean != nil {
		return *c.mean
	}
	return *c
}

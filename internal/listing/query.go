package listing

// Kind tells what a query asks for.
type Kind uint8

// The kinds of query.
const (
	PageKind     Kind = iota // one page of an ordered, filtered list
	SummaryKind              // count, price range and facets of a filter
	PropertyKind             // one property by id
)

// Sort is the order of a list. Ties are broken by id in the same direction;
// NULL comes last in either direction.
type Sort uint8

// The orders of a list, as the parameter sort spells them.
const (
	Newest    Sort = iota // created_at descending; the default, spelled "newest"
	PriceAsc              // "price"
	PriceDesc             // "-price"
	AreaAsc               // "area"
	AreaDesc              // "-area"
)

// Key is a property's place in one order: the sorted column's value and the id.
type Key struct {
	Value Null[int64] // cents, square feet or microseconds; invalid for NULL
	ID    int64
}

// Box is a rectangle of coordinates in degrees, its edges included.
type Box struct{ West, South, East, North float64 }

// Filter is a conjunction of conditions. A list is sorted, distinct and empty
// where any value will do; a NULL in the row matches no condition on its column.
type Filter struct {
	City         []string
	PostalCode   []string
	PropertyType []string
	Status       []string
	MinPrice     Null[int64] // cents, inclusive
	MaxPrice     Null[int64]
	MinBedrooms  Null[int16]
	MaxBedrooms  Null[int16]
	MinBathrooms Null[int16] // tenths
	MinArea      Null[int32] // square feet
	MaxArea      Null[int32]
	Box          Null[Box]
	Text         string // q: websearch over title and description; "" = none
}

// Query is one canonical read of the listings.
type Query struct {
	Kind   Kind
	ID     int64     // of a PropertyKind query
	Filter Filter    // of a page or a summary
	Sort   Sort      // of a page
	Limit  int       // of a page, 1 to 100
	After  Null[Key] // of a page: its cursor, the last row of the page before
}

// Window is how far a page reaches in its order: to the key of its last row,
// and to that of the row after it, which decides whether there is a next page.
// The zero Window is wide: every row behind the cursor counts as on the page.
// It stands for a page that nothing follows, for an empty page, and for a page
// whose content is not known yet.
type Window struct {
	Bounded bool
	Last    Key
	Ahead   Key
}

// Queryset is the answer to one query: the rows that a view is rendered from.
type Queryset struct {
	Query   Query
	Items   []Property // of a page; of a property query: none (404) or one
	Ahead   Null[Key]  // of a page: the key of the row after its last, if any
	Summary Summary    // of a summary
}

// Summary is what a filter's properties amount to.
type Summary struct {
	Count              int64
	MinPrice, MaxPrice int64 // cents; meaningless if Count is 0
	MeanPrice          int64 // cents, rounded half away from zero as PostgreSQL's round does
	ByCity             []Facet
	ByPropertyType     []Facet
	ByBedrooms         []Facet // values are decimal numbers
}

// Facet is one value of a column and how many properties have it.
type Facet struct {
	Value Null[string]
	Count int64
}

package description

// Description is a file that has been held against the catalog: all that programs need to
// know of the tables. Columns are numbered, from 0, in the order of the table; a list of
// numbers is in the order in which answers have them.
type Description struct {
	Format int     `json:"format"`
	Site   Site    `json:"site"`
	Tables []Table `json:"tables"` // in the file's order
}

// Site is what pages call the site, and how they write.
type Site struct {
	Name     string `json:"name"`
	Locale   string `json:"locale"`
	Currency string `json:"currency"`
	Home     string `json:"home"`          // the table whose list is the page /
	URL      string `json:"url,omitempty"` // where the site is, https://homes.example; empty if that is not said
}

// Table is one table.
type Table struct {
	Name     string       `json:"name"` // in addresses
	Relation RelationName `json:"relation"`
	Columns  []Column     `json:"columns"` // those that are used for anything, and captured

	Key      int    `json:"key"`
	Label    int    `json:"label"`
	Newest   int    `json:"newest"` // the column of the default order, the greatest value first
	Place    *Place `json:"place,omitempty"`
	Language string `json:"language,omitempty"` // the text search configuration of q
	Search   []int  `json:"search,omitempty"`   // the columns whose words q finds
	Vector   *int   `json:"vector,omitempty"`   // the column of those words, if it is stored; else Search says where q looks

	List []int  `json:"list"` // what an item of a list shows
	Item []int  `json:"item"` // what a row's own page shows
	With []Join `json:"with,omitempty"`

	Parameters []Parameter `json:"parameters"` // of the filter, in the order of the canonical text
	Orders     []Order     `json:"orders"`     // the default first
	Facets     []Facet     `json:"facets,omitempty"`
	Stats      []int       `json:"stats,omitempty"`
}

// Column is one column that is used.
type Column struct {
	Attribute int16  `json:"attribute"` // its number in the database, which no renaming changes
	Name      string `json:"name"`      // in the database
	Type      Type   `json:"type"`
	NotNull   bool   `json:"not_null,omitempty"`
	Default   bool   `json:"default,omitempty"`   // PostgreSQL has a value for it
	Generated bool   `json:"generated,omitempty"` // PostgreSQL computes it
	Uses      []Use  `json:"uses"`                // what it is used for

	// What the table's checks say of its values, as far as they are of simple forms, such as
	// price BETWEEN 0 AND 1000 or status IN ('new', 'sold'). A check can be dropped, so these
	// are for messages and forms, and never a proof.
	Least    string   `json:"least,omitempty"`    // of a number, in decimal digits
	Greatest string   `json:"greatest,omitempty"` // the same
	OneOf    []string `json:"one_of,omitempty"`   // of a text: all values that may be, in the check's order

	Member string `json:"member,omitempty"` // its name outside; none, if it has no member of columns
	Label  string `json:"label,omitempty"`  // what pages call it
	Show   string `json:"show,omitempty"`   // how pages print it
	Unit   string `json:"unit,omitempty"`
	Weight string `json:"weight,omitempty"` // in a text search
	Write  string `json:"write,omitempty"`  // what a write does to it: Settable, SetNow or nothing

	From []Source `json:"from,omitempty"` // its other names in files to import, the best first
}

// ShowSVG is the way to show a text that is a picture, in SVG. It has an address of its own, and
// stands in no answer.
const ShowSVG = "svg"

// What a write through the API does to a column.
const (
	Settable = "settable"
	SetNow   = "now" // sets it to the present time
)

// Use is one thing that a column is used for.
type Use string

// The uses of columns.
const (
	ForKey    Use = "key"
	ForLabel  Use = "label"
	ForList   Use = "list" // shown in lists
	ForItem   Use = "item" // shown on the row's own page
	ForFilter Use = "filter"
	ForOrder  Use = "order"
	ForPlace  Use = "place"
	ForSearch Use = "search"
	ForFacet  Use = "facet"
	ForStats  Use = "stats"
	ForJoin   Use = "join" // rows of another table are found by it, or it finds them, or orders them
)

// Place is the columns of the filter bbox and of the map.
type Place struct {
	Latitude  int  `json:"latitude"`
	Longitude int  `json:"longitude"`
	Wide      bool `json:"wide,omitempty"`
}

// Join is rows of another table, or of the same, inside a row.
type Join struct {
	Name  string `json:"name"`  // in JSON
	Table int    `json:"table"` // the other table's place in Tables
	Many  bool   `json:"many,omitempty"`
	By    int    `json:"by"`    // a column of this table that holds the other's key; with Many, of the other table
	Order int    `json:"order"` // with Many: the column of the other table that orders the rows; its key breaks ties
	Lists bool   `json:"lists"` // items of lists show them too
}

// ParameterKind is what a parameter of a filter compares.
type ParameterKind string

// The kinds of parameters.
const (
	AnyOf    ParameterKind = "any-of"   // the column is one of a list
	Contains ParameterKind = "contains" // the array has all of a list
	Min      ParameterKind = "min"      // the column is at least
	Max      ParameterKind = "max"      // the column is at most
	BBox     ParameterKind = "bbox"     // the place is within
	Words    ParameterKind = "words"    // the text has the words
)

// Parameter is one parameter of a table's filter.
type Parameter struct {
	Name   string        `json:"name"`
	Kind   ParameterKind `json:"kind"`
	Column int           `json:"column"`         // of bbox and words: the first one
	Wide   bool          `json:"wide,omitempty"` // only PostgreSQL can tell whether a row meets it
}

// Order is one order of lists. Ties are broken by the key in the same direction; NULL is
// last.
type Order struct {
	Name       string `json:"name"`
	Column     int    `json:"column"`
	Descending bool   `json:"descending,omitempty"`
	Wide       bool   `json:"wide,omitempty"` // only PostgreSQL can tell what is behind what
}

// Facet is one count of a summary.
type Facet struct {
	Name   string `json:"name"`
	Column int    `json:"column"`
}

// DefaultOrder is the name of the order that lists have unless they are asked for another.
const DefaultOrder = "newest"

// FacetPrefix stands in front of the column's name in the name of a facet.
const FacetPrefix = "by_"

// The parameters that do not belong to a column's filter.
const (
	ParamBBox   = "bbox"
	ParamWords  = "q"
	ParamIDs    = "ids"
	ParamFields = "fields"
	ParamCount  = "count"
)

// reservedParameters are no names for those of columns.
func reservedParameters() []string {
	return []string{"sort", "limit", "cursor", ParamWords, ParamBBox, ParamIDs, ParamFields, ParamCount}
}

// reservedTables are addresses of the API itself, of which a table cannot have the name.
func reservedTables() []string {
	return []string{"v1", "cache", "healthz", "readyz", "livez", "metrics", "debug", "static"}
}

// Table returns the table of a name, nil if there is none.
func (d *Description) Table(name string) *Table {
	for i := range d.Tables {
		if d.Tables[i].Name == name {
			return &d.Tables[i]
		}
	}
	return nil
}

// Column returns the number of a column by its name in the database, -1 if it is not used.
func (t *Table) Column(name string) int {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return i
		}
	}
	return -1
}

// Has reports whether the column is used for something.
func (c *Column) Has(use Use) bool {
	for _, u := range c.Uses {
		if u == use {
			return true
		}
	}
	return false
}

// Searched returns the columns that decide what q finds: the stored vector, if there is one,
// whatever keeps it, or else the texts that are searched.
func (t *Table) Searched() []int {
	if t.Vector != nil {
		return []int{*t.Vector}
	}
	return t.Search
}

// Compared reports whether the invalidator compares the column's values with those that
// queries ask for. Of other columns it only needs to know whether they differ.
func (c *Column) Compared() bool {
	for _, u := range c.Uses {
		switch u {
		case ForKey, ForFilter, ForOrder, ForPlace, ForJoin:
			return true
		}
	}
	return false
}

// setUses computes what each column is used for.
func (d *Description) setUses() {
	for i := range d.Tables {
		for n := range d.Tables[i].Columns {
			d.Tables[i].Columns[n].Uses = []Use{}
		}
	}
	for i := range d.Tables {
		t := &d.Tables[i]
		t.use(ForKey, t.Key)
		t.use(ForLabel, t.Label)
		t.use(ForList, t.List...)
		t.use(ForItem, t.Item...)
		for _, p := range t.Parameters {
			if p.Kind != BBox && p.Kind != Words {
				t.use(ForFilter, p.Column)
			}
		}
		for _, o := range t.Orders {
			t.use(ForOrder, o.Column)
		}
		if t.Place != nil {
			t.use(ForPlace, t.Place.Latitude, t.Place.Longitude)
		}
		t.use(ForSearch, t.Searched()...)
		for _, f := range t.Facets {
			t.use(ForFacet, f.Column)
		}
		t.use(ForStats, t.Stats...)
	}
	for i := range d.Tables {
		t := &d.Tables[i]
		for _, j := range t.With {
			if j.Many {
				t.use(ForJoin, t.Key)
				d.Tables[j.Table].use(ForJoin, j.By, j.Order)
			} else {
				t.use(ForJoin, j.By)
				d.Tables[j.Table].use(ForJoin, d.Tables[j.Table].Key)
			}
		}
	}
}

// use notes a use of columns, once each.
func (t *Table) use(use Use, columns ...int) {
	for _, n := range columns {
		if c := &t.Columns[n]; !c.Has(use) {
			c.Uses = append(c.Uses, use)
		}
	}
}

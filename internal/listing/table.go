package listing

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/freshlist/freshlist/internal/description"
)

// Site is a description, ready for use.
type Site struct {
	Description *description.Description
	Identity    string // names the description: see description.Description.Identity
	Tables      []*Table
}

// Table is a described table, ready for use. Behind the described Parameters there is one more: ids,
// by which several rows are asked for by their keys.
type Table struct {
	*description.Table
	Site    *Site
	Number  int // its place in Site.Tables
	Columns []Column

	ListColumns    Columns // those that items of lists show
	ItemColumns    Columns // those that a row's own page shows
	SummaryColumns Columns // those that a summary counts by or adds up

	Joins                    []Join  // rows of other tables inside a row, in the description's order
	listJoins, itemJoins     []*Join // those that items of lists show, and a row's own page
	listJoining, itemJoining Columns // the columns that hold other tables' keys for them
	sought                   Columns // the columns by which rows of other tables find many of this one

	filterNames, pageNames []string // of parameters, in canonical order
	tests                  []test   // of the Parameters
}

// Column is a column of a described table, ready for use.
type Column struct {
	*description.Column
	Number int // its place in Table.Columns
	Form   Form
	Scale  int // of a Decimal: digits behind the point

	Element *Column // of an array: what its elements would be as a column

	JSONName string // the member of a row's JSON behind another one, up to its value: ,"price":

	least, greatest int64 // of what is kept as a number: see holds
	writable        writable
	signed          bool // it can hold what is below zero, as far as its checks are known

	mean *Column // of a Whole: see MeanColumn
}

// Columns is a set of a table's columns: a bit for each, by its number.
type Columns uint64

// ColumnSet returns the set of some columns.
func ColumnSet(columns ...int) Columns {
	var s Columns
	for _, c := range columns {
		s |= 1 << c
	}
	return s
}

// Has reports whether a column is in the set.
func (s Columns) Has(column int) bool { return s>>column&1 != 0 }

// Names returns the names in the database of some of the table's columns.
func (t *Table) Names(s Columns) (names []string) {
	for i := range t.Columns {
		if s.Has(i) {
			names = append(names, t.Columns[i].Name)
		}
	}
	return names
}

// AllColumns returns the set of all of the table's columns.
func (t *Table) AllColumns() Columns { return 1<<len(t.Columns) - 1 } // 64 of them wrap to all

// NewSite makes a description ready for use. The description must be valid, as Resolve and
// Decode return it.
func NewSite(d *description.Description) *Site {
	s := &Site{Description: d, Identity: d.Identity()}
	for i := range d.Tables {
		s.Tables = append(s.Tables, newTable(s, i))
	}
	for _, t := range s.Tables {
		t.addJoins()
	}
	return s
}

// Table returns the table of a name, nil if there is none.
func (s *Site) Table(name string) *Table {
	for _, t := range s.Tables {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// TableNames returns what the tables are called, in their order.
func (s *Site) TableNames() []string {
	names := make([]string, 0, len(s.Tables))
	for _, t := range s.Tables {
		names = append(names, t.Name)
	}
	return names
}

// Home returns the table whose list is the home page.
func (s *Site) Home() *Table { return s.Table(s.Description.Site.Home) }

func newTable(s *Site, number int) *Table {
	d := s.Description.Tables[number]
	t := &Table{Table: &d, Site: s, Number: number}
	for i := range d.Columns {
		t.Columns = append(t.Columns, newColumn(&d.Columns[i], i))
	}
	d.Parameters = append(slices.Clone(d.Parameters), description.Parameter{
		Name: description.ParamIDs, Kind: description.AnyOf, Column: d.Key, Wide: !t.KeyColumn().Exact(),
	})
	t.ListColumns, t.ItemColumns, t.SummaryColumns = ColumnSet(d.List...), ColumnSet(d.Item...), ColumnSet(d.Stats...)
	for _, f := range d.Facets {
		t.SummaryColumns |= ColumnSet(f.Column)
	}
	for i := range d.Parameters {
		t.filterNames = append(t.filterNames, d.Parameters[i].Name)
		t.tests = append(t.tests, newTest(t, &d.Parameters[i]))
	}
	t.pageNames = append(slices.Clone(t.filterNames), "sort", "limit", "cursor", description.ParamFields, description.ParamCount)
	return t
}

func newColumn(d *description.Column, number int) Column {
	c := Column{Column: d, Number: number, Form: formOf(d.Type), JSONName: jsonName(d.Member), signed: true}
	if c.Form == Decimal {
		c.Scale = d.Type.Scale
	}
	c.least, c.greatest = c.limits()
	c.writable = c.newWritable()
	if c.Form == Whole {
		c.mean = newMean(d, number)
	}
	if d.Type.Kind == description.Array {
		e := newColumn(&description.Column{Name: d.Name, Type: *d.Type.Element}, number)
		c.Element = &e
	}
	if d.Least != "" {
		n, _, ok := parseFixed(d.Least, c.Scale)
		c.signed = !ok || n < 0
	}
	return c
}

// newMean returns what is known of the mean of a column of whole numbers.
func newMean(d *description.Column, number int) *Column {
	mean := *d
	mean.Type = description.Type{Kind: description.Numeric, Name: "numeric"}
	switch d.Type.Kind { // whose mean has so many digits before the point
	case description.Smallint:
		mean.Type.Precision, mean.Type.Scale = 5+meanScale, meanScale
	case description.Integer:
		mean.Type.Precision, mean.Type.Scale = 10+meanScale, meanScale
	}
	c := newColumn(&mean, number)
	return &c
}

func jsonName(member string) string {
	name, err := json.Marshal(member)
	if err != nil {
		panic("listing: encode a text: " + err.Error()) // it does not happen
	}
	return "," + string(name) + ":"
}

// Limits returns the least and the greatest number that a column of whole numbers or decimals
// can hold, by its type and its checks, in digits.
func (c *Column) Limits() (least, greatest string) {
	limit := func(check string, byType int64) string {
		if check != "" {
			return check
		}
		return string(appendShortest(nil, byType, c.Scale))
	}
	return limit(c.Least, c.least), limit(c.Greatest, c.greatest)
}

// Bounds returns the least and the greatest number that can be asked for of such a column.
func (c *Column) Bounds() (least, greatest string) {
	low, high := c.bounds()
	return string(appendShortest(nil, low, c.Scale)), string(appendShortest(nil, high, c.Scale))
}

func (c *Column) bounds() (least, greatest int64) {
	if !c.signed {
		return 0, c.greatest
	}
	return c.least, c.greatest
}

// formOf returns how values of a type are kept.
func formOf(t description.Type) Form {
	switch t.Kind {
	case description.Smallint, description.Integer, description.Bigint:
		return Whole
	case description.Numeric:
		if t.Equality() == description.Exact {
			return Decimal
		}
		return Spelled
	case description.Double:
		return Float
	case description.Boolean:
		return Truth
	case description.Enum:
		return Label
	case description.Date:
		return Day
	case description.Timestamp:
		return Moment
	case description.TimestampTZ:
		return Instant
	case description.Text, description.Varchar:
		return Words
	case description.UUID:
		return UUID
	case description.Real, description.Char:
		return Spelled
	}
	return JSON
}

func powerOfTen(n int) int64 {
	v := int64(1)
	for range n {
		v *= 10
	}
	return v
}

// Exact reports whether values are equal in Go if and only if PostgreSQL takes them for
// equal.
func (c *Column) Exact() bool { return c.Type.Equality() == description.Exact }

// Ordered reports whether Order orders values as PostgreSQL does.
func (c *Column) Ordered() bool { return c.Type.Order() == description.Exact }

// Order returns a number that does not decrease as values increase, in the order of
// PostgreSQL. Where Distinct does not hold, values that differ may have the same number. It
// is neither end of an int64: those stand for NULL. It means nothing unless Ordered.
func (c *Column) Order(v Value) int64 {
	n := v.Number
	switch {
	case c.Form.InNumber():
		if n == minusZero && c.Form == Float {
			return 0
		}
	case c.spelledNumber():
		if n = FloatNumber(c.nearest(v)); n == minusZero {
			return 0
		}
	default:
		n = prefix(v.Text)
	}
	return min(max(n, firstOrder), lastOrder)
}

// The first and the last number that Order returns.
const (
	firstOrder = math.MinInt64 + 1
	lastOrder  = math.MaxInt64 - 1
)

// Distinct reports whether values with the number that Order has returned are all equal in
// PostgreSQL's order.
func (c *Column) Distinct(order int64) bool {
	switch {
	case c.Form == Whole:
		return order > firstOrder && order < lastOrder
	case c.Form.InNumber():
	case c.spelledNumber():
		return c.Type.Kind == description.Real // others may have more digits than a float
	default:
		return order > firstOrder && order&0xff == 0 // a text of less than eight bytes
	}
	return true
}

// spelledNumber reports whether values are numbers that are kept as texts.
func (c *Column) spelledNumber() bool {
	return c.Form == Spelled && (c.Type.Kind == description.Numeric || c.Type.Kind == description.Real)
}

// nearest returns the float that is nearest to a number that is kept as a text; of a real it is
// the same.
func (c *Column) nearest(v Value) float64 {
	size := 64
	if c.Type.Kind == description.Real {
		size = 32
	}
	f, _ := strconv.ParseFloat(v.Text, size) // one that is too large is infinite
	return f
}

// prefix returns the first eight bytes of a text as a number that orders as they do.
func prefix(s string) int64 {
	var n uint64
	for i := range 8 {
		n <<= 8
		if i < len(s) {
			n |= uint64(s[i])
		}
	}
	return int64(n ^ 1<<63)
}

// Beginning returns the first bytes of a text by the number that Order has made of it.
func (c *Column) Beginning(order int64) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(order)^1<<63)
	return strings.TrimRight(strings.ToValidUTF8(string(b), ""), "\x00")
}

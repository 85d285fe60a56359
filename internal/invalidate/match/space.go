package match

import (
	"math"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// A row is a point in a space whose dimensions are columns that have an order; a live query
// is a box in it, and a change can touch the query only if the row's point, before or after,
// lies in the box. Coordinates are the numbers of listing.Column.Order.

// space is what the index makes of a table: which columns are its dimensions, and which
// parameters make buckets.
type space struct {
	table      *listing.Table
	dimensions []*listing.Column // the axes first, then what only pages are ordered by
	axes       dimension         // how many of the dimensions boxes are kept on
	orders     []order           // the table's, and, behind them, the same as they are read backwards
	parameters []parameter       // the table's
	lists      []*listing.Column // the columns that shapes tell apart
	item       listing.Columns   // that a row's own page shows, is found by, or finds inner rows by
	plain      listing.Columns   // of which a change may touch any query
	wide       listing.Columns   // of which a change may touch a query with a wide condition
}

// dimension is a column's place among the dimensions of its table's space.
type dimension uint8

// none is the dimension or the list of what has none.
const none = math.MaxUint8

// A box has at most mostAxes sides. What bounds columns beyond is left to the exact test.
const (
	mostAxes       = 12
	mostDimensions = 64 // as many as a table has columns
)

// parameter is what the index makes of one of the table's parameters.
type parameter struct {
	*description.Parameter
	column          *listing.Column
	axis, longitude dimension // of min and max; of bbox: its two axes
	list            uint8     // of any-of: its place in the space's lists
}

func newSpace(t *listing.Table) *space {
	s := &space{table: t, plain: t.ListColumns | t.SummaryColumns | listing.ColumnSet(t.Key)}
	own := t.RowQuery(listing.Value{})
	s.item = own.Columns()
	for i := range t.Orders {
		s.orders = append(s.orders, newOrder(s, i, false))
		s.plain |= s.orders[i].shown
	}
	for i := range t.Orders {
		s.orders = append(s.orders, newOrder(s, i, true))
	}
	s.axes = dimension(min(len(s.dimensions), mostAxes))
	for i := range t.Parameters {
		s.parameters = append(s.parameters, newParameter(s, &t.Parameters[i]))
		columns := (&listing.Condition{Parameter: i}).Columns(t)
		if t.Parameters[i].Wide {
			s.wide |= columns
		} else {
			s.plain |= columns
		}
	}
	if s.axes == 0 {
		s.axis(t.KeyColumn()) // a leaf has one, whatever it is
	}
	return s
}

// dimension returns the dimension of a column, which it adds if need be.
func (s *space) dimension(c *listing.Column) dimension {
	for d, other := range s.dimensions {
		if other == c {
			return dimension(d)
		}
	}
	s.dimensions = append(s.dimensions, c)
	return dimension(len(s.dimensions) - 1)
}

// axis returns the axis of a column; none if there is no room for one more.
func (s *space) axis(c *listing.Column) dimension {
	for d, other := range s.dimensions[:s.axes] {
		if other == c {
			return dimension(d)
		}
	}
	if s.axes == mostAxes || int(s.axes) < len(s.dimensions) {
		return none
	}
	s.axes++
	return s.dimension(c)
}

func newParameter(s *space, p *description.Parameter) parameter {
	t := s.table
	made := parameter{Parameter: p, column: &t.Columns[p.Column], axis: none, longitude: none, list: none}
	switch {
	case p.Wide:
	case p.Kind == description.Min, p.Kind == description.Max:
		made.axis = s.axis(made.column)
	case p.Kind == description.BBox:
		made.axis, made.longitude = s.axis(made.column), s.axis(&t.Columns[t.Place.Longitude])
	case p.Kind == description.AnyOf && (len(s.lists) < mostLists-1 || p.Name == description.ParamIDs):
		made.list = uint8(len(s.lists))
		s.lists = append(s.lists, made.column)
	}
	return made
}

// nullAt is the coordinate of a NULL; no value of any column has it.
const nullAt = math.MinInt64

// point is a row's place, by dimension, and the number of its key.
type point struct {
	at  [mostDimensions]int64
	key int64
}

// locate sets p to the place of a row.
func (s *space) locate(p *point, r *listing.Row) {
	for d, c := range s.dimensions {
		if r.Null(c.Number) {
			p.at[d] = nullAt
		} else {
			p.at[d] = c.Order(r.Values[c.Number])
		}
	}
	p.key = s.table.KeyColumn().Order(r.Values[s.table.Key])
}

// span is a stretch of one axis, both ends included. It is empty if low > high.
type span struct{ low, high int64 }

// The ends of the stretch of all values; NULL lies outside.
const (
	lowest  = nullAt + 1
	highest = math.MaxInt64
)

// everything holds every value and NULL.
func everything() span { return span{nullAt, highest} }

// nothing holds nothing.
func nothing() span { return span{highest, nullAt} }

// degrees returns the stretch between two edges of a box; of decimals a little more, since
// only their nearest floats are compared with the edges.
func degrees(c *listing.Column, low, high float64) span {
	if c.Form == listing.Decimal {
		unit := math.Pow10(c.Scale)
		return span{int64(math.Floor(low*unit)) - 1, int64(math.Ceil(high*unit)) + 1}
	}
	return span{c.Order(listing.Value{Number: listing.FloatNumber(low)}), c.Order(listing.Value{Number: listing.FloatNumber(high)})}
}

// partOf returns which part of a cut the stretch belongs to.
func (s span) partOf(at int64) int {
	switch {
	case s.high < at:
		return below
	case s.low > at:
		return above
	case s.low <= lowest && s.high == highest:
		return whole
	default:
		return cross
	}
}

func (s span) holds(x int64) bool { return s.low <= x && x <= s.high }

func (s span) intersect(t span) span { return span{max(s.low, t.low), min(s.high, t.high)} }

// join returns the stretch from the one to the other.
func (s span) join(t span) span { return span{min(s.low, t.low), max(s.high, t.high)} }

// span returns the stretch of one axis in which a condition's rows lie. A NULL meets none.
func (s *space) span(c *listing.Condition, a dimension) span {
	p := &s.parameters[c.Parameter]
	switch {
	case a != p.axis && a != p.longitude:
		return everything()
	case p.Kind == description.Min:
		return span{p.column.Order(c.Bound), highest}
	case p.Kind == description.Max:
		return span{lowest, p.column.Order(c.Bound)}
	case a == p.axis:
		return degrees(s.dimensions[a], c.Box.South, c.Box.North)
	default:
		return degrees(s.dimensions[a], c.Box.West, c.Box.East)
	}
}

// exact reports whether boxes, and the buckets of a shape, hold just the rows that a
// condition holds; of one that only PostgreSQL can judge, all rows.
func (s *space) exact(c *listing.Condition, of shape) bool {
	p := &s.parameters[c.Parameter]
	switch {
	case p.Wide:
		return true
	case p.Kind == description.Min, p.Kind == description.Max:
		return p.axis != none && p.column.Distinct(p.column.Order(c.Bound))
	case p.Kind == description.BBox:
		return p.axis != none && p.longitude != none && p.column.Form == listing.Float && s.dimensions[p.longitude].Form == listing.Float
	default:
		return of.has(p.list)
	}
}

package listing

import (
	"cmp"
	"math"
	"math/big"

	"github.com/freshlist/freshlist/internal/description"
)

// test is what a parameter's conditions ask of a row, so that Match need not look it up.
type test struct {
	kind      testKind
	column    int
	longitude int // of a box
}

// testKind tells the tests apart.
type testKind uint8

const (
	wideTest     testKind = iota // only PostgreSQL can tell: it counts as met
	numberTest                   // one of several numbers
	textTest                     // one of several texts
	leastTest                    // at least a number
	greatestTest                 // at most a number
	leastOf                      // at least a number that has to be compared by its column
	greatestOf                   // at most such a number
	boxTest                      //
	containsTest                 //
)

func newTest(t *Table, p *description.Parameter) test {
	made := test{column: p.Column}
	c := &t.Columns[p.Column]
	switch {
	case p.Wide:
	case p.Kind == description.AnyOf && c.Form.InNumber():
		made.kind = numberTest
	case p.Kind == description.AnyOf:
		made.kind = textTest
	case p.Kind == description.Min && (c.Form == Float || c.Form == Spelled):
		made.kind = leastOf
	case p.Kind == description.Max && (c.Form == Float || c.Form == Spelled):
		made.kind = greatestOf
	case p.Kind == description.Min:
		made.kind = leastTest
	case p.Kind == description.Max:
		made.kind = greatestTest
	case p.Kind == description.BBox:
		made.kind, made.longitude = boxTest, t.Place.Longitude
	case p.Kind == description.Contains:
		made.kind = containsTest
	}
	return made
}

// Match reports whether PostgreSQL would find a row of the table by the filter. A NULL in
// the row meets no condition on its column, bounds and the box's edges are included. The
// conditions that only PostgreSQL can judge count as met: see WideColumns.
func (f Filter) Match(t *Table, r *Row) bool {
	for i := range f {
		c := &f[i]
		if p := &t.tests[c.Parameter]; p.kind != wideTest && (r.Null(p.column) || !p.met(t, c, r)) {
			return false
		}
	}
	return true
}

// met reports whether a row that is not NULL there meets a condition.
func (p *test) met(t *Table, c *Condition, r *Row) bool {
	v := &r.Values[p.column]
	switch p.kind {
	case numberTest:
		for i := range c.Values {
			if c.Values[i].Number == v.Number {
				return true
			}
		}
		return false
	case textTest:
		for i := range c.Values {
			if c.Values[i].Text == v.Text {
				return true
			}
		}
		return false
	case leastTest:
		return v.Number >= c.Bound.Number
	case greatestTest:
		return v.Number <= c.Bound.Number
	case leastOf, greatestOf:
		n := t.Columns[p.column].compare(*v, c.Bound)
		return n == 0 || n > 0 == (p.kind == leastOf)
	case boxTest:
		return !r.Null(p.longitude) &&
			c.Box.contains(t.Columns[p.column].degrees(*v), t.Columns[p.longitude].degrees(r.Values[p.longitude]))
	default:
		return t.Columns[p.column].containsAll(v.Text, c.Values)
	}
}

// WideColumns returns the columns that the conditions read which only PostgreSQL can judge.
func (f Filter) WideColumns(t *Table) (s Columns) {
	for i := range f {
		if t.Parameters[f[i].Parameter].Wide {
			s |= f[i].Columns(t)
		}
	}
	return s
}

// Columns returns the columns that the filter's answer depends on.
func (f Filter) Columns(t *Table) (s Columns) {
	for i := range f {
		s |= f[i].Columns(t)
	}
	return s
}

// Columns returns the columns that the condition reads.
func (c *Condition) Columns(t *Table) Columns {
	switch p := &t.Parameters[c.Parameter]; p.Kind {
	case description.BBox:
		return ColumnSet(t.Place.Latitude, t.Place.Longitude)
	case description.Words:
		return ColumnSet(t.Searched()...)
	default:
		return ColumnSet(p.Column)
	}
}

// compare compares values of a column whose bounds can be asked for: all of them are numbers.
func (c *Column) compare(v, bound Value) int {
	n, m := v.Number, bound.Number
	if c.Form == Float || c.Form == Spelled {
		n, m = c.Order(v), c.Order(bound)
	}
	switch {
	case n < m:
		return -1
	case n > m:
		return +1
	case c.Form == Spelled && c.Type.Kind == description.Numeric:
		return compareDigits(v.Text, bound.Text)
	}
	return 0
}

// compareDigits compares numbers of any length that are the same as floats.
func compareDigits(a, b string) int {
	x, ok1 := new(big.Rat).SetString(a)
	y, ok2 := new(big.Rat).SetString(b)
	if !ok1 || !ok2 { // NaN or an infinity, which are equal to themselves; see below
		return cmp.Compare(infinite(a), infinite(b))
	}
	return x.Cmp(y)
}

// infinite tells the infinities from the numbers that are too large for a float.
func infinite(number string) int {
	switch number {
	case "-Infinity":
		return -1
	case "Infinity":
		return +1
	}
	return 0
}

// degrees returns a value of a column of the place as a float, which is below, equal to or above the
// edge of a box as the value is: of a decimal it is the nearest one.
func (c *Column) degrees(v Value) float64 {
	switch {
	case c.Form == Float:
		return FloatOf(v.Number)
	case v.Number == NaN:
		return math.NaN()
	}
	return float64(v.Number) / math.Pow10(c.Scale)
}

func (b *Box) contains(latitude, longitude float64) bool {
	return latitude >= b.South && latitude <= b.North && longitude >= b.West && longitude <= b.East
}

package listing

import (
	"cmp"
	"slices"

	"github.com/freshlist/freshlist/internal/description"
)

// Image returns the columns of which a captured row holds the values, in the order in which
// it holds them. The others are Masked: of them a captured row only says whether an UPDATE
// changed them.
//
// In the image is what a program can compare with what queries ask for: the key, and what rows
// are filtered, ordered or joined by, if Go compares it as PostgreSQL does; arrays, if
// a filter looks into them. So is what lists show or a summary counts, for a change of it is
// seldom told from a change of anything else; and what is of fixed length, since a few
// bytes cost less than the question whether they differ. Left out are long texts that only a
// row's own page shows or a search reads, pictures, and all types that only PostgreSQL can compare.
//
// Values of fixed length come first, the longest before the others, so that no byte is lost to
// alignment; then numbers, then texts. Among equals those that are never NULL come first.
func (t *Table) Image() []int {
	var image []int
	for i := range t.Columns {
		if t.inImage(&t.Columns[i]) {
			image = append(image, i)
		}
	}
	slices.SortStableFunc(image, func(a, b int) int {
		c, d := &t.Columns[a], &t.Columns[b]
		return cmp.Or(
			cmp.Compare(d.Type.Bytes, c.Type.Bytes),
			last(!c.Form.InNumber(), !d.Form.InNumber()),
			last(!c.NotNull, !d.NotNull),
		)
	})
	return image
}

// last orders what is true behind what is not.
func last(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return +1
	}
	return -1
}

// Masked returns the used columns that are not in the image, by number.
func (t *Table) Masked() []int {
	var masked []int
	for i := range t.Columns {
		if !t.inImage(&t.Columns[i]) {
			masked = append(masked, i)
		}
	}
	return masked
}

func (t *Table) inImage(c *Column) bool {
	switch {
	case c.Type.Kind == description.Array:
		return slices.ContainsFunc(t.Parameters, func(p description.Parameter) bool {
			return p.Kind == description.Contains && p.Column == c.Number && !p.Wide
		})
	case c.Form == JSON, c.Picture() && !c.Compared():
		return false
	case c.Form == Spelled:
		return c.Compared() && (c.Exact() || c.Ordered())
	case c.Number == t.Key, c.Type.Bytes > 0, (t.ListColumns | t.SummaryColumns).Has(c.Number):
		return true
	}
	return c.Compared() && (c.Exact() || c.Ordered())
}

// NullColumns is the attribute of an envelope's sets that has a bit for each column in which
// some row was NULL. The others are named as their columns.
const NullColumns = "null columns"

// Sets returns the columns of which an envelope of a bulk statement says which values occur:
// those that a list of values can be asked for and that have no least value in PostgreSQL, and
// keys of that kind, its own and those of rows that show it inside. (A column that is called as NullColumns goes without: any value may
// occur in it.)
func (t *Table) Sets() []int {
	var sets []int
	for i := range t.Columns {
		c := &t.Columns[i]
		unordered := c.Form == Words || c.Form == UUID || c.Form == Truth
		if unordered && c.Name != NullColumns && (i == t.Key || t.anyOf(i) || t.sought.Has(i)) {
			sets = append(sets, i)
		}
	}
	return sets
}

// anyOf reports whether Go judges a filter by a list of values of a column.
func (t *Table) anyOf(column int) bool {
	return slices.ContainsFunc(t.Parameters, func(p description.Parameter) bool {
		return p.Kind == description.AnyOf && p.Column == column && !p.Wide
	})
}

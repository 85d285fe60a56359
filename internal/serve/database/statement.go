package database

import (
	"strconv"
	"strings"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// statement is SQL in the making, about one table. Its text grows by constants, quoted
// names and types of the description only; a value becomes a parameter: a text, or a list of
// texts, which the statement casts to what it is compared with. PostgreSQL computes such a
// cast of a parameter once, before it looks for a way to the rows.
type statement struct {
	table   *listing.Table
	text    strings.Builder
	args    []any             // string, []string, or nil for NULL
	columns []*listing.Column // of the result, behind the first that the statement has for itself
	joins   []*listing.Join   // whose inner rows stand behind the columns
}

// add appends fragments.
func (s *statement) add(fragments ...string) {
	for _, f := range fragments {
		s.text.WriteString(f)
	}
}

// arg makes a text, a list of texts or NULL a parameter and returns it as SQL.
func (s *statement) arg(v any) string {
	s.args = append(s.args, v)
	cast := "::text"
	if _, list := v.([]string); list {
		cast = "::text[]"
	}
	return "$" + strconv.Itoa(len(s.args)) + cast
}

// value makes a value a parameter of its column's type.
func (s *statement) value(c *listing.Column, v listing.Value) string {
	return s.arg(c.Spell(v)) + "::" + c.Castable()
}

// number makes a number a parameter.
func (s *statement) number(n int) string { return s.arg(strconv.Itoa(n)) + "::bigint" }

// values makes a list of values of a column a parameter, an array of a type.
func (s *statement) values(c *listing.Column, values []listing.Value, of string) string {
	spelled := make([]string, len(values))
	for i, v := range values {
		spelled[i] = c.Spell(v)
	}
	return s.arg(spelled) + "::" + of + "[]"
}

// relation returns the table as SQL reads it.
func (s *statement) relation() string { return s.table.Relation.SQL() }

// column returns a column of the table as SQL reads it.
func (s *statement) column(number int) string { return quote(&s.table.Columns[number]) }

func quote(c *listing.Column) string { return description.QuoteIdentifier(c.Name) }

// result adds a column to the statement's result. It has no alias: ORDER BY would take that
// for a column.
func (s *statement) result(c *listing.Column, expression string) {
	s.add(", ", expression)
	s.columns = append(s.columns, c)
}

// results adds columns of p to the result, by their numbers, each by the SQL that value returns.
func (s *statement) results(columns listing.Columns, value func(c *listing.Column, column string) string) {
	for i := range s.table.Columns {
		if c := &s.table.Columns[i]; columns.Has(i) {
			s.result(c, value(c, "p."+quote(c)))
		}
	}
}

// conditions is a conjunction whose members may be used more than once in one
// statement, with the same parameters.
type conditions []string

// add appends a condition from its fragments.
func (c *conditions) add(fragments ...string) { *c = append(*c, strings.Join(fragments, "")) }

// where returns the clause, with further conditions behind its own.
func (c conditions) where(more ...string) string {
	all := append(c[:len(c):len(c)], more...)
	if len(all) == 0 {
		return ""
	}
	return " where " + strings.Join(all, " and ")
}

// filter makes the conditions of f. What a column is compared with is of its own type, so
// that an index on the column can be used.
func (s *statement) filter(f listing.Filter) conditions {
	var c conditions
	for i := range f {
		p := &s.table.Parameters[f[i].Parameter]
		column := &s.table.Columns[p.Column]
		switch p.Kind {
		case description.AnyOf:
			s.anyOf(&c, column, f[i].Values)
		case description.Min:
			c.add(quote(column), " >= ", s.value(column, f[i].Bound))
		case description.Max:
			c.add(quote(column), " <= ", s.value(column, f[i].Bound))
		case description.BBox:
			box := &f[i].Box
			s.between(&c, s.table.Place.Longitude, box.West, box.East)
			s.between(&c, s.table.Place.Latitude, box.South, box.North)
		case description.Contains:
			s.contains(&c, column, f[i].Values)
		case description.Words:
			c.add(s.document(), " @@ websearch_to_tsquery(", s.language(), ", ", s.arg(f[i].Text), ")")
		}
	}
	return c
}

// anyOf asks that a value be one of a list. A single one is asked by =, which
// leaves the rows of an index on (column, order) in order.
func (s *statement) anyOf(c *conditions, column *listing.Column, values []listing.Value) {
	if len(values) == 1 {
		c.add(quote(column), " = ", s.value(column, values[0]))
	} else {
		c.add(quote(column), " = any(", s.values(column, values, column.Castable()), ")")
	}
}

// between asks that a column of degrees lie between two edges.
func (s *statement) between(c *conditions, column int, least, greatest float64) {
	edge := func(v float64) string {
		return s.arg(strconv.FormatFloat(v, 'f', -1, 64)) + "::" + s.table.Columns[column].Castable()
	}
	c.add(s.column(column), " between ", edge(least), " and ", edge(greatest))
}

// contains asks that an array have all of a list. Operators of arrays want two of the very
// same type. Of an array of a domain it is the column that is cast, and no index helps: the
// domain's checks would refuse a value that no row has.
func (s *statement) contains(c *conditions, column *listing.Column, values []listing.Value) {
	array, of := quote(column), column.Element.Castable()
	switch t := &column.Element.Type; {
	case t.Base != "" && t.Base != t.Name:
		array += "::" + of + "[]"
	case t.Kind == description.Varchar:
		of = "varchar"
	}
	c.add(array, " @> ", s.values(column.Element, values, of))
}

// document is what a text search looks at: the stored words, or an expression, of which an index
// is used if there is one.
func (s *statement) document() string {
	if v := s.table.Vector; v != nil {
		return s.column(*v)
	}
	texts := make([]string, len(s.table.Search))
	for i, n := range s.table.Search {
		texts[i] = s.column(n)
		if !s.table.Columns[n].NotNull {
			texts[i] = "coalesce(" + texts[i] + ", '')"
		}
	}
	return "to_tsvector(" + s.language() + ", " + strings.Join(texts, " || ' ' || ") + ")"
}

// language returns the configuration of text search, as a constant: only an expression of
// constants and columns is that of an index.
func (s *statement) language() string {
	name := s.table.Language
	if !strings.ContainsAny(name, `."`) {
		name = "pg_catalog." + description.QuoteIdentifier(name)
	}
	return description.QuoteLiteral(name) + "::regconfig"
}

// order is how the order of a page is written in SQL.
type order struct {
	listing.Order
	table    *listing.Table
	backward bool   // it is read from its end
	beyond   string // comparison of (column, key) for the rows behind a cursor, in the direction of reading
}

func (s *statement) order(q *listing.Query) order {
	o := order{Order: q.Order(), table: s.table, backward: q.Backward, beyond: ">"}
	if o.falls() {
		o.beyond = "<"
	}
	return o
}

// falls reports whether values become less in the direction of reading.
func (o *order) falls() bool { return o.Descending != o.backward }

// nullsBehind reports whether NULLs lie behind all values in the direction of reading. Pages have
// them last. Only where a column was NOT NULL once they stand where PostgreSQL puts them:
// first in descending orders.
func (o *order) nullsBehind() bool {
	last := !o.Column.NotNull || !o.Descending
	return last != o.backward
}

// alone reports whether nothing breaks ties: there are none among keys.
func (o *order) alone() bool { return o.Column.Number == o.table.Key }

// by returns what stands behind ORDER BY, for columns of from. Where NULLs stand is said only where
// there can be any, and where PostgreSQL would have them elsewhere: an index in the column's plain
// order, read backwards, does not give it.
func (o *order) by(from string) string {
	direction, nulls := "", ""
	if o.falls() {
		direction = " desc"
	}
	switch {
	case o.Column.NotNull || o.nullsBehind() != o.falls(): // they are there by themselves
	case o.nullsBehind():
		nulls = " nulls last"
	default:
		nulls = " nulls first"
	}
	text := from + quote(o.Column) + direction + nulls
	if !o.alone() {
		text += ", " + from + o.key() + direction
	}
	return text
}

// key returns the key as it breaks ties.
func (o *order) key() string { return bytewise(o.table.KeyColumn()) }

// bytewise returns a key as it breaks ties. Texts are ordered by their bytes, whatever the
// collation of their column: so does whoever compares places outside the database.
func bytewise(c *listing.Column) string {
	if c.Form == listing.Words && !c.Type.Bytewise {
		return quote(c) + ` collate "C"`
	}
	return quote(c)
}

// after returns the conditions on the rows behind a cursor in the direction of reading, each of
// which an index on (column, key) can answer. Behind a value in a column with NULLs there may be
// two: the values beyond, and the NULLs; behind a NULL too: other NULLs, and the values.
//
// Somebody may have dropped a NOT NULL since: see nullsBehind.
func (s *statement) after(o *order, after listing.Null[listing.Key]) []string {
	if !after.Valid {
		return []string{""}
	}
	column := quote(o.Column)
	if o.alone() && after.V.Value.Valid {
		return []string{column + " " + o.beyond + " " + s.value(o.Column, after.V.Value.V)}
	}
	key := s.value(s.table.KeyColumn(), after.V.Key)
	if !after.V.Value.Valid {
		parts := []string{column + " is null and " + o.key() + " " + o.beyond + " " + key}
		if !o.nullsBehind() {
			parts = append(parts, column+" is not null")
		}
		return parts
	}
	parts := []string{"(" + column + ", " + o.key() + ") " + o.beyond + " (" + s.value(o.Column, after.V.Value.V) + ", " + key + ")"}
	switch {
	case !o.nullsBehind():
	case o.Column.NotNull:
		parts = append(parts, column+" is null and "+s.mayBeNull(o.Column))
	default:
		parts = append(parts, column+" is null")
	}
	return parts
}

// mayBeNull asks the catalog whether the NOT NULL of a column was dropped. PostgreSQL
// evaluates it once, before it looks for any NULL.
func (s *statement) mayBeNull(c *listing.Column) string {
	return "(select not attnotnull from pg_attribute where attrelid = " + s.arg(s.relation()) + "::regclass and attname = " + s.arg(c.Name) + ")"
}

// list returns the names of columns, by their numbers.
func (s *statement) list(columns listing.Columns) string {
	var b strings.Builder
	for i := range s.table.Columns {
		if columns.Has(i) {
			if b.Len() > 0 {
				b.WriteString(", ")
			}
			b.WriteString(s.column(i))
		}
	}
	return b.String()
}

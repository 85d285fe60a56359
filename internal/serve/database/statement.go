package database

import (
	"strconv"
	"strings"

	"github.com/freshlist/freshlist/internal/listing"
)

// statement is SQL in the making. Its text grows by constants only; a value
// becomes a parameter.
type statement struct {
	text strings.Builder
	args []any
}

// add appends constant fragments.
func (s *statement) add(fragments ...string) {
	for _, f := range fragments {
		s.text.WriteString(f)
	}
}

// arg makes v a parameter and returns its name.
func (s *statement) arg(v any) string {
	s.args = append(s.args, v)
	return "$" + strconv.Itoa(len(s.args))
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

// filter makes the conditions of f. Prices and bathrooms travel as whole cents
// and tenths and are divided in PostgreSQL's exact arithmetic, on the constant's
// side, so that an index on the column can be used.
func (s *statement) filter(f *listing.Filter) conditions {
	var c conditions
	s.oneOf(&c, "city", f.City)
	s.oneOf(&c, "postal_code", f.PostalCode)
	s.oneOf(&c, "property_type", f.PropertyType)
	s.oneOf(&c, "status", f.Status)
	bound(s, &c, "price >= ", f.MinPrice, "::bigint * 0.01")
	bound(s, &c, "price <= ", f.MaxPrice, "::bigint * 0.01")
	bound(s, &c, "bedrooms >= ", f.MinBedrooms, "::smallint")
	bound(s, &c, "bedrooms <= ", f.MaxBedrooms, "::smallint")
	bound(s, &c, "bathrooms >= ", f.MinBathrooms, "::smallint * 0.1")
	bound(s, &c, "living_area >= ", f.MinArea, "::integer")
	bound(s, &c, "living_area <= ", f.MaxArea, "::integer")
	if box := f.Box.V; f.Box.Valid {
		c.add("longitude between ", s.arg(box.West), "::float8 and ", s.arg(box.East), "::float8")
		c.add("latitude between ", s.arg(box.South), "::float8 and ", s.arg(box.North), "::float8")
	}
	if f.Text != "" {
		c.add(document, " @@ websearch_to_tsquery('pg_catalog.english', ", s.arg(f.Text), "::text)")
	}
	return c
}

// document is what a text search looks at: the expression of its index.
const document = "to_tsvector('pg_catalog.english', title || ' ' || description)"

// oneOf asks that a text be one of a list. A single one is asked by =, which
// leaves the rows of an index on (column, order) in order.
func (s *statement) oneOf(c *conditions, column string, values []string) {
	switch len(values) {
	case 0:
	case 1:
		c.add(column, " = ", s.arg(values[0]), "::text")
	default:
		c.add(column, " = any(", s.arg(values), "::text[])")
	}
}

func bound[T int16 | int32 | int64](s *statement, c *conditions, comparison string, v listing.Null[T], scale string) {
	if v.Valid {
		c.add(comparison, s.arg(v.V), scale)
	}
}

// order is how one sort is written in SQL.
type order struct {
	column  string
	by      string // behind ORDER BY
	beyond  string // comparison of (column, id) for the rows after a cursor
	notNull bool   // the column has a NOT NULL, which somebody may have dropped
}

// orderOf returns a sort in SQL. NULLS LAST stands only where there can be a
// NULL: an index in the column's plain order, read backwards, does not give it.
func orderOf(s listing.Sort) order {
	switch s {
	case listing.PriceAsc:
		return order{"price", "price, id", ">", true}
	case listing.PriceDesc:
		return order{"price", "price desc, id desc", "<", true}
	case listing.AreaAsc:
		return order{"living_area", "living_area, id", ">", false}
	case listing.AreaDesc:
		return order{"living_area", "living_area desc nulls last, id desc", "<", false}
	case listing.Newest:
		return order{"created_at", "created_at desc, id desc", "<", true}
	default:
		panic("database: no SQL for the order " + s.String())
	}
}

// after returns the conditions on the rows behind a cursor, each of which an
// index on (column, id) can answer. Behind a value in a column with NULLs there
// are two: the greater values, and the NULLs.
func (s *statement) after(sort listing.Sort, after listing.Null[listing.Key]) []string {
	o, key := orderOf(sort), after.V
	if !after.Valid {
		return []string{""}
	}
	id := s.arg(key.ID) + "::bigint"
	if !key.Value.Valid {
		return []string{o.column + " is null and id " + o.beyond + " " + id}
	}
	if o.notNull && isNone(sort, key.Value.V) {
		null := o.column + " is null and id " + o.beyond + " " + id
		if sort.Descending() { // PostgreSQL has NULLs first
			return []string{null, o.column + " is not null"}
		}
		return []string{null}
	}
	beyond := "(" + o.column + ", id) " + o.beyond + " (" + s.key(sort, key.Value.V) + ", " + id + ")"
	switch {
	case o.notNull && sort.Descending():
		return []string{beyond}
	case o.notNull:
		return []string{beyond, o.column + " is null and " + mayBeNull(o.column)}
	}
	return []string{beyond, o.column + " is null"}
}

// isNone tells the key of a NULL in a column that has a NOT NULL.
func isNone(sort listing.Sort, v int64) bool {
	if sort.Column() == listing.CreatedAt {
		return listing.Micros(v) == listing.NoInstant
	}
	return v == listing.NoPrice
}

// mayBeNull asks the catalog whether the NOT NULL of a column was dropped. PostgreSQL
// evaluates it once, before it looks for any NULL.
func mayBeNull(column string) string {
	return "(select not attnotnull from pg_attribute where attrelid = 'public.properties'::regclass and attname = '" + column + "')"
}

// key makes a sort key's value a parameter of the column's type.
func (s *statement) key(sort listing.Sort, v int64) string {
	switch sort.Column() {
	case listing.Price:
		if v == listing.NaNPrice {
			return "'NaN'::numeric"
		}
		return s.arg(v) + "::bigint * 0.01"
	case listing.LivingArea:
		return s.arg(v) + "::integer"
	case listing.CreatedAt:
		if m := listing.Micros(v); !m.Finite() {
			return s.arg(m.String()) + "::text::timestamptz"
		}
		return s.arg(listing.Micros(v).Time()) + "::timestamptz"
	default:
		panic("database: no SQL for a key of the order " + sort.String())
	}
}

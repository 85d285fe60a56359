package database

import (
	"math/bits"
	"slices"
	"strconv"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/pgvalue"
)

// innerRows adds the inner rows of p to the result, for each join an array of them. So the rows of
// all tables are read by one statement, hence in one snapshot. Arrays stand behind the columns.
func (s *statement) innerRows() {
	for _, j := range s.joins {
		s.add(", array(select row(")
		for i, c := range innerColumns(j) {
			if i > 0 {
				s.add(", ")
			}
			s.add(innerValue(c, "i."+quote(c)))
		}
		s.add(") from ", j.Inner.Relation.SQL(), " as i where i.", quote(j.Finder()), " = ", sought(j))
		limit := 1
		if j.Many {
			limit = listing.MaxInner
			s.add(" order by i.", quote(j.Order))
			if j.Order.Number != j.Inner.Key {
				s.add(", i.", bytewise(j.Inner.KeyColumn()))
			}
		}
		s.add(" limit ", strconv.Itoa(limit), ")")
	}
}

// innerColumns returns the columns that the inner rows of a join have, in the order of their records.
func innerColumns(j *listing.Join) []*listing.Column {
	columns := make([]*listing.Column, 0, bits.OnesCount64(uint64(j.Shown)))
	for i := range j.Inner.Columns {
		if j.Shown.Has(i) {
			columns = append(columns, &j.Inner.Columns[i])
		}
	}
	return columns
}

// innerValue returns SQL for a value inside a record. A record says of a domain that it is one,
// where the column of a result says what it is based on.
func innerValue(c *listing.Column, column string) string {
	expression := listedValue(c, column)
	if expression == column && c.Type.Base != "" {
		return column + "::" + c.Castable()
	}
	return expression
}

// listedValue returns SQL for a value of a column in lists and in inner rows. Of a picture they
// show where it is, and so only whether there is one.
func listedValue(c *listing.Column, column string) string {
	if c.Picture() {
		return "case when " + column + " is not null then '' end"
	}
	return pgvalue.Expression(c, column)
}

// sought returns SQL for what the inner rows of p are found by. PostgreSQL refuses to compare
// texts of two collations, and an index serves only its own: a text out of JSON takes that of what
// it is compared with.
func sought(j *listing.Join) string {
	c, finder := j.By, j.Finder()
	if j.Many {
		c = j.Outer.KeyColumn()
	}
	value := "p." + quote(c)
	if c.Form == listing.Words && c.Type.Collation != finder.Type.Collation {
		return "(to_json(" + value + "::text) #>> '{}')"
	}
	return value
}

// tablesOf returns a table, and those of the joins, each once.
func tablesOf(t *listing.Table, joins []*listing.Join) []*listing.Table {
	tables := []*listing.Table{t}
	for _, j := range joins {
		if !slices.Contains(tables, j.Inner) {
			tables = append(tables, j.Inner)
		}
	}
	return tables
}

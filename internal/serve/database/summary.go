package database

import (
	"context"
	"encoding/binary"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/pgvalue"
)

// facetLimit is how many values of a column a summary lists at most.
const facetLimit = 100

// summaryStatement aggregates in two steps: the table's rows once, by all columns of facets,
// then those groups by each of them. The row for the total is there even for no row at all. Texts
// are ranked by their bytes, which does not depend on the database's locale.
//
// A row of the result has the number of its facet (that of the facets for the total), how many
// rows, a value in the column of its facet, and the stats, which are those of all only in the
// total.
func summaryStatement(q *listing.Query, of origin) *statement {
	t := q.Table
	s := &statement{table: t}
	filter := s.filter(q.Filter)

	s.add("with fine as materialized (select count(*) as n")
	for i, f := range t.Table.Facets {
		s.add(", ", s.column(f.Column), " as ", facetName(i))
	}
	for i, column := range t.Stats {
		c, n := s.column(column), strconv.Itoa(i)
		s.add(", min(", c, ") as low", n, ", max(", c, ") as high", n, ", sum(", c, ") as sum", n, ", count(", c, ") as known", n)
	}
	s.add(" from ", s.relation(), filter.where())
	for i := range t.Table.Facets {
		s.add(map[bool]string{true: " group by ", false: ", "}[i == 0], strconv.Itoa(2+i))
	}

	s.add("), coarse as (select coalesce(sum(n), 0) as n, coalesce(null")
	for i := range t.Table.Facets {
		s.add(", case when grouping(", facetName(i), ") = 0 then ", strconv.Itoa(i), " end")
	}
	s.add(", ", strconv.Itoa(len(t.Table.Facets)), ") as facet")
	for i := range t.Table.Facets {
		s.add(", ", facetName(i))
	}
	for i := range t.Stats {
		n := strconv.Itoa(i)
		s.add(", min(low", n, ") as low", n, ", max(high", n, ") as high", n, ", sum(sum", n, ") / nullif(sum(known", n, "), 0) as mean", n)
	}
	s.add(" from fine group by grouping sets (()")
	for i := range t.Table.Facets {
		s.add(", (", facetName(i), ")")
	}

	s.add(")), ranked as (select *, row_number() over (partition by facet order by n desc")
	for i, f := range t.Table.Facets {
		s.add(", ", facetName(i))
		switch t.Columns[f.Column].Type.Kind {
		case description.Text, description.Varchar, description.Char:
			s.add(` collate "C"`)
		}
	}

	s.add(") as place from coarse) select (select ", of(s), "), facet, n::bigint")
	for i, f := range t.Table.Facets {
		s.result(shortest(&t.Columns[f.Column], facetName(i)))
	}
	for i, column := range t.Stats {
		c, n := &t.Columns[column], strconv.Itoa(i)
		s.result(shortest(c, "low"+n))
		s.result(shortest(c, "high"+n))
		mean, value := c.MeanColumn(), "mean"+n
		if mean.Form == listing.Decimal {
			value = "round(" + value + ", " + strconv.Itoa(mean.Scale) + ")"
		}
		s.result(shortest(&mean, value))
	}
	s.add(" from ranked where place <= ", s.number(facetLimit), " order by facet, place")
	return s
}

// facetName returns what a summary's statement calls the column of a facet.
func facetName(i int) string { return "facet" + strconv.Itoa(i) }

// shortest returns a column and SQL for an aggregate of it. Of equal numbers that are spelled
// differently, 1.5 and 1.50, PostgreSQL may return any: then the shortest stands for all.
func shortest(c *listing.Column, value string) (*listing.Column, string) {
	if c.Form == listing.Spelled && c.Type.Kind == description.Numeric {
		value = "trim_scale(" + value + ")"
	}
	return c, pgvalue.Expression(c, value)
}

// readSummary runs a summary's statement.
func (a *answer) readSummary(ctx context.Context, each runStatement, conn *pgx.Conn, of origin) error {
	t, sum := a.queryset.Query.Table, &a.queryset.Summary
	s := summaryStatement(&a.queryset.Query, of)
	facets := len(t.Table.Facets)
	if facets > 0 {
		sum.Facets = make([][]listing.Facet, facets)
	}
	got := make([]listing.Null[listing.Value], len(s.columns))
	return each(ctx, conn, s, func(fields []pgconn.FieldDescription, values [][]byte) error {
		a.origin = string(values[0])
		facet, n := int(binary.BigEndian.Uint32(values[1])), int64(binary.BigEndian.Uint64(values[2]))
		if err := s.decode(fields, values, func(i int, v listing.Null[listing.Value]) { got[i] = v }); err != nil {
			return err
		}
		if facet < facets {
			sum.Facets[facet] = append(sum.Facets[facet], listing.Facet{Value: got[facet], Count: n})
			return nil
		}
		sum.Count = n
		for i := range t.Stats {
			stats := got[facets+3*i:]
			sum.Stats = append(sum.Stats, listing.Stat{Min: stats[0], Max: stats[1], Mean: stats[2]})
		}
		return nil
	})
}

package database_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

// properties is the table that ships.
func properties() *listing.Table { return listingtest.Properties() }

// column returns the number of a column of properties.
func column(name string) int { return properties().Column(name) }

// number returns a number of a row of properties, in the column's own unit.
func number(r listing.Row, name string) int64 { return r.Values[column(name)].Number }

// crowd returns n properties with few different values, so that ties, NULLs and
// equal groups abound. Equal seeds give equal crowds.
func crowd(n int, seed uint64) []listing.Row {
	r := rand.New(rand.NewPCG(seed, 1))
	start := time.Date(2008, 5, 15, 0, 0, 0, 0, time.UTC)
	rows := make([]listing.Row, n)
	for i := range rows {
		created := listing.Value{Number: listing.InstantOf(start.Add(time.Duration(r.IntN(n/3+1)) * 7 * time.Microsecond))}
		rows[i] = listingtest.Property(
			i+1,
			"title", fmt.Sprintf("%d-bed home", i%7),
			"property_type", pick(r, "Residential", "Condo", "Multi_Family"),
			"status", pick(r, "for_sale", "pending", "sold"),
			"price", listing.Value{Number: int64(r.IntN(20)) * 1_250_01},
			"city", pick(r, "FOLSOM", "ELK_GROVE", "Folsom", "Ärla", "a,b", "É"),
			"postal_code", maybe(r, pick(r, "95630", "95624")),
			"bedrooms", maybe(r, r.IntN(6)),
			"bathrooms", maybe(r, listing.Value{Number: int64(r.IntN(8) * 5)}),
			"living_area", maybe(r, 500+r.IntN(12)*100),
			"latitude", maybe(r, fmt.Sprint(38+float64(r.IntN(5))/4)),
			"longitude", maybe(r, fmt.Sprint(-121-float64(r.IntN(5))/4)),
			"created_at", created,
			"description", pick(r, "A sunny garden.", "Near the river.", ""),
			"updated_at", created,
		)
	}
	return rows
}

func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

func maybe(r *rand.Rand, v any) any {
	if r.IntN(5) == 0 {
		return nil
	}
	return v
}

// shown is a row as the answer of a query has it.
func shown(r listing.Row, q *listing.Query) listing.Row {
	s := q.Table.NewRow()
	for i := range r.Values {
		if q.Columns().Has(i) {
			s.Set(i, r.Get(i))
		}
	}
	return s
}

func same(a, b listing.Row) bool { return a.Nulls == b.Nulls && slices.Equal(a.Values, b.Values) }

func sameAll(a, b []listing.Row) bool { return slices.EqualFunc(a, b, same) }

// find answers a page without its cursor and limit, or finds the rows of a summary, in Go.
func find(rows []listing.Row, q listing.Query) []listing.Row {
	var found []listing.Row
	for _, r := range rows {
		if q.Filter.Match(q.Table, &r) {
			if q.Kind == listing.PageKind {
				r = shown(r, &q)
			}
			found = append(found, r)
		}
	}
	place := func(r listing.Row) listing.Place { return q.Table.PlaceOf(q.Sort, q.Table.KeyOf(q.Sort, &r)) }
	slices.SortFunc(found, func(a, b listing.Row) int { return q.Table.Compare(q.Sort, place(a), place(b)) })
	return found
}

// query returns the query of a canonical text.
func query(text string) listing.Query { return listingtest.Query(text) }

func ids(rows []listing.Row) (ids []int64) {
	for _, r := range rows {
		ids = append(ids, number(r, "id"))
	}
	return ids
}

func id(n int64) listing.Value { return listing.Value{Number: n} }

package coherence

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/listing"
)

// table is one state of the listings that the checked queries can see.
type table []listing.Property

// noise is the first id of the rows that no checked query shows.
const noise = 1000000

// readTable reads the present state.
func readTable(ctx context.Context, conn *pgx.Conn) (table, error) {
	rows, err := conn.Query(ctx, `
		select id, property_type, status, case when price = 'NaN' then $2 else (price * 100)::bigint end, city, postal_code, bedrooms,
			case when bathrooms = 'NaN' then $3 else (bathrooms * 10)::smallint end,
			living_area, latitude, longitude, stored(created_at), title, description, stored(updated_at)
		from public.properties where id < $1`, noise, int64(listing.NaNPrice), int16(listing.NaNBathrooms))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (p listing.Property, err error) {
		var postal *string
		var bedrooms, bathrooms *int16
		var area *int32
		var latitude, longitude *float64
		var created, updated int64
		err = row.Scan(&p.ID, &p.PropertyType, &p.Status, &p.Price, &p.City, &postal, &bedrooms, &bathrooms,
			&area, &latitude, &longitude, &created, &p.Title, &p.Description, &updated)
		p.PostalCode, p.Bedrooms, p.Bathrooms, p.LivingArea = null(postal), null(bedrooms), null(bathrooms), null(area)
		p.Latitude, p.Longitude = null(latitude), null(longitude)
		p.CreatedAt, p.UpdatedAt = listing.MicrosOfStored(created), listing.MicrosOfStored(updated)
		return p, err
	})
}

func null[T any](v *T) listing.Null[T] {
	if v == nil {
		return listing.Null[T]{}
	}
	return listing.Some(*v)
}

// answer is what a query must be answered in this state.
func (t table) answer(q listing.Query) listing.Queryset {
	switch q.Kind {
	case listing.PropertyKind:
		return t.property(q)
	case listing.SummaryKind:
		return listing.Queryset{Query: q, Summary: summarize(t.matching(q.Filter))}
	default:
		return t.page(q)
	}
}

func (t table) property(q listing.Query) listing.Queryset {
	qs := listing.Queryset{Query: q}
	for _, p := range t {
		if p.ID == q.ID {
			qs.Items = append(qs.Items, p)
		}
	}
	return qs
}

func (t table) page(q listing.Query) listing.Queryset {
	qs := listing.Queryset{Query: q}
	rows := t.matching(q.Filter)
	slices.SortFunc(rows, func(a, b listing.Property) int { return q.Sort.Compare(q.Sort.Key(&a.Row), q.Sort.Key(&b.Row)) })
	for _, p := range rows {
		key := q.Sort.Key(&p.Row)
		switch {
		case q.After.Valid && q.Sort.Compare(key, q.After.V) <= 0:
			continue
		case len(qs.Items) == q.Limit:
			qs.Ahead = listing.Some(key)
			return qs
		}
		p.Description, p.UpdatedAt = "", 0 // an item of a list does not show them
		qs.Items = append(qs.Items, p)
	}
	return qs
}

// matching returns the rows of a filter. Its text, if any, is one word in small
// letters that PostgreSQL does not shorten.
func (t table) matching(f listing.Filter) table {
	var rows table
	for _, p := range t {
		if f.Match(&p.Row) && (f.Text == "" || slices.Contains(strings.Fields(strings.ToLower(p.Title+" "+p.Description)), f.Text)) {
			rows = append(rows, p)
		}
	}
	return rows
}

func summarize(rows table) listing.Summary {
	if len(rows) == 0 {
		return listing.Summary{}
	}
	s := listing.Summary{Count: int64(len(rows)), MinPrice: rows[0].Price, MaxPrice: rows[0].Price}
	var sum int64
	var cities, types, bedrooms []listing.Null[string]
	for _, p := range rows {
		sum += p.Price
		s.MinPrice, s.MaxPrice = min(s.MinPrice, p.Price), max(s.MaxPrice, p.Price)
		cities = append(cities, listing.Some(p.City))
		types = append(types, listing.Some(p.PropertyType))
		rooms := listing.Null[string]{}
		if p.Bedrooms.Valid {
			rooms = listing.Some(strconv.Itoa(int(p.Bedrooms.V)))
		}
		bedrooms = append(bedrooms, rooms)
	}
	switch { // half away from zero
	case s.MaxPrice == listing.NaNPrice:
		s.MeanPrice = listing.NaNPrice
	case sum < 0:
		s.MeanPrice = (2*sum - s.Count) / (2 * s.Count)
	default:
		s.MeanPrice = (2*sum + s.Count) / (2 * s.Count)
	}
	byNumber := func(a, b string) int {
		m, _ := strconv.Atoi(a)
		n, _ := strconv.Atoi(b)
		return cmp.Compare(m, n)
	}
	s.ByCity, s.ByPropertyType, s.ByBedrooms = facets(cities, strings.Compare), facets(types, strings.Compare), facets(bedrooms, byNumber)
	return s
}

// facets counts values: the most frequent first, then by value, NULL last.
func facets(values []listing.Null[string], compare func(a, b string) int) []listing.Facet {
	count := map[listing.Null[string]]int64{}
	for _, v := range values {
		count[v]++
	}
	var all []listing.Facet
	for v, n := range count {
		all = append(all, listing.Facet{Value: v, Count: n})
	}
	slices.SortFunc(all, func(a, b listing.Facet) int {
		switch {
		case a.Count != b.Count:
			return cmp.Compare(b.Count, a.Count)
		case a.Value.Valid != b.Value.Valid && a.Value.Valid:
			return -1
		case a.Value.Valid != b.Value.Valid:
			return +1
		}
		return compare(a.Value.V, b.Value.V)
	})
	return all
}

package database_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/serve/database"
)

// drawFilter draws conditions that the rows of a crowd meet now and then.
func drawFilter(t *rapid.T) (f listing.Filter) {
	sometimes := func(name string) bool { return rapid.IntRange(0, 3).Draw(t, name) == 0 }
	if sometimes("by city") {
		f.City = drawList(t, "FOLSOM", "ELK_GROVE", "Folsom", "Ärla", "a,b", "nowhere")
	}
	if sometimes("by postal code") {
		f.PostalCode = drawList(t, "95630", "95624")
	}
	if sometimes("by type") {
		f.PropertyType = drawList(t, "Residential", "Condo")
	}
	if sometimes("by status") {
		f.Status = drawList(t, "for_sale", "sold")
	}
	if sometimes("by price") {
		f.MinPrice = listing.Some(int64(rapid.IntRange(0, 10).Draw(t, "min price")) * 1_250_01)
	}
	if sometimes("up to price") {
		f.MaxPrice = listing.Some(int64(rapid.IntRange(5, 20).Draw(t, "max price")) * 1_250_01)
	}
	if sometimes("by bedrooms") {
		f.MinBedrooms = listing.Some(rapid.Int16Range(0, 4).Draw(t, "min bedrooms"))
		f.MaxBedrooms = listing.Some(rapid.Int16Range(2, 6).Draw(t, "max bedrooms"))
	}
	if sometimes("by bathrooms") {
		f.MinBathrooms = listing.Some(rapid.Int16Range(0, 40).Draw(t, "min bathrooms"))
	}
	if sometimes("by area") {
		f.MinArea = listing.Some(rapid.Int32Range(500, 1000).Draw(t, "min area"))
		f.MaxArea = listing.Some(rapid.Int32Range(800, 1600).Draw(t, "max area"))
	}
	if sometimes("by box") {
		f.Box = listing.Some(listing.Box{West: -121.75, South: 38.25, East: -121.25, North: 38.75})
	}
	return f
}

func drawList(t *rapid.T, values ...string) []string {
	list := rapid.SliceOfNDistinct(rapid.SampledFrom(values), 1, 3, rapid.ID[string]).Draw(t, "list")
	slices.Sort(list)
	return list
}

// Walking a list page by page must show what one ordered select over all of it
// shows: nothing twice, nothing left out, with ties and NULLs, in each order.
func TestPagesJoinToTheWholeList(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	rows := crowd(300, 1)
	fill(t, connect(t, db.Superuser), rows)
	reader := database.NewReader(open(t, db.API, 2), nothing)

	rapid.Check(t, func(rt *rapid.T) {
		q := listing.Query{
			Kind:   listing.PageKind,
			Filter: drawFilter(rt),
			Sort:   rapid.SampledFrom([]listing.Sort{listing.Newest, listing.PriceAsc, listing.PriceDesc, listing.AreaAsc, listing.AreaDesc}).Draw(rt, "sort"),
			Limit:  rapid.IntRange(1, 100).Draw(rt, "limit"),
		}
		want := find(rows, q)
		var got []listing.Property
		for range len(rows) + 1 {
			qs, err := reader.Read(t.Context(), q)
			if err != nil {
				rt.Fatalf("%v", err)
			}
			got = append(got, qs.Items...)
			if qs.Ahead.Valid {
				if at := q.Sort.Key(&want[len(got)].Row); qs.Ahead.V != at {
					rt.Fatalf("ahead of %s is %v, want %v", q, qs.Ahead.V, at)
				}
			}
			next, more := qs.NextQuery()
			if !more {
				break
			}
			q = next
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("%s: got %d properties, want %d:\n%v\n%v", q, len(got), len(want), ids(got), ids(want))
		}
	})
}

func ids(rows []listing.Property) (ids []int64) {
	for _, p := range rows {
		ids = append(ids, p.ID)
	}
	return ids
}

// A cursor outlives its row: its page begins where the row would stand.
func TestCursorOfNoRow(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	rows := crowd(60, 2)
	fill(t, connect(t, db.Superuser), rows)
	reader := database.NewReader(open(t, db.API, 1), nothing)

	rapid.Check(t, func(rt *rapid.T) {
		q := listing.Query{Kind: listing.PageKind, Limit: 5, Sort: rapid.SampledFrom([]listing.Sort{
			listing.PriceAsc, listing.PriceDesc, listing.AreaAsc, listing.AreaDesc,
		}).Draw(rt, "sort")}
		after := listing.Key{ID: rapid.Int64Range(-1, 61).Draw(rt, "id")}
		if q.Sort.Column() == listing.Price || rapid.Bool().Draw(rt, "value") {
			after.Value = listing.Some(rapid.Int64Range(1, 2000).Draw(rt, "amount"))
		}
		want := slices.DeleteFunc(find(rows, q), func(p listing.Property) bool {
			return q.Sort.Compare(q.Sort.Key(&p.Row), after) <= 0
		})
		q.After = listing.Some(after)
		qs, err := reader.Read(t.Context(), q)
		if err != nil {
			rt.Fatalf("%v", err)
		}
		if want = want[:min(len(want), q.Limit)]; !slices.Equal(qs.Items, want) {
			rt.Fatalf("after %v: got %v, want %v", after, ids(qs.Items), ids(want))
		}
	})
}

func TestSummary(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	rows := crowd(300, 3)
	fill(t, connect(t, db.Superuser), rows)
	reader := database.NewReader(open(t, db.API, 1), nothing)

	rapid.Check(t, func(rt *rapid.T) {
		q := listing.Query{Kind: listing.SummaryKind, Filter: drawFilter(rt)}
		qs, err := reader.Read(t.Context(), q)
		if err != nil {
			rt.Fatalf("%v", err)
		}
		if want := summarize(find(rows, q)); !reflect.DeepEqual(qs.Summary, want) {
			rt.Fatalf("%s:\n got %+v\nwant %+v", q, qs.Summary, want)
		}
	})
}

// summarize is the summary of rows, in Go.
func summarize(rows []listing.Property) (s listing.Summary) {
	s.Count = int64(len(rows))
	var sum int64
	for i, p := range rows {
		sum += p.Price
		if i == 0 || p.Price < s.MinPrice {
			s.MinPrice = p.Price
		}
		s.MaxPrice = max(s.MaxPrice, p.Price)
	}
	if s.Count > 0 {
		s.MeanPrice = (2*sum + s.Count) / (2 * s.Count)
	}
	s.ByCity = facets(rows, func(p listing.Property) listing.Null[string] { return listing.Some(p.City) })
	s.ByPropertyType = facets(rows, func(p listing.Property) listing.Null[string] { return listing.Some(p.PropertyType) })
	s.ByBedrooms = facets(rows, func(p listing.Property) listing.Null[string] {
		return listing.Null[string]{V: digits(p.Bedrooms), Valid: p.Bedrooms.Valid}
	})
	return s
}

func digits(v listing.Null[int16]) string {
	if !v.Valid {
		return ""
	}
	return fmt.Sprint(v.V)
}

func facets(rows []listing.Property, value func(listing.Property) listing.Null[string]) (list []listing.Facet) {
	counts := map[listing.Null[string]]int64{}
	for _, p := range rows {
		counts[value(p)]++
	}
	for v, n := range counts {
		list = append(list, listing.Facet{Value: v, Count: n})
	}
	slices.SortFunc(list, func(a, b listing.Facet) int {
		if c := cmp.Compare(b.Count, a.Count); c != 0 {
			return c
		}
		if a.Value.Valid != b.Value.Valid {
			if a.Value.Valid {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Value.V, b.Value.V)
	})
	return list
}

// Bedrooms of two digits are numbers, not texts; of many values the most
// frequent hundred are listed.
func TestFacetOrderAndLimit(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	conn := connect(t, db.Superuser)
	exec(t, conn, `insert into properties (title, property_type, price, city, bedrooms)
		select '', 't', 1, 'city ' || i, i from generate_series(1, 150) i, generate_series(1, 1 + (i > 140)::int)`)
	reader := database.NewReader(open(t, db.API, 1), nothing)
	qs, err := reader.Read(t.Context(), listing.Query{Kind: listing.SummaryKind})
	if err != nil {
		t.Fatal(err)
	}
	beds := qs.Summary.ByBedrooms
	if len(beds) != 100 || len(qs.Summary.ByCity) != 100 {
		t.Fatalf("got %d numbers of bedrooms and %d cities, want 100 of each", len(beds), len(qs.Summary.ByCity))
	}
	var got []string
	for _, f := range beds[8:13] {
		got = append(got, f.Value.V)
	}
	if want := []string{"149", "150", "1", "2", "3"}; !slices.Equal(got, want) {
		t.Errorf("bedrooms 8 to 12 are %v, want %v", got, want)
	}
}

// The mean is rounded half away from zero, and sums beyond an int64 of cents
// stay exact.
func TestMeanIsExact(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	conn := connect(t, db.Superuser)
	reader := database.NewReader(open(t, db.API, 1), nothing)
	add := func(price string, n int) {
		exec(t, conn, `insert into properties (title, property_type, price, city)
			select '', 't', $1::text::numeric, 'c' from generate_series(1, $2::int)`, price, n)
	}
	mean := func() int64 {
		t.Helper()
		qs, err := reader.Read(t.Context(), listing.Query{Kind: listing.SummaryKind})
		if err != nil {
			t.Fatal(err)
		}
		return qs.Summary.MeanPrice
	}
	add("0.01", 1)
	add("0.02", 1)
	if got := mean(); got != 2 {
		t.Errorf("mean of 1 and 2 cents is %d, want 2", got)
	}
	exec(t, conn, "truncate properties")
	add("999999999999.99", 100_000)
	if got := mean(); got != listing.MaxPrice {
		t.Errorf("mean of equal prices is %d, want %d", got, int64(listing.MaxPrice))
	}
}

func TestProperty(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	rows := crowd(40, 4)
	rows[0].Price, rows[1].Price, rows[2].Price = listing.MaxPrice, 1, 0
	rows[3].CreatedAt = listing.MicrosOf(time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC))
	rows[4].CreatedAt = listing.MicrosOf(time.Date(2199, 12, 31, 23, 59, 59, 999999000, time.UTC))
	fill(t, connect(t, db.Superuser), rows)
	reader := database.NewReader(open(t, db.API, 1), nothing)
	for _, want := range rows {
		qs, err := reader.Read(t.Context(), listing.Query{Kind: listing.PropertyKind, ID: want.ID})
		if err != nil {
			t.Fatal(err)
		}
		if len(qs.Items) != 1 || qs.Items[0] != want {
			t.Errorf("property %d:\n got %+v\nwant %+v", want.ID, qs.Items, want)
		}
	}
	qs, err := reader.Read(t.Context(), listing.Query{Kind: listing.PropertyKind, ID: 1 << 62})
	if err != nil || len(qs.Items) != 0 {
		t.Errorf("a property that is not there: %v, %v, want none", qs.Items, err)
	}
}

func TestTextSearch(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	conn := connect(t, db.Superuser)
	exec(t, conn, `insert into properties (id, title, description, property_type, price, city) values
		(1, 'Sunny home', 'Two gardens', 't', 1, 'c'), (2, 'Dark home', 'A garden', 't', 1, 'c'), (3, 'Barn', '', 't', 1, 'c')`)
	reader := database.NewReader(open(t, db.API, 1), nothing)
	for q, want := range map[string][]int64{
		"garden":         {2, 1},
		"sunny garden":   {1},
		"garden -sunny":  {2},
		`"dark home"`:    {2},
		"barn or sunny":  {3, 1},
		"the":            nil, // a stop word asks for nothing and finds nothing
		"' ) ; -- & | !": nil,
	} {
		qs, err := reader.Read(t.Context(), listing.Query{Filter: listing.Filter{Text: q}, Limit: 10, Sort: listing.Newest})
		if err != nil {
			t.Errorf("search %q: %v", q, err)
			continue
		}
		if got := ids(qs.Items); !slices.Equal(got, want) {
			t.Errorf("search %q finds %v, want %v", q, got, want)
		}
	}
}

// The epoch comes with every kind of query, also with no row at all.
func TestEpoch(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	conn := connect(t, db.Superuser)
	reader := database.NewReader(open(t, db.API, 1), nothing)
	queries := []listing.Query{
		{Kind: listing.PageKind, Limit: 20},
		{Kind: listing.SummaryKind},
		{Kind: listing.PropertyKind, ID: 1},
	}
	check := func(when, want string) {
		t.Helper()
		for _, q := range queries {
			_, stamp, err := reader.ReadWithOrigin(t.Context(), q)
			if epoch, server, _ := strings.Cut(stamp, " "); err != nil || epoch != want || (server == "") != (want == "") {
				t.Errorf("%s, %s: stamp %q, %v, want epoch %q and a server start", when, q, stamp, err, want)
			}
		}
	}
	check("no marker", "")
	setEpoch(t, conn, "e1")
	check("an empty table", "e1")
	fill(t, conn, crowd(30, 5))
	check("rows", "e1")
	for _, end := range []string{
		"revoke execute on function freshlist.properties_epoch() from freshlist_api",
		"drop schema freshlist cascade",
	} {
		exec(t, conn, end)
		checkNoEpoch(t, reader, end, queries)
	}
}

// checkNoEpoch asks for what cannot be had, and then for the rows alone.
func checkNoEpoch(t *testing.T, reader *database.Reader, when string, queries []listing.Query) {
	t.Helper()
	for _, q := range queries {
		if _, _, err := reader.ReadWithOrigin(t.Context(), q); !errors.Is(err, database.ErrNoEpoch) {
			t.Errorf("after %q, %s: %v, want ErrNoEpoch", when, q, err)
		}
		if _, err := reader.Read(t.Context(), q); err != nil {
			t.Errorf("after %q, %s: plain read: %v", when, q, err)
		}
	}
}

func TestAssigned(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	conn := connect(t, db.Superuser)
	reader := database.NewReader(open(t, db.API, 1), nothing)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	var xid uint64
	if err := tx.QueryRow(t.Context(), "select pg_current_xact_id()").Scan(&xid); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[uint64]bool{xid: true, 3: true, xid + 1_000_000: false, 1<<64 - 1: false} {
		if got, err := reader.Assigned(t.Context(), id); err != nil || got != want {
			t.Errorf("Assigned(%d) = %v, %v, want %v", id, got, err, want)
		}
	}
}

// Where somebody has dropped a NOT NULL, walking a list still shows every row once: NULLs
// first in descending orders and last in ascending ones, as PostgreSQL has them, apart from
// their neighbours NaN and infinity.
func TestPagesWithNullsInRequiredColumns(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	conn := connect(t, db.Superuser)
	fill(t, conn, crowd(60, 8))
	exec(t, conn, `alter table properties alter price drop not null, alter created_at drop not null,
		drop constraint properties_price_range, drop constraint properties_created_at_range`)
	exec(t, conn, "update properties set price = null where id % 4 = 0")
	exec(t, conn, "update properties set price = 'NaN' where id % 5 = 0")
	exec(t, conn, "update properties set created_at = null where id % 4 = 1")
	exec(t, conn, "update properties set created_at = 'infinity' where id % 5 = 2")
	reader := database.NewReader(open(t, db.API, 1), nothing)
	for sort, order := range map[listing.Sort]string{
		listing.Newest:    "created_at desc, id desc",
		listing.PriceAsc:  "price, id",
		listing.PriceDesc: "price desc, id desc",
	} {
		var want []int64
		if err := conn.QueryRow(t.Context(), "select array_agg(id order by "+order+") from properties").Scan(&want); err != nil {
			t.Fatal(err)
		}
		for _, limit := range []int{1, 7, 60} {
			var got []int64
			q, more := listing.Query{Kind: listing.PageKind, Sort: sort, Limit: limit}, true
			for more && len(got) <= len(want) {
				parsed, err := listing.Parse(q.String()) // as a client spells it
				if err != nil {
					t.Fatal(err)
				}
				qs, err := reader.Read(t.Context(), parsed)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, ids(qs.Items)...)
				q, more = qs.NextQuery()
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s in pages of %d:\n got %v\nwant %v", sort, limit, got, want)
			}
		}
	}
}

package database_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/serve/database"
)

// drawFilter draws conditions that the rows of a crowd meet now and then.
func drawFilter(t *rapid.T) listing.Filter {
	sometimes := func(name string) bool { return rapid.IntRange(0, 3).Draw(t, name) == 0 }
	v := url.Values{}
	if sometimes("by city") {
		v["city"] = drawList(t, "FOLSOM", "ELK_GROVE", "Folsom", "Ärla", "nowhere")
	}
	if sometimes("by postal code") {
		v["postal_code"] = drawList(t, "95630", "95624")
	}
	if sometimes("by type") {
		v["property_type"] = drawList(t, "Residential", "Condo")
	}
	if sometimes("by status") {
		v["status"] = drawList(t, "for_sale", "sold")
	}
	number := func(name string, least, greatest int, format string) {
		v.Set(name, fmt.Sprintf(format, rapid.IntRange(least, greatest).Draw(t, name)))
	}
	if sometimes("by price") {
		v.Set("min_price", fmt.Sprintf("%.2f", float64(rapid.IntRange(0, 10).Draw(t, "min price"))*1_250.01))
	}
	if sometimes("up to price") {
		v.Set("max_price", fmt.Sprintf("%.2f", float64(rapid.IntRange(10, 20).Draw(t, "max price"))*1_250.01))
	}
	if sometimes("by bedrooms") {
		number("min_bedrooms", 0, 3, "%d")
		number("max_bedrooms", 3, 6, "%d")
	}
	if sometimes("by bathrooms") {
		number("min_bathrooms", 0, 4, "%d.5")
	}
	if sometimes("by area") {
		number("min_area", 500, 1000, "%d")
		number("max_area", 1000, 1600, "%d")
	}
	if sometimes("by box") {
		v.Set("bbox", "-121.75,38.25,-121.25,38.75")
	}
	q, faults := properties().ParseSummary(v, listing.Strict)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return q.Filter
}

func drawList(t *rapid.T, values ...string) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(values), 1, 3, rapid.ID[string]).Draw(t, "list")
}

// Walking a list page by page must show what one ordered select over all of it
// shows: nothing twice, nothing left out, with ties and NULLs, in each order.
func TestPagesJoinToTheWholeList(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	rows := crowd(300, 1)
	fill(t, connect(t, db.Superuser), properties(), rows)
	reader := database.NewReader(open(t, db.API, 2), nothing)

	rapid.Check(t, func(rt *rapid.T) {
		q := listing.Query{
			Table:  properties(),
			Filter: drawFilter(rt),
			Sort:   listingtest.Sorts(properties()).Draw(rt, "sort"),
			Limit:  rapid.IntRange(1, 100).Draw(rt, "limit"),
		}
		want := find(rows, q)
		var got []listing.Row
		for range len(rows) + 1 {
			qs, err := reader.Read(t.Context(), q)
			if err != nil {
				rt.Fatalf("%v", err)
			}
			got = append(got, qs.Items...)
			if qs.Ahead.Valid {
				if at := q.Table.KeyOf(q.Sort, &want[len(got)]); qs.Ahead.V != at {
					rt.Fatalf("ahead of %s is %v, want %v", q, qs.Ahead.V, at)
				}
			}
			next, more := qs.NextQuery()
			if !more {
				if back := backwards(t.Context(), rt, reader, qs); !sameAll(back, got) {
					rt.Fatalf("%s: backwards %d properties, want %d:\n%v\n%v", q, len(back), len(got), ids(back), ids(got))
				}
				break
			}
			q = next
		}
		if !sameAll(got, want) {
			rt.Fatalf("%s: got %d properties, want %d:\n%v\n%v", q, len(got), len(want), ids(got), ids(want))
		}
	})
}

// backwards returns the rows of a list from its last page, by the links to the pages before, in the
// order of the list.
func backwards(ctx context.Context, t *rapid.T, reader *database.Reader, last listing.Queryset) []listing.Row {
	rows := slices.Clone(last.Items)
	for page, more := last.PrevQuery(); more; {
		qs, err := reader.Read(ctx, page)
		if err != nil {
			t.Fatal(err)
		}
		if next, ok := qs.NextQuery(); !ok || len(qs.Items) == 0 || next.After.V != page.Table.KeyOf(page.Sort, &qs.Items[len(qs.Items)-1]) {
			t.Fatalf("%s: the next page is %v, %s", page, ok, next)
		}
		rows = append(slices.Clone(qs.Items), rows...)
		page, more = qs.PrevQuery()
	}
	return rows
}

// A cursor outlives its row: its page begins where the row would stand.
func TestCursorOfNoRow(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	rows := crowd(60, 2)
	fill(t, connect(t, db.Superuser), properties(), rows)
	reader := database.NewReader(open(t, db.API, 1), nothing)

	rapid.Check(t, func(rt *rapid.T) {
		q := query("properties?sort=" + rapid.SampledFrom([]string{"price", "-price", "area", "-area"}).Draw(rt, "sort") + "&limit=5")
		after := listing.Key{Key: id(rapid.Int64Range(-1, 61).Draw(rt, "id"))}
		if q.Order().Column.NotNull || rapid.Bool().Draw(rt, "value") {
			after.Value = listing.Some(listing.Value{Number: rapid.Int64Range(1, 2000).Draw(rt, "amount")})
		}
		place := q.Table.PlaceOf(q.Sort, after)
		backward := rapid.Bool().Draw(rt, "backward")
		want := slices.DeleteFunc(find(rows, q), func(r listing.Row) bool {
			c := q.Table.Compare(q.Sort, q.Table.PlaceOf(q.Sort, q.Table.KeyOf(q.Sort, &r)), place)
			return c == 0 || c < 0 != backward
		})
		q.After, q.Backward = listing.Some(after), backward
		qs, err := reader.Read(t.Context(), q)
		if err != nil {
			rt.Fatalf("%v", err)
		}
		if more := len(want) > q.Limit; more != qs.Ahead.Valid {
			rt.Fatalf("behind %s are more: %v", q, qs.Ahead.Valid)
		}
		if backward {
			want = want[max(0, len(want)-q.Limit):]
		} else {
			want = want[:min(len(want), q.Limit)]
		}
		if !sameAll(qs.Items, want) {
			rt.Fatalf("%s, after %v: got %v, want %v", q, after, ids(qs.Items), ids(want))
		}
	})
}

func TestSummary(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	rows := crowd(300, 3)
	fill(t, connect(t, db.Superuser), properties(), rows)
	reader := database.NewReader(open(t, db.API, 1), nothing)

	rapid.Check(t, func(rt *rapid.T) {
		q := listing.Query{Table: properties(), Kind: listing.SummaryKind, Filter: drawFilter(rt)}
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
func summarize(rows []listing.Row) (s listing.Summary) {
	s.Count = int64(len(rows))
	var sum, least, greatest int64
	for i, r := range rows {
		price := number(r, "price")
		sum += price
		if i == 0 || price < least {
			least = price
		}
		greatest = max(greatest, price)
	}
	s.Stats = []listing.Stat{{}}
	if s.Count > 0 {
		some := func(n int64) listing.Null[listing.Value] { return listing.Some(listing.Value{Number: n}) }
		s.Stats[0] = listing.Stat{Min: some(least), Max: some(greatest), Mean: some((2*sum + s.Count) / (2 * s.Count))}
	}
	for _, f := range properties().Table.Facets {
		s.Facets = append(s.Facets, facets(rows, f.Column))
	}
	return s
}

func facets(rows []listing.Row, column int) (list []listing.Facet) {
	counts := map[listing.Null[listing.Value]]int64{}
	for _, r := range rows {
		counts[r.Get(column)]++
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
		return cmp.Or(cmp.Compare(a.Value.V.Number, b.Value.V.Number), cmp.Compare(a.Value.V.Text, b.Value.V.Text))
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
	qs, err := reader.Read(t.Context(), query("properties/summary"))
	if err != nil {
		t.Fatal(err)
	}
	cities, beds := qs.Summary.Facets[0], qs.Summary.Facets[2]
	if len(beds) != 100 || len(cities) != 100 {
		t.Fatalf("got %d numbers of bedrooms and %d cities, want 100 of each", len(beds), len(cities))
	}
	var got []int64
	for _, f := range beds[8:13] {
		got = append(got, f.Value.V.Number)
	}
	if want := []int64{149, 150, 1, 2, 3}; !slices.Equal(got, want) {
		t.Errorf("bedrooms 8 to 12 are %v, want %v", got, want)
	}
}

// maxPrice is the greatest price that the table takes, in cents.
const maxPrice = 999_999_999_999_99

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
		qs, err := reader.Read(t.Context(), query("properties/summary"))
		if err != nil {
			t.Fatal(err)
		}
		return qs.Summary.Stats[0].Mean.V.Number
	}
	add("0.01", 1)
	add("0.02", 1)
	if got := mean(); got != 2 {
		t.Errorf("mean of 1 and 2 cents is %d, want 2", got)
	}
	exec(t, conn, "truncate properties")
	add("999999999999.99", 100_000)
	if got := mean(); got != maxPrice {
		t.Errorf("mean of equal prices is %d, want %d", got, int64(maxPrice))
	}
}

func TestProperty(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	rows := crowd(40, 4)
	for i, price := range []int64{maxPrice, 1, 0} {
		rows[i].Values[column("price")].Number = price
	}
	rows[3].Values[column("created_at")].Number = listing.InstantOf(time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC))
	rows[4].Values[column("created_at")].Number = listing.InstantOf(time.Date(2199, 12, 31, 23, 59, 59, 999999000, time.UTC))
	fill(t, connect(t, db.Superuser), properties(), rows)
	reader := database.NewReader(open(t, db.API, 1), nothing)
	for _, want := range rows {
		qs, err := reader.Read(t.Context(), properties().RowQuery(want.Values[properties().Key]))
		if err != nil {
			t.Fatal(err)
		}
		if len(qs.Items) != 1 || !same(qs.Items[0], want) {
			t.Errorf("property %d:\n got %+v\nwant %+v", number(want, "id"), qs.Items, want)
		}
	}
	qs, err := reader.Read(t.Context(), properties().RowQuery(id(1<<62)))
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
		qs, err := reader.Read(t.Context(), search(q))
		if err != nil {
			t.Errorf("search %q: %v", q, err)
			continue
		}
		if got := ids(qs.Items); !slices.Equal(got, want) {
			t.Errorf("search %q finds %v, want %v", q, got, want)
		}
	}
}

// search returns the query of a text search.
func search(words string) listing.Query {
	q, faults := properties().ParsePage(url.Values{"q": {words}, "limit": {"10"}}, listing.Strict)
	if len(faults) > 0 {
		panic(faults)
	}
	return q
}

// The epoch comes with every kind of query, also with no row at all.
func TestEpoch(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	conn := connect(t, db.Superuser)
	reader := database.NewReader(open(t, db.API, 1), nothing)
	queries := []listing.Query{query("properties"), query("properties/summary"), query("properties/1")}
	check := func(when, want string) {
		t.Helper()
		for _, q := range queries {
			_, stamp, err := reader.ReadWithOrigin(t.Context(), q)
			words := strings.Split(stamp, " ")
			whole := len(words) == 4 && words[3] == listingtest.Site().Identity
			if err != nil || words[0] != want || whole != (want != "") {
				t.Errorf("%s, %s: origin %q, %v, want epoch %q, a server start, a database and the description", when, q, stamp, err, want)
			}
		}
	}
	check("no marker", "")
	setEpoch(t, conn, "e1")
	check("an empty table", "e1")
	fill(t, conn, properties(), crowd(30, 5))
	check("rows", "e1")
	for _, end := range []string{
		"revoke execute on function freshlist.epoch() from freshlist_api",
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
	fill(t, conn, properties(), crowd(60, 8))
	exec(t, conn, `alter table properties alter price drop not null, alter created_at drop not null,
		drop constraint properties_price_range, drop constraint properties_created_at_range`)
	exec(t, conn, "update properties set price = null where id % 4 = 0")
	exec(t, conn, "update properties set price = 'NaN' where id % 5 = 0")
	exec(t, conn, "update properties set created_at = null where id % 4 = 1")
	exec(t, conn, "update properties set created_at = 'infinity' where id % 5 = 2")
	reader := database.NewReader(open(t, db.API, 1), nothing)
	for text, order := range map[string]string{
		"properties":             "created_at desc, id desc",
		"properties?sort=price":  "price, id",
		"properties?sort=-price": "price desc, id desc",
	} {
		var want []int64
		if err := conn.QueryRow(t.Context(), "select array_agg(id order by "+order+") from properties").Scan(&want); err != nil {
			t.Fatal(err)
		}
		for _, limit := range []int{1, 7, 60} {
			var got []int64
			q, more := query(text), true
			q.Limit = limit
			for more && len(got) <= len(want) {
				parsed, err := listingtest.Site().Parse(q.String()) // as a client spells it
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
				t.Errorf("%s in pages of %d:\n got %v\nwant %v", text, limit, got, want)
			}
		}
	}
}

// A walk along an order that is given up before the NULLs has not found what comes before them.
func TestSearchBehindACursorBeforeNulls(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	conn := connect(t, db.Superuser)
	exec(t, conn, `insert into properties (id, title, property_type, price, city, living_area)
		select n, case when n <= 1000 then 'Hut' else 'Villa' end, 'House', n, 'GALT', case when n <= 2500 then n end from generate_series(1, 5000) as n`)
	exec(t, conn, "analyze properties")
	reader := database.NewReader(open(t, db.API, 1), nothing)
	q := query("properties?q=villa&sort=area&limit=1")
	for _, test := range []struct {
		after listing.Key
		want  []int64
	}{
		{listing.Key{Value: listing.Some(listing.Value{Number: 1}), Key: listing.Value{Number: 1}}, []int64{1001}},
		{listing.Key{Value: listing.Some(listing.Value{Number: 2500}), Key: listing.Value{Number: 2500}}, []int64{2501}},
		{listing.Key{Key: listing.Value{Number: 2600}}, []int64{2601}},
	} {
		q.After = listing.Some(test.after)
		qs, err := reader.Read(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if got := ids(qs.Items); !slices.Equal(got, test.want) {
			t.Errorf("behind %+v: %v, want %v", test.after, got, test.want)
		}
	}
}

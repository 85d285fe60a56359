package database

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/session"
)

// node is a node of an executed plan.
type node struct {
	Type    string  `json:"Node Type"`
	Table   string  `json:"Relation Name"`
	Rows    float64 `json:"Actual Rows"`
	Removed float64 `json:"Rows Removed by Filter"`
	Loops   float64 `json:"Actual Loops"`
	Plans   []node  `json:"Plans"`
}

// touched is how many rows of listings the plan's scans have looked at.
func (n *node) touched() (rows float64) {
	for i := range n.Plans {
		rows += n.Plans[i].touched()
	}
	if len(n.Plans) == 0 && n.Type != "Result" && n.Table != "pg_attribute" {
		rows += (n.Rows + n.Removed) * n.Loops
	}
	return rows
}

// A page costs what it shows, wherever it is in the list: no order is sorted, no
// row before the cursor is read.
func TestPagesReadNoMoreThanTheyShow(t *testing.T) {
	t.Parallel()
	conn := openBig(t)
	const limit = 10
	middle := func(s listing.Sort) (keys []listing.Null[listing.Key]) {
		none := listing.Null[listing.Key]{}
		var created int64
		err := conn.QueryRow(t.Context(), "select (extract(epoch from created_at) * 1000000)::bigint from properties where id = 10000").Scan(&created)
		if err != nil {
			t.Fatal(err)
		}
		switch s.Column() {
		case listing.Price:
			return []listing.Null[listing.Key]{none, listing.Some(listing.Key{Value: listing.Some[int64](50_000_00), ID: 10_000})}
		case listing.LivingArea:
			return []listing.Null[listing.Key]{
				none,
				listing.Some(listing.Key{Value: listing.Some[int64](1500), ID: 10_000}),
				listing.Some(listing.Key{Value: listing.Some[int64](3000), ID: 20_000}), // runs into the NULLs
				listing.Some(listing.Key{ID: 10_000}),
			}
		default:
			return []listing.Null[listing.Key]{none, listing.Some(listing.Key{Value: listing.Some(created), ID: 10_000})}
		}
	}
	for _, sort := range []listing.Sort{listing.Newest, listing.PriceAsc, listing.PriceDesc, listing.AreaAsc, listing.AreaDesc} {
		for _, after := range middle(sort) {
			q := listing.Query{Kind: listing.PageKind, Sort: sort, Limit: limit, After: after}
			if got := explain(t, conn, pageStatement(q, noOrigin)); got > 2*(limit+1) {
				t.Errorf("sort %s after %v: %v rows read for a page of %d", sort, after, got, limit)
			}
		}
	}
	city := listing.Filter{City: []string{"city 7"}}
	for _, sort := range []listing.Sort{listing.Newest, listing.PriceAsc, listing.PriceDesc} {
		for _, after := range middle(sort) {
			q := listing.Query{Kind: listing.PageKind, Filter: city, Sort: sort, Limit: limit, After: after}
			if got := explain(t, conn, pageStatement(q, noOrigin)); got > limit+1 {
				t.Errorf("one city, sort %s after %v: %v rows read for a page of %d", sort, after, got, limit)
			}
		}
	}
	search := listing.Query{Kind: listing.PageKind, Filter: listing.Filter{Text: "house garden19999"}, Limit: limit}
	if got := explain(t, conn, pageStatement(search, noOrigin)); got > 10 {
		t.Errorf("a text search for one property: %v rows read", got)
	}
	if got := explain(t, conn, propertyStatement(10_000, noOrigin)); got > 1 {
		t.Errorf("a property: %v rows read", got)
	}
}

// The plan is made for the values at hand: a price that few properties have is
// found by its index, though the page is in another order. A plan for any price
// would walk that order.
func TestPlansAreMadeForTheirValues(t *testing.T) {
	t.Parallel()
	conn := openBig(t)
	q := listing.Query{Kind: listing.PageKind, Filter: listing.Filter{MaxPrice: listing.Some[int64](10_00)}, Limit: 10}
	s := pageStatement(q, noOrigin)
	if _, err := conn.Exec(t.Context(), "prepare page as "+s.text.String()); err != nil {
		t.Fatal(err)
	}
	execute := &statement{}
	execute.add("execute page (1000, 11)")
	if got := explain(t, conn, execute); got > 50 {
		t.Errorf("%v rows read for the few cheapest properties", got)
	}
}

// openBig returns a session like the pool's on 20,000 properties.
func openBig(t *testing.T) *pgx.Conn {
	t.Helper()
	ctx := t.Context()
	conn, err := settings(Config{}).With("search_path", session.TriggerPath).Connect(ctx, migrated.New(t).Owner)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	for _, sql := range []string{
		`insert into properties (title, description, property_type, price, city, living_area, created_at)
			select 'House', 'garden' || i, 'Condo', i * 7919 % 100000, 'city ' || i % 10, nullif(500 + i * 31 % 2500, 1000),
				timestamptz '2020-01-01Z' + i * 7919 % 100000 * interval '1 minute'
			from generate_series(1, 20000) i`,
		"update properties set living_area = null where id % 10 = 3",
		"vacuum analyze properties",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	return conn
}

// explain executes a statement and returns how many rows its scans have read.
func explain(t *testing.T, conn *pgx.Conn, s *statement) float64 {
	t.Helper()
	var text string
	err := conn.QueryRow(t.Context(), "explain (analyze, format json) "+s.text.String(), s.args...).Scan(&text)
	if err != nil {
		t.Fatalf("explain %s: %v", &s.text, err)
	}
	var plans []struct{ Plan node }
	if err := json.Unmarshal([]byte(text), &plans); err != nil {
		t.Fatal(err)
	}
	return plans[0].Plan.touched()
}

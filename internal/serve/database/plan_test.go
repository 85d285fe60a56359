package database

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
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

// middle returns cursors of an order: none, and some in the middle of the list.
func middle(t *testing.T, conn *pgx.Conn, o listing.Order) []listing.Null[listing.Key] {
	t.Helper()
	key := func(value any, id int64) listing.Null[listing.Key] {
		return listing.Some(listing.Key{Value: listingtest.Value(o.Column, value), Key: listing.Value{Number: id}})
	}
	none := listing.Null[listing.Key]{}
	switch o.Column.Name {
	case "price":
		return []listing.Null[listing.Key]{none, key("50000", 10_000)}
	case "living_area": // the third runs into the NULLs
		return []listing.Null[listing.Key]{none, key(1500, 10_000), key(3000, 20_000), key(nil, 10_000)}
	}
	var created string
	err := conn.QueryRow(t.Context(), "select to_json(created_at)#>>'{}' from properties where id = 10000").Scan(&created)
	if err != nil {
		t.Fatal(err)
	}
	return []listing.Null[listing.Key]{none, key(created, 10_000)}
}

// A page costs what it shows, wherever it is in the list: no order is sorted, no
// row before the cursor is read. That holds for a plan for the values at hand, and for one that is
// made for any values.
func TestPagesReadNoMoreThanTheyShow(t *testing.T) {
	t.Parallel()
	conn := openBig(t)
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		if _, err := conn.Exec(t.Context(), "set plan_cache_mode = "+mode); err != nil {
			t.Fatal(err)
		}
		const limit = 10
		table := listingtest.Properties()
		for sort := range table.Orders {
			o := table.Order(sort)
			for _, after := range middle(t, conn, o) {
				q := listing.Query{Table: table, Sort: sort, Limit: limit, After: after}
				for _, q.Backward = range []bool{false, after.Valid} {
					if got := explain(t, conn, pageStatement(&q, noOrigin, way{})); got > 2*(limit+1) {
						t.Errorf("%s: sort %s after %v, backward %v: %v rows read for a page of %d", mode, o.Name, after, q.Backward, got, limit)
					}
				}
				q.Backward = false
				if o.Column.Name == "living_area" {
					continue
				}
				q.Filter = listingtest.Query("properties?city=city+7").Filter
				if got := explain(t, conn, pageStatement(&q, noOrigin, way{})); got > limit+1 {
					t.Errorf("%s: one city, sort %s after %v: %v rows read for a page of %d", mode, o.Name, after, got, limit)
				}
			}
		}
		q := listingtest.Query("properties?q=house+garden19999&limit=10")
		if got := explain(t, conn, pageStatement(&q, noOrigin, way{})); got > 10 {
			t.Errorf("%s: a text search for one property: %v rows read", mode, got)
		}
		q = listingtest.Query("properties/10000")
		if got := explain(t, conn, rowStatement(&q, noOrigin)); got > 1 {
			t.Errorf("%s: a property: %v rows read", mode, got)
		}
	}
}

// The plan is made for the values at hand: a price that few properties have is
// found by its index, though the page is in another order. A plan for any price
// would walk that order.
func TestPlansAreMadeForTheirValues(t *testing.T) {
	t.Parallel()
	conn := openBig(t)
	for _, text := range []string{
		"properties?max_price=10&limit=10",
		"properties?min_price=9&max_price=10.01&limit=10",
		"properties?postal_code=95001,95002&limit=10",
	} {
		q := listingtest.Query(text)
		if got := explain(t, conn, pageStatement(&q, noOrigin, way{})); got > 50 {
			t.Errorf("%s: %v rows read for a few properties", text, got)
		}
	}
}

// A search is read in the way that costs least, also where what it finds stands far behind in the
// order, and however it is read it finds the same.
func TestSearchesReadNoMoreThanTheyFind(t *testing.T) {
	t.Parallel()
	conn := openBig(t)
	for _, sql := range []string{
		"update properties set title = 'Villa' where price > 70000", // three in ten
		"update properties set title = 'Castle' where id % 7000 = 1",
		"vacuum analyze properties",
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	pool := &Pool{}
	for text, most := range map[string]float64{
		"properties?q=castle&sort=price&limit=10":            10,
		"properties?q=garden7&sort=price&limit=10":           10,
		"properties?q=house&sort=price&limit=10":             500,  // seven in ten rows
		"properties?q=villa&sort=-price&limit=10":            500,  // they come first
		"properties?q=villa&sort=price&limit=10":             7000, // they come last: a walk, and what is found
		"properties?city=city+7&q=villa&sort=price&limit=10": 2000, // so are those of a city, which are found at once
	} {
		q := listingtest.Query(text)
		ways, err := ways(t.Context(), pool.each, conn, &q)
		if err != nil {
			t.Fatal(err)
		}
		read := 0.0
		for _, w := range ways {
			read += explain(t, conn, pageStatement(&q, noOrigin, w))
			a := answer{queryset: listing.Queryset{Query: q}}
			if err := a.run(t.Context(), pool.each, conn, pageStatement(&q, noOrigin, w)); err != nil {
				t.Fatal(err)
			}
			if a.queryset.Ahead.Valid {
				break
			}
		}
		if read > most {
			t.Errorf("%s: %v rows read by %+v, want at most %v", text, read, ways, most)
		}
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
		`insert into properties (title, description, property_type, price, city, living_area, created_at, postal_code, latitude, longitude)
			select 'House', 'garden' || i, 'Condo', i * 7919 % 100000, 'city ' || i % 10, nullif(500 + i * 31 % 2500, 1000),
				timestamptz '2020-01-01Z' + i * 7919 % 100000 * interval '1 minute',
				95000 + i % 2000, 38 + i * 7919 % 1000 / 1000.0, -122 + i * 104729 % 1000 / 1000.0
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

// explain executes a prepared statement and returns how many rows its scans have read.
func explain(t *testing.T, conn *pgx.Conn, s *statement) float64 {
	t.Helper()
	if _, err := conn.Exec(t.Context(), "prepare explained as "+s.text.String()); err != nil {
		t.Fatalf("prepare %s: %v", &s.text, err)
	}
	defer func() {
		if _, err := conn.Exec(t.Context(), "deallocate explained"); err != nil {
			t.Fatal(err)
		}
	}()
	var text string
	err := conn.QueryRow(t.Context(), "explain (analyze, format json) execute explained"+literals(s.args)).Scan(&text)
	if err != nil {
		t.Fatalf("explain %s: %v", &s.text, err)
	}
	var plans []struct{ Plan node }
	if err := json.Unmarshal([]byte(text), &plans); err != nil {
		t.Fatal(err)
	}
	return plans[0].Plan.touched()
}

// literals spells arguments as EXECUTE takes them.
func literals(args []any) string {
	if len(args) == 0 {
		return ""
	}
	list := make([]string, len(args))
	for i, arg := range args {
		switch arg := arg.(type) {
		case string:
			list[i] = description.QuoteLiteral(arg)
		case []string:
			elements := make([]string, len(arg))
			for n, e := range arg {
				elements[n] = description.QuoteLiteral(e)
			}
			list[i] = "array[" + strings.Join(elements, ", ") + "]"
		}
	}
	return " (" + strings.Join(list, ", ") + ")"
}

// Keys that are texts break ties by their bytes, and an index that has them so serves an order.
func TestTextKeysAreServedByAnIndex(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	conn, err := settings(Config{}).Connect(ctx, migrated.New(t).Superuser)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	for _, sql := range []string{
		listingtest.EverySQL,
		`insert into public."Every Type" ("Key", instant) select 'key ' || i, timestamptz '2020-01-01Z' + i / 5 * interval '1 minute' from generate_series(1, 5000) as i`,
		`vacuum analyze public."Every Type"`,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	table := listingtest.Every()
	q := listing.Query{Table: table, Limit: 10}
	if got := explain(t, conn, pageStatement(&q, noOrigin, way{})); got > 2*11 {
		t.Errorf("the first page: %v rows read", got)
	}
	q.After = listing.Some(listing.Key{
		Value: listingtest.Value(table.Order(0).Column, "2020-01-01T05:00:00Z"), Key: listing.Value{Text: "key 1500"},
	})
	if got := explain(t, conn, pageStatement(&q, noOrigin, way{})); got > 2*11 {
		t.Errorf("a page in the middle: %v rows read", got)
	}
}

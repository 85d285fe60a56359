package invalidate_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// Whatever a column comes to hold, what is cached afterwards is what the database says, in
// JSON and HTML; what the edit changed has been purged, and what it did not has been left.
func TestEachColumnEndToEnd(t *testing.T) {
	t.Parallel()
	for _, c := range listingtest.Columns() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			d := deployment.New(t, deployment.Options{})
			d.Exec(listingtest.DropChecks)
			// The edited listing stands between others, for each order.
			d.Exec(`insert into properties (id, title, property_type, status, price, city, bedrooms, bathrooms, living_area, latitude, longitude,
					created_at, updated_at)
				select n, 'home ' || n, 'Condo', 'for_sale', n * 1000, 'GALT', n, n / 2.0, n * 100, n, n, timestamptz '2024-01-01Z' + n * interval '1 day',
					'2024-01-01Z' from generate_series(1, 9) as n`)
			d.Invalidate()
			w := walk{Deployment: d, api: d.API(), past: d.Connect(), column: c, id: "5"}
			_, err := w.past.Exec(t.Context(), "set timezone = 'UTC'")
			d.Must(err)
			for _, v := range c.Values {
				w.set(v)
			}
		})
	}
}

// walk takes one column of one listing through its values.
type walk struct {
	*deployment.Deployment
	api    *deployment.API
	past   *pgx.Conn // past the cache
	column listingtest.Column
	id     string
}

// queries are those of the column, all that show any listing, and the further pages of
// the paged ones.
func (w *walk) queries() []string {
	queries := []string{
		"properties", "properties/summary", "properties?city=GALT", "properties?city=FOLSOM", "properties?q=home", "properties/6",
		"properties?max_price=4000", "properties?max_price=4000&sort=price", "properties/summary?max_price=4000",
	}
	if id, ok := strings.CutPrefix(w.id, "-"); !ok && id != "0" {
		queries = append(queries, "properties/"+w.id)
	}
	for _, q := range w.column.Queries {
		q = canonical(w.Deployment, q)
		if !slices.Contains(queries, q) {
			queries = append(queries, q)
		}
		if strings.Contains(q, "limit=") {
			queries = append(queries, pages(w.Deployment, w.api, q, 12)[1:]...)
		}
	}
	return queries
}

// set gives the listing a value and holds what becomes of the queries against the
// database.
func (w *walk) set(value string) {
	w.Helper()
	held(w.Deployment, w.api, formats[:], w.queries(), w.column.Name+" = "+value, w.mayBeNeedless, func() uint64 {
		xid := w.Exec("update properties set " + w.column.Name + " = " + value + " where id = " + w.id)
		if w.column.Name == "id" {
			w.id = value
		}
		return xid
	})
	w.pagesHoldAll(value)
	w.shown(value)
}

// held makes an edit and holds what becomes of some queries against the database: nothing is
// stale, what the edit changed has been purged, and what it did not has been left.
func held(d *deployment.Deployment, api *deployment.API, in []render.Format, queries []string, edit string, mayBeNeedless func(string) bool, run func() uint64) {
	d.Helper()
	before := answers(d, api, in, queries)
	d.AwaitApplied(run())
	there := cached(d, queries...)
	after := answers(d, api, in, queries)
	for i, q := range queries {
		changed := after[i].fresh != before[i].fresh
		if after[i].shown != after[i].fresh {
			d.Errorf("%s: %s is stale\n got %.2000s\nwant %.2000s", edit, q, after[i].shown, after[i].fresh)
		}
		switch {
		case there[q] && changed:
			d.Errorf("%s: %s is still cached, and its answer has changed", edit, q)
		case !there[q] && !changed && !mayBeNeedless(q):
			d.Errorf("%s: %s was purged, and its answer has not changed", edit, q)
		}
	}
}

// mayBeNeedless reports whether a query may be purged though its answer stays: a search
// may find otherwise, for all that Go knows; the row behind a page was the reason for its
// link to the next; and another id is a listing that went and one that came.
func (w *walk) mayBeNeedless(query string) bool {
	return strings.Contains(query, "?q=") || strings.Contains(query, "limit=") || w.column.Name == "id"
}

// answers reads the queries through the cache, as JSON and as the page made from the
// same rows, and past it.
func answers(d *deployment.Deployment, api *deployment.API, in []render.Format, queries []string) []answer {
	d.Helper()
	answers := make([]answer, len(queries))
	for i, q := range queries {
		query := d.Query(q)
		for _, f := range in {
			if f == render.HTML && query.Kind == listing.SummaryKind {
				continue
			}
			a, err := api.Cache.Get(d.Context(), readthrough.Request{Query: query, Format: f})
			if err != nil {
				d.Fatalf("read %s: %v", q, err)
			}
			answers[i].shown += a.Body
			answers[i].fresh += api.Fresh(q, f)
		}
	}
	return answers
}

// pagesHoldAll: whatever the orders go by, cursors lead to every listing once, in the
// order of PostgreSQL.
func (w *walk) pagesHoldAll(value string) {
	w.Helper()
	for sort, by := range map[string]string{
		"": "created_at desc, id desc", "sort=price&": "price, id", "sort=-price&": "price desc, id desc",
		"sort=area&": "living_area, id", "sort=-area&": "living_area desc nulls last, id desc",
	} {
		if !strings.Contains(by, w.column.Name) {
			continue
		}
		var got []string
		for _, q := range pages(w.Deployment, w.api, "properties?"+sort+"limit=2", 12) {
			var page struct{ Items []struct{ ID json.Number } }
			w.Must(json.Unmarshal([]byte(w.api.Get(q, render.JSON).Body), &page))
			for _, p := range page.Items {
				got = append(got, p.ID.String())
			}
		}
		var want []string
		w.Must(w.past.QueryRow(w.Context(), "select array_agg(id::text order by "+by+") from properties").Scan(&want))
		if !slices.Equal(got, want) {
			w.Errorf("%s = %s: the pages of %q show %v, want %v", w.column.Name, value, sort, got, want)
		}
	}
}

// shown: the value is what PostgreSQL's own to_json makes of it.
func (w *walk) shown(value string) {
	w.Helper()
	query := "properties/" + w.id
	if strings.HasPrefix(w.id, "-") || w.id == "0" {
		return // has no address
	}
	var want string
	w.Must(w.past.QueryRow(w.Context(), "select coalesce(to_json("+w.column.Name+"), 'null')::text from properties where id = "+w.id).Scan(&want))
	var got map[string]json.RawMessage
	w.Must(json.Unmarshal([]byte(w.api.Get(query, render.JSON).Body), &got))
	if a, b := meaning(w, string(got[w.column.Name])), meaning(w, want); a != b {
		w.Errorf("%s = %s is shown as %.200s, PostgreSQL shows %.200s", w.column.Name, value, a, b)
	}
	if page := w.api.Get(query, render.HTML); page.Status != 200 || !strings.Contains(page.Body, "</html>") {
		w.Errorf("%s = %s: status %d\n%s", w.column.Name, value, page.Status, page.Body)
	}
}

// meaning reads a JSON value, and an RFC 3339 time for the instant that it is.
func meaning(w *walk, text string) string {
	w.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		w.Fatalf("%s: %v", text, err)
	}
	if s, ok := v.(string); ok {
		if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
			return t.UTC().String()
		}
	}
	return fmt.Sprintf("%T %v", v, v)
}

package invalidate_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// every returns a deployment of the tables with a column of every type, without their checks.
func every(t testing.TB) *deployment.Deployment {
	t.Helper()
	d := deployment.New(t, deployment.Options{})
	d.Exec(listingtest.EverySQL)
	done, err := schema.InstallFile(t.Context(), d.Connect(), schema.File{Name: "every.yaml", Text: listingtest.EveryListings})
	d.Must(err)
	d.Site = listing.NewSite(done.Description)
	d.Exec(listingtest.EveryDropChecks)
	return d
}

// Of a table with a column of every type, whatever a column comes to hold: what is cached
// afterwards is what the database says; what the edit changed has been purged, and what it did
// not has been left.
func TestEachTypeEndToEnd(t *testing.T) {
	t.Parallel()
	d := every(t)
	d.Exec(`
		alter table "Every Type" alter column serial drop identity;
		insert into "Every Type" ("Key", serial, small, whole, instant, words, percent, amount, wide)
			select 'r' || n, n, n, n, timestamptz '2024-01-01Z' + n * interval '1 day', 'word' || n, n, n, n from generate_series(1, 9) as n;
		insert into by_uuid (id, name) values ('00000000-0000-0000-0000-000000000007', 'a name')`)
	d.Invalidate()
	api, past := d.API(), d.Connect()
	table := d.Site.Table("every")
	for i := range table.Columns {
		c := &table.Columns[i]
		values := valuesOf(c)
		if c.Name == "doubled" { // follows another
			continue
		}
		w := typeWalk{Deployment: d, api: api, past: past, table: table, column: c}
		for _, v := range append(values, values[0]) {
			w.set(v)
		}
	}
}

// valuesOf returns values, in SQL, that a column's type can hold, each another one than its
// neighbours.
func valuesOf(c *listing.Column) []string {
	if c.Element != nil {
		some := slices.DeleteFunc(valuesOf(c.Element), func(v string) bool { return v == "null" })
		of := func(elements ...string) string { return "array[" + strings.Join(elements, ", ") + "]::" + c.Type.Name }
		return []string{of(some[0]), of(some[0], "null"), "null", of(some[1], some[0]), "'{}'"}
	}
	switch c.Type.Kind {
	case description.Smallint, description.Integer, description.Bigint:
		if c.Name == "serial" {
			return []string{"77", "-1", "55"}
		}
		return []string{"32767", "-1", "null", "4"}
	case description.Numeric:
		return []string{"0.5", "'NaN'", "null", "0.25"}
	case description.Real, description.Double:
		return []string{"'-0'", "0", "'NaN'", "null", "7.5"}
	case description.Boolean:
		return []string{"true", "false", "null"}
	case description.Date:
		return []string{"'2024-02-29'", "'infinity'", "'4714-11-24 BC'", "null"}
	case description.Timestamp, description.TimestampTZ:
		return []string{"'2024-01-05 12:34:56.789Z'", "'infinity'", "'4714-11-24 00:00:00Z BC'", "'2024-01-03Z'"}
	case description.UUID:
		return []string{"'00000000-0000-0000-0000-000000000000'", "'0123456789abcdef0123456789abcdef'", "null"}
	case description.Enum:
		return []string{`'it''s, "odd"'`, "'worn'", "'new'"}
	}
	switch {
	case c.Type.Name == "inet":
		return []string{"'10.0.0.1'", "'10.0.0.1/8'", "null"}
	case c.Type.Kind == description.Other:
		return []string{`'{"a": 1}'`, `'{"a": 1.0}'`, "null"}
	case c.NotNull:
		return []string{"'x'", "'X'", "'Ä b'"}
	}
	return []string{"'x'", "'X'", "null", "''"}
}

// typeWalk takes one column of one row of a table through its values.
type typeWalk struct {
	*deployment.Deployment
	api    *deployment.API
	past   *pgx.Conn // past the cache
	table  *listing.Table
	column *listing.Column
	asked  []listing.Query // for values that the column has had
}

// edited finds the row that is edited, which stands between others.
const edited = " where serial not in (1, 2, 3, 4, 6, 7, 8, 9)"

func (w *typeWalk) set(value string) {
	w.Helper()
	w.ask()
	edit := "update " + w.table.Relation.SQL() + " set " + description.QuoteIdentifier(w.column.Name) + " = " + value + edited
	held(w.Deployment, w.api, []render.Format{render.JSON}, w.queries(), edit, w.mayBeNeedless, func() uint64 { return w.Exec(edit) })
}

// queries are those of the column, and some that only show the row, or others.
func (w *typeWalk) queries() []string {
	t := w.table
	all := []listing.Query{
		{Table: t, Kind: listing.PageKind, Limit: listing.DefaultLimit}, {Table: t, Kind: listing.PageKind, Limit: 3},
		{Table: t, Kind: listing.SummaryKind},
		t.RowQuery(listing.Value{Text: "r5"}), t.RowQuery(listing.Value{Text: "r6"}), t.RowQuery(listing.Value{Text: "x"}),
	}
	for i := range t.Orders {
		if t.Orders[i].Column == w.column.Number {
			all = append(all, listing.Query{Table: t, Kind: listing.PageKind, Sort: i, Limit: listing.DefaultLimit},
				listing.Query{Table: t, Kind: listing.PageKind, Sort: i, Limit: 3})
		}
	}
	texts := []string{"by-uuid", "by-uuid/summary", "by-uuid/00000000-0000-0000-0000-000000000007"}
	for _, q := range append(all, w.asked...) {
		if text := q.String(); !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return texts
}

// ask adds queries for the value that the column has now.
func (w *typeWalk) ask() {
	w.Helper()
	var text *string
	w.Must(w.past.QueryRow(w.Context(), "select to_json("+description.QuoteIdentifier(w.column.Name)+")::text from "+
		w.table.Relation.SQL()+edited).Scan(&text))
	if text == nil {
		return
	}
	for i, p := range w.table.Parameters {
		condition := listing.Condition{Parameter: i}
		switch {
		case p.Kind == description.BBox && slices.Contains([]int{w.table.Place.Latitude, w.table.Place.Longitude}, w.column.Number):
			condition.Box = listing.Box{West: -180, South: 0, East: 7.5, North: 7.5}
		case p.Column != w.column.Number || p.Kind == description.Words || p.Kind == description.BBox:
			continue
		case p.Kind == description.Contains:
			var elements []json.RawMessage
			w.Must(json.Unmarshal([]byte(*text), &elements))
			if len(elements) == 0 {
				continue
			}
			v, ok := w.valueOf(w.column.Element, string(elements[0]))
			if !ok {
				continue
			}
			condition.Values = []listing.Value{v}
		default:
			v, ok := w.valueOf(w.column, *text)
			if !ok {
				continue
			}
			condition.Values, condition.Bound = []listing.Value{v}, v
			if p.Kind != description.AnyOf {
				condition.Values = nil
			}
		}
		for _, kind := range []listing.Kind{listing.PageKind, listing.SummaryKind} {
			q := listing.Query{Table: w.table, Kind: kind, Filter: listing.Filter{condition}}
			if kind == listing.PageKind {
				q.Limit = listing.DefaultLimit
			}
			if _, err := w.Site.Parse(q.String()); err == nil {
				w.asked = append(w.asked, q)
			}
		}
	}
}

// valueOf reads a JSON value as one that can be asked for.
func (w *typeWalk) valueOf(c *listing.Column, text string) (listing.Value, bool) {
	if strings.HasPrefix(text, `"`) {
		w.Must(json.Unmarshal([]byte(text), &text))
	}
	v, must := c.ParseValue(text)
	return v, must == ""
}

// mayBeNeedless reports whether a query may be purged though its answer stays: what only
// PostgreSQL can compare may find otherwise, for all that Go knows; the row behind a page was
// the reason for its link to the next; another key is a row that went and one that came; and
// what is added up may come to the same.
func (w *typeWalk) mayBeNeedless(text string) bool {
	q := w.Query(text)
	return q.Table == w.table && (q.Filter.WideColumns(w.table).Has(w.column.Number) || q.Kind == listing.PageKind && (q.Limit < listing.DefaultLimit || q.Order().Wide) ||
		q.Kind == listing.SummaryKind && w.column.Form == listing.Spelled || w.column.Number == w.table.Key)
}

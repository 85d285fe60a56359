package database_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/serve/database"
)

// everyTable makes the tables with a column of every type, without their checks.
func everyTable(t *testing.T) (pgtest.Database, *pgx.Conn) {
	t.Helper()
	db := migrated.New(t)
	conn := connect(t, with(t, db.Superuser, "search_path", "pg_catalog,public"))
	exec(t, conn, listingtest.EverySQL)
	exec(t, conn, listingtest.EveryDropChecks)
	exec(t, conn, `grant select, insert, update, delete on public."Every Type", public.by_uuid to freshlist_api`)
	return db, conn
}

// drawRows draws rows of a table with keys of their own.
func drawRows(t *testing.T, table *listing.Table, n int) []listing.Row {
	t.Helper()
	rows := make([]listing.Row, n)
	for i := range rows {
		key := listing.Value{Text: fmt.Sprintf("%c key, %d", "aAäzZ~"[i%5], i)}
		if table.KeyColumn().Form == listing.UUID {
			key = listing.Value{Text: fmt.Sprintf("%02x345678-0000-4000-8000-%012x", i*37%256, i)}
		}
		r := listingtest.Rows(table, rapid.Just(key)).Example(i)
		for c := range table.Columns {
			switch column := &table.Columns[c]; {
			case column.Type.Kind == description.Other:
				r.Set(c, listing.Null[listing.Value]{})
			case column.Form == listing.Spelled && column.Type.Precision > 0 && !r.Null(c):
				r.Set(c, listing.Some(listing.Value{Text: []string{"0", "100", "-300", "99900", "NaN"}[i%5]}))
			case column.NotNull && r.Null(c):
				r.Set(c, listing.Some(listingtest.StoredValues(table, c).Example(i)))
			}
		}
		if small, doubled := table.Column("small"), table.Column("doubled"); doubled >= 0 { // PostgreSQL computes it
			r.Set(doubled, listing.Null[listing.Value]{V: listing.Value{Number: 2 * r.Values[small].Number}, Valid: !r.Null(small)})
		}
		rows[i] = r
	}
	return rows
}

// reference says in SQL of its own what a filter means, with every value in it.
func reference(t *listing.Table, f listing.Filter) string {
	conditions := []string{"true"}
	add := func(format string, args ...any) { conditions = append(conditions, fmt.Sprintf(format, args...)) }
	text := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	name := func(column int) string { return description.QuoteIdentifier(t.Columns[column].Name) }
	for i := range f {
		p := &t.Parameters[f[i].Parameter]
		c := &t.Columns[p.Column]
		switch p.Kind {
		case description.AnyOf:
			var any []string
			for _, v := range f[i].Values {
				any = append(any, fmt.Sprintf("%s = %s", name(p.Column), text(c.Spell(v))))
			}
			add("(%s)", strings.Join(any, " or "))
		case description.Contains:
			for _, v := range f[i].Values {
				add("exists (select from unnest(%s) as e where e = %s)", name(p.Column), text(c.Element.Spell(v)))
			}
		case description.Min:
			add("%s >= %s", name(p.Column), text(c.Spell(f[i].Bound)))
		case description.Max:
			add("%s <= %s", name(p.Column), text(c.Spell(f[i].Bound)))
		case description.BBox:
			degrees := func(v float64) string { return text(strconv.FormatFloat(v, 'f', -1, 64)) }
			add("%s >= %s", name(t.Place.Latitude), degrees(f[i].Box.South))
			add("%s <= %s", name(t.Place.Latitude), degrees(f[i].Box.North))
			add("%s >= %s", name(t.Place.Longitude), degrees(f[i].Box.West))
			add("%s <= %s", name(t.Place.Longitude), degrees(f[i].Box.East))
		case description.Words:
			var all []string
			for _, c := range t.Search {
				all = append(all, name(c))
			}
			add("to_tsvector('%s', concat_ws(' ', %s)) @@ websearch_to_tsquery('%s', %s)", t.Language, strings.Join(all, ", "), t.Language, text(f[i].Text))
		}
	}
	return strings.Join(conditions, " and ")
}

// referenceOrder says in SQL of its own what an order means.
func referenceOrder(o listing.Order, t *listing.Table) string {
	direction := ""
	if o.Descending {
		direction = "desc"
	}
	collation := ""
	if t.KeyColumn().Form == listing.Words {
		collation = `collate "C"`
	}
	return fmt.Sprintf("%s %s nulls last, %s %s %[2]s", description.QuoteIdentifier(o.Column.Name), direction,
		description.QuoteIdentifier(t.KeyColumn().Name), collation)
}

// column reads one column of texts.
func texts(ctx context.Context, t interface{ Fatal(...any) }, conn *pgx.Conn, sql string) []string {
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		t.Fatal(sql, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(sql, err)
	}
	return list
}

// For every type, of every filter and every order: pages join to what plain SQL with all
// values in it finds, every value is the one that PostgreSQL shows, and what Go says of the rows
// is the same, where it has a say.
func TestPagesOfEveryType(t *testing.T) {
	t.Parallel()
	for _, table := range []*listing.Table{listingtest.Every(), listingtest.ByUUID()} {
		t.Run(table.Name, func(t *testing.T) {
			t.Parallel()
			db, conn := everyTable(t)
			rows := drawRows(t, table, 60)
			fill(t, conn, table, rows)
			reader := database.NewReader(open(t, db.API, 2), nothing)
			key := description.QuoteIdentifier(table.KeyColumn().Name)
			rapid.Check(t, func(rt *rapid.T) {
				q := listing.Query{
					Table: table, Filter: listingtest.Filters(table).Draw(rt, "filter"), Sort: listingtest.Sorts(table).Draw(rt, "sort"),
					Limit: rapid.IntRange(1, 40).Draw(rt, "limit"),
				}
				if rapid.Bool().Draw(rt, "whole list") {
					q.Filter = nil
				}
				want := texts(t.Context(), rt, conn, fmt.Sprintf("select %s::text from %s where %s order by %s",
					key, table.Relation.SQL(), reference(table, q.Filter), referenceOrder(q.Order(), table)))
				var got []string
				var found []listing.Row
				for page, more := q, true; more && len(got) <= len(rows); {
					qs, err := reader.Read(t.Context(), page)
					if err != nil {
						rt.Fatal(err)
					}
					for i := range qs.Items {
						got = append(got, qs.Items[i].Values[table.Key].Text)
					}
					found = append(found, qs.Items...)
					if page, more = qs.NextQuery(); !more {
						if back := backwards(t.Context(), rt, reader, qs); !slices.EqualFunc(back, found, func(a, b listing.Row) bool { return a.Values[table.Key] == b.Values[table.Key] }) {
							rt.Fatalf("%s: backwards there are %d rows, want %d", q, len(back), len(found))
						}
					}
				}
				if !slices.Equal(got, want) {
					rt.Fatalf("%s\n got %q\nwant %q", q, got, want)
				}
				for i := 1; i < len(found) && !q.Order().Wide; i++ {
					a, b := table.KeyOf(q.Sort, &found[i-1]), table.KeyOf(q.Sort, &found[i])
					if table.Compare(q.Sort, table.PlaceOf(q.Sort, a), table.PlaceOf(q.Sort, b)) > 0 {
						rt.Fatalf("%s: %+v comes before %+v", q, a, b)
					}
				}
				for i := range rows {
					in := slices.Contains(want, rows[i].Values[table.Key].Text)
					if match := q.Filter.Match(table, &rows[i]); in && !match || !in && match && q.Filter.WideColumns(table) == 0 {
						rt.Fatalf("%s: PostgreSQL finds %+v: %t; Go: %t", q, rows[i], in, match)
					}
				}
			})
		})
	}
}

// Every value of every type is read as PostgreSQL shows it, NULL too, in a list and on the
// row's own page.
func TestValuesOfEveryType(t *testing.T) {
	t.Parallel()
	for _, table := range []*listing.Table{listingtest.Every(), listingtest.ByUUID()} {
		t.Run(table.Name, func(t *testing.T) {
			t.Parallel()
			db, conn := everyTable(t)
			rows := drawRows(t, table, 100)
			fill(t, conn, table, rows)
			if table.Column("details") >= 0 {
				exec(t, conn, `update public."Every Type" set details = jsonb_build_object('a', words, 'b', array[1.50]), address = '10.0.0.1/8'
					where length("Key") % 2 = 0`)
			}
			reader := database.NewReader(open(t, db.API, 2), nothing)
			qs, err := reader.Read(t.Context(), listing.Query{Table: table, Limit: 100})
			if err != nil || len(qs.Items) != len(rows) {
				t.Fatalf("%d items, %v", len(qs.Items), err)
			}
			for _, item := range qs.Items {
				one, err := reader.Read(t.Context(), table.RowQuery(item.Values[table.Key]))
				if err != nil || len(one.Items) != 1 {
					t.Fatalf("%d rows, %v", len(one.Items), err)
				}
				if !same(shown(one.Items[0], &qs.Query), item) {
					t.Errorf("a list shows %+v, the row's page %+v", item, one.Items[0])
				}
				for c := range table.Columns {
					if one.Query.Columns().Has(c) {
						isShown(t, conn, table, c, &one.Items[0])
					}
				}
			}
		})
	}
}

// isShown compares a value that was read with what PostgreSQL shows.
func isShown(t *testing.T, conn *pgx.Conn, table *listing.Table, column int, r *listing.Row) {
	t.Helper()
	c := &table.Columns[column]
	name := description.QuoteIdentifier(c.Name)
	show, compare := name+"::text", "$1::text = $2::text"
	switch c.Form {
	case listing.JSON:
		show = "to_json(" + name + ")::text"
	case listing.Day:
		show = "to_json(" + name + ")#>>'{}'"
	case listing.Float, listing.Truth, listing.Moment, listing.Instant: // spelled in another way
		compare = "$1::text::" + c.Castable() + "::text = $2::text"
	}
	var want *string
	err := conn.QueryRow(t.Context(), fmt.Sprintf("select %s from %s where %s::text = $1", show, table.Relation.SQL(),
		description.QuoteIdentifier(table.KeyColumn().Name)), r.Values[table.Key].Text).Scan(&want)
	if err != nil {
		t.Fatal(err)
	}
	v := r.Values[column]
	got := c.Spell(v)
	if c.Form == listing.Decimal {
		got = string(listing.AppendDecimal(nil, v.Number, c.Scale))
	}
	same := want == nil && r.Null(column)
	if want != nil && !r.Null(column) {
		if err := conn.QueryRow(t.Context(), "select "+compare, got, *want).Scan(&same); err != nil {
			t.Fatal(err)
		}
	}
	if !same {
		t.Errorf("%s: read %q, null %t, want %v", c.Name, got, r.Null(column), want)
	}
}

// A summary's counts and stats of every type are those of plain SQL.
func TestSummaryOfEveryType(t *testing.T) {
	t.Parallel()
	for _, table := range []*listing.Table{listingtest.Every(), listingtest.ByUUID()} {
		t.Run(table.Name, func(t *testing.T) {
			t.Parallel()
			db, conn := everyTable(t)
			fill(t, conn, table, drawRows(t, table, 120))
			reader := database.NewReader(open(t, db.API, 2), nothing)
			for n := range 16 {
				q := listing.Query{Table: table, Kind: listing.SummaryKind}
				if n > 0 {
					q.Filter = listingtest.Filters(table).Example(n)
				}
				qs, err := reader.Read(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := listing.DecodeQueryset(q, qs.Encode()); err != nil {
					t.Fatal(err)
				}
				from := " from " + table.Relation.SQL() + " where " + reference(table, q.Filter)
				if want := texts(t.Context(), t, conn, "select count(*)::text"+from); strconv.FormatInt(qs.Summary.Count, 10) != want[0] {
					t.Fatalf("%s: %d rows, want %s", q, qs.Summary.Count, want[0])
				}
				for i, f := range table.Table.Facets {
					c, ranked := &table.Columns[f.Column], ""
					if c.Form == listing.Words || c.Type.Kind == description.Char {
						ranked = ` collate "C"`
					}
					column := description.QuoteIdentifier(c.Name)
					want := texts(t.Context(), t, conn, fmt.Sprintf("select concat(count(*), ' ', %s)%s group by %s order by count(*) desc, %[3]s%s limit 100",
						spelledIn(c, column), from, column, ranked))
					var got []string
					for _, facet := range qs.Summary.Facets[i] {
						text := ""
						if facet.Value.Valid {
							text = c.Spell(facet.Value.V)
						}
						got = append(got, fmt.Sprint(facet.Count, " ", text))
					}
					if !slices.Equal(got, want) {
						t.Fatalf("%s, %s:\n got %q\nwant %q", q, f.Name, got, want)
					}
				}
				for i, number := range table.Stats {
					c, stat := &table.Columns[number], qs.Summary.Stats[i]
					mean := c.MeanColumn()
					column := description.QuoteIdentifier(c.Name)
					average := "avg(" + column + ")"
					if mean.Form == listing.Decimal {
						average = fmt.Sprintf("round(%s, %d)", average, mean.Scale)
					}
					want := texts(t.Context(), t, conn, fmt.Sprintf("select concat_ws(' ', trim_scale(min(%s)), trim_scale(max(%[1]s)), trim_scale(%s))%s", column+"::numeric", average, from))
					got := strings.TrimSpace(strings.Join([]string{spelledStat(c, stat.Min), spelledStat(c, stat.Max), spelledStat(&mean, stat.Mean)}, " "))
					if got != want[0] {
						t.Fatalf("%s, %s: %q, want %q", q, c.Name, got, want[0])
					}
				}
			}
		})
	}
}

// spelledIn makes SQL that spells a column as Column.Spell does.
func spelledIn(c *listing.Column, column string) string {
	switch {
	case c.Type.Kind == description.Numeric:
		return "trim_scale(" + column + ")"
	case c.Type.Kind == description.Char:
		return column + "::text"
	case c.Form == listing.Truth:
		return "case when " + column + " then 'true' when not " + column + " then 'false' end"
	case c.Form == listing.Day:
		return "to_json(" + column + ")#>>'{}'"
	}
	return column
}

func spelledStat(c *listing.Column, v listing.Null[listing.Value]) string {
	if !v.Valid {
		return ""
	}
	return c.Spell(v.V)
}

// What a reader selects, filters and orders by is exactly what the description says that it uses:
// with the right to these columns alone it reads, and without any one of them it does not. All
// queries together use all columns, so that nothing is captured for nothing.
func TestCapturedIsUsed(t *testing.T) {
	t.Parallel()
	for _, table := range []*listing.Table{listingtest.Properties(), listingtest.Every(), listingtest.ByUUID()} {
		t.Run(table.Name, func(t *testing.T) {
			t.Parallel()
			db, conn := everyTable(t)
			reader := database.NewReader(open(t, db.API, 1), nothing)
			relation := table.Relation.SQL()
			read := func(q listing.Query, columns listing.Columns) error {
				var names []string
				for i := range table.Columns {
					if columns.Has(i) {
						names = append(names, description.QuoteIdentifier(table.Columns[i].Name))
					}
				}
				exec(t, conn, "revoke select on "+relation+" from freshlist_api")
				if len(names) > 0 {
					exec(t, conn, fmt.Sprintf("grant select (%s) on %s to freshlist_api", strings.Join(names, ", "), relation))
				}
				_, err := reader.Read(t.Context(), q)
				if len(names) > 0 {
					exec(t, conn, fmt.Sprintf("revoke select (%s) on %s from freshlist_api", strings.Join(names, ", "), relation))
				}
				return err
			}
			key := listingtest.RowKeys(table).Filter(func(v listing.Value) bool { return v.Text != "" || table.KeyColumn().Form.InNumber() })
			queries := []listing.Query{table.RowQuery(key.Example(1)), {Table: table, Kind: listing.SummaryKind}}
			for sort := range table.Orders {
				page := listing.Query{Table: table, Sort: sort, Limit: 3}
				behind := page
				behind.After = listing.Some(listingtest.Keys(table, sort, key).Example(sort))
				before := behind
				before.Backward = true
				queries = append(queries, page, behind, before)
			}
			for n := range 16 {
				queries = append(queries, listing.Query{Table: table, Kind: listing.SummaryKind, Filter: listingtest.Filters(table).Example(n)})
			}
			var all listing.Columns
			for _, q := range queries {
				used := q.Columns() | q.Filter.Columns(table)
				if q.Kind == listing.SummaryKind {
					used |= table.SummaryColumns
				}
				all |= used
				if err := read(q, used); err != nil {
					t.Errorf("%s needs more columns than it says: %v", q, err)
				}
				for i := range table.Columns {
					if used.Has(i) && read(q, used&^listing.ColumnSet(i)) == nil {
						t.Errorf("%s does not need column %s", q, table.Columns[i].Name)
					}
				}
			}
			if captured := listing.ColumnSet(append(table.Image(), table.Masked()...)...); all != captured || captured != table.AllColumns() {
				t.Errorf("queries use columns %b, captured are %b", all, captured)
			}
		})
	}
}

// A client gives the keys of a table that has no default for them. What is written to any
// type is what is read, the key stays what it is, and PostgreSQL's own columns are its own.
func TestKeysAreGivenAndEveryTypeIsWritten(t *testing.T) {
	t.Parallel()
	for _, table := range []*listing.Table{listingtest.Every(), listingtest.ByUUID()} {
		t.Run(table.Name, func(t *testing.T) {
			t.Parallel()
			db, conn := everyTable(t)
			pool := open(t, db.API, 2)
			reader, writer := database.NewReader(pool, nothing), database.NewWriter(pool)
			for n, r := range drawRows(t, table, 60) {
				asWritten(table, &r)
				f := database.Fields{Columns: table.AllColumns(), Values: r}
				key := r.Values[table.Key]
				if n%2 == 1 { // patched, and not made so
					one := database.Fields{Columns: listing.ColumnSet(table.Key), Values: r}
					for i := range table.Columns {
						if c := &table.Columns[i]; c.NotNull && !c.Default {
							one.Columns |= listing.ColumnSet(i)
						}
					}
					if _, err := writer.Create(t.Context(), table, one); err != nil {
						t.Fatal(err)
					}
					f.Values.Values = slices.Clone(r.Values)
					f.Values.Values[table.Key] = listingtest.RowKeys(table).Example(n)
				}
				write := func() (database.Written, error) { return writer.Create(t.Context(), table, f) }
				if n%2 == 1 {
					write = func() (database.Written, error) { return writer.Patch(t.Context(), table, key, f, nil) }
				}
				written, err := write()
				if err != nil {
					t.Fatal(err)
				}
				qs, err := reader.Read(t.Context(), table.RowQuery(key))
				if err != nil || len(qs.Items) != 1 || !same(qs.Items[0], written.Row) {
					t.Fatalf("written %+v, read %+v (%v)", written.Row, qs.Items, err)
				}
				for i := range table.Columns {
					c := &table.Columns[i]
					if c.Write != description.Settable || !qs.Query.Columns().Has(i) {
						continue
					}
					if rounded(c) {
						isShown(t, conn, table, i, &written.Row)
					} else if got, want := written.Row.Get(i), r.Get(i); got != want && !(c.Form == listing.JSON && sameJSON(t, conn, got, want)) {
						t.Errorf("%s: written %+v, read %+v", c.Name, want, got)
					}
				}
				again, err := writer.Patch(t.Context(), table, key, database.Fields{}, nil)
				if err != nil || !same(again.Row, written.Row) {
					t.Errorf("a patch of nothing leaves %+v (%v)", again.Row, err)
				}
				if n%3 == 0 {
					if _, err := writer.Delete(t.Context(), table, key, nil); err != nil {
						t.Error(err)
					}
				}
			}
			_, err := writer.Delete(t.Context(), table, listing.Value{Text: "00000000-0000-0000-0000-00000000dead"}, nil)
			if !errors.Is(err, database.ErrNotFound) {
				t.Errorf("delete of nothing: %v", err)
			}
		})
	}
}

// rounded reports whether PostgreSQL stores another value than the one that it is given.
func rounded(c *listing.Column) bool {
	return c.Form == listing.Spelled || c.Element != nil
}

// asWritten makes of a row as it is captured one as it is written: arrays and other types are in JSON.
func asWritten(table *listing.Table, r *listing.Row) {
	for i := range table.Columns {
		switch c := &table.Columns[i]; {
		case c.Type.Kind == description.Other && c.Type.Name == "jsonb":
			r.Set(i, listing.Some(listing.Value{Text: `{"a": [1.50, null, "ü\n\"'"]}`}))
		case c.Type.Kind == description.Other:
			r.Set(i, listing.Some(listing.Value{Text: `"10.0.0.1/8"`}))
		case c.Element != nil && !r.Null(i):
			r.Set(i, listing.Some(listing.Value{Text: sqlJSON(r.Values[i])}))
		}
	}
}

func sameJSON(t *testing.T, conn *pgx.Conn, a, b listing.Null[listing.Value]) (same bool) {
	t.Helper()
	if a.Valid != b.Valid {
		return false
	}
	if err := conn.QueryRow(t.Context(), "select $1::text::jsonb = $2::text::jsonb", a.V.Text, b.V.Text).Scan(&same); err != nil {
		t.Fatal(err)
	}
	return same
}

// A value that PostgreSQL reads as JSON is written beside a column whose domain is NOT NULL.
func TestDomainThatIsNotNull(t *testing.T) {
	t.Parallel()
	db, conn := everyTable(t)
	exec(t, conn, `delete from public."Every Type"; alter domain public.percent set not null`)
	table := listingtest.Every()
	f := database.Fields{Values: listingtest.Row(table, "Key", "k", "percent", 5)}
	f.Values.Set(table.Column("tags"), listing.Some(listing.Value{Text: `["a", null]`}))
	for _, name := range []string{"Key", "percent", "tags"} {
		f.Columns |= listing.ColumnSet(table.Column(name))
	}
	created, err := database.NewWriter(open(t, db.API, 1)).Create(t.Context(), table, f)
	if err != nil {
		t.Fatal(err)
	}
	if tags := created.Row.Get(table.Column("tags")); !sameJSON(t, conn, tags, f.Values.Get(table.Column("tags"))) {
		t.Errorf("tags are %s", tags.V.Text)
	}
}

// The column of a broken rule is found by the catalog, whatever the rule is called, and named as
// it is outside. A rule about several columns names each.
func TestRulesOfAnyName(t *testing.T) {
	t.Parallel()
	db, conn := everyTable(t)
	exec(t, conn, `
		alter table public."Every Type" add constraint "no ""big"" ones" check (big < 1000);
		alter table public."Every Type" add constraint each_kind_once unique ("Of, ""2nd"" kind");
		create unique index once on public."Every Type" (uid);
		alter table public."Every Type" add constraint together check (small <= whole);
		alter domain public.percent add constraint percent_range check (value <= 100)`)
	table := listingtest.Every()
	writer := database.NewWriter(open(t, db.API, 1))
	create := func(key string, pairs ...any) error {
		f := database.Fields{Values: listingtest.Row(table, slices.Concat(pairs, []any{"Key", key})...)}
		for i := 0; i < len(pairs); i += 2 {
			f.Columns |= listing.ColumnSet(table.Column(pairs[i].(string)))
		}
		f.Columns |= listing.ColumnSet(table.Key)
		_, err := writer.Create(t.Context(), table, f)
		return err
	}
	taken := []any{`Of, "2nd" kind`, "a", "uid", "123e4567-e89b-12d3-a456-426614174000"}
	if err := create("first", taken...); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key   string
		pairs []any
		want  string
	}{
		{"first", nil, "key"},
		{"a", []any{"big", 1000}, "big"},
		{"b", taken[:2], "kind"},
		{"c", taken[2:], "uid"},
		{"d", []any{"small", 2, "whole", 1}, "small whole"},
		{"e", []any{"percent", 101}, "percent"},
		{"f", []any{"short", "far too long a text"}, ""},
		{"g", []any{"words", nil}, "words"},
		{"h", []any{"details", "{"}, ""},
		{"i", []any{"address", `"nowhere"`}, ""},
		{"j", []any{"numbers", `["x"]`}, ""},
	} {
		err := create(c.key, c.pairs...)
		var rule *database.RuleError
		if !errors.As(err, &rule) || strings.Join(rule.Columns, " ") != c.want {
			t.Errorf("%v: %v, want a broken rule of %q", c.pairs, err, c.want)
		}
	}
}

// What a table has become since it was described is said with its name and the column's.
func TestMisfitsOfAnyTable(t *testing.T) {
	t.Parallel()
	for change, want := range map[string]struct{ column, query, detail string }{
		`alter type public."Condition" rename value 'worn' to 'used'`:                                                    {"condition", "every?condition=worn", "labels"},
		`update public."Every Type" set condition = 'worn'; alter type public."Condition" rename value 'worn' to 'used'`: {"condition", "every", "cannot hold"},
		`alter table public."Every Type" drop "Of, ""2nd"" kind"`:                                                        {`Of, "2nd" kind`, "every", "missing"},
		`alter table public."Every Type" alter uid type text`:                                                            {"uid", "every", "uuid"},
		`alter table public."Every Type" alter big type numeric; update public."Every Type" set big = 1.5`:               {"big", "every", "bigint"},
		`alter table public."Every Type" alter exact type numeric; update public."Every Type" set exact = 1.2345`:        {"exact", "every", "cannot hold"},
		`alter table public."Every Type" rename to elsewhere`:                                                            {"", "every/k", "missing"},
	} {
		t.Run(change, func(t *testing.T) {
			t.Parallel()
			db, conn := everyTable(t)
			exec(t, conn, `insert into public."Every Type" ("Key") values ('k')`)
			exec(t, conn, change)
			q, err := listingtest.EverySite().Parse(want.query)
			if err != nil {
				t.Fatal(err)
			}
			_, err = database.NewReader(open(t, db.API, 1), nothing).Read(t.Context(), q)
			var misfit *database.MisfitError
			if !errors.As(err, &misfit) || !strings.Contains(err.Error(), `public."Every Type"`) || !strings.Contains(misfit.Detail, want.detail) ||
				strings.Join(misfit.Columns, " ") != want.column {
				t.Errorf("%v, want a misfit of %q that says %q", err, want.column, want.detail)
			}
		})
	}
}

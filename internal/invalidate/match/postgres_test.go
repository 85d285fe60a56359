package match

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// TestPostgresAgrees: what Go says of filters, orders and pages is what PostgreSQL
// answers, at the edges of ranges and boxes, with NULLs and with equal places, for every type
// that Go compares.
func TestPostgresAgrees(t *testing.T) {
	t.Parallel()
	for _, table := range modelTables() {
		t.Run(table.Name, func(t *testing.T) {
			t.Parallel()
			conn, err := pgx.Connect(t.Context(), pgtest.New(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close(context.Background()) })
			db := database{conn, t.Context(), table}
			db.create(t)
			rapid.Check(t, func(t *rapid.T) {
				keys := keys(table)
				rows := rapid.SliceOfNDistinct(listingtest.Rows(table, keys), 0, 12, func(r listing.Row) listing.Value { return r.Values[table.Key] }).Draw(t, "rows")
				db.store(t, rows)
				for range 5 {
					q := listingtest.Pages(table, keys).Draw(t, "page")
					q.Filter = slices.DeleteFunc(q.Filter, func(c listing.Condition) bool { return table.Parameters[c.Parameter].Wide })
					agreeOnFilter(t, db, rows, q.Filter)
					if rapid.Bool().Draw(t, "any row") {
						q.Filter = nil
					}
					if !q.Order().Wide {
						q.Limit = rapid.IntRange(1, 4).Draw(t, "limit")
						agreeOnPage(t, db, rows, q)
					}
				}
			})
		})
	}
}

func agreeOnFilter(t *rapid.T, db database, rows []listing.Row, f listing.Filter) {
	found := db.keys(t, &listing.Query{Table: db.table, Filter: f, Limit: len(rows)})
	for i := range rows {
		if got, want := f.Match(db.table, &rows[i]), slices.Contains(found, db.key(&rows[i])); got != want {
			t.Fatalf("%q matches %+v: %v, PostgreSQL says %v", f.String(db.table), rows[i], got, want)
		}
	}
}

// agreeOnPage reads a page and one row more, as the read path does, and asks of
// every row of the table where it stands to that page. Where Go cannot tell it says that the
// row is on the page.
func agreeOnPage(t *rapid.T, db database, rows []listing.Row, q listing.Query) {
	longer := q
	longer.Limit++
	found := db.keys(t, &longer)
	qs := listing.Queryset{Query: q}
	row := func(key string) *listing.Row {
		return &rows[slices.IndexFunc(rows, func(r listing.Row) bool { return db.key(&r) == key })]
	}
	for i, key := range found {
		if i < q.Limit {
			qs.Items = append(qs.Items, *row(key))
		} else {
			qs.Ahead = listing.Some(q.Table.KeyOf(q.Sort, row(key)))
		}
	}
	if q.Backward { // PostgreSQL gives the rows as they are read
		slices.Reverse(qs.Items)
	}
	s := spaceOf(q.Table)
	p := s.pageOf(&q, qs.Window())
	o := &s.orders[p.sort]
	direction := 1
	if q.Backward {
		direction = -1
	}
	for i := range rows {
		want := out
		if place := slices.Index(found, db.key(&rows[i])); place >= q.Limit {
			want = next
		} else if place >= 0 {
			want = in
		}
		got := out
		if q.Filter.Match(q.Table, &rows[i]) {
			got = classOf(&p, s, &rows[i])
		}
		if got != want && !(got == in && tied(o, &p, q.Table.PlaceOf(q.Sort, q.Table.KeyOf(q.Sort, &rows[i])))) {
			t.Fatalf("%s: %+v is of class %d, PostgreSQL says %d (%v)", q, rows[i], got, want, found)
		}
		var at point
		if s.locate(&at, &rows[i]); got == in && want != in && p.holds(o, &at) {
			t.Fatalf("%s: %+v is on the page for certain, PostgreSQL says %d (%v)", q, rows[i], want, found)
		}
	}
	place := func(key string) listing.Place { return q.Table.PlaceOf(q.Sort, q.Table.KeyOf(q.Sort, row(key))) }
	for i := range len(found) - 1 {
		c := direction * q.Table.Compare(q.Sort, place(found[i]), place(found[i+1]))
		if _, sure := o.compare(o.placeOf(place(found[i])), o.placeOf(place(found[i+1]))); sure && c >= 0 {
			t.Fatalf("%s: PostgreSQL puts %+v before %+v", q, row(found[i]), row(found[i+1]))
		}
	}
}

// tied reports whether a place may be the same as one of a page's, or be not.
func tied(o *order, p *page, at listing.Place) bool {
	return slices.ContainsFunc([]place{p.after, p.last, p.ahead}, func(end place) bool {
		_, sure := o.compare(o.placeOf(at), end)
		return !sure
	})
}

// database is a table on a server. It has the columns that Go compares, without any check.
type database struct {
	conn  *pgx.Conn
	ctx   context.Context
	table *listing.Table
}

func (db database) create(t *testing.T) {
	sql := listingtest.EverySQL + ";" + listingtest.EveryDropChecks + ";"
	var columns []string
	for _, c := range db.columns() {
		column := fmt.Sprintf("%s %s", quoted(c.Name), c.Type.Name)
		if c.Form == listing.Words && c.Type.Bytewise {
			column += ` COLLATE "C"`
		}
		columns = append(columns, column)
	}
	sql += "create table held (" + strings.Join(columns, ", ") + ")"
	if _, err := db.conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// columns returns the columns that Go compares.
func (db database) columns() (columns []*listing.Column) {
	for i := range db.table.Columns {
		if c := &db.table.Columns[i]; c.Exact() || c.Ordered() {
			columns = append(columns, c)
		}
	}
	return columns
}

func (db database) store(t *rapid.T, rows []listing.Row) {
	b := &pgx.Batch{}
	b.Queue("delete from held")
	for i := range rows {
		s := statement{}
		var values []string
		for _, c := range db.columns() {
			values = append(values, s.value(c, rows[i].Get(c.Number)))
		}
		b.Queue("insert into held values ("+strings.Join(values, ", ")+")", s.args...)
	}
	if err := db.conn.SendBatch(db.ctx, b).Close(); err != nil {
		t.Fatal(err)
	}
}

func (db database) key(r *listing.Row) string {
	return db.table.KeyColumn().Spell(r.Values[db.table.Key])
}

// keys returns the keys of the rows that the page shows, in its order.
func (db database) keys(t *rapid.T, q *listing.Query) []string {
	s := statement{}
	sql := s.page(q)
	rows, err := db.conn.Query(db.ctx, sql, s.args...)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return keys
}

// statement spells queries in SQL.
type statement struct{ args []any }

// value returns a parameter of a column's type.
func (s *statement) value(c *listing.Column, v listing.Null[listing.Value]) string {
	switch {
	case !v.Valid:
		return "null"
	case c.Element != nil:
		s.args = append(s.args, elements(v.V.Text))
		return fmt.Sprintf("$%d::text[]::%s", len(s.args), c.Castable())
	case c.Form == listing.Day || c.Form == listing.Moment || c.Form == listing.Instant:
		return fmt.Sprintf("'%s'::%s", c.Spell(v.V), c.Castable())
	}
	s.args = append(s.args, c.Spell(v.V))
	return fmt.Sprintf("$%d::text::%s", len(s.args), c.Castable())
}

// elements returns the spellings of the elements of a captured array.
func elements(array string) []string {
	list := []string{}
	for b := []byte(array); len(b) > 0; {
		size, n := binary.Uvarint(b)
		list = append(list, string(b[n:n+int(size)]))
		b = b[n+int(size):]
	}
	return list
}

func (s *statement) list(c *listing.Column, values []listing.Value) string {
	var list []string
	for _, v := range values {
		list = append(list, s.value(c, listing.Some(v)))
	}
	return strings.Join(list, ", ")
}

// page spells a page in SQL.
func (s *statement) page(q *listing.Query) string {
	conditions := []string{"true"}
	for i := range q.Filter {
		conditions = append(conditions, s.condition(q.Table, &q.Filter[i]))
	}
	o, key := q.Order(), q.Table.KeyColumn()
	keyName := quoted(key.Name)
	if key.Form == listing.Words {
		keyName += ` collate "C"`
	}
	direction, behind, nulls := "asc", ">", "last"
	if o.Descending != q.Backward {
		direction, behind = "desc", "<"
	}
	if q.Backward {
		nulls = "first"
	}
	column := quoted(o.Column.Name)
	switch k := q.After.V; {
	case !q.After.Valid:
	case k.Value.Valid && q.Backward:
		conditions = append(conditions, fmt.Sprintf("(%s, %s) %s (%s, %s)", column, keyName, behind, s.value(o.Column, k.Value), s.value(key, listing.Some(k.Key))))
	case k.Value.Valid:
		conditions = append(conditions, fmt.Sprintf("((%s, %s) %s (%s, %s) or %s is null)",
			column, keyName, behind, s.value(o.Column, k.Value), s.value(key, listing.Some(k.Key)), column))
	case q.Backward:
		conditions = append(conditions, fmt.Sprintf("(%s is not null or %s %s %s)", column, keyName, behind, s.value(key, listing.Some(k.Key))))
	default:
		conditions = append(conditions, fmt.Sprintf("%s is null and %s %s %s", column, keyName, behind, s.value(key, listing.Some(k.Key))))
	}
	order := fmt.Sprintf("order by %s %s nulls %s, %s %s", column, direction, nulls, keyName, direction)
	if o.Wide {
		order = ""
	}
	return fmt.Sprintf("select %s::text from held where %s %s limit %d", quoted(key.Name), strings.Join(conditions, " and "), order, q.Limit)
}

func (s *statement) condition(t *listing.Table, c *listing.Condition) string {
	p := &t.Parameters[c.Parameter]
	column := &t.Columns[p.Column]
	switch p.Kind {
	case description.AnyOf:
		return fmt.Sprintf("%s in (%s)", quoted(column.Name), s.list(column, c.Values))
	case description.Contains:
		return fmt.Sprintf("%s @> array[%s]", quoted(column.Name), s.list(column.Element, c.Values))
	case description.Min:
		return fmt.Sprintf("%s >= %s", quoted(column.Name), s.value(column, listing.Some(c.Bound)))
	case description.Max:
		return fmt.Sprintf("%s <= %s", quoted(column.Name), s.value(column, listing.Some(c.Bound)))
	default:
		s.args = append(s.args, c.Box.South, c.Box.North, c.Box.West, c.Box.East)
		n := len(s.args)
		return fmt.Sprintf("%s between $%d::float8 and $%d::float8 and %s between $%d::float8 and $%d::float8",
			quoted(column.Name), n-3, n-2, quoted(t.Columns[t.Place.Longitude].Name), n-1, n)
	}
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }

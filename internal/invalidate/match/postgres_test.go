package match

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// properties has the columns that filters and orders look at, with the types of
// the real table.
const properties = `create table properties (
	id bigint primary key,
	property_type text not null,
	status text not null,
	price numeric(14,2) not null, -- without the checks of the real one
	city text not null,
	postal_code text,
	bedrooms smallint,
	bathrooms numeric(3,1),
	living_area integer,
	latitude double precision,
	longitude double precision,
	created_at timestamptz not null
)`

const insertProperty = `insert into properties values
	($1, $2, $3, $4::text::numeric, $5, $6, $7, $8::text::numeric, $9, $10, $11, $12::text::timestamptz)`

// TestPostgresAgrees: what Go says of filters, orders and pages is what PostgreSQL
// answers, at the edges of ranges and boxes, with NULLs and with equal keys.
func TestPostgresAgrees(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), pgtest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), properties); err != nil {
		t.Fatal(err)
	}
	db := database{conn, t.Context()}
	rapid.Check(t, func(t *rapid.T) {
		db.store(t, rapid.SliceOfNDistinct(listingtest.Row(rapid.Int64Range(-2, 20)), 0, 12,
			func(r listing.Row) int64 { return r.ID }).Draw(t, "rows"))
		rows := db.rows(t)
		for range 5 {
			f := listingtest.Filter().Draw(t, "filter")
			f.Text = ""
			agreeOnFilter(t, db, rows, f)
			if rapid.Bool().Draw(t, "any row") {
				f = listing.Filter{}
			}
			q := listing.Query{Filter: f, Sort: listingtest.Sort().Draw(t, "sort"), Limit: rapid.IntRange(1, 4).Draw(t, "limit")}
			q.After = listingtest.Maybe(listingtest.Key(q.Sort, rapid.Int64Range(-2, 20))).Draw(t, "cursor")
			agreeOnPage(t, db, rows, q)
		}
	})
}

func agreeOnFilter(t *rapid.T, db database, rows []listing.Row, f listing.Filter) {
	found := db.ids(t, listing.Query{Filter: f, Limit: len(rows)})
	for i := range rows {
		if got, want := f.Match(&rows[i]), slices.Contains(found, rows[i].ID); got != want {
			t.Fatalf("%q matches %+v: %v, PostgreSQL says %v", f, rows[i], got, want)
		}
	}
}

// agreeOnPage reads a page and one row more, as the read path does, and asks of
// every row of the table where it stands to that page.
func agreeOnPage(t *rapid.T, db database, rows []listing.Row, q listing.Query) {
	found := db.ids(t, listing.Query{Filter: q.Filter, Sort: q.Sort, After: q.After, Limit: q.Limit + 1})
	qs := listing.Queryset{Query: q}
	row := func(id int64) *listing.Row {
		return &rows[slices.IndexFunc(rows, func(r listing.Row) bool { return r.ID == id })]
	}
	for i, id := range found {
		if i < q.Limit {
			qs.Items = append(qs.Items, listing.Property{Row: *row(id)})
		} else {
			qs.Ahead = listing.Some(q.Sort.Key(row(id)))
		}
	}
	p := pageOf(&q, qs.Window())
	for i := range rows {
		want := out
		if place := slices.Index(found, rows[i].ID); place >= q.Limit {
			want = next
		} else if place >= 0 {
			want = in
		}
		got := out
		if q.Filter.Match(&rows[i]) {
			got = p.class(&rows[i])
		}
		if got != want {
			t.Fatalf("%s: %+v is of class %d, PostgreSQL says %d (%v)", q, rows[i], got, want, found)
		}
	}
	for i := range len(found) - 1 {
		if q.Sort.Compare(q.Sort.Key(row(found[i])), q.Sort.Key(row(found[i+1]))) >= 0 {
			t.Fatalf("%s: PostgreSQL puts %+v before %+v", q.Sort, row(found[i]), row(found[i+1]))
		}
	}
}

// database is the table properties on a server.
type database struct {
	conn *pgx.Conn
	ctx  context.Context
}

func (db database) store(t *rapid.T, rows []listing.Row) {
	b := &pgx.Batch{}
	b.Queue("delete from properties")
	for _, r := range rows {
		b.Queue(insertProperty, r.ID, r.PropertyType, r.Status, string(listing.AppendPrice(nil, r.Price)), r.City, pointer(r.PostalCode),
			pointer(r.Bedrooms), bathrooms(r.Bathrooms), pointer(r.LivingArea), pointer(r.Latitude), pointer(r.Longitude), r.CreatedAt.String())
	}
	if err := db.conn.SendBatch(db.ctx, b).Close(); err != nil {
		t.Fatal(err)
	}
}

// rows returns the rows as they came to stand in the table: numbers in its scale,
// times in its precision.
func (db database) rows(t *rapid.T) []listing.Row {
	rows, err := db.conn.Query(db.ctx, `select id, property_type, status, case when price = 'NaN' then $1 else (price * 100)::bigint end,
		city, postal_code, bedrooms, case when bathrooms = 'NaN' then $2 else (bathrooms * 10)::smallint end, living_area, latitude, longitude,
		('x' || encode(timestamptz_send(created_at), 'hex'))::bit(64)::bigint
		from properties`, int64(listing.NaNPrice), int16(listing.NaNBathrooms))
	if err != nil {
		t.Fatal(err)
	}
	stored, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r listing.Row, err error) {
		var postalCode *string
		var bedrooms, bathrooms *int16
		var area *int32
		var latitude, longitude *float64
		var createdAt int64
		err = row.Scan(&r.ID, &r.PropertyType, &r.Status, &r.Price, &r.City, &postalCode, &bedrooms, &bathrooms, &area,
			&latitude, &longitude, &createdAt)
		r.CreatedAt = listing.MicrosOfStored(createdAt)
		r.PostalCode, r.Bedrooms, r.Bathrooms = ofPointer(postalCode), ofPointer(bedrooms), ofPointer(bathrooms)
		r.LivingArea, r.Latitude, r.Longitude = ofPointer(area), ofPointer(latitude), ofPointer(longitude)
		return r, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

// ids returns the ids of the rows that the page shows, in its order.
func (db database) ids(t *rapid.T, q listing.Query) []int64 {
	sql, args := statement(q)
	rows, err := db.conn.Query(db.ctx, sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return ids
}

// statement spells a page in SQL.
func statement(q listing.Query) (string, []any) {
	conditions, args := []string{"true"}, []any{}
	add := func(used bool, condition string, values ...any) {
		if !used {
			return
		}
		for _, v := range values {
			args = append(args, v)
			condition = strings.Replace(condition, "?", fmt.Sprintf("$%d", len(args)), 1)
		}
		conditions = append(conditions, condition)
	}
	f := q.Filter
	price := func(v listing.Null[int64]) string { return string(listing.AppendPrice(nil, v.V)) }
	add(len(f.City) > 0, "city = any(?)", f.City)
	add(len(f.PostalCode) > 0, "postal_code = any(?)", f.PostalCode)
	add(len(f.PropertyType) > 0, "property_type = any(?)", f.PropertyType)
	add(len(f.Status) > 0, "status = any(?)", f.Status)
	add(f.MinPrice.Valid, "price >= ?::text::numeric", price(f.MinPrice))
	add(f.MaxPrice.Valid, "price <= ?::text::numeric", price(f.MaxPrice))
	add(f.MinBedrooms.Valid, "bedrooms >= ?", f.MinBedrooms.V)
	add(f.MaxBedrooms.Valid, "bedrooms <= ?", f.MaxBedrooms.V)
	add(f.MinBathrooms.Valid, "bathrooms >= ?::text::numeric", bathrooms(f.MinBathrooms))
	add(f.MinArea.Valid, "living_area >= ?", f.MinArea.V)
	add(f.MaxArea.Valid, "living_area <= ?", f.MaxArea.V)
	add(f.Box.Valid, "latitude between ? and ? and longitude between ? and ?", f.Box.V.South, f.Box.V.North, f.Box.V.West, f.Box.V.East)

	column := map[listing.Column]string{listing.Price: "price", listing.LivingArea: "living_area", listing.CreatedAt: "created_at"}[q.Sort.Column()]
	direction, behind := "asc", ">"
	if q.Sort.Descending() {
		direction, behind = "desc", "<"
	}
	if k := q.After.V; q.After.Valid && k.Value.Valid {
		var value any = k.Value.V
		parameter := "?"
		switch q.Sort.Column() {
		case listing.Price:
			value, parameter = price(k.Value), "?::text::numeric"
		case listing.CreatedAt:
			value, parameter = listing.Micros(k.Value.V).String(), "?::text::timestamptz"
		}
		add(true, fmt.Sprintf("((%s, id) %s (%s, ?) or %s is null)", column, behind, parameter, column), value, k.ID)
	} else if q.After.Valid {
		add(true, fmt.Sprintf("%s is null and id %s ?", column, behind), k.ID)
	}
	return fmt.Sprintf("select id from properties where %s order by %s %s nulls last, id %s limit %d",
		strings.Join(conditions, " and "), column, direction, direction, q.Limit), args
}

func bathrooms(v listing.Null[int16]) *string {
	if !v.Valid {
		return nil
	}
	s := string(listing.AppendBathrooms(nil, v.V))
	return &s
}

func pointer[T any](v listing.Null[T]) *T {
	if !v.Valid {
		return nil
	}
	return &v.V
}

func ofPointer[T any](p *T) listing.Null[T] {
	if p == nil {
		return listing.Null[T]{}
	}
	return listing.Some(*p)
}

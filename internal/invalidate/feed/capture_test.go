package feed_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/listing"
)

// Every way of writing to the table, by the change that must come of it.
func TestStatements(t *testing.T) {
	t.Parallel()
	const listing4 = "insert into properties (title, property_type, price, city) values ('t', 'Condo', 4, 'LOOMIS')"
	for _, test := range []struct {
		name, setUp, sql string
		want             []string
	}{
		{name: "insert", sql: listing4, want: []string{"insert 4"}},
		{
			name: "insert several",
			sql:  "insert into properties (title, property_type, price, city) select 't', 'Condo', n, 'LOOMIS' from generate_series(1, 3) n",
			want: []string{"insert 4", "insert 5", "insert 6"},
		},
		{name: "update one", sql: "update properties set price = 7 where id = 2", want: []string{"update 2: price"}},
		{
			name: "update several",
			sql:  "update properties set price = price + 1, city = 'LOOMIS' where id > 1",
			want: []string{"update 2: price city", "update 3: price city"},
		},
		{
			name: "update some of several",
			sql:  "update properties set bedrooms = 2",
			want: []string{"update 1: bedrooms", "update 3: bedrooms"},
		},
		{
			name: "update several descriptions",
			sql:  "update properties set description = upper(description) where id > 1",
			want: []string{"update 2: description", "update 3: description"},
		},
		{
			name: "update every column",
			sql: `update properties set title = 'x', description = 'x', property_type = 'x', status = 'sold', price = 1.25, city = 'x',
				postal_code = null, bedrooms = null, bathrooms = null, living_area = null, latitude = null, longitude = null,
				created_at = now(), updated_at = now() where id = 1`,
			want: []string{"update 1: " + strings.Join(columnNames[1:], " ")},
		},
		{name: "update what only its page shows", sql: "update properties set description = 'x', updated_at = now() where id = 1", want: []string{"update 1: description updated_at"}},
		{name: "update the sign of zero", setUp: "update properties set longitude = 0", sql: "update properties set longitude = '-0' where id = 1", want: []string{"update 1: longitude"}},
		{
			name: "update the sign of zero of several", setUp: "update properties set longitude = 0",
			sql: "update properties set longitude = '-0' where id > 1", want: []string{"update 2: longitude", "update 3: longitude"},
		},
		{name: "update an id", sql: "update properties set id = 9 where id = 1", want: []string{"delete 1", "insert 9"}},
		{name: "update all ids", sql: "update properties set id = id + 10", want: []string{"delete 1", "delete 2", "delete 3", "insert 11", "insert 12", "insert 13"}},
		{name: "delete", sql: "delete from properties where id <> 2", want: []string{"delete 1", "delete 3"}},
		{
			name: "merge",
			sql: `merge into properties p using (values (1, 11), (2, null), (8, 88)) as s (id, price) on p.id = s.id
				when matched and s.price is null then delete
				when matched then update set price = s.price
				when not matched then insert (id, title, property_type, price, city) values (s.id, 't', 'Condo', s.price, 'LOOMIS')`,
			want: []string{"delete 2", "insert 8", "update 1: price"},
		},
		{
			name: "upsert",
			sql: `insert into properties (id, title, property_type, price, city) values (3, 't', 'Condo', 5, 'LOOMIS'), (4, 't', 'Condo', 5, 'LOOMIS')
				on conflict (id) do update set price = excluded.price`,
			want: []string{"insert 4", "update 3: price"},
		},
		{name: "insert nothing", sql: "insert into properties (id, title, property_type, price, city) values (3, 't', 'Condo', 5, 'LOOMIS') on conflict do nothing"},
		{name: "truncate", sql: "truncate properties", want: []string{"whole table"}},
		{
			name:  "truncate cascade",
			setUp: "create table agencies (id int primary key); alter table properties add column agency int references agencies",
			sql:   "truncate agencies cascade",
			want:  []string{"whole table"},
		},
		{
			name: "cascading delete",
			setUp: `create table agencies (id int primary key); insert into agencies values (1);
				alter table properties add column agency int references agencies on delete cascade; update properties set agency = 1 where id < 3`,
			sql:  "delete from agencies",
			want: []string{"delete 1", "delete 2"},
		},
		{
			name:  "through a view",
			setUp: "create view cheap as select id, price from properties where price < 2500",
			sql:   "update cheap set price = price + 1 where id = 2",
			want:  []string{"update 2: price"},
		},
		{
			name: "in a function",
			setUp: `create function raise_prices() returns void language sql as 'update properties set price = price + 1 where id = 1';
				create function raise_twice() returns void language plpgsql as 'begin perform raise_prices(); perform raise_prices(); end'`,
			sql:  "select raise_twice()",
			want: []string{"update 1: price", "update 1: price"},
		},
		{name: "in DO", sql: "do $$ begin for i in 1..3 loop update properties set price = price + 1 where id = i; end loop; end $$", want: []string{"update 1: price", "update 2: price", "update 3: price"}},
		{
			name: "in a trigger of the application",
			setUp: `create function follow() returns trigger language plpgsql as
				'begin update properties set price = new.price where id = new.id + 1 and price <> new.price; return null; end';
				create trigger follow after update of price on properties for each row execute function follow()`,
			sql:  "update properties set price = 5 where id = 1",
			want: []string{"update 1: price", "update 2: price", "update 3: price"},
		},
		{
			name: "in a common table expression",
			sql:  "with gone as (delete from properties where id = 1 returning price) update properties set price = (select price from gone) where id = 2",
			want: []string{"delete 1", "update 2: price"},
		},
		{name: "a column of the application's own", setUp: "alter table properties add column note text", sql: "update properties set note = 'x'"},
		{name: "beside such a column", setUp: "alter table properties add column note text", sql: "update properties set note = 'x', price = 1 where id = 1", want: []string{"update 1: price"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			if test.setUp != "" {
				r.exec(test.setUp)
				r.drain()
			}
			r.exec(test.sql)
			r.expect(test.want...)
			if n := r.pending(); n > 0 {
				t.Errorf("%d changes are left behind", n)
			}
		})
	}
}

func TestCopy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, err := r.owner.CopyFrom(t.Context(), pgx.Identifier{"properties"}, []string{"title", "property_type", "price", "city"},
		pgx.CopyFromRows([][]any{{"t", "Condo", "1", "LOOMIS"}, {"t", "Condo", "2", "LOOMIS"}}))
	if err != nil {
		t.Fatal(err)
	}
	r.expect("insert 4", "insert 5")
}

// What comes out is what PostgreSQL holds, to the cent and to the microsecond.
func TestValues(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(`insert into properties values
		(4, 'Überhöht', 'd', 'Multi_Family', 'sold', 999999999999.99, E'a"b\\c,{}', '', 32767, 99.9, 2147483647, -90, 180,
			'1900-01-01Z', '2199-12-31T23:59:59.999999Z'),
		(9223372036854775807, '', '', '', 'pending', 0, '', null, null, null, null, null, null, '2000-01-01Z', now()),
		(-5, 't', 'd', 'p', 'for_sale', 10000.5, 'c', 'z', 0, 0.5, 1, 1e-300, 0.1, '1999-12-31T23:59:59.999999Z', now())`)
	want := []listing.Row{
		{
			ID: -5, PropertyType: "p", Status: "for_sale", Price: 1000050, City: "c", PostalCode: listing.Some("z"),
			Bedrooms: listing.Some[int16](0), Bathrooms: listing.Some[int16](5), LivingArea: listing.Some[int32](1),
			Latitude: listing.Some(1e-300), Longitude: listing.Some(0.1), CreatedAt: -1,
		},
		{
			ID: 4, PropertyType: "Multi_Family", Status: "sold", Price: 99999999999999, City: `a"b\c,{}`, PostalCode: listing.Some(""),
			Bedrooms: listing.Some[int16](math.MaxInt16), Bathrooms: listing.Some[int16](999), LivingArea: listing.Some[int32](math.MaxInt32),
			Latitude: listing.Some(-90.0), Longitude: listing.Some(180.0), CreatedAt: listing.MicrosOf(time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)),
		},
		{ID: math.MaxInt64, Status: "pending"},
	}
	got := r.drain()
	slices.SortFunc(got, func(a, b match.Change) int { return int(min(1, max(-1, a.New.ID/2-b.New.ID/2))) })
	if len(got) != len(want) {
		t.Fatalf("%d changes, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i].New != want[i] || got[i].HasOld || !got[i].HasNew || got[i].Changed != listing.AllColumns {
			t.Errorf("got %+v\nwant insert of %+v", got[i], want[i])
		}
	}
	r.exec("update properties set price = 0.07, postal_code = null where id = 4")
	c := r.drain()[0]
	after := want[1]
	after.Price, after.PostalCode = 7, listing.Null[string]{}
	if c.Old != want[1] || c.New != after {
		t.Errorf("got %+v", c)
	}
}

// A statement that changes nothing leaves no row and rings no bell, though one that
// does rings.
func TestNothingChanges(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	listener, sleeper := r.connect(r.db.Invalidator), r.connect(r.db.Invalidator)
	execOn(t, listener, "listen freshlist")
	fallAsleep(t, sleeper)
	r.exec("insert into properties (title, property_type, price, city) select 't', 'Condo', n, 'LOOMIS' from generate_series(1, 12000) n")
	ringFrom(t, listener)
	r.drain()
	for _, sql := range []string{
		"update properties set price = 1 where id = -1",
		"update properties set price = price, title = title where id = 1",
		"update properties set price = price where id < 10",
		"update properties set price = price, description = description",
		"delete from properties where id = -1",
		"insert into properties select * from properties where false",
	} {
		r.exec(sql)
		if n := r.pending(); n > 0 {
			t.Errorf("%s: %d change rows", sql, n)
		}
	}
	r.exec("select pg_notify('freshlist', 'the end')")
	if payload := ringFrom(t, listener); payload != "the end" {
		t.Error("a statement that changed nothing has rung")
	}
	r.exec("update properties set price = 1 where id = 1")
	if payload := ringFrom(t, listener); payload != "" {
		t.Errorf("ring with payload %q", payload)
	}
}

// Up to 10,000 rows come one by one, more as one envelope.
func TestBulk(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(`insert into properties (title, property_type, status, price, city, postal_code, bedrooms, latitude, longitude, created_at)
		select 't', 'Condo', 'for_sale', 100 + n / 100.0, 'LOOMIS', nullif('9563' || n % 3, '95632'), 2 + n % 3, 38, -121,
			timestamptz '2020-01-01Z' + n * interval '1 minute'
		from generate_series(1, 10000) n`)
	if got := r.drain(); len(got) != 10_000 || got[0].Kind != match.RowChange {
		t.Fatalf("%d changes for 10,000 rows", len(got))
	}
	for _, test := range []struct {
		sql  string
		want match.Envelope
	}{
		{
			sql: "update properties set price = price + 1000, property_type = 'Villa' where id > 2",
			want: match.Envelope{
				ID:           match.Range[int64]{Min: 3, Max: 10_003, Valid: true},
				PropertyType: match.Set{Values: []string{"Condo", "Villa"}},
				Price:        match.Range[int64]{Min: 10001, Max: 400000, Valid: true},
				City:         match.Set{Values: []string{"FOLSOM", "LOOMIS"}},
				PostalCode:   match.Set{Values: []string{"95630", "95631"}},
				Bedrooms:     match.Range[int16]{Min: 2, Max: 4, Valid: true},
				Bathrooms:    match.Range[int16]{Min: 15, Max: 15, Valid: true},
				LivingArea:   match.Range[int32]{Min: 800, Max: 800, Valid: true},
				Latitude:     match.Range[int64]{Min: listing.PlaceOf(38), Max: listing.PlaceOf(38.5), Valid: true},
				Longitude:    match.Range[int64]{Min: listing.PlaceOf(-121.5), Max: listing.PlaceOf(-121), Valid: true},
				CreatedAt: match.Range[listing.Micros]{
					Min: listing.MicrosOf(time.Date(2020, 1, 1, 0, 1, 0, 0, time.UTC)), Max: listing.MicrosOf(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)), Valid: true,
				},
				Nulls: listing.ColumnSet(listing.PostalCode, listing.Bathrooms, listing.LivingArea),
			},
		},
		{
			sql: "delete from properties where city = 'LOOMIS'; " + // 10,000 of them: row by row
				"insert into properties (title, property_type, price, city) select 't', 'type ' || n % 1000, n, 'city ' || n % 1001 from generate_series(1, 10010) n",
			want: match.Envelope{
				ID:           match.Range[int64]{Min: 10_004, Max: 20_013, Valid: true},
				PropertyType: match.Set{Values: oneTo1000()},
				Price:        match.Range[int64]{Min: 100, Max: 1001000, Valid: true},
				City:         match.Set{Any: true},
				PostalCode:   match.Set{Values: []string{}},
				Nulls: listing.ColumnSet(listing.PostalCode, listing.Bedrooms, listing.Bathrooms, listing.LivingArea,
					listing.Latitude, listing.Longitude),
			},
		},
		{sql: "delete from properties", want: match.Envelope{ID: match.Range[int64]{Min: 1, Max: 20_013, Valid: true}}},
	} {
		r.exec(test.sql)
		got := r.drain()
		got = slices.DeleteFunc(got, func(c match.Change) bool { return c.Kind == match.RowChange })
		if len(got) != 1 || got[0].Bulk == nil {
			t.Fatalf("%s: %d changes that are not of one row, want one envelope", test.sql, len(got))
		}
		e := *got[0].Bulk
		if e.Changed != listing.AllColumns {
			t.Errorf("an envelope of %v columns", e.Changed)
		}
		if test.want.PropertyType.Values == nil { // the least envelope says enough
			e = match.Envelope{ID: e.ID}
		} else {
			slices.Sort(e.PropertyType.Values)
			slices.Sort(e.City.Values)
			slices.Sort(e.PostalCode.Values)
			if test.want.CreatedAt == (match.Range[listing.Micros]{}) {
				e.CreatedAt = test.want.CreatedAt
			}
			test.want.Changed, test.want.Status = listing.AllColumns, match.Set{Values: []string{"for_sale"}}
		}
		if got, want := fmt.Sprintf("%+v", e), fmt.Sprintf("%+v", test.want); got != want {
			t.Errorf("%s:\n got %s\nwant %s", test.sql, got, want)
		}
	}
}

func oneTo1000() (values []string) {
	for n := range 1000 {
		values = append(values, fmt.Sprintf("type %d", n))
	}
	slices.Sort(values)
	return values
}

// A bulk edit of one column alone, whichever, is captured, and its envelope holds the old and
// the new values of it; one that changes how a value is written, too.
func TestBulkOfOneColumn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		set  string
		want func(e *match.Envelope) bool
	}{
		{"id = id + 100000", func(e *match.Envelope) bool { return e.ID.Min == 4 && e.ID.Max == 110_004 }},
		{"title = upper(title)", nil},
		{"description = 'HOUSE'", nil},
		{"property_type = 'Villa'", func(e *match.Envelope) bool { return has(e.PropertyType, "Condo", "Villa") }},
		{"status = 'sold'", func(e *match.Envelope) bool { return has(e.Status, "for_sale", "sold") }},
		{"price = 7", func(e *match.Envelope) bool { return e.Price.Min == 700 && e.Price.Max == 100_000 }},
		{"city = 'AUBURN'", func(e *match.Envelope) bool { return has(e.City, "LOOMIS", "AUBURN") }},
		{"postal_code = '95650'", func(e *match.Envelope) bool { return has(e.PostalCode, "95630", "95650") }},
		{"postal_code = null", func(e *match.Envelope) bool { return e.Nulls == listing.ColumnSet(listing.PostalCode) }},
		{"bedrooms = 9", func(e *match.Envelope) bool { return e.Bedrooms.Min == 3 && e.Bedrooms.Max == 9 }},
		{"bedrooms = null", func(e *match.Envelope) bool { return e.Nulls == listing.ColumnSet(listing.Bedrooms) }},
		{"bathrooms = 9.5", func(e *match.Envelope) bool { return e.Bathrooms.Min == 15 && e.Bathrooms.Max == 95 }},
		{"bathrooms = null", func(e *match.Envelope) bool { return e.Nulls == listing.ColumnSet(listing.Bathrooms) }},
		{"living_area = 9", func(e *match.Envelope) bool { return e.LivingArea.Min == 9 && e.LivingArea.Max == 800 }},
		{"living_area = null", func(e *match.Envelope) bool { return e.Nulls == listing.ColumnSet(listing.LivingArea) }},
		{"latitude = 0", func(e *match.Envelope) bool { return e.Latitude.Valid && e.Latitude.Min < e.Latitude.Max }},
		{"latitude = null", func(e *match.Envelope) bool { return e.Nulls == listing.ColumnSet(listing.Latitude) }},
		{"longitude = '-0'", func(e *match.Envelope) bool { return e.Longitude.Valid && e.Longitude.Min < e.Longitude.Max }},
		{"longitude = null", func(e *match.Envelope) bool { return e.Nulls == listing.ColumnSet(listing.Longitude) }},
		{"created_at = '2020-01-01Z'", func(e *match.Envelope) bool {
			return e.CreatedAt.Valid && e.CreatedAt.Min < e.CreatedAt.Max
		}},
		{"updated_at = '2020-01-01Z'", nil},
	} {
		t.Run(test.set, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.exec(`insert into properties (id, title, description, property_type, price, city, postal_code, bedrooms, bathrooms, living_area,
					latitude, longitude, created_at, updated_at)
				select n, 'title', 'house', 'Condo', 1000, 'LOOMIS', '95630', 3, 1.5, 800, 38.5, -121.5, '2024-01-01Z', '2024-01-01Z'
				from generate_series(4, 10004) as n; delete from properties where id < 4`)
			r.drain()
			r.exec("update properties set " + test.set)
			changes := r.drain()
			if len(changes) != 1 || changes[0].Bulk == nil {
				t.Fatalf("%d changes, want one envelope", len(changes))
			}
			if test.want != nil && !test.want(changes[0].Bulk) {
				t.Errorf("envelope %+v", *changes[0].Bulk)
			}
		})
	}
}

// What only the last of very many rows shows is captured too: the first ones are looked at
// before the others, and are as they were.
func TestBulkThatChangesItsLastRow(t *testing.T) {
	t.Parallel()
	for column, other := range map[string]string{"title": "other", "description": "other", "city": "other", "longitude": "-0"} {
		t.Run(column, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.exec(`insert into properties (id, title, property_type, price, city, longitude)
				select n, 'title', 'Condo', 1000, 'LOOMIS', 0 from generate_series(4, 10004) as n; delete from properties where id < 4`)
			r.drain()
			r.exec("update properties set " + column + " = " + column)
			if changes := r.drain(); len(changes) != 0 {
				t.Errorf("%d changes of an edit that changes nothing", len(changes))
			}
			r.exec("update properties set " + column + " = case id when 10004 then '" + other + "' else " + column + " end")
			if changes := r.drain(); len(changes) != 1 || changes[0].Bulk == nil {
				t.Errorf("%d changes, want one envelope", len(changes))
			}
		})
	}
}

func has(s match.Set, values ...string) bool {
	slices.Sort(s.Values)
	slices.Sort(values)
	return slices.Equal(s.Values, values)
}

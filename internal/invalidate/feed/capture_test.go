package feed_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
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
			want: []string{"update 1: " + strings.Join(namesOf(listingtest.Properties(), listingtest.Properties().AllColumns())[1:], " ")},
		},
		{name: "update what only its page shows", sql: "update properties set description = 'x', updated_at = now() where id = 1", want: []string{"update 1: description updated_at search"}},
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
		(9223372036854775807, '', '', '', 'pending', 0, '', null, null, null, null, null, null, '2000-01-01Z', '2001-01-01Z'),
		(-5, 't', 'd', 'p', 'for_sale', 10000.5, 'c', 'z', 0, 0.5, 1, 1e-300, 0.1, '1999-12-31T23:59:59.999999Z', '2001-01-01Z')`)
	table := r.feed.Site.Tables[0]
	row := func(pairs ...any) listing.Row {
		row := listingtest.Property(0, pairs...)
		row.Values[table.Column("description")] = listing.Value{} // is not captured
		return row
	}
	const late = "2001-01-01T00:00:00Z"
	want := []listing.Row{
		row("id", -5, "title", "t", "property_type", "p", "status", "for_sale", "price", "10000.5", "city", "c", "postal_code", "z",
			"bedrooms", 0, "bathrooms", "0.5", "living_area", 1, "latitude", "1e-300", "longitude", "0.1",
			"created_at", "1999-12-31T23:59:59.999999Z", "updated_at", late),
		row("id", 4, "title", "Überhöht", "property_type", "Multi_Family", "status", "sold", "price", "999999999999.99", "city", `a"b\c,{}`, "postal_code", "",
			"bedrooms", math.MaxInt16, "bathrooms", "99.9", "living_area", math.MaxInt32, "latitude", "-90", "longitude", "180",
			"created_at", "1900-01-01T00:00:00Z", "updated_at", "2199-12-31T23:59:59.999999Z"),
		row("id", math.MaxInt64, "title", "", "property_type", "", "status", "pending", "city", "", "updated_at", late),
	}
	got := r.drain()
	slices.SortFunc(got, func(a, b match.Change) int { return cmp.Compare(a.New.Values[0].Number, b.New.Values[0].Number) })
	if len(got) != len(want) {
		t.Fatalf("%d changes, want %d", len(got), len(want))
	}
	same := func(a, b *listing.Row) bool { return a.Nulls == b.Nulls && slices.Equal(a.Values, b.Values) }
	for i := range want {
		if !same(&got[i].New, &want[i]) || got[i].HasOld || !got[i].HasNew || got[i].Changed != table.AllColumns() {
			t.Errorf("got %+v\nwant insert of %+v", got[i], want[i])
		}
	}
	r.exec("update properties set price = 0.07, postal_code = null where id = 4")
	c := r.drain()[0]
	after := listing.Row{Values: slices.Clone(want[1].Values), Nulls: want[1].Nulls}
	after.Set(table.Column("price"), listing.Some(listing.Value{Number: 7}))
	after.Set(table.Column("postal_code"), listing.Null[listing.Value]{})
	if !same(&c.Old, &want[1]) || !same(&c.New, &after) {
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
		"insert into properties (title, property_type, price, city) select title, property_type, price, city from properties where false",
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
	instants := func(first, last string) string { return first + "T00:01:00Z to " + last + "T00:00:00Z" }
	for _, test := range []struct {
		sql  string
		want map[string]string
	}{
		{
			"update properties set price = price + 1000, property_type = 'Villa' where id > 2",
			map[string]string{
				"id": "3 to 10003", "property_type": "Condo|Villa", "price": "100.01 to 4000", "city": "FOLSOM|LOOMIS",
				"postal_code": "95630|95631|NULL", "bedrooms": "2 to 4", "bathrooms": "1.5 to 1.5|NULL", "living_area": "800 to 800|NULL",
				"latitude": "38 to 38.5", "longitude": "-121.5 to -121", "created_at": instants("2020-01-01", "2024-01-01"),
			},
		},
		{
			"delete from properties where city = 'LOOMIS'; " + // 10,000 of them: row by row
				"insert into properties (title, property_type, price, city) select 't', 'type ' || n % 1000, n, 'city ' || n % 1001 from generate_series(1, 10010) n",
			map[string]string{
				"id": "10004 to 20013", "property_type": strings.Join(oneTo1000(), "|"), "price": "1 to 10010", "city": "any",
				"postal_code": "NULL", "bedrooms": "NULL", "bathrooms": "NULL", "living_area": "NULL", "latitude": "NULL", "longitude": "NULL",
			},
		},
		{"delete from properties", map[string]string{"id": "1 to 20013"}},
	} {
		r.exec(test.sql)
		got := r.drain()
		got = slices.DeleteFunc(got, func(c match.Change) bool { return c.Kind == match.RowChange })
		if len(got) != 1 || got[0].Bulk == nil {
			t.Fatalf("%s: %d changes that are not of one row, want one envelope", test.sql, len(got))
		}
		table := got[0].Table
		if got[0].Bulk.Changed != table.AllColumns() {
			t.Errorf("an envelope of %v columns", got[0].Bulk.Changed)
		}
		bounds := boundsOf(table, got[0].Bulk)
		if len(test.want) > 1 {
			test.want["status"] = "for_sale"
		}
		for name, want := range test.want {
			if bounds[name] != want {
				t.Errorf("%s: %s is %s, want %s", test.sql, name, bounds[name], want)
			}
		}
		for name, bound := range bounds { // of the others, nothing, or when it was
			if _, told := test.want[name]; len(test.want) > 1 && !told && !strings.Contains(bound, "T") {
				t.Errorf("%s: %s is %s", test.sql, name, bound)
			}
		}
	}
}

// boundsOf puts what an envelope says of each column in words: "3 to 10003", "Condo|Villa|NULL".
func boundsOf(table *listing.Table, e *match.Envelope) map[string]string {
	bounds := map[string]string{}
	for i := range table.Columns {
		c := &table.Columns[i]
		var said []string
		if e.Bounded.Has(i) && !e.Least.Null(i) {
			said = append(said, c.Spell(e.Least.Values[i])+" to "+c.Spell(e.Greatest.Values[i]))
		}
		values, told := e.Sets[i]
		if told && values == nil {
			said = append(said, "any")
		}
		for _, v := range values {
			said = append(said, c.Spell(v))
		}
		slices.Sort(said)
		if e.Nulls.Has(i) {
			said = append(said, "NULL")
		}
		if said != nil {
			bounds[c.Name] = strings.Join(said, "|")
		}
	}
	return bounds
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
	for _, test := range []struct{ set, column, want string }{
		{"id = id + 100000", "id", "4 to 110004"},
		{"title = upper(title)", "title", ""},
		{"description = 'HOUSE'", "description", ""},
		{"property_type = 'Villa'", "property_type", "Condo|Villa"},
		{"status = 'sold'", "status", "for_sale|sold"},
		{"price = 7", "price", "7 to 1000"},
		{"city = 'AUBURN'", "city", "AUBURN|LOOMIS"},
		{"postal_code = '95650'", "postal_code", "95630|95650"},
		{"postal_code = null", "postal_code", "95630|NULL"},
		{"bedrooms = 9", "bedrooms", "3 to 9"},
		{"bedrooms = null", "bedrooms", "3 to 3|NULL"},
		{"bathrooms = 9.5", "bathrooms", "1.5 to 9.5"},
		{"bathrooms = null", "bathrooms", "1.5 to 1.5|NULL"},
		{"living_area = 9", "living_area", "9 to 800"},
		{"living_area = null", "living_area", "800 to 800|NULL"},
		{"latitude = 0", "latitude", "0 to 38.5"},
		{"latitude = null", "latitude", "38.5 to 38.5|NULL"},
		{"longitude = '-0'", "longitude", "-121.5 to -0"},
		{"longitude = null", "longitude", "-121.5 to -121.5|NULL"},
		{"created_at = '2020-01-01Z'", "created_at", "2020-01-01T00:00:00Z to 2024-01-01T00:00:00Z"},
		{"updated_at = '2020-01-01Z'", "updated_at", "2020-01-01T00:00:00Z to 2024-01-01T00:00:00Z"},
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
			bounds := boundsOf(changes[0].Table, changes[0].Bulk)
			if bounds[test.column] != test.want {
				t.Errorf("%s is %q, want %q", test.column, bounds[test.column], test.want)
			}
			for name, bound := range bounds {
				if name != test.column && strings.Contains(bound, "NULL") {
					t.Errorf("%s is %s", name, bound)
				}
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

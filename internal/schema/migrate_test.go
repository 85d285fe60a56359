package schema_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshlist/freshlist/db"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/schema"
)

func TestMigrate(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	conn := connect(t, url)
	files, err := fs.Glob(db.Migrations, "migrations/*.up.sql")
	if err != nil {
		t.Fatal(err)
	}
	latest := uint(len(files))
	check := func(applied uint, tables int) {
		t.Helper()
		v, err := schema.Status(t.Context(), url)
		if err != nil || v.Applied != applied || v.Latest != latest || v.Dirty {
			t.Errorf("status %+v, %v; want %d applied", v, err, applied)
		}
		if n := one[int](t, conn, "select count(*) from pg_tables where tablename = 'properties'"); n != tables {
			t.Errorf("%d tables, want %d", n, tables)
		}
	}
	check(0, 0)
	if err := schema.Down(t.Context(), url, 1); err == nil {
		t.Error("took back a migration that has not been applied")
	}
	for range 2 {
		if err := schema.Up(t.Context(), url); err != nil {
			t.Fatal(err)
		}
		check(latest, 1)
	}
	if _, err := schema.Install(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if err := schema.Down(t.Context(), url, 0); err == nil {
		t.Error("took back no migration without complaint")
	}
	if err := schema.Down(t.Context(), url, int(latest)+1); err != nil { // more than there are
		t.Fatal(err)
	}
	check(0, 0)
	if err := schema.Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	check(latest, 1)
	if _, err := schema.Install(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
}

// The table begins with the contract's columns.
func TestColumns(t *testing.T) {
	t.Parallel()
	conn := connect(t, migrated.New(t).Owner)
	got := list[string](t, conn, `
		select concat_ws(' ', attname, format_type(atttypid, atttypmod), case when attnotnull then 'not null' end, pg_get_expr(adbin, adrelid),
			case attidentity when 'd' then 'by default as identity' end)
		from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
		where attrelid = 'public.properties'::regclass and attnum > 0 order by attnum`)
	want := []string{
		"id bigint not null by default as identity", "title text not null", "description text not null ''::text",
		"property_type text not null", "status text not null 'for_sale'::text", "price numeric(14,2) not null", "city text not null",
		"postal_code text", "bedrooms smallint", "bathrooms numeric(3,1)", "living_area integer", "latitude double precision",
		"longitude double precision", "created_at timestamp with time zone not null now()", "updated_at timestamp with time zone not null now()",
		"search tsvector to_tsvector('english'::regconfig, ((title || ' '::text) || description))",
	}
	for _, column := range got[min(len(want), len(got)):] { // of later migrations: nobody has to know them
		if strings.Contains(column, " not null") {
			t.Errorf("an INSERT has to give %s", column)
		}
	}
	if !slices.Equal(got[:min(len(want), len(got))], want) {
		t.Errorf("columns:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestConstraints(t *testing.T) {
	t.Parallel()
	conn := connect(t, migrated.New(t).Owner)
	exec(t, conn, "insert into properties (title, property_type, price, city) values ('', '', 0, '')")
	for column, values := range map[string]struct{ good, bad []string }{
		"status":      {[]string{"for_sale", "pending", "sold"}, []string{"", "Sold"}},
		"price":       {[]string{"0", "999999999999.99"}, []string{"-0.01", "NaN", "Infinity", "1000000000000"}},
		"bedrooms":    {[]string{"0", "32767"}, []string{"-1"}},
		"bathrooms":   {[]string{"0", "99.9"}, []string{"-0.1", "NaN", "100"}},
		"living_area": {[]string{"1"}, []string{"0", "-1"}},
		"latitude":    {[]string{"-90", "90"}, []string{"90.1", "-91", "NaN", "Infinity"}},
		"longitude":   {[]string{"-180", "180"}, []string{"180.1", "-181", "NaN", "-Infinity"}},
		"created_at":  {[]string{"1900-01-01Z", "2199-12-31T23:59:59.999999Z"}, []string{"1899-12-31Z", "2200-01-01Z", "infinity"}},
		"updated_at":  {[]string{"1900-01-01Z"}, []string{"-infinity", "2200-01-01Z"}},
	} {
		for _, value := range values.good {
			exec(t, conn, "update properties set "+column+" = '"+value+"'")
		}
		for _, value := range values.bad {
			_, err := conn.Exec(t.Context(), "update properties set "+column+" = '"+value+"'")
			var pg *pgconn.PgError
			if !errors.As(err, &pg) || pg.Code != pgerrcode.CheckViolation && pg.Code != pgerrcode.NumericValueOutOfRange {
				t.Errorf("%s = %s: %v, want a refusal", column, value, err)
			}
		}
	}
}

// Every column and every index says what it is for.
func TestComments(t *testing.T) {
	t.Parallel()
	conn := connect(t, migrated.New(t).Owner)
	bare := list[string](t, conn, `
		select format('column %s of %s', attname, attrelid::regclass)
		from pg_attribute join pg_class c on c.oid = attrelid
		where c.relkind = 'r' and c.relnamespace in ('freshlist'::regnamespace, 'public'::regnamespace) and c.relname <> 'schema_migrations'
		  and attnum > 0 and col_description(attrelid, attnum) is null
		union all
		select format('index %s', indexrelid::regclass)
		from pg_index join pg_class c on c.oid = indrelid
		where c.relnamespace in ('freshlist'::regnamespace, 'public'::regnamespace) and not indisprimary
		  and obj_description(indexrelid, 'pg_class') is null`)
	for _, what := range bare {
		t.Errorf("%s has no comment", what)
	}
}

// The queries of the contract find their rows by an index, in its order.
func TestIndexes(t *testing.T) {
	t.Parallel()
	conn := connect(t, migrated.New(t).Owner)
	if _, err := schema.Seed(t.Context(), conn, 20_000); err != nil {
		t.Fatal(err)
	}
	exec(t, conn, "analyze properties")
	const page = "select * from properties "
	for sql, index := range map[string]string{
		page + "order by created_at desc, id desc limit 21":                                                                       "properties_newest",
		page + "where (created_at, id) < ('2008-06-01Z', 500) order by created_at desc, id desc limit 21":                         "properties_newest",
		page + "order by price, id limit 21":                                                                                      "properties_price",
		page + "where (price, id) < (200000, 5) order by price desc, id desc limit 21":                                            "properties_price",
		page + "order by living_area nulls last, id limit 21":                                                                     "properties_area",
		page + "where (living_area, id) > (900, 5) order by living_area nulls last, id limit 21":                                  "properties_area",
		page + "order by living_area desc nulls last, id desc limit 21":                                                           "properties_area_down",
		page + "where (living_area, id) < (900, 5) order by living_area desc nulls last, id desc limit 21":                        "properties_area_down",
		page + "where city = 'FOLSOM' order by created_at desc, id desc limit 21":                                                 "properties_city_newest",
		page + "where city = 'FOLSOM' and price <= 500000 order by price, id limit 21":                                            "properties_city_price",
		page + "where postal_code = '95630' order by created_at desc, id desc limit 21":                                           "properties_postal_code_newest",
		page + "where latitude between 38.5 and 38.51 and longitude between -121.5 and -121.49 order by created_at desc limit 21": "properties_position",
		page + "where search @@ websearch_to_tsquery('english', 'auburn condo') limit 200":                                        "properties_search",
		page + "where id = 17": "properties_pkey",
	} {
		plan := strings.Join(list[string](t, conn, "explain (costs off) "+sql), "\n")
		if !strings.Contains(plan, index+"\n") && !strings.Contains(plan, index+" on") && !strings.HasSuffix(plan, index) {
			t.Errorf("%s does not use %s:\n%s", sql, index, plan)
		}
		ordered := strings.Contains(sql, "order by") && index != "properties_position"
		if ordered && strings.Contains(plan, "Sort") {
			t.Errorf("%s sorts:\n%s", sql, plan)
		}
	}
}

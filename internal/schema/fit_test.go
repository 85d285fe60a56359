package schema_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/db"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/schema"
)

// Columns that programs could not compare as PostgreSQL does are refused at installation, by
// name and with the remedy; with the remedy applied the installation goes through.
func TestMisfits(t *testing.T) {
	t.Parallel()
	const ci = "create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false); "
	const alter = "alter table properties alter "
	for _, test := range []struct{ sql, want string }{
		{ci + alter + "city type text collate ci", "column city takes different texts for equal"},
		{ci + alter + "description type text collate ci", "column description takes different"},
		{ci + alter + "postal_code type text collate ci", "column postal_code takes"},
		{ci + alter + "property_type type text collate ci", "column property_type takes"},
		{alter + "city type varchar(40)", "column city is character varying(40), not text"},
		{"create domain name_of_city as text; " + alter + "city type name_of_city", "is public.name_of_city, not text"},
		{alter + "status type char(10)", "is character(10)"},
		{alter + "bathrooms type numeric(4, 2)", "bathrooms is numeric(4,2), not numeric(3,1)"},
		{alter + "price type numeric(20, 4)", "price is numeric(20,4), not numeric(14,2)"},
		{alter + "price type numeric", "price is numeric, not numeric(14,2)"},
		{"create domain dollars as numeric(14, 2); " + alter + "price type dollars", "price is public.dollars"},
		{alter + "bedrooms type integer", "bedrooms is integer, not smallint"},
		{alter + "living_area type bigint", "living_area is bigint"},
		{alter + "latitude type real", "latitude is real, not double precision"},
		{alter + "created_at type timestamp", "created_at is timestamp without time zone"},
		{alter + "updated_at type timestamptz(3)", "updated_at is timestamp(3) with time zone"},
		{alter + "id type integer", "id is integer, not bigint"},
		{alter + "price drop not null", "price may be NULL"},
		{"alter table properties drop longitude", "longitude is missing"},
		{"alter table properties drop constraint properties_pkey", "id is not the primary key"},
		{"alter table properties drop constraint properties_pkey; create unique index on properties (id)", "column id is not the primary key"},
		{"alter table properties drop constraint properties_pkey, add primary key (id, city)", "not the primary key"},
		{"alter table properties drop constraint properties_pkey, add constraint \"other key\" primary key (title)", "the primary key"},
	} {
		t.Run(test.want, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, migrated.New(t).Superuser)
			if err := schema.Uninstall(t.Context(), conn); err != nil {
				t.Fatal(err)
			}
			exec(t, conn, test.sql)
			changed, err := schema.Install(t.Context(), conn)
			if changed || err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), ": ALTER TABLE public.properties ") {
				t.Fatalf("install: %t, %v; want %q and a remedy", changed, err, test.want)
			}
			if n := one[int](t, conn, "select count(*) from pg_trigger where tgname like 'freshlist%'"); n > 0 {
				t.Errorf("%d triggers of a table that does not fit", n)
			}
			_, remedy, _ := strings.Cut(err.Error(), ": ALTER")
			exec(t, conn, "ALTER"+remedy)
			if changed, err := schema.Install(t.Context(), conn); !changed || err != nil {
				t.Errorf("with the remedy: %t, %v", changed, err)
			}
		})
	}
}

// Every fault is told at once, by the installation and by what a running invalidator asks.
func TestMisfitsTogether(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	conn := connect(t, db.Owner)
	exec(t, conn, "alter table properties alter city drop not null, alter price drop not null")
	exec(t, conn, "comment on schema freshlist is 'of another version'")
	_, err := schema.Install(t.Context(), conn)
	fault := one[string](t, connect(t, db.Invalidator), "select freshlist.properties_fault()")
	for _, want := range []string{"column price may be NULL", "column city may be NULL"} {
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(fault, want) {
			t.Errorf("install: %v; fault %q; want %q", err, fault, want)
		}
	}
}

// Identity or none, generated and stored: the values are in the table all the same.
func TestFits(t *testing.T) {
	t.Parallel()
	conn := connect(t, migrated.New(t).Owner)
	if err := schema.Uninstall(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	exec(t, conn, `alter table properties alter id drop identity, drop living_area, add living_area integer generated always as (bedrooms * 10) stored,
		alter city type text collate "C"`)
	if changed, err := schema.Install(t.Context(), conn); !changed || err != nil {
		t.Errorf("install: %t, %v", changed, err)
	}
}

// A database that is not UTF8 is refused with words.
func TestEncodingRefused(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	admin := connect(t, server.URL("postgres"))
	for _, encoding := range []string{"LATIN1", "SQL_ASCII"} {
		name := "of_" + strings.ToLower(encoding)
		exec(t, admin, "create database "+name+" encoding '"+encoding+"' locale 'C' locale_provider libc template template0")
		if err := schema.Up(t.Context(), server.URL(name)); err == nil || !strings.Contains(err.Error(), "is "+encoding+", not UTF8") {
			t.Errorf("migrate: %v", err)
		}
		conn := connect(t, server.URL(name))
		table, err := db.Migrations.ReadFile("migrations/000001_properties.up.sql")
		if err != nil {
			t.Fatal(err)
		}
		exec(t, conn, string(table)) // migrated by somebody else
		_, err = schema.Install(t.Context(), conn)
		if err == nil || !strings.Contains(err.Error(), "is "+encoding+", not UTF8") {
			t.Errorf("install: %v", err)
		}
		_ = conn.Close(context.Background())
	}
}

// A writer who already has his lock on the table does not wait, in our trigger, for an
// installation or uninstallation that waits for him.
func TestInstallLocksTheTableFirst(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(context.Context, *pgx.Conn) error{
		"install":   func(ctx context.Context, c *pgx.Conn) error { _, err := schema.Install(ctx, c); return err },
		"uninstall": schema.Uninstall,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := migrated.New(t)
			conn, writer := connect(t, db.Owner), connect(t, db.Owner)
			exec(t, conn, "comment on schema freshlist is 'of another version'")
			exec(t, writer, "begin; set local lock_timeout = '10ms'; lock table properties in row exclusive mode")
			ended := make(chan error, 1)
			go func() { ended <- do(t.Context(), connect(t, db.Owner)) }()
			for range 3 { // the installer pauses between its tries
				for one[int](t, conn, "select count(*) from pg_locks as l join pg_database as d on d.oid = l.database where d.datname = current_database() and not l.granted") == 0 {
				}
				exec(t, writer, "savepoint s; update properties set price = 1; rollback to s")
			}
			exec(t, writer, "commit")
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

package schema_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/db"
	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/schema"
)

// unguard drops what keeps used columns as they are.
const unguard = "drop view freshlist.properties_guard; drop function freshlist.properties_key, freshlist.properties_image, freshlist.properties_masked_2; "

// What is not as it was described is a fault, by name. An installation takes it up, or refuses
// it with the remedy and changes nothing.
func TestMisfits(t *testing.T) {
	t.Parallel()
	const ci = "create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false); "
	const alter = "alter table properties alter "
	for _, test := range []struct{ sql, fault, refused string }{
		{ci + alter + "city type text collate ci", "column city of public.properties takes different texts for equal", "city, text, cannot be a facet"},
		{"alter table properties alter search drop expression; " + ci + alter + "description type text collate ci", "column description of public.properties takes different", ""},
		{ci + alter + "postal_code type text collate ci", "column postal_code of public.properties takes", ""},
		{alter + "status type text collate \"C\"", "column status of public.properties is ordered by its bytes", ""},
		{alter + "city type varchar(40)", "column city of public.properties is character varying(40), not text", ""},
		{"create domain name_of_city as text; " + alter + "city type name_of_city", "is public.name_of_city, not text", ""},
		{alter + "status type char(10)", "is character(10)", ""},
		{alter + "bathrooms type numeric(4, 2)", "is numeric(4,2), not numeric(3,1)", ""},
		{alter + "price type numeric(20, 4)", "is numeric(20,4), not numeric(14,2)", ""},
		{alter + "price type numeric", "is numeric, not numeric(14,2)", ""},
		{"create domain dollars as numeric(14, 2); " + alter + "price type dollars", "is public.dollars", ""},
		{alter + "bedrooms type integer", "is integer, not smallint", ""},
		{alter + "living_area type bigint", "is bigint", ""},
		{alter + "latitude type real", "is real, not double precision", ""},
		{alter + "created_at type timestamp", "is timestamp without time zone", ""},
		{alter + "updated_at type timestamptz(3)", "is timestamp(3) with time zone", ""},
		{alter + "id type integer", "is integer, not bigint", ""},
		{alter + "price drop not null", "column price of public.properties may be NULL", ""},
		{"alter table properties drop latitude", "column latitude of public.properties is missing", "has no column latitude"},
		{
			"alter table properties drop longitude, add longitude double precision generated always as (1 + 1) stored",
			"column longitude of public.properties is a generated column", "",
		},
		{"alter table properties drop constraint properties_pkey", "no unique index tells the rows of public.properties apart by id", "has no primary key"},
		{
			"alter table properties drop constraint properties_pkey, add constraint later primary key (id) deferrable",
			"no unique index tells the rows of public.properties apart by id", "two rows may have the same value",
		},
		{
			"alter table properties drop constraint properties_pkey; create unique index on properties (id) where id > 0",
			"no unique index tells", "has no primary key",
		},
		{
			"alter table properties drop constraint properties_pkey; create index on properties (id)",
			"no unique index tells", "has no primary key",
		},
		{"alter table properties drop constraint properties_pkey, add primary key (id, city)", "no unique index tells", "has 2 columns"},
		{"alter table properties drop constraint properties_pkey, add constraint \"other key\" primary key (title)", "no unique index tells", ""},
	} {
		t.Run(test.sql, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, migrated.New(t).Superuser)
			exec(t, conn, unguard+test.sql)
			if fault := one[string](t, conn, "select freshlist.fault()"); !strings.Contains(fault, test.fault) {
				t.Errorf("fault %q, want %q", fault, test.fault)
			}
			before := list[string](t, conn, catalogRows)
			changed, err := schema.Install(t.Context(), conn)
			if test.refused != "" {
				var faults description.Faults
				if changed || !errors.As(err, &faults) || !strings.Contains(err.Error(), test.refused) || len(faults[0].Help) == 0 {
					t.Errorf("install: %t, %v; want %q and a remedy", changed, err, test.refused)
				}
				if after := list[string](t, conn, catalogRows); !slices.Equal(before, after) {
					t.Error("the refused installation has written to the catalog")
				}
				return
			}
			if !changed || err != nil {
				t.Fatalf("install: %t, %v", changed, err)
			}
			exec(t, conn, "insert into properties (id, title, property_type, price, city) values (1, 't', 'Condo', 1, 'LOOMIS'); "+
				"update properties set price = 2; update properties set description = 'x'; update properties set description = 'X'")
			if n := one[int](t, conn, "select count(*) from freshlist.properties_changes"); n != 4 {
				t.Errorf("%d changes, want 4", n)
			}
		})
	}
}

// Every fault is told at once by what a running invalidator asks.
func TestMisfitsTogether(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	conn := connect(t, db.Owner)
	exec(t, conn, "alter table properties alter city drop not null, alter price drop not null")
	fault := one[string](t, connect(t, db.Invalidator), "select freshlist.fault()")
	for _, want := range []string{"column price of public.properties may be NULL", "column city of public.properties may be NULL"} {
		if !strings.Contains(fault, want) {
			t.Errorf("fault %q; want %q", fault, want)
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
		_, err = schema.InstallFile(t.Context(), conn, propertiesFile())
		if err == nil || !strings.Contains(err.Error(), "is "+encoding+", not UTF8") {
			t.Errorf("install: %v", err)
		}
		// Restored from a database in which it was installed.
		sources, err := schema.Sources(listingtest.Site())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range sources[:2] {
			_, err = conn.Exec(t.Context(), s.SQL)
		}
		if err == nil || !strings.Contains(err.Error(), "is "+encoding+", not UTF8") {
			t.Errorf("misfits: %v", err)
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

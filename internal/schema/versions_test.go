package schema_test

import (
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/schema"
)

func standing(t *testing.T, url string) schema.Version {
	t.Helper()
	v, err := schema.Status(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func migrateUp(t *testing.T, url string) uint {
	t.Helper()
	if err := schema.Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	v := standing(t, url)
	if v.Applied != v.Latest || v.Dirty {
		t.Fatalf("migrations: %+v", v)
	}
	return v.Latest
}

// A table of migrations that belongs to another application is left as it is.
func TestMigrationsOfAnother(t *testing.T) {
	t.Parallel()
	for name, theirs := range map[string]string{
		"the same tool, a number we do not know": "create table schema_migrations (version bigint primary key, dirty boolean not null); insert into schema_migrations values (37, false)",
		"the same tool, a number that we know":   "create table schema_migrations (version bigint primary key, dirty boolean not null); insert into schema_migrations values (1, true)",
		"another tool":                           "create table schema_migrations (version text primary key); insert into schema_migrations values ('20240131')",
		"a view":                                 "create view schema_migrations as select 1::bigint as version, false as dirty",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.New(t)
			conn := connect(t, url)
			exec(t, conn, theirs)
			before := one[string](t, conn, "select string_agg(s::text, ' ') from public.schema_migrations as s")
			if v := standing(t, url); v.Applied != 0 || v.Dirty {
				t.Errorf("taken for ours: %+v", v)
			}
			migrateUp(t, url)
			if err := schema.Down(t.Context(), url, 100); err != nil {
				t.Fatal(err)
			}
			if after := one[string](t, conn, "select string_agg(s::text, ' ') from public.schema_migrations as s"); after != before {
				t.Errorf("%s, before %s", after, before)
			}
			if one[bool](t, conn, "select exists (select from pg_namespace where nspname = 'freshlist')") {
				t.Error("the schema freshlist is left behind")
			}
		})
	}
}

// The status changes nothing.
func TestStatusOfAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	if v := standing(t, url); v.Applied != 0 || v.Latest == 0 || v.Dirty {
		t.Errorf("status %+v", v)
	}
	if one[bool](t, connect(t, url), "select exists (select from pg_class where relname = 'schema_migrations')") {
		t.Error("a look has made a table")
	}
}

// The table of migrations of a former version is taken over.
func TestFormerMigrations(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	conn := connect(t, url)
	latest := migrateUp(t, url)
	exec(t, conn, "alter table freshlist.schema_migrations set schema public; drop schema freshlist")
	if v := standing(t, url); v.Applied != latest {
		t.Errorf("status %+v before it is taken over, want %d", v, latest)
	}
	migrateUp(t, url)
	if got := one[string](t, conn, "select relnamespace::regnamespace::text from pg_class where relname = 'schema_migrations'"); got != "freshlist" {
		t.Errorf("schema_migrations is in %s", got)
	}
}

// A table that is in the way is named, in two lines, and nothing is changed.
func TestTableInTheWay(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	conn := connect(t, url)
	exec(t, conn, "create table properties (name text); insert into properties values ('kept')")
	err := schema.Up(t.Context(), url)
	if err == nil || strings.Count(err.Error(), "\n") != 1 || !strings.Contains(err.Error(), `"properties" already exists`) ||
		!strings.Contains(err.Error(), "nothing was changed") || !strings.Contains(err.Error(), "api describe") {
		t.Errorf("error %v", err)
	}
	if v := standing(t, url); v.Applied != 0 || v.Dirty {
		t.Errorf("status %+v", v)
	}
	if got := one[string](t, conn, "select name from properties"); got != "kept" {
		t.Errorf("the table holds %q", got)
	}
	exec(t, conn, "drop table properties")
	migrateUp(t, url)
}

// What keeps a migration from being taken back leaves the database where it was.
func TestDownIsRefused(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	conn := connect(t, url)
	latest := migrateUp(t, url)
	exec(t, conn, "create view rests_on_it as select * from properties")
	if err := schema.Down(t.Context(), url, 100); err == nil || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("error %v", err)
	}
	if v := standing(t, url); v.Applied == 0 || v.Applied > latest || v.Dirty {
		t.Errorf("status %+v", v)
	}
	exec(t, conn, "drop view rests_on_it")
	migrateUp(t, url)
}

// A migration that was cut off was kept or not, and force finds out.
func TestCutOffMigration(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	conn := connect(t, url)
	latest := migrateUp(t, url)
	if err := schema.Force(t.Context(), url, 0); err == nil || !strings.Contains(err.Error(), "no migration was cut off") {
		t.Errorf("force where nothing was cut off: %v", err)
	}
	if err := schema.Force(t.Context(), url, latest+1); err == nil {
		t.Error("forced a number that there is not")
	}
	cutOff := func(noted int, want uint) {
		t.Helper()
		exec(t, conn, "truncate freshlist.schema_migrations")
		exec(t, conn, "insert into freshlist.schema_migrations values ($1, true)", noted)
		for _, err := range []error{schema.Up(t.Context(), url), schema.Down(t.Context(), url, 1)} {
			if err == nil || !strings.Contains(err.Error(), "api migrate force") {
				t.Errorf("up or down of a dirty database: %v", err)
			}
		}
		if err := schema.Force(t.Context(), url, 0); err != nil {
			t.Fatal(err)
		}
		if v := standing(t, url); v.Applied != want || v.Dirty {
			t.Errorf("cut off at %d: %+v, want %d", noted, v, want)
		}
	}
	cutOff(int(latest), latest) // up was kept
	if latest == 1 {
		cutOff(-1, 1) // down was not
	} else {
		cutOff(int(latest)-1, latest)
	}
	if err := schema.Down(t.Context(), url, 1); err != nil {
		t.Fatal(err)
	}
	exec(t, conn, "create schema if not exists freshlist; create table if not exists freshlist.schema_migrations (version bigint primary key, dirty boolean not null)")
	cutOff(int(latest), latest-1) // up was not kept
	if latest > 1 {
		cutOff(int(latest)-1, latest-1) // down was
	}
	migrateUp(t, url)
}

// A database of a newer version is left as it is.
func TestNewerMigrations(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	conn := connect(t, url)
	latest := migrateUp(t, url)
	exec(t, conn, "update freshlist.schema_migrations set version = 999")
	if err := schema.Up(t.Context(), url); err == nil || !strings.Contains(err.Error(), "a newer version") {
		t.Errorf("error %v", err)
	}
	if err := schema.Force(t.Context(), url, latest); err != nil {
		t.Fatal(err)
	}
	migrateUp(t, url)
}

// What says which migrations are applied outlives an uninstallation, and follows the table to
// another owner.
func TestUninstallKeepsMigrations(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	conn := connect(t, url)
	latest := migrateUp(t, url)
	if _, err := schema.Install(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := schema.Uninstall(t.Context(), conn); err != nil {
			t.Fatal(err)
		}
		if v := standing(t, url); v.Applied != latest {
			t.Errorf("status %+v", v)
		}
		if left := one[string](t, conn, "select string_agg(relname, ' ') from pg_class where relnamespace = 'freshlist'::regnamespace and relkind in ('r', 'v')"); left != "schema_migrations" {
			t.Errorf("left behind: %s", left)
		}
	}
	migrateUp(t, url)
	if _, err := schema.Install(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
}

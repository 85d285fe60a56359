package schema_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/schema"
)

// catalogRows are all rows of the catalogs that an installation could write to.
const catalogRows = `
	select format('pg_class %s %s', oid, xmin) from pg_class where relnamespace not in ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace)
	union all select format('pg_proc %s %s', oid, xmin) from pg_proc where pronamespace = 'freshlist'::regnamespace
	union all select format('pg_trigger %s %s', oid, xmin) from pg_trigger
	union all select format('pg_namespace %s %s', oid, xmin) from pg_namespace
	union all select format('pg_type %s %s', oid, xmin) from pg_type where typnamespace = 'freshlist'::regnamespace
	union all select format('pg_attribute %s %s %s', attrelid, attnum, xmin) from pg_attribute where attrelid = 'properties'::regclass
	union all select format('pg_description %s %s', objoid, xmin) from pg_description where classoid = 'pg_namespace'::regclass
	order by 1`

// A second installation writes nothing and waits for nobody.
func TestInstallTwice(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	conn, writer := connect(t, db.Owner), connect(t, db.Owner)
	before := list[string](t, conn, catalogRows)
	if changed, err := schema.Install(t.Context(), conn); changed || err != nil {
		t.Fatalf("second installation: %t, %v", changed, err)
	}
	exec(t, writer, "begin; lock table properties in row exclusive mode")
	if changed, err := schema.Install(t.Context(), conn); changed || err != nil {
		t.Errorf("second installation beside a writer: %t, %v", changed, err)
	}
	if after := list[string](t, conn, catalogRows); !slices.Equal(before, after) {
		t.Error("the second installation has written to the catalog")
	}
	// Twin: with something to do it would have waited.
	exec(t, conn, "comment on schema freshlist is 'of another version'")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := schema.Install(ctx, connect(t, db.Owner)); err == nil {
		t.Error("an installation that has something to do has not waited for a writer: the test before proves nothing")
	}
}

// An installation over a former version, which had another name for the guard view, removes that
// view. The table of changes, on which the view depends, could not be dropped otherwise.
func TestInstallDropsFormerNames(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	conn := connect(t, db.Owner)
	exec(t, conn, "alter view freshlist.properties_guard rename to properties_keystone")
	exec(t, conn, "comment on schema freshlist is 'of a former version'")
	if changed, err := schema.Install(t.Context(), conn); !changed || err != nil {
		t.Fatalf("install over the former version: %t, %v", changed, err)
	}
	views := list[string](t, conn, "select viewname from pg_views where schemaname = 'freshlist'")
	if !slices.Equal(views, []string{"properties_guard"}) {
		t.Errorf("the views are %q, want properties_guard alone", views)
	}
}

// Somebody has put a wrong function in place, a writer has run it and is still open:
// the repair waits for that writer, whose change nobody will see but a new epoch.
func TestInstallWaits(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	conn, writer := connect(t, db.Owner), connect(t, db.Owner)
	exec(t, conn, "insert into properties (title, property_type, price, city) values ('t', 'Condo', 1, 'LOOMIS')")
	exec(t, conn, "create or replace function freshlist.properties_update() returns trigger language plpgsql as 'begin return null; end'")
	exec(t, writer, "begin; update properties set price = 2")
	installed := make(chan error, 1)
	go func() {
		installer := connect(t, db.Owner)
		changed, err := schema.Install(t.Context(), installer)
		if err == nil && !changed {
			t.Error("nothing was installed")
		}
		installed <- err
	}()
	waiting := "select count(*) from pg_locks where relation = 'public.properties'::regclass and not granted"
	for one[int](t, conn, waiting) == 0 {
		select {
		case err := <-installed:
			t.Fatalf("installed beside an open writer: %v", err)
		default:
		}
	}
	exec(t, writer, "commit")
	if err := <-installed; err != nil {
		t.Fatal(err)
	}
	exec(t, conn, "update properties set price = 3")
	if n := one[int](t, conn, "select count(*) from freshlist.properties_changes"); n != 1 {
		t.Errorf("%d changes after the repair, want 1", n)
	}
}

// An installation that cannot have the table says who has it.
func TestInstallGivesUp(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	conn, writer := connect(t, db.Owner), connect(t, db.Owner)
	exec(t, conn, "comment on schema freshlist is 'of another version'")
	exec(t, writer, "begin; lock table properties in row exclusive mode")
	err := schema.InstallTrying(t.Context(), conn, 2)
	if err == nil || !strings.Contains(err.Error(), "RowExclusiveLock") {
		t.Errorf("an installation that cannot have the table: %v", err)
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	conn := connect(t, url)
	if _, err := schema.Compare(t.Context(), conn); !errors.Is(err, schema.ErrNoTable) || !strings.Contains(err.Error(), "public.properties; run: api migrate up") {
		t.Errorf("before the migrations: %v, want ErrNoTable", err)
	}
	if err := schema.Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	check := func(want string) {
		t.Helper()
		if got, err := schema.Compare(t.Context(), conn); err != nil || !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("difference %q, %v; want %q", got, err, want)
		}
	}
	install := func() {
		t.Helper()
		if changed, err := schema.Install(t.Context(), conn); err != nil || !changed {
			t.Fatalf("install: %t, %v", changed, err)
		}
		check("")
	}
	check("not installed")
	install()
	exec(t, conn, "alter table properties disable trigger freshlist_insert")
	check("freshlist_insert is not ENABLE ALWAYS")
	install()
	exec(t, conn, "drop function freshlist.fault()")
	check("not complete")
	install()
	exec(t, conn, "comment on schema freshlist is 'other'")
	check("another version")
	install()
	exec(t, conn, "alter table freshlist.properties_changes add column more int")
	check("not as they were installed")
	install()
	if err := schema.Uninstall(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	check("not installed")
	exec(t, conn, "insert into properties (title, property_type, price, city) values ('t', 'Condo', 1, 'LOOMIS')")
	// What nobody sees in the description, and no installation mends.
	exec(t, conn, "set allow_system_table_mods = on; insert into pg_subscription_rel values (1, 'public.properties'::regclass, 'r', null)")
	if changed, err := schema.Install(t.Context(), conn); err == nil || !changed || !strings.Contains(err.Error(), "logical replication") {
		t.Errorf("install on a table that is fed by a subscription: %t, %v", changed, err)
	}
	exec(t, conn, "delete from pg_subscription_rel; reset allow_system_table_mods")
	exec(t, conn, "create table child () inherits (properties)")
	check("inherit from")
	if changed, err := schema.Install(t.Context(), conn); err == nil || changed || !strings.Contains(err.Error(), "inherit from") {
		t.Errorf("install on an inherited table: %t, %v", changed, err)
	}
}

// What a superuser installs belongs to the table's owner all the same: a function that
// runs with its owner's rights must not run with a superuser's.
func TestInstallAsSuperuser(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	conn := connect(t, db.Superuser)
	exec(t, conn, "drop schema freshlist cascade")
	if _, err := schema.Install(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	owners := list[string](t, conn, `
		select distinct pg_get_userbyid(o) from (
			select proowner from pg_proc where pronamespace = 'freshlist'::regnamespace
			union all select relowner from pg_class where relnamespace = 'freshlist'::regnamespace
			union all select nspowner from pg_namespace where nspname = 'freshlist') as owners (o)`)
	if !slices.Equal(owners, []string{"freshlist_owner"}) {
		t.Errorf("owners %q", owners)
	}
	if user := one[string](t, conn, "select current_user::text"); user != "postgres" {
		t.Errorf("the session goes on as %s", user)
	}
	may, err := schema.MayInstall(t.Context(), connect(t, db.API))
	if may || err != nil {
		t.Errorf("the API may install: %t, %v", may, err)
	}
	if _, err := schema.Install(t.Context(), connect(t, db.API)); err == nil {
		t.Error("the API's role has installed")
	}
}

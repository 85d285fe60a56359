package schema_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/schema"
)

// Each role may do what the contract says, and nothing else.
func TestRights(t *testing.T) {
	t.Parallel()
	conn := connect(t, migrated.New(t).Owner)
	const rights = `
		select format('%s %s', privilege, c.oid::regclass)
		from pg_class as c, unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) as privilege
		where c.relkind in ('r', 'v') and c.relnamespace in ('freshlist'::regnamespace, 'public'::regnamespace)
		  and has_table_privilege($1, c.oid, privilege)
		union all
		select format('%s schema %s', privilege, nspname) from pg_namespace, unnest(array['USAGE', 'CREATE']) as privilege
		where nspname in ('freshlist', 'public') and has_schema_privilege($1, oid, privilege)
		union all
		select format('EXECUTE %s', oid::regprocedure) from pg_proc
		where pronamespace = 'freshlist'::regnamespace and has_function_privilege($1, oid, 'EXECUTE')`
	for role, want := range map[string][]string{
		"public": {"USAGE schema public"},
		"freshlist_api": {
			"SELECT properties", "INSERT properties", "UPDATE properties", "DELETE properties",
			"USAGE schema public", "USAGE schema freshlist", "SELECT freshlist.description",
			"SELECT freshlist.idempotency_keys", "INSERT freshlist.idempotency_keys", "UPDATE freshlist.idempotency_keys", "DELETE freshlist.idempotency_keys",
			"EXECUTE freshlist.epoch()", "EXECUTE freshlist.banner()", "EXECUTE freshlist.described()",
		},
		"freshlist_invalidator": {
			"SELECT properties", "USAGE schema public", "USAGE schema freshlist", "SELECT freshlist.description",
			"SELECT freshlist.properties_changes", "DELETE freshlist.properties_changes",
			"SELECT freshlist.marker", "INSERT freshlist.marker", "UPDATE freshlist.marker",
			"SELECT freshlist.banner", "INSERT freshlist.banner", "UPDATE freshlist.banner",
			"EXECUTE freshlist.catalog()", "EXECUTE freshlist.fault()", "EXECUTE freshlist.repair()",
		},
	} {
		got := list[string](t, conn, rights, role)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", role, got, want)
		}
	}
	if one[bool](t, conn, "select rolsuper or rolbypassrls or rolcreaterole from pg_roles where rolname = current_user") {
		t.Error("the owner has more power than it needs")
	}
}

// Every function runs with its owner's rights and with a search_path of its own, or was
// parsed when it was made.
func TestFunctionsAreClosed(t *testing.T) {
	t.Parallel()
	conn := connect(t, migrated.New(t).Owner)
	const open = `
		select oid::regprocedure::text from pg_proc
		where pronamespace = 'freshlist'::regnamespace
		  and not ((prosecdef and proconfig @> array['search_path=pg_catalog, pg_temp'] or prosqlbody is not null)
		  	and proowner = 'freshlist_owner'::regrole)`
	if got := list[string](t, conn, open); len(got) > 0 {
		t.Errorf("%q are not as they must be", got)
	}
	exec(t, conn, "create function freshlist.open() returns int language sql as 'select 1'")
	if got := list[string](t, conn, open); len(got) != 1 {
		t.Error("an open function is not found: the test before proves nothing")
	}
}

// Nobody can hang a capture function on a table of his own and so forge changes.
func TestForgery(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	const forge = `
		create temp table mine (like public.properties);
		create trigger forge after insert on mine referencing new table as new_rows
		for each statement execute function freshlist.properties_insert()`
	_, err := connect(t, db.API).Exec(t.Context(), forge)
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != pgerrcode.InsufficientPrivilege {
		t.Errorf("forgery: %v, want it refused", err)
	}
	owner := connect(t, db.Owner)
	exec(t, owner, "grant execute on function freshlist.properties_insert() to public")
	if _, err := connect(t, db.API).Exec(t.Context(), forge); err != nil {
		t.Errorf("with EXECUTE for PUBLIC it is refused all the same (%v): the test before proves nothing", err)
	}
	if difference, _ := schema.Compare(t.Context(), owner); !strings.Contains(difference, "forge") {
		t.Errorf("difference %q", difference)
	}
}

// Roles that come later get their rights with the next installation.
func TestRolesComeLater(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	owner := connect(t, db.Owner)
	exec(t, owner, "revoke all on properties from freshlist_api; revoke usage on schema freshlist from freshlist_invalidator")
	if changed, err := schema.Install(t.Context(), owner); changed || err != nil {
		t.Fatalf("install: %t, %v", changed, err)
	}
	one[int](t, connect(t, db.API), "select count(*) from properties")
	one[int](t, connect(t, db.Invalidator), "select count(*) from freshlist.properties_changes")
}

// Where the table has another owner than the schema freshlist, an installation says so to
// each of both, and what it says to do goes through.
func TestInstallAfterAChangeOfOwner(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	super := connect(t, db.Superuser)
	exec(t, super, "alter table properties owner to freshlist_api")
	refused := func(role, url string) {
		t.Helper()
		_, err := schema.Install(t.Context(), connect(t, url))
		if err == nil || !strings.Contains(err.Error(), "freshlist_owner") || !strings.Contains(err.Error(), "superuser") {
			t.Errorf("the %s owner: %v, want an error that names the owner and the remedy", role, err)
		}
	}
	refused("new", db.API)
	exec(t, super, "drop trigger freshlist_update on properties")
	refused("former", db.Owner)
	refused("new", db.API)
	if err := schema.Uninstall(t.Context(), super); err != nil {
		t.Fatal(err)
	}
	exec(t, super, "do $$ begin execute format('grant create on database %I to freshlist_api', current_database()); end $$")
	if _, err := schema.InstallFile(t.Context(), connect(t, db.API), propertiesFile()); err != nil {
		t.Errorf("after what the error says: %v", err)
	}
}

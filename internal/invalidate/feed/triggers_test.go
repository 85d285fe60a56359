package feed_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/schema"
)

func TestReplicaRole(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	super := r.connect(r.db.Superuser)
	edit := func() {
		execOn(t, super, "set session_replication_role = replica; update public.properties set price = price + 1 where id = 1")
	}
	edit()
	r.expect("update 1: price")
	// Twin: a trigger that is merely enabled does not fire.
	r.exec("alter table properties enable trigger freshlist_update")
	edit()
	if got := r.drained(); len(got) > 0 {
		t.Errorf("without ENABLE ALWAYS changes %q have come: the test before proves nothing", got)
	}
}

// poison makes whoever puts it into his search_path call what is not PostgreSQL's.
const poison = `
	create schema poison;
	grant usage on schema poison to public;
	create function poison.never(record, record) returns boolean language plpgsql as 'begin return false; end';
	create operator poison.*<> (leftarg = record, rightarg = record, function = poison.never);
	create function poison.pg_current_xact_id() returns xid8 language sql as $$ select '1'::xid8 $$;
	create table poison.properties_changes (xid xid8)`

// poisoned returns a connection of a role that may write listings and nothing else,
// with a search_path full of traps.
func (r *rig) poisoned() *pgx.Conn {
	r.Helper()
	name := "writer_of_" + queryOn[string](r, r.owner, "select current_database()")
	super := r.connect(r.db.Superuser)
	execOn(r, super, poison+"; create role "+name+"; grant select, insert, update, delete, truncate on properties to "+name)
	r.Cleanup(func() {
		_, _ = super.Exec(context.Background(), "reset role; drop owned by "+name+"; drop role "+name)
	})
	execOn(r, super, "set role "+name+"; set search_path = poison, public, pg_catalog")
	return super
}

func TestStrangeWriter(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	writer := r.poisoned()
	// With this one in the path there is room for no change.
	execOn(t, r.connect(r.db.Superuser), `create function poison.always(bigint, integer) returns boolean language sql as 'select true';
		create operator poison.> (leftarg = bigint, rightarg = integer, function = poison.always)`)
	execOn(t, writer, "create temp table old_rows (id int); create temp table new_rows (id int)")
	for _, sql := range []string{
		raise(1), "update properties set price = price + 1 where id in (2, 3)", "delete from properties where id = 3",
		"insert into properties (id, title, property_type, price, city) values (4, 't', 'Condo', 1, 'LOOMIS')",
		"truncate properties",
	} {
		execOn(t, writer, sql)
	}
	r.expect("update 1: price", "update 2: price", "update 3: price", "delete 3", "insert 4", "whole table")
}

// Twin: without a search_path of its own the function would call the trap.
func TestStrangeWriterMisleads(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.edit("080_update.sql", "SECURITY DEFINER SET search_path = pg_catalog, pg_temp", "SECURITY DEFINER")
	execOn(t, r.poisoned(), raise(1))
	if got := r.drained(); len(got) > 0 {
		t.Errorf("with a poisoned search_path changes %q have come: the test before proves nothing", got)
	}
}

// Twin: with the writer's rights instead of the owner's every edit would fail.
func TestStrangeWriterWithoutRights(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.edit("080_update.sql", "SECURITY DEFINER SET", "SECURITY INVOKER SET")
	_, err := r.poisoned().Exec(t.Context(), raise(1))
	if !isCode(err, pgerrcode.InsufficientPrivilege) {
		t.Errorf("an edit by a stranger with a SECURITY INVOKER function: %v", err)
	}
}

func isCode(err error, code string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == code
}

// Writers see no error of ours, whatever happens to what capture rests on, and nothing
// stays unseen: either their changes come, or the invalidator finds a fault.
func TestGroundMoves(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, sql string
		want      []string // changes after an UPDATE, an INSERT, a DELETE and a TRUNCATE
		fault     string
	}{
		{
			name:  "a watched column renamed",
			sql:   "alter table properties rename column city to town",
			want:  []string{"update 1: price", "insert 4", "delete 4", "whole table"},
			fault: "renamed",
		},
		{
			name:  "a watched column dropped",
			sql:   "alter table properties drop column postal_code cascade",
			want:  []string{"whole table", "whole table", "whole table", "whole table"},
			fault: "dropped with CASCADE",
		},
		{
			name:  "the changes dropped",
			sql:   "drop table freshlist.properties_changes cascade",
			fault: "dropped with CASCADE",
		},
		{
			name:  "the schema renamed",
			sql:   "alter schema freshlist rename to freshlist_away",
			fault: "not installed",
		},
		{
			name:  "an unwatched column dropped",
			sql:   "alter table properties add column note text; alter table properties drop column note",
			want:  []string{"update 1: price", "insert 4", "delete 4", "whole table"},
			fault: "",
		},
		{
			name:  "the table renamed away and back",
			sql:   "alter table properties rename to p; alter table p rename to properties",
			want:  []string{"update 1: price", "insert 4", "delete 4", "whole table"},
			fault: "",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			writer := r.connect(r.db.Owner)
			execOn(t, writer, raise(1)) // a session whose plans are made
			r.drain()
			r.exec(test.sql)
			for _, conn := range []*pgx.Conn{writer, r.connect(r.db.Owner)} {
				execOn(t, conn, raise(1))
				execOn(t, conn, "insert into properties (id, title, property_type, price, "+cityOf(t, conn)+") values (4, 't', 'Condo', 1, 'LOOMIS')")
				execOn(t, conn, "delete from properties where id = 4")
				execOn(t, conn, "begin; truncate properties")
				execOn(t, conn, "commit")
				execOn(t, conn, "insert into properties (id, title, property_type, price, "+cityOf(t, conn)+") values (1, 't', 'Condo', 1, 'LOOMIS')")
			}
			if test.want != nil {
				want := slices.Repeat(append(test.want, strings.Replace(test.want[1], "4", "1", 1)), 2)
				r.expect(want...)
			}
			_, fault, err := feed.CheckCapture(t.Context(), r.conn)
			if err != nil || !strings.Contains(fault.Said, test.fault) || (fault.Said == "") != (test.fault == "") {
				t.Errorf("fault %+v, %v; want %q", fault, err, test.fault)
			}
		})
	}
}

// cityOf returns the present name of the column city.
func cityOf(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	return queryOn[string](t, conn, "select attname from pg_attribute where attrelid = 'properties'::regclass and attnum = 7")
}

// Twin: a function that does not look for the guard view fails its writer.
func TestGroundMovesUnguarded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.edit("080_update.sql", "to_regclass('freshlist.\"properties_guard\"') IS NULL", "to_regclass('pg_catalog.pg_class') IS NULL")
	r.exec("alter table properties drop column postal_code cascade")
	if _, err := r.owner.Exec(t.Context(), raise(1)); err == nil {
		t.Error("an unguarded capture function did not fail: the test before proves nothing")
	}
}

// PostgreSQL itself refuses to take away what capture rests on, and names the guard view.
func TestKeystone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, sql := range []string{
		"alter table properties drop column price",
		"alter table properties alter column price type numeric(20, 4)",
		"alter table properties alter column city type varchar(40)",
		"drop table properties",
		"drop table freshlist.properties_changes",
		"alter table freshlist.properties_changes drop column old_row",
		"alter type freshlist.properties_row drop attribute price",
		"alter type freshlist.properties_sets drop attribute city",
	} {
		_, err := r.owner.Exec(t.Context(), sql)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || !strings.Contains(pg.Message+pg.Detail, "freshlist.properties_") {
			t.Errorf("%s: %v, want a refusal that names the guard view", sql, err)
		}
	}
	r.exec(raise(1))
	r.expect("update 1: price")
}

// While nobody reads for long, each statement leaves one short row.
func TestOverflow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const limit, small = "> 4000000", "> 10"
	r.edit("070_insert.sql", limit, small)
	r.edit("080_update.sql", limit, small)
	r.edit("090_delete.sql", limit, small)
	r.exec("insert into properties (title, property_type, price, city) select 't', 'Condo', n, 'LOOMIS' from generate_series(1, 20) n")
	r.exec("select pg_stat_force_next_flush()")
	if got := r.drain(); len(got) != 20 {
		t.Fatalf("%d changes, want 20", len(got))
	}
	r.exec("insert into freshlist.properties_changes (xid) select '1' from generate_series(1, 20)")
	r.exec("select pg_stat_force_next_flush()")
	r.exec(raise(1))
	r.exec("update properties set price = price + 1")
	r.exec("insert into properties (title, property_type, price, city) values ('t', 'Condo', 1, 'LOOMIS')")
	r.exec("delete from properties")
	r.expect("whole table", "whole table", "whole table", "whole table")
}

// A row for which there seemed to be no room, and then is, is captured all the same:
// stats_fetch_consistency may make the statistics differ from one look to the next.
func TestRoomAfterAll(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.edit("080_update.sql", "> 4000000 THEN false", "> -1 THEN false")
	r.exec(raise(1))
	r.expect("update 1: price")
}

// Whatever lets changes go by unseen shows in the fingerprint, and, while it lasts, as a
// fault; install mends what is its own.
func TestCatalog(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, sql string
		fault     string
		mended    bool // by an installation
	}{
		{"disabled", "alter table properties disable trigger freshlist_update", "freshlist_update is not ENABLE ALWAYS", true},
		{"enabled, but not always", "alter table properties enable trigger freshlist_update", "freshlist_update is not ENABLE ALWAYS", true},
		{"enabled for replicas only", "alter table properties enable replica trigger freshlist_insert", "freshlist_insert is not ENABLE ALWAYS", true},
		{"all disabled", "alter table properties disable trigger user", "freshlist_delete is not ENABLE ALWAYS", true},
		{
			"disabled for a while in one transaction",
			"begin; alter table properties disable trigger user; update properties set price = 5; alter table properties enable always trigger freshlist_insert; " +
				"alter table properties enable always trigger freshlist_update; alter table properties enable always trigger freshlist_delete; " +
				"alter table properties enable always trigger freshlist_truncate; commit", "", true,
		},
		{"dropped", "drop trigger freshlist_truncate on properties", "freshlist_truncate is missing", true},
		{"another function under the trigger", `create function freshlist.idle() returns trigger language plpgsql as 'begin return null; end';
			revoke all on function freshlist.idle() from public;
			create or replace trigger freshlist_delete after delete on properties for each statement execute function freshlist.idle();
			alter table properties enable always trigger freshlist_delete`, "not as they were installed", true},
		{"a function replaced", "create or replace function freshlist.properties_update() returns trigger language plpgsql as 'begin return null; end'", "not as they were installed", true},
		{"a function loosened", "alter function freshlist.properties_update() security invoker", "not as they were installed", true},
		{"a function open to all", "grant execute on function freshlist.properties_update() to public", "PUBLIC may execute", true},
		{"an index of the changes dropped", "drop index freshlist.properties_changes_xid", "not as they were installed", true},
		{"a rewritten table", "alter table properties add column note text default clock_timestamp()::text", "", true},
		{"a table moved into place", "create table p (like properties including all); alter table properties rename to old; alter table p rename to properties", "freshlist_insert is missing", true},
		{"no table", "alter table properties rename to old", "there is no table", false},
		{"inherited", "create table child () inherits (properties)", "inherited", false},
		{"inheriting", "create table parent (title text); alter table properties inherit parent", "inherited", false},
		{"row security", "alter table properties enable row level security", "", true},
		{"uninstalled", "drop schema freshlist cascade", "not installed", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			if _, fault, err := feed.CheckCapture(t.Context(), r.conn); err != nil || fault.Said != "" {
				t.Fatalf("fault %+v, %v after an installation", fault, err)
			}
			r.exec(test.sql)
			if batch, err := r.feed.Drain(t.Context(), r.conn, r.at, most(10), true); err == nil && batch.Catalog == r.at.Catalog {
				t.Error("the fingerprint is the same")
			}
			if _, fault, err := feed.CheckCapture(t.Context(), r.conn); err != nil || !strings.Contains(fault.Said, test.fault) || (fault.Said == "") != (test.fault == "") {
				t.Errorf("fault %+v, %v; want %q", fault, err, test.fault)
			}
			if _, fault, _ := feed.CheckCapture(t.Context(), r.conn); fault.Why != whyOf(test.name, test.fault) {
				t.Errorf("fault %+v: want the reason %s", fault, whyOf(test.name, test.fault))
			}
			_, err := schema.Install(t.Context(), r.owner)
			_, fault, _ := feed.CheckCapture(t.Context(), r.conn)
			if mended := err == nil && fault.Said == ""; mended != test.mended {
				t.Errorf("after an installation: fault %+v, %v", fault, err)
			}
		})
	}
}

// whyOf returns the reason that a test of TestCatalog expects.
func whyOf(name, fault string) cachestate.Reason {
	switch {
	case fault == "":
		return cachestate.OK
	case name == "no table" || name == "uninstalled":
		return cachestate.NotInstalled
	}
	return cachestate.Capture
}

// The fingerprint stays the same while nothing happens to the table but its use.
func TestCatalogStays(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, sql := range []string{raise(1), "analyze properties", "vacuum freshlist.properties_changes", "create index on properties (bedrooms)", "truncate properties"} {
		r.exec(sql)
		stays := sql != "truncate properties" // which makes a new file
		if batch := must(r.feed.Drain(t.Context(), r.conn, r.at, most(10), true))(t); (batch.Catalog == r.at.Catalog) != stays {
			t.Errorf("%s: the fingerprint stays: %t", sql, !stays)
		}
	}
}

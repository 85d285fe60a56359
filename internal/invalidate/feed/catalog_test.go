package feed_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/schema"
)

// What comes and goes between two looks, edits unseen meanwhile, leaves another fingerprint.
func TestCatalogComesAndGoes(t *testing.T) {
	t.Parallel()
	const edit = "update properties set price = price + 1 where id = 1; "
	for name, sql := range map[string]string{
		"inherited from":       "create table par (price numeric(14, 2)); alter table properties inherit par; update par set price = 7777; alter table properties no inherit par; drop table par",
		"a partition":          "create table par (like properties) partition by list (status); alter table par attach partition properties default; update par set price = 7; alter table par detach partition properties; drop table par",
		"renamed":              "alter table properties rename to p; alter table p rename to properties",
		"moved":                "create schema s; alter table properties set schema s; alter table s.properties set schema public",
		"disabled":             "alter table properties disable trigger freshlist_update; " + edit + "alter table properties enable always trigger freshlist_update",
		"a function replaced":  "do $$ declare d text := pg_get_functiondef('freshlist.properties_update'::regproc); begin create or replace function freshlist.properties_update() returns trigger language plpgsql as 'begin return null; end'; update properties set price = 1; execute d; end $$",
		"a function renamed":   "alter function freshlist.properties_update() rename to f; alter function freshlist.f() rename to properties_update",
		"the schema renamed":   "alter schema freshlist rename to f; " + edit + "alter schema f rename to freshlist",
		"public renamed":       "alter schema public rename to p; alter schema p rename to public",
		"a trigger on changes": "create function freshlist.f() returns trigger language plpgsql as 'begin return null; end'; create trigger t before insert on freshlist.properties_changes for each row execute function freshlist.f(); " + edit + "drop trigger t on freshlist.properties_changes",
		"a rule on changes":    "create rule r as on insert to freshlist.properties_changes do instead nothing; " + edit + "drop rule r on freshlist.properties_changes",
		"a policy on changes":  "alter table freshlist.properties_changes enable row level security, force row level security; create policy p on freshlist.properties_changes using (false) with check (true); " + edit + "drop policy p on freshlist.properties_changes; alter table freshlist.properties_changes disable row level security, no force row level security",
		"a rule on the marker": "create rule r as on update to freshlist.marker do instead nothing; drop rule r on freshlist.marker",
		"changes truncated":    edit + "truncate freshlist.properties_changes",
		"changes logged":       "alter table freshlist.properties_changes set logged; alter table freshlist.properties_changes set unlogged",
		"changes moved":        "alter table freshlist.properties_changes rename to c; alter table freshlist.c rename to properties_changes",
		"unlogged":             "alter table properties set unlogged; alter table properties set logged",
		"a column made anew":   "drop view freshlist.properties_guard; drop function freshlist.properties_image, freshlist.properties_key, freshlist.properties_masked_2; alter table properties drop column latitude; alter table properties add column latitude double precision",
		"retyped":              "alter table properties add column note text; alter table properties alter column note type varchar; alter table properties alter column note type text; alter table properties drop column note",
		"NULL allowed":         "alter table properties alter column price drop not null; alter table properties alter column price set not null",
		"no key":               "alter table properties drop constraint properties_pkey; alter table properties add primary key (id)",
		"a policy":             "create policy p on properties using (true); alter policy p on properties using (false); alter policy p on properties using (true)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			conn := r.owner
			if strings.Contains(sql, "schema public rename") {
				conn = r.connect(r.db.Superuser)
			}
			execOn(t, conn, "begin; "+sql+"; commit")
			batch, err := r.feed.Drain(t.Context(), r.conn, r.at, most(10), true)
			if err == nil && batch.Catalog == r.at.Catalog {
				t.Error("the fingerprint is the same")
			}
		})
	}
}

// While something may take captured changes away, that is a fault, and an installation mends it.
func TestOwnTablesTouched(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		"create rule r as on insert to freshlist.properties_changes do instead nothing",
		"create function freshlist.f() returns trigger language plpgsql as 'begin return null; end'; create trigger t before insert on freshlist.properties_changes for each row execute function freshlist.f()",
		"alter table freshlist.marker enable row level security",
		"create table child () inherits (freshlist.properties_changes)",
	} {
		t.Run(sql, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.exec(sql)
			if _, fault, err := feed.CheckCapture(t.Context(), r.conn); !strings.Contains(fault.Said, "taken changes away") || fault.Why != cachestate.Capture || err != nil {
				t.Errorf("fault %+v, %v", fault, err)
			}
			r.exec("drop table if exists child")
			if _, err := schema.Install(t.Context(), r.owner); err != nil {
				t.Error(err)
			}
		})
	}
}

// What a subscription writes to the table fires no trigger: that is a fault, and it leaves
// another fingerprint while it lasts.
func TestFedByASubscription(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	execOn(t, r.connect(r.db.Superuser), "set allow_system_table_mods = on; insert into pg_subscription_rel values (1, 'public.properties'::regclass, 'r', null)")
	catalog, fault, err := feed.CheckCapture(t.Context(), r.conn)
	if err != nil || catalog == r.at.Catalog || !strings.Contains(fault.Said, "logical replication") {
		t.Errorf("fault %+v, %v, or the fingerprint is the same", fault, err)
	}
}

// Ordinary life begins no epoch.
func TestCatalogInOrdinaryLife(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, sql := range []string{
		"insert into properties (title, property_type, price, city) select 't', 'Condo', n, 'LOOMIS' from generate_series(1, 1000) n", "delete from properties where id > 3",
		"vacuum (freeze, analyze) properties", "vacuum (freeze, analyze) freshlist.properties_changes", "vacuum (freeze, analyze) freshlist.marker",
		"create index concurrently i on properties (bedrooms)", "reindex index concurrently i", "drop index concurrently i", "reindex table properties",
		"grant select on properties to freshlist_api", "grant select on all tables in schema public to freshlist_invalidator", "revoke truncate on properties from freshlist_api",
		"comment on table properties is 'listings'", "create statistics s on city, status from properties", "create table other (id int)",
		"create function f() returns trigger language plpgsql as 'begin return new; end'; create trigger t before update on properties for each row execute function f()",
		"analyze", "alter table properties set (fillfactor = 80)", "alter table properties add check (price > -1)",
	} {
		r.exec(sql)
		if catalog, fault, err := feed.CheckCapture(t.Context(), r.conn); catalog != r.at.Catalog || fault.Said != "" || err != nil {
			t.Fatalf("%s: another fingerprint, or fault %+v, %v", sql, fault, err)
		}
	}
}

// repair sets right what is enabled but not ALWAYS, and nothing else.
func TestRepair(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	repair := func() string {
		t.Helper()
		return queryOn[string](t, r.conn, "select freshlist.repair()")
	}
	writer := r.begin()
	execOn(t, writer.Conn(), raise(1))
	if did := repair(); did != "" { // nothing to do: no lock
		t.Errorf("it did %q", did)
	}
	if err := writer.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.exec("alter table properties disable trigger all; alter table properties enable trigger all")
	if did := repair(); did != "ENABLE ALWAYS freshlist_delete on public.properties, freshlist_insert on public.properties, "+
		"freshlist_truncate on public.properties, freshlist_update on public.properties" {
		t.Errorf("it did %q", did)
	}
	if catalog, fault, _ := feed.CheckCapture(t.Context(), r.conn); fault.Said != "" || catalog == r.at.Catalog {
		t.Errorf("fault %+v, or the fingerprint is the same", fault)
	}
	r.exec("alter table properties disable trigger freshlist_update; alter table properties enable trigger freshlist_insert; alter table properties enable replica trigger freshlist_delete")
	if did := repair(); did != "ENABLE ALWAYS freshlist_delete on public.properties, freshlist_insert on public.properties" {
		t.Errorf("it did %q", did)
	}
	if _, fault, _ := feed.CheckCapture(t.Context(), r.conn); fault.Said != "trigger freshlist_update is not ENABLE ALWAYS on public.properties" {
		t.Errorf("fault %+v", fault)
	}
	// It waits for writers, but not for long.
	r.exec("alter table properties enable trigger freshlist_update")
	writer = r.begin()
	execOn(t, writer.Conn(), raise(1))
	if _, err := r.conn.Exec(t.Context(), "select freshlist.repair()"); !isCode(err, "55P03") {
		t.Errorf("beside a writer: %v", err)
	}
	if _, err := r.connect(r.db.API).Exec(t.Context(), "select freshlist.repair()"); err == nil {
		t.Error("the API may repair")
	}
}

// repair looks again once it has the table: a trigger that somebody has disabled
// while it waited is left alone.
func TestRepairLooksAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec("alter table properties enable trigger freshlist_insert, enable trigger freshlist_update")
	loader := r.begin()
	execOn(t, loader.Conn(), "alter table properties disable trigger freshlist_update")
	repaired := make(chan string, 1)
	go func() {
		for {
			var did string
			if err := r.conn.QueryRow(t.Context(), "select freshlist.repair()").Scan(&did); !isCode(err, "55P03") {
				repaired <- fmt.Sprint(did, err)
				return
			}
		}
	}()
	waiting := "select exists (select from pg_locks where relation = 'public.properties'::regclass and not granted)"
	for start := time.Now(); !queryOn[bool](t, r.owner, waiting); {
		if time.Since(start) > patience {
			t.Fatal("nobody waits for the table")
		}
	}
	if err := loader.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if did := <-repaired; did != "ENABLE ALWAYS freshlist_insert on public.properties<nil>" {
		t.Errorf("it did %q", did)
	}
}

// A session with a short statement_timeout does not ring; one with a long one does. (A timeout
// that is set within a statement counts from the next one on.)
func TestDoorbellWithStatementTimeout(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	listener, sleeper := r.connect(r.db.Invalidator), r.connect(r.db.Invalidator)
	execOn(t, listener, "listen freshlist")
	fallAsleep(t, sleeper)
	for timeout, rings := range map[string]bool{"1ms": false, "99ms": false, "100ms": true, "1s": true, "2min": true, "1d": true} {
		r.exec("do $$ begin perform set_config('statement_timeout', '" + timeout + "', true); update properties set price = price + 1; end $$")
		if !rings {
			r.silent(listener, "of a writer with a statement_timeout of "+timeout)
		} else if payload := ringFrom(t, listener); payload != "" {
			t.Errorf("%q came instead of a ring of a writer with a statement_timeout of %s", payload, timeout)
		}
	}
}

// A writer with a lock_timeout tries the doorbell's lock, is captured, and does not ring.
func TestDoorbellWithLockTimeout(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	listener, sleeper := r.connect(r.db.Invalidator), r.connect(r.db.Invalidator)
	execOn(t, listener, "listen freshlist")
	fallAsleep(t, sleeper)
	name := queryOn[string](t, r.owner, "select current_database()")
	r.exec("create table parent (id int primary key); alter table properties add column p int references parent")
	settings := map[string]func() *pgx.Conn{
		"SET": func() *pgx.Conn { c := r.connect(r.db.Owner); execOn(t, c, "set lock_timeout = '30s'"); return c },
		"SET LOCAL": func() *pgx.Conn {
			c := r.connect(r.db.Owner)
			execOn(t, c, "begin; set local lock_timeout = '30s'")
			return c
		},
		"PGOPTIONS": func() *pgx.Conn { return r.connect(r.db.Owner + "&options=-c%20lock_timeout%3D30s") },
		"ALTER DATABASE": func() *pgx.Conn {
			execOn(t, r.connect(r.db.Superuser), "alter database "+name+" set lock_timeout = '30s'")
			defer execOn(t, r.connect(r.db.Superuser), "alter database "+name+" reset lock_timeout")
			return r.connect(r.db.Owner)
		},
		"ALTER ROLE": func() *pgx.Conn {
			execOn(t, r.connect(r.db.Superuser), "alter role freshlist_owner in database "+name+" set lock_timeout = '30s'")
			defer execOn(t, r.connect(r.db.Superuser), "alter role freshlist_owner in database "+name+" reset lock_timeout")
			return r.connect(r.db.Owner)
		},
	}
	for how, connect := range settings {
		writer := connect()
		if got := queryOn[string](t, writer, "show lock_timeout"); got != "30s" {
			t.Fatalf("%s: lock_timeout %s", how, got)
		}
		for _, sql := range []string{
			raise(1), "update properties set price = price + 1", "insert into properties (id, title, property_type, price, city) values (9, 't', 'Condo', 1, 'LOOMIS')",
			"delete from properties where id = 9", "truncate parent cascade",
			"insert into properties (id, title, property_type, price, city) select n, 't', 'Condo', 1, 'LOOMIS' from generate_series(1, 3) as n",
		} {
			before := queryOn[int](t, writer, "select count(*) from freshlist.properties_changes where xid = pg_current_xact_id() or pg_visible_in_snapshot(xid, pg_current_snapshot())")
			execOn(t, writer, sql)
			if after := queryOn[int](t, writer, "select count(*) from freshlist.properties_changes where xid = pg_current_xact_id() or pg_visible_in_snapshot(xid, pg_current_snapshot())"); after <= before {
				t.Errorf("%s: %s: nothing is captured", how, sql)
			}
		}
		execOn(t, writer, "commit")
		r.silent(listener, fmt.Sprintf("of a writer with a lock_timeout by %s", how))
	}
	wakeUp(t, sleeper)

	// It has tried: nobody can fall asleep before it has ended.
	for _, sql := range []string{
		raise(1), "update properties set price = price + 1", "insert into properties (id, title, property_type, price, city) values (10, 't', 'Condo', 1, 'LOOMIS')",
		"delete from properties where id = 1", "truncate properties",
	} {
		writer := r.begin()
		execOn(t, writer.Conn(), "set local lock_timeout = '30s'; "+sql)
		if queryOn[bool](t, sleeper, "select pg_try_advisory_lock($1)", schema.DoorbellLock) {
			t.Errorf("%s: a writer with a lock_timeout has not tried the lock", sql)
			wakeUp(t, sleeper)
		}
		if err := writer.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

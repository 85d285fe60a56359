package invalidate_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
)

// shownWithin is how long after its commit an edit may stay unseen, where the machine is
// not slower than that at the bare chain.
const shownWithin = 50 * time.Millisecond

// tries is how often a test about time may be held up by the machine. What the
// product does late it does late each time.
const tries = 5

// Every kind of statement by which a listing can change.
func statements() map[string]func(ctx context.Context, conn *pgx.Conn) error {
	sql := func(text string) func(context.Context, *pgx.Conn) error {
		return func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, text)
			return err
		}
	}
	return map[string]func(context.Context, *pgx.Conn) error{
		"INSERT":      sql("insert into properties (title, property_type, price, city) values ('New', 'Condo', 5, 'FOLSOM')"),
		"UPDATE":      sql("update properties set price = price + 1 where id = 1"),
		"UPDATE many": sql("update properties set price = price + 1"),
		"UPDATE FROM": sql("update properties as p set price = v.price from (values (1, 77.5), (2, 78)) as v (id, price) where p.id = v.id"),
		"UPDATE id":   sql("update properties set id = id + 1000 where id = 1"),
		"DELETE":      sql("delete from properties where id = 1"),
		"TRUNCATE":    sql("truncate properties"),
		"TRUNCATE CASCADE of a table it refers to": sql("truncate agencies cascade"),
		"ON DELETE CASCADE":                        sql("delete from agencies"),
		"COPY": func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.PgConn().CopyFrom(ctx, strings.NewReader("Copied\tCondo\t6\tFOLSOM\n"),
				"copy properties (title, property_type, price, city) from stdin")
			return err
		},
		"MERGE": sql(`merge into properties as p using (values (1, 9.5), (500, 10)) as v (id, price) on p.id = v.id
			when matched then update set price = v.price
			when not matched then insert (id, title, property_type, price, city) values (v.id, 'Merged', 'Condo', v.price, 'FOLSOM')`),
		"MERGE that deletes": sql("merge into properties as p using (values (1)) as v (id) on p.id = v.id when matched then delete"),
		"INSERT ON CONFLICT DO UPDATE": sql(`insert into properties (id, title, property_type, price, city) values (1, 'New', 'Condo', 5, 'FOLSOM')
			on conflict (id) do update set title = 'Upserted'`),
		"INSERT ON CONFLICT DO NOTHING": sql(`insert into properties (id, title, property_type, price, city)
			values (1, 'New', 'Condo', 5, 'FOLSOM'), (501, 'New', 'Condo', 5, 'FOLSOM') on conflict do nothing`),
		"WITH":                 sql("with gone as (delete from properties where id = 1 returning *) update properties set price = 8 where id = (select id + 1 from gone)"),
		"UPDATE of a view":     sql("update folsom set price = 11 where id = 1"),
		"DELETE from a view":   sql("delete from folsom where id = 1"),
		"a function":           sql("select reprice(12)"),
		"DO":                   sql("do $$ begin update properties set price = 13 where id = 1; end $$"),
		"DO with COMMIT":       sql("do $$ begin update properties set price = 14 where id = 1; commit; update properties set price = 15 where id = 2; end $$"),
		"a prepared statement": sql("prepare p as update properties set price = 16 where id = 1; execute p; deallocate p"),
		"a trigger of another": sql("insert into agencies values (7)"),
		"several in one query": sql("update properties set price = 17 where id = 1; update properties set price = 18 where id = 1"),
	}
}

const surroundings = `
	create table agencies (id int primary key);
	alter table properties add column agency int references agencies on delete cascade;
	create view folsom as select * from properties where city = 'FOLSOM';
	create function reprice(to_price numeric) returns void language sql as 'update properties set price = to_price where id = 1';
	create function price_by_agency() returns trigger language plpgsql as
		'begin update properties set price = 19 where id = 1; return null; end';
	create trigger price after insert on agencies for each row when (new.id = 7) execute function price_by_agency();
	select setval(pg_get_serial_sequence('properties', 'id'), 2000)`

const anew = `
	truncate agencies cascade;
	insert into agencies values (1);
	insert into properties (id, title, property_type, price, city, agency)
		select n, 'House ' || n, 'Condo', 1000 * n, 'FOLSOM', 1 from generate_series(1, 10) as n`

// After every kind of statement, the next read more than 50 ms after the commit
// shows it, as JSON and as a page.
func TestEveryStatementIsSeen(t *testing.T) {
	t.Parallel()
	eachPartitioning(t, func(t *testing.T, partitions int) {
		d := deployment.New(t, deployment.Options{Partitions: partitions})
		d.Exec(surroundings)
		d.Invalidate()
		api, conn, chain := d.API(), d.Connect(), bareChain(d)
		for name, run := range statements() {
			least, limit := time.Hour, shownWithin
			for range tries {
				d.AwaitApplied(d.Exec(anew))
				warm(d, api, folsom)
				before := api.Fresh(folsom, formats[0])
				d.Must(run(t.Context(), conn))
				committed := time.Now()
				if api.Fresh(folsom, formats[0]) == before {
					t.Fatalf("%s changes nothing that is shown", name)
				}
				least, limit = min(least, unseen(d, api, committed)), max(limit, chainsAPurge*chain())
				if least <= limit {
					break
				}
			}
			if least > limit {
				t.Errorf("%s is not seen by a read %v after its commit, want at most %v", name, least, limit)
			}
		}
	})
}

// unseen reads until both formats show what the database has, and returns how long
// after the commit the last read began that did not.
func unseen(d *deployment.Deployment, api *deployment.API, committed time.Time) (last time.Duration) {
	d.Helper()
	for _, f := range formats {
		want := api.Fresh(folsom, f)
		d.Await("the statement to be seen", func() bool {
			began := time.Since(committed)
			if api.Get(folsom, f).Body == want {
				return true
			}
			last = max(last, began)
			return false
		})
	}
	return last
}

// begin opens a transaction of its own.
func begin(d *deployment.Deployment) pgx.Tx {
	d.Helper()
	tx, err := d.Connect().Begin(d.Context())
	d.Must(err)
	return tx
}

func exec(d *deployment.Deployment, tx pgx.Tx, sql string) {
	d.Helper()
	_, err := tx.Exec(d.Context(), sql)
	d.Must(err)
}

// Only what is committed is purged for, each transaction when it commits, in
// whatever order they began. A beat is minutes away throughout.
func TestTransactionsArePurgedForWhenTheyCommit(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{Bound: rareBeats})
	d.Invalidate()
	listings(d, "FOLSOM", 1, 9)
	api := d.API()
	const one, two, three, four, five = "properties/1", "properties/2", "properties/3", "properties/4", "properties/5"
	warm(d, api, one, two, three, four, five)
	heard := d.Listen()
	soon := func(last string, others ...string) {
		t.Helper()
		committed := time.Now()
		names, at := heard.Until(last)
		delete(names, last)
		for _, o := range others {
			if !names[o] {
				t.Errorf("%s was not purged before %s", o, last)
			}
			delete(names, o)
		}
		if len(names) > 0 {
			t.Errorf("%v were purged too, before %s", names, last)
		}
		if delay := at.Sub(committed); delay > late {
			t.Errorf("%s was purged %v after its commit", last, delay)
		}
	}

	first, second, rolledBack := begin(d), begin(d), begin(d)
	exec(d, first, "update properties set price = price + 1 where id = 1")
	exec(d, rolledBack, "update properties set price = price + 1 where id = 5")
	exec(d, second, "update properties set price = price + 1 where id = 2")
	d.Must(rolledBack.Rollback(t.Context()))

	d.Exec("update properties set price = price + 1 where id = 3") // while two writers are open
	soon(three)
	d.Must(second.Commit(t.Context())) // it began later than first
	soon(two)

	exec(d, first, "savepoint s")
	exec(d, first, "update properties set price = price + 1 where id = 5")
	exec(d, first, "rollback to s")
	exec(d, first, "update properties set price = price + 1 where id = 4")
	warm(d, api, two, three)
	d.Exec("update properties set price = price + 1 where id = 3")
	soon(three)
	d.Must(first.Commit(t.Context()))
	names, _ := heard.Until(four)
	if !names[one] {
		_, _ = heard.Until(one)
	}
	if there := cached(d, one, two, three, four, five); there[one] || !there[two] || there[three] || there[four] || !there[five] {
		t.Errorf("cached are %v, want properties 2 and 5", there)
	}
}

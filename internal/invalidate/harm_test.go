package invalidate_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/pgtest"
)

// The conditions on pg_locks by which doorbellLock sees what the invalidator does.
const (
	asleep = "mode = 'ExclusiveLock' and granted"
	asking = "mode = 'ExclusiveLock' and not granted"
)

// writing has so many sessions, set up by a statement, change a listing each in one
// transaction after another, until stop is called, which returns how many failed.
func writing(d *deployment.Deployment, sessions int, setup string) (written *atomic.Int64, stop func() (failures int64)) {
	d.Helper()
	d.Exec(`insert into properties (id, title, property_type, price, city)
		select n, 'House', 'Condo', 1000, 'LODI' from generate_series(1001, 1000 + $1::bigint) as n`, sessions)
	ctx, cancel := context.WithCancel(d.Context())
	var writers sync.WaitGroup
	var failed atomic.Int64
	written = new(atomic.Int64)
	for n := range sessions {
		conn := d.Connect()
		_, err := conn.Exec(ctx, setup)
		d.Must(err)
		writers.Go(func() {
			for ctx.Err() == nil {
				_, err := conn.Exec(context.WithoutCancel(ctx), "update properties set price = price + 1 where id = $1", 1001+n)
				if err != nil {
					d.TB.Log(err)
					failed.Add(1)
				}
				written.Add(1)
			}
		})
	}
	stop = sync.OnceValue(func() int64 {
		cancel()
		writers.Wait()
		return failed.Load()
	})
	d.Cleanup(func() { stop() })
	return written, stop
}

// awaitWrites waits for so many more writes.
func awaitWrites(d *deployment.Deployment, written *atomic.Int64, more int64) {
	d.Helper()
	until := written.Load() + more
	d.Await(fmt.Sprint(more, " more writes"), func() bool { return written.Load() >= until })
}

// awaitBeats waits for so many more beats.
func awaitBeats(d *deployment.Deployment, i *deployment.Invalidator, more uint64) {
	d.Helper()
	until := i.Metrics.Beats.Value() + more
	d.Await(fmt.Sprint(more, " more beats"), func() bool { return i.Metrics.Beats.Value() >= until })
}

// silentFor waits until a condition, by which writers are silent, has held at all of many looks
// in a row, with writes in between. (It may be seen to hold between two askings, too.)
func silentFor(d *deployment.Deployment, written *atomic.Int64, silent func() bool) {
	d.Helper()
	const looks, most = 30, 600
	for n, row := 0, 0; row < looks; n++ {
		if n > most {
			d.Fatalf("writers ring on, after %d writes", written.Load())
		}
		awaitWrites(d, written, 2)
		if row++; !silent() {
			row = 0
		}
	}
}

// Beside a transaction that has captured silently and stays open, writers ring for a moment
// only: the request for the doorbell's lock is withdrawn while much comes, and asked for
// again when little does. A grant then is no leftover of the withdrawn one.
func TestRequestIsWithdrawnWhileMuchComes(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{Bound: rareBeats})
	d.Invalidate()
	listings(d, "GALT", 2, 3)
	writer, observer := silent(d, 3, 2)[0], d.Connect()
	written, stop := writing(d, 4, "")
	silentFor(d, written, func() bool { return !doorbellLock(d, observer, asking) })
	if failures := stop(); failures > 0 {
		t.Errorf("%d writes failed", failures)
	}
	d.Await("the lock to be asked for again", func() bool { return doorbellLock(d, observer, asking) })
	_, err := writer.Exec(t.Context(), "commit")
	d.Must(err)
	awaitSleep(d, observer)
	heard := d.Listen()
	fill(d, []string{galt})
	d.Exec("update properties set price = price + 1 where id = 2")
	heard.Until(galt)
}

// Neither a standby, nor a leader that waits for a silent writer for long, leaves lines in
// PostgreSQL's log, also where that tells of long waits for locks.
func TestNothingInTheLogOfPostgres(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, "log_lock_waits=on", "deadlock_timeout=50ms")
	d := deployment.New(t, deployment.Options{Postgres: server})
	leader := d.Invalidate()
	listings(d, "GALT", 2, 3)
	silent(d, 3, 2)
	standby := d.Standby()
	d.Await("the other one to wait", func() bool { return standby.Report().Role == "standby" })
	for _, line := range server.Complaints(t) {
		t.Logf("before: %s", line)
	}
	before := len(server.Complaints(t))
	awaitBeats(d, leader, 8)
	for _, line := range server.Complaints(t)[before:] {
		t.Errorf("logged: %s", line)
	}
}

// hang has somebody's NOTIFY hang in its commit, in another database, as for a synchronous
// standby that is gone. It ends when the returned function is called.
func hang(d *deployment.Deployment, server *pgtest.Server) (end func()) {
	d.Helper()
	url := server.New(d.TB)
	foreign, err := pgx.Connect(d.Context(), url)
	d.Must(err)
	for _, sql := range []string{"create table foreign_table (n int)", "set synchronous_commit = on"} {
		_, err = foreign.Exec(d.Context(), sql)
		d.Must(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := foreign.Exec(context.WithoutCancel(d.Context()), "begin; insert into foreign_table values (1); notify anything; commit")
		done <- err
	}()
	observer := d.Connect()
	d.Await("the foreign NOTIFY to hang", func() (hangs bool) {
		d.Must(observer.QueryRow(d.Context(), `select exists (select from pg_locks
			where locktype = 'object' and classid = 'pg_database'::regclass and objid = 0 and granted and pid = $1)`,
			foreign.PgConn().PID()).Scan(&hangs))
		return hangs
	})
	end = sync.OnceFunc(func() {
		admin, err := pgx.Connect(context.Background(), url)
		d.Must(err)
		_, err = admin.Exec(context.Background(), "select pg_cancel_backend($1)", foreign.PgConn().PID())
		d.Must(err)
		<-done
		_ = admin.Close(context.Background())
		_ = foreign.Close(context.Background())
	})
	d.Cleanup(end)
	return end
}

// stuckServer has a synchronous standby that is not there; only who asks for it waits.
func stuckServer(t *testing.T) *pgtest.Server {
	t.Helper()
	return pgtest.Start(t, "synchronous_standby_names=nobody", "synchronous_commit=local")
}

// waiters counts who waits behind the NOTIFY that hangs.
func waiters(d *deployment.Deployment, conn *pgx.Conn) (n int) {
	d.Helper()
	d.Must(conn.QueryRow(d.Context(), `select count(*) from pg_locks as l join pg_stat_activity as a using (pid)
		where l.locktype = 'object' and l.classid = 'pg_database'::regclass and l.objid = 0 and not l.granted
		  and a.application_name not like 'freshlist-invalidator%'`).Scan(&n))
	return n
}

// While somebody else's NOTIFY hangs, the invalidator leads on by looking, and writers stay
// silent; also one that starts then.
func TestForeignNotifyHangs(t *testing.T) {
	t.Parallel()
	for _, before := range []bool{true, false} {
		t.Run(fmt.Sprintf("invalidator starts before=%v", before), func(t *testing.T) {
			t.Parallel()
			server := stuckServer(t)
			d := deployment.New(t, deployment.Options{Postgres: server})
			listing := "insert into properties (id, title, property_type, price, city) values (1, 'House', 'Condo', 1000, 'FOLSOM')"
			d.Exec(listing)
			observer := d.Connect()
			var i *deployment.Invalidator
			if before {
				i = d.Invalidate()
				awaitSleep(d, observer)
			}
			end := hang(d, server)
			if !before {
				i = d.Invalidate()
			}
			d.Await("the invalidator to be awake", func() bool { return !doorbellLock(d, observer, asleep) })
			began := term(d)
			api := d.API()
			warm(d, api, folsom)
			heard := d.Listen()
			for range 5 {
				d.Exec("update properties set price = price + 1 where id = 1")
				heard.Until(folsom)
				warm(d, api, folsom)
				awaitBeats(d, i, 1)
				for range 20 {
					if got := api.Get(folsom, formats[0]).CacheStatus; got != hit {
						t.Errorf("%s, want a hit", got)
					}
				}
			}
			if doorbellLock(d, observer, "mode = 'ExclusiveLock'") {
				t.Error("the doorbell's lock is held or asked for while rings hang")
			}
			if n := waiters(d, observer); n > 0 {
				t.Errorf("%d writers wait behind the NOTIFY that hangs", n)
			}
			if now := term(d); now != began {
				t.Errorf("term %d has begun after %d", now, began)
			}
			end()
		})
	}
}

// That somebody's NOTIFY hangs is seen with the next beat or so, long before the invalidator
// would have rung to itself anyway: each writer that rings meanwhile is stuck.
func TestForeignNotifyIsSeenWithTheBeats(t *testing.T) {
	t.Parallel()
	server := stuckServer(t)
	d := deployment.New(t, deployment.Options{Postgres: server, Bound: time.Second})
	i := d.Invalidate()
	observer := d.Connect()
	awaitSleep(d, observer)
	hang(d, server)
	before := i.Metrics.Beats.Value()
	d.Await("the invalidator to be awake", func() bool { return !doorbellLock(d, observer, asleep) })
	if beats := i.Metrics.Beats.Value() - before; beats > 8 { // it rings to itself each 20 of them
		t.Errorf("awake after %d beats", beats)
	}
}

// Nobody waits for a NOTIFY that hangs, also before the invalidator has seen it.
func TestNoWriterWaitsForAForeignNotify(t *testing.T) {
	t.Parallel()
	server := stuckServer(t)
	d := deployment.New(t, deployment.Options{Postgres: server, Bound: rareBeats})
	d.Invalidate()
	observer := d.Connect()
	awaitSleep(d, observer)
	end := hang(d, server)
	for !doorbellLock(d, observer, asleep) { // a ping of its own has come in between: this proves nothing
		end()
		awaitSleep(d, observer)
		end = hang(d, server)
	}
	for _, timeout := range []string{"0", "1min"} {
		writer := d.Connect()
		_, err := writer.Exec(t.Context(), "set statement_timeout = '"+timeout+"'")
		d.Must(err)
		done := make(chan error, 1)
		go func() {
			_, err := writer.Exec(context.WithoutCancel(t.Context()), "insert into properties (title, property_type, price, city) values ('House', 'Condo', 1000, 'FOLSOM')")
			done <- err
		}()
		select {
		case err := <-done:
			d.Must(err)
		case <-time.After(time.Minute):
			t.Errorf("with statement_timeout = %s a writer waits for a NOTIFY that hangs", timeout)
			end()
			<-done
		}
	}
}

// A writer with a lock_timeout never waits for the ring of another.
func TestNoWriterIsFailedByARing(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, "fsync=on", "commit_delay=50000", "commit_siblings=0")
	d := deployment.New(t, deployment.Options{Postgres: server})
	d.Invalidate()
	observer := d.Connect()
	awaitSleep(d, observer)
	written, stop := writing(d, 4, "set lock_timeout = '30ms'")
	for range 8 {
		awaitWrites(d, written, 50)
	}
	if failures := stop(); failures > 0 {
		t.Errorf("%d of %d writes failed", failures, written.Load())
	}
}

// Where commits are slow, writers that ring would wait for one another. The invalidator sees
// that, is awake soon and stays so, and nobody waits.
func TestSlowCommits(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, "fsync=on", "commit_delay=50000", "commit_siblings=0")
	d := deployment.New(t, deployment.Options{Postgres: server})
	d.Invalidate()
	observer := d.Connect()
	awaitSleep(d, observer)
	written, stop := writing(d, 2, "")
	silentFor(d, written, func() bool { return !doorbellLock(d, observer, "mode = 'ExclusiveLock'") })
	if failures := stop(); failures > 0 {
		t.Errorf("%d writes failed", failures)
	}
}

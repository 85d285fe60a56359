package invalidate_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/local"
	"github.com/freshlist/freshlist/internal/pgtest"
)

// A transaction that was prepared before a crash ends after it. What it captured, the crash
// has taken; so what was cached before its end is void, however it ends.
func TestPreparedTransactionOutlivesACrash(t *testing.T) {
	t.Parallel()
	for _, ending := range []string{"commit", "rollback"} {
		for _, crash := range []string{"of the server", "of one process"} {
			for _, successor := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, crash %s, successor %t", ending, crash, successor), func(t *testing.T) {
					t.Parallel()
					server := pgtest.Start(t, "max_prepared_transactions=5")
					d := deployment.New(t, deployment.Options{Postgres: server})
					i := d.Invalidate()
					listings(d, "FOLSOM", 1, 3)
					before := d.Beat(0).Epoch
					prepare(d, "lost", 1)
					if crash == "of the server" {
						server.Restart(t, local.Immediate)
					} else {
						crashBackend(d)
					}
					epoch := awaitEpoch(d, before)
					if n := i.Report().Uncaptured; n != 1 {
						t.Errorf("%d uncaptured transactions are reported, want 1", n)
					}
					if successor {
						i.Stop()
						i = d.Invalidate()
					}
					keeps(d, epoch, "kept", 2)
					finish(d, ending, "lost")
					last := awaitEpoch(d, epoch)
					if n := i.Report().Uncaptured; n != 0 {
						t.Errorf("%d uncaptured transactions are reported when it has ended", n)
					}
					keeps(d, last, "again", 3)
				})
			}
		}
	}
}

// prepare prepares a transaction that changes one listing.
func prepare(d *deployment.Deployment, name string, id int) (xid uint64) {
	d.Helper()
	conn := d.Connect()
	d.Must(conn.QueryRow(d.Context(), "select pg_current_xact_id()").Scan(nil))
	_, err := conn.Exec(d.Context(), fmt.Sprintf("begin; update properties set price = price + 1 where id = %d", id))
	d.Must(err)
	d.Must(conn.QueryRow(d.Context(), "select pg_current_xact_id()").Scan(&xid))
	_, err = conn.Exec(d.Context(), "prepare transaction '"+name+"'")
	d.Must(err)
	return xid
}

func finish(d *deployment.Deployment, ending, name string) {
	d.Helper()
	_, err := d.Connect().Exec(d.Context(), ending+" prepared '"+name+"'")
	d.Must(err)
}

// keeps fails the test unless an ordinary prepared transaction is purged for like any other
// and leaves the epoch as it is.
func keeps(d *deployment.Deployment, epoch, name string, id int) {
	d.Helper()
	query := propertyOf(id)
	fill(d, []string{query})
	xid := prepare(d, name, id)
	finish(d, "commit", name)
	d.AwaitApplied(xid)
	if present(d, []string{query}) != 0 {
		d.Errorf("%s is still there", query)
	}
	if now := d.Beat(0).Epoch; now != epoch {
		d.Errorf("an ordinary prepared transaction has begun epoch %s", now)
	}
}

func propertyOf(id int) string { return fmt.Sprintf("properties/%d", id) }

// awaitEpoch waits for a beat of another epoch than before, and returns it.
func awaitEpoch(d *deployment.Deployment, before string) (epoch string) {
	d.Helper()
	d.Await("another epoch than "+before, func() bool {
		beat := d.Beat(0)
		if beat != nil {
			epoch = beat.Epoch
		}
		return beat != nil && epoch != before
	})
	return epoch
}

// crashBackend kills one process of PostgreSQL, which thereupon ends all others and recovers.
func crashBackend(d *deployment.Deployment) {
	d.Helper()
	var pid int
	d.Must(d.Connect().QueryRow(d.Context(), "select pg_backend_pid()").Scan(&pid))
	d.Must(syscall.Kill(pid, syscall.SIGKILL))
}

// An invalidator that is started with other settings begins a new epoch, and again when they
// come back (interleaving C16).
func TestChangedAgreement(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(d *deployment.Deployment){
		"bound":      func(d *deployment.Deployment) { d.Bound *= 2 },
		"partitions": func(d *deployment.Deployment) { d.Partitions, d.Space.Partitions = 2, 2 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := deployment.New(t, deployment.Options{})
			first := d.Invalidate()
			one := d.Beat(0).Epoch
			first.Stop()
			options, space := d.Options, d.Space
			change(d)
			second := d.Invalidate()
			two := d.Beat(0).Epoch
			second.Stop()
			d.Options, d.Space = options, space
			d.Invalidate()
			if three := d.Beat(0).Epoch; one == two || two == three || one == three {
				t.Errorf("epochs %s, %s, %s, want three", one, two, three)
			}
		})
	}
}

// Capture that was altered while nobody led: what went by unseen is not taken for applied.
func TestCaptureAlteredWhileNobodyLeads(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{})
	first := d.Invalidate()
	listings(d, "FOLSOM", 1, 1)
	epoch := d.Beat(0).Epoch
	first.Stop()
	unseen := d.Exec(unseenEdit)
	d.Invalidate()
	d.AwaitApplied(unseen)
	if d.Beat(0).Epoch == epoch {
		t.Error("the epoch goes on")
	}
}

// What capture rests on may go and come back without waiting for those who write meanwhile.
// One of them commits in the epoch that begins then: what was cached before is void.
func TestWriterOutlivesAFaultOfCapture(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string][2]string{
		"the schema renamed": {"alter schema freshlist rename to away", "alter schema away rename to freshlist"},
		"the guard view renamed": {"alter view freshlist.properties_guard rename to away; alter table freshlist.properties_changes rename to gone",
			"alter view freshlist.away rename to properties_guard; alter table freshlist.gone rename to properties_changes"},
		"the schema renamed, the marker deleted": {"alter schema freshlist rename to away",
			"alter schema away rename to freshlist; delete from freshlist.marker"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := deployment.New(t, deployment.Options{})
			i := d.Invalidate()
			listings(d, "FOLSOM", 1, 2)
			before := d.Beat(0).Epoch
			writer := d.Connect()
			run := func(sql string) {
				t.Helper()
				_, err := writer.Exec(t.Context(), sql)
				d.Must(err)
			}
			d.Exec(fault[0])
			run("begin; savepoint s; update properties set price = price + 1 where id = 1")
			d.Exec(fault[1])
			epoch := awaitEpoch(d, before)
			if n := i.Report().Uncaptured; n != 1 {
				t.Errorf("%d uncaptured transactions are reported, want 1", n)
			}
			query := propertyOf(1)
			fill(d, []string{query})
			run("commit")
			last := awaitEpoch(d, epoch)
			if n := i.Report().Uncaptured; n != 0 {
				t.Errorf("%d uncaptured transactions are reported when it has ended", n)
			}
			d.AwaitApplied(d.Exec("update properties set price = price + 1 where id = 2"))
			if now := d.Beat(0).Epoch; now != last {
				t.Errorf("an ordinary transaction has begun epoch %s", now)
			}
		})
	}
}

// unseenEdit is an edit past the triggers, after which they are as before.
const unseenEdit = `
	alter table properties disable trigger freshlist_update;
	update properties set price = price + 1 where id = 1;
	alter table properties enable always trigger freshlist_update`

// Between two beats a proof is renewed for those who wait to see their own write. It is not,
// in the same epoch, if something has gone by unseen. Beats are 12 s apart.
func TestRenewalReadsTheCatalog(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{Bound: time.Minute})
	i := d.Invalidate()
	listings(d, "FOLSOM", 1, 2)
	epoch := d.Beat(0).Epoch
	d.Await("it to sleep", func() bool { return i.Metrics.Sleeps.Value() > 0 })
	quiet := time.Now()
	d.Await("the next renewal to be due", func() bool { return time.Since(quiet) > 100*time.Millisecond })
	unseen := d.Exec(unseenEdit)
	d.Await("a proof that sees the edit", func() bool {
		d.Exec("update properties set price = price + 1 where id = 2")
		beat := d.Beat(0)
		if beat == nil || !beat.Sees(unseen) {
			return false
		}
		if beat.Epoch == epoch {
			t.Error("a proof of the old epoch sees the edit")
		}
		return true
	})
}

// In a new epoch registrations are numbered anew: what is known of the old one, under higher
// numbers, must not pass for later. The window of the page was narrow and is wide then.
func TestNewEpochForgetsWhatWasKnown(t *testing.T) {
	t.Parallel()
	const page = "properties?city=FOLSOM&sort=price&limit=1"
	d := deployment.New(t, deployment.Options{})
	i := d.Invalidate()
	listings(d, "FOLSOM", 1, 3)
	fill(d, views("properties?city=GALT&min_price=%d", 20))
	warm(d, d.API(), page) // its window ends at the second listing
	d.Await("all queries to be known", func() bool { return i.Report().Live == 21 })
	before := d.Beat(0).Epoch
	d.Must(d.Redis.Del(t.Context(), d.Space.Fence(0)).Err())
	awaitEpoch(d, before)
	fill(d, []string{page})
	d.AwaitApplied(d.Exec("update properties set price = price + 1 where id = 3"))
	if present(d, []string{page}) != 0 {
		t.Error("the page is judged by its old window")
	}
}

// purgeFails has some purges of a client fail before they are sent.
type purgeFails struct {
	channel string // which only a purge names
	armed   atomic.Bool
	failed  atomic.Int64
}

var errCutOff = errors.New("cut off")

func (f *purgeFails) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (f *purgeFails) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (f *purgeFails) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if purges(cmds, f.channel) && f.armed.CompareAndSwap(true, false) {
			f.failed.Add(1)
			for _, c := range cmds {
				c.SetErr(errCutOff)
			}
			return errCutOff
		}
		return next(ctx, cmds)
	}
}

// A purge fails and has not come to Redis. The next leadership of the process goes on with
// what is known, the query of the failed purge among it (interleaving E6), and learns no
// query again.
func TestFailedPurgeIsMadeUpFor(t *testing.T) {
	t.Parallel()
	const known = 700
	d := deployment.New(t, deployment.Options{})
	fails := &purgeFails{channel: d.Space.Purged(0)}
	i, stop := startHooked(d, fails)
	defer stop()
	listings(d, "FOLSOM", 1, 1)
	fill(d, append(views("properties?city=GALT&min_price=%d", known), propertyOf(1)))
	d.Await("all queries to be known", func() bool { return i.Report().Live == known+1 })
	epoch, before, learned := d.Beat(0).Epoch, term(d), i.Metrics.Registrations.Value()
	fails.armed.Store(true)
	token := d.Exec("update properties set price = price + 1 where id = 1")
	d.Await("a purge to fail", func() bool { return fails.failed.Load() > 0 })
	d.AwaitApplied(token)
	if term(d) == before || d.Beat(0).Epoch != epoch {
		t.Error("it has not led again in the same epoch")
	}
	if present(d, []string{propertyOf(1)}) != 0 {
		t.Error("the query of the failed purge is still there")
	}
	if again := i.Metrics.Registrations.Value() - learned; again != 0 {
		t.Errorf("%d registrations were read again", again)
	}
}

// A leader that loses its session goes on where it was.
func TestLostSessionCostsNoLearning(t *testing.T) {
	t.Parallel()
	const known = 1500
	d := deployment.New(t, deployment.Options{})
	i := d.Invalidate()
	fill(d, views("properties?city=GALT&min_price=%d", known))
	d.Await("all queries to be known", func() bool { return i.Report().Live == known })
	before, learned, beats := term(d), i.Metrics.Registrations.Value(), i.Metrics.Beats.Value()
	_, err := d.Superuser().Exec(t.Context(), `
		select pg_terminate_backend(pid) from pg_stat_activity
		where datname = current_database() and application_name = 'freshlist-invalidator lock'`)
	d.Must(err)
	awaitTerm(d, before)
	d.Await("a beat", func() bool { return i.Metrics.Beats.Value() > beats+1 })
	if again := i.Metrics.Registrations.Value() - learned; again != 0 {
		t.Errorf("%d registrations were read again", again)
	}
	if live := i.Report().Live; live != known {
		t.Errorf("%d queries are known, want %d", live, known)
	}
}

// awaitTerm waits for a later term, which begins soon.
func awaitTerm(d *deployment.Deployment, before int64) {
	d.Helper()
	conn := d.Connect()
	awaitLong(d, "another term", func() bool {
		var now int64
		d.Must(conn.QueryRow(d.Context(), "select max(term) from freshlist.marker").Scan(&now))
		return now > before
	})
}

// A leader keeps its session for as long as it works, also when nothing happens.
func TestLeaderKeepsItsSession(t *testing.T) {
	t.Parallel()
	// A beat comes each 3 s, and a session that is idle for 7.5 s ends: a busy machine may keep
	// the process waiting for some seconds.
	d := deployment.New(t, deployment.Options{Bound: 15 * time.Second})
	i := d.Invalidate()
	first := term(d)
	d.Await("the beats of more than 7.5 s", func() bool { return i.Metrics.Beats.Value() > 4 })
	var sessions int
	d.Must(d.Superuser().QueryRow(t.Context(), `
		select count(*) from pg_locks as l join pg_stat_activity as a on a.pid = l.pid
		where l.locktype = 'advisory' and l.granted and a.datname = current_database()
		  and a.application_name = 'freshlist-invalidator lock'`).Scan(&sessions))
	if sessions == 0 || term(d) != first {
		t.Errorf("%d locks are held, term %d, want some in term %d", sessions, term(d), first)
	}
}

// A bulk load that disables the triggers and enables them again: the invalidator puts capture
// in order itself, in a new epoch. While they are disabled it leaves them alone.
func TestTriggersThatAreEnabledAgain(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{})
	i := d.Invalidate()
	listings(d, "FOLSOM", 1, 1)
	first := d.Beat(0).Epoch
	d.Exec("alter table properties disable trigger all")
	d.Await("the fault to be told", func() bool { return i.Report().Capture != "ok" })
	d.Exec("update properties set price = price + 1 where id = 1")
	var state string
	enabled := func() string {
		d.Must(d.Connect().QueryRow(t.Context(), `select string_agg(distinct tgenabled::text, '') from pg_trigger
			where tgrelid = 'properties'::regclass and tgname like 'freshlist%'`).Scan(&state))
		return state
	}
	if enabled() != "D" {
		t.Errorf("the triggers' state is %s, want D", state)
	}
	d.Exec("alter table properties enable trigger all")
	d.AwaitApplied(d.Exec("update properties set price = price + 1 where id = 1"))
	if d.Beat(0).Epoch == first || enabled() != "A" {
		t.Errorf("epoch %s after %s, triggers are %s, want another and A", d.Beat(0).Epoch, first, state)
	}
}

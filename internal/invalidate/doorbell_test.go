package invalidate_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/schema"
)

// A doorbell test has beats, and so drains that nobody rings for, 12 minutes apart: a
// change that is neither rung for nor found before the sleep is late by minutes, which no
// busy machine is.
const (
	rareBeats = time.Hour
	late      = time.Minute

	enoughSleeps = 100              // of each database
	ringing      = 10 * time.Second // at most, should the machine be too busy for so many
	fewSleeps    = 5                // prove little: these are waited for
)

// bursts writes random transactions in bursts, with pauses around the time after
// which the invalidator tries to sleep, and returns how long after its commit each
// change was purged for, and how long the bare chain took between the bursts.
func bursts(d *deployment.Deployment, invalidator *deployment.Invalidator, random *rand.Rand) (delays, chains []time.Duration) {
	d.Helper()
	reader := rediscache.NewReader(d.Redis, d.Space, strings.Repeat("0", 16),
		rediscache.Limits{Lease: time.Hour, View: time.Hour, Queryset: time.Hour, Live: d.Live})
	conns := []*pgx.Conn{d.Connect(), d.Connect()}
	heard, chain := d.Listen(), bareChain(d)
	sleeps := invalidator.Metrics.Sleeps.Value
	for end := time.Now().Add(ringing); sleeps() < fewSleeps || sleeps() < enoughSleeps && time.Now().Before(end); {
		committed := map[string]time.Time{}
		n := 1 + random.IntN(5)
		for id := 1; id <= n+1; id++ {
			if _, _, err := reader.Acquire(d.Context(), fmt.Sprintf("properties/%d", id)); err != nil && !errors.Is(err, rediscache.ErrHeld) {
				d.Fatalf("acquire: %v", err)
			}
		}
		for id := 1; id <= n; id++ {
			write(d, conns[id%2], id, random)
			committed[fmt.Sprintf("properties/%d", id)] = time.Now()
		}
		if random.IntN(4) > 0 {
			wake(d, conns[0], n+1)
			committed[fmt.Sprintf("properties/%d", n+1)] = time.Now()
		}
		timeout := time.NewTimer(late)
		for len(committed) > 0 {
			select {
			case m := <-heard.C:
				if at, ok := committed[m.Query]; ok {
					delays = append(delays, m.At.Sub(at))
					delete(committed, m.Query)
				}
			case <-timeout.C:
				d.Fatalf("after %d sleeps, not purged for within %v: %v", sleeps(), late, committed)
			}
		}
		timeout.Stop()
		chains = append(chains, chain())
		<-time.After(time.Duration(30+random.IntN(15)) * time.Millisecond) // it tries to sleep after 38 ms without a change
	}
	return delays, chains
}

// chainsAPurge is how many bare chains a purge may take. Undisturbed it takes two or three.
const chainsAPurge = 10

// bareChain returns a function that measures what a purge takes at least: a commit that
// notifies, a query of who was notified, a message by Redis.
func bareChain(d *deployment.Deployment) func() time.Duration {
	d.Helper()
	writer, listener := d.Connect(), d.Connect()
	_, err := listener.Exec(d.Context(), "listen bare_chain")
	d.Must(err)
	messages := d.Redis.Subscribe(d.Context(), d.Space.Prefix+"bare_chain")
	d.Cleanup(func() { d.Must(messages.Close()) })
	_, err = messages.Receive(d.Context())
	d.Must(err)
	return func() time.Duration {
		d.Helper()
		began := time.Now()
		_, err := writer.Exec(d.Context(), "notify bare_chain")
		d.Must(err)
		_, err = listener.WaitForNotification(d.Context())
		d.Must(err)
		_, err = listener.Exec(d.Context(), "select 1")
		d.Must(err)
		d.Must(d.Redis.Publish(d.Context(), d.Space.Prefix+"bare_chain", "").Err())
		_, err = messages.ReceiveMessage(d.Context())
		d.Must(err)
		return time.Since(began)
	}
}

// wake changes one property many times in so quick a succession that a sleeping
// invalidator wakes up.
func wake(d *deployment.Deployment, conn *pgx.Conn, id int) {
	d.Helper()
	_, err := conn.Exec(d.Context(), fmt.Sprintf(`do $$ begin
		for n in 1..40 loop update properties set price = price + 1 where id = %d; commit; end loop;
	end $$`, id))
	d.Must(err)
}

// write commits a change of one property, with others around it that are rolled
// back.
func write(d *deployment.Deployment, conn *pgx.Conn, id int, random *rand.Rand) {
	d.Helper()
	const change = "update properties set price = price + 1 where id = "
	other, this := change+"20", fmt.Sprint(change, id)
	var statements []string
	switch random.IntN(5) {
	case 0:
		statements = []string{"begin", other, "rollback", "begin", this, "commit"}
	case 1:
		statements = []string{"begin", "savepoint s", other, "rollback to s", this, "commit"}
	case 2:
		statements = []string{"begin", this, "savepoint s", other, "rollback to s", "commit"}
	default:
		statements = []string{this}
	}
	for _, s := range statements {
		_, err := conn.Exec(d.Context(), s)
		d.Must(err)
	}
}

// Many sleeps and wakes in each of several databases: every change is
// purged for at once, and none is lost, with nothing but the doorbell to hear it by.
func TestDoorbell(t *testing.T) {
	t.Parallel()
	const databases = 2
	var mu sync.Mutex
	var sleeps uint64
	var delays, chains []time.Duration
	t.Run("databases", func(t *testing.T) {
		for n := range databases {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				d := deployment.New(t, deployment.Options{Bound: rareBeats})
				invalidator := d.Invalidate()
				listings(d, "FOLSOM", 1, 20)
				took, bare := bursts(d, invalidator, rand.New(rand.NewPCG(18, uint64(n))))
				mu.Lock()
				defer mu.Unlock()
				delays, chains = append(delays, took...), append(chains, bare...)
				sleeps += invalidator.Metrics.Sleeps.Value()
			})
		}
	})
	if t.Failed() {
		return
	}
	slices.Sort(delays)
	median, p99 := delays[len(delays)/2], delays[len(delays)*99/100]
	t.Logf("%d sleeps, %d changes: median %v, p99 %v, longest %v",
		sleeps, len(delays), median, p99, delays[len(delays)-1])
	// Awake, the invalidator looks every 20 ms at most. A machine that is slower than that at
	// the bare chain of a ring is slower at a purge, too.
	slices.Sort(chains)
	if limit := max(20*time.Millisecond, chainsAPurge*chains[len(chains)/2]); median > limit {
		t.Errorf("half of the changes are purged for after more than %v, want at most %v", median, limit)
	}
}

// doorbellLock reports whether somebody holds or asks for the doorbell's lock in the way that
// a condition on pg_locks says.
func doorbellLock(d *deployment.Deployment, conn *pgx.Conn, condition string) (there bool) {
	d.Helper()
	d.Must(conn.QueryRow(d.Context(), `select exists (select from pg_locks where locktype = 'advisory' and `+condition+`
		and database = (select oid from pg_database where datname = current_database())
		and (classid::bigint << 32) + objid::bigint = $1)`, schema.DoorbellLock).Scan(&there))
	return there
}

// awaitSleep waits until the invalidator sleeps. On a slow machine that takes long: after a
// ping that hung it stays awake for 10 s, and for longer each time.
func awaitSleep(d *deployment.Deployment, conn *pgx.Conn) {
	d.Helper()
	awaitLong(d, "the invalidator to sleep", func() bool { return doorbellLock(d, conn, asleep) })
}

// The twin: a change that does not ring while the invalidator sleeps is found with
// the next beat only. Nothing else looks, but for a few looks behind a ring beside which
// transactions of any database were in progress, and after a ping that hung. So the server is
// the test's own, and it is enough if one silent change stays unheard.
func TestSilentChangeIsLate(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{Bound: rareBeats, Postgres: pgtest.Start(t)})
	d.Invalidate()
	listings(d, "FOLSOM", 1, 2)
	conn, api, heard := d.Connect(), d.API(), d.Listen()
	unheard := func() bool {
		awaitSleep(d, conn)
		warm(d, api, "properties/1", "properties/2")
		d.Exec("update properties set price = price + 1 where id = 1") // the drain that follows the lock has been, when this is heard
		heard.Until("properties/1")
		d.Exec("insert into freshlist.properties_changes (xid) values (pg_current_xact_id())") // anything may have changed
		timeout := time.NewTimer(time.Second)
		defer timeout.Stop()
		select {
		case <-heard.C:
			return false
		case <-timeout.C:
			return true
		}
	}
	for attempts := 1; !unheard(); attempts++ {
		if attempts == 20 {
			t.Fatalf("each of %d silent changes was purged for without a ring", attempts)
		}
	}
	d.Exec("update properties set price = price + 1 where id = 1")
	heard.Until("properties/2")
}

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

	"github.com/freshlist/freshlist/internal/cache"
	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/schema"
)

// A doorbell test has beats, and so drains that nobody rings for, 24 s apart: a
// change that is neither rung for nor found before the sleep is late by seconds.
const (
	rareBeats = 2 * time.Minute
	late      = 2 * time.Second

	enoughSleeps = 500              // of each database
	ringing      = 40 * time.Second // at most, should the machine be too busy for so many
)

// bursts writes random transactions in bursts, with pauses around the time after
// which the invalidator tries to sleep, and returns how long after its commit each
// change was purged for.
func bursts(d *deployment.Deployment, invalidator *deployment.Invalidator, random *rand.Rand) (delays []time.Duration) {
	d.Helper()
	reader := cache.NewReader(d.Redis, d.Space, strings.Repeat("0", 16),
		cache.Limits{Lease: time.Hour, View: time.Hour, Queryset: time.Hour, Live: d.Live})
	conns := []*pgx.Conn{d.Connect(), d.Connect()}
	heard := d.Listen()
	for end := time.Now().Add(ringing); time.Now().Before(end) && invalidator.Metrics.Sleeps.Value() < enoughSleeps; {
		committed := map[string]time.Time{}
		n := 1 + random.IntN(5)
		for id := 1; id <= n+1; id++ {
			if _, _, err := reader.Acquire(d.Context(), fmt.Sprintf("properties/%d", id)); err != nil && !errors.Is(err, cache.ErrHeld) {
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
				d.Fatalf("after %d sleeps, not purged for within %v: %v", invalidator.Metrics.Sleeps.Value(), late, committed)
			}
		}
		timeout.Stop()
		<-time.After(time.Duration(30+random.IntN(15)) * time.Millisecond) // it tries to sleep after 38 ms without a change
	}
	return delays
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

// A thousand sleeps and wakes in each of several databases: every change is
// purged for at once, and none is lost, with nothing but the doorbell to hear it by.
func TestDoorbell(t *testing.T) {
	t.Parallel()
	const databases = 2
	var mu sync.Mutex
	var sleeps uint64
	var delays []time.Duration
	t.Run("databases", func(t *testing.T) {
		for n := range databases {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				d := deployment.New(t, deployment.Options{Bound: rareBeats})
				invalidator := d.Invalidate()
				listings(d, "FOLSOM", 1, 20)
				took := bursts(d, invalidator, rand.New(rand.NewPCG(18, uint64(n))))
				mu.Lock()
				defer mu.Unlock()
				delays = append(delays, took...)
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
	if sleeps < 5*databases {
		t.Errorf("%d sleeps prove little", sleeps)
	}
	if median > 20*time.Millisecond {
		t.Errorf("half of the changes are purged for after more than %v", median)
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

// The twin: a change that does not ring while the invalidator sleeps is found with
// the next beat only. Nothing else looks.
func TestSilentChangeIsLate(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{Bound: rareBeats})
	d.Invalidate()
	listings(d, "FOLSOM", 1, 2)
	conn := d.Connect()
	d.Await("the invalidator to sleep", func() bool { return doorbellLock(d, conn, asleep) })
	heard := d.Listen()
	api := d.API()
	warm(d, api, "properties/1", "properties/2")
	d.Exec("update properties set price = price + 1 where id = 1") // the drain that follows the lock has been, when this is heard
	heard.Until("properties/1")
	d.Exec("insert into freshlist.properties_changes (xid) values (pg_current_xact_id())") // anything may have changed
	timeout := time.NewTimer(time.Second)
	defer timeout.Stop()
	select {
	case m := <-heard.C:
		t.Errorf("%s was purged without a ring", m.Query)
	case <-timeout.C:
	}
	d.Exec("update properties set price = price + 1 where id = 1")
	heard.Until("properties/2")
}

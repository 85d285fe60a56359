package invalidate_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
)

// slowPurges has every purge of a client take so long, in nanoseconds.
type slowPurges struct {
	channel string // which only a purge names
	by      atomic.Int64
	begun   atomic.Int64 // how many there have been
}

func (s *slowPurges) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (s *slowPurges) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (s *slowPurges) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if purges(cmds, s.channel) {
			s.begun.Add(1)
			time.Sleep(time.Duration(s.by.Load()))
		}
		return next(ctx, cmds)
	}
}

// A leader that would like to sleep waits for a silent writer, when an edit comes that takes
// longer to purge for than its session may be idle. It leads on; whether the writer commits
// meanwhile, and so gives way to the lock, or later, its change is purged for. A process that
// does not run for seconds rightly loses the lead, so on a busy machine one attempt may fail.
func TestLongRoundWhileTheLockIsAskedFor(t *testing.T) {
	t.Parallel()
	for _, meanwhile := range []bool{false, true} {
		t.Run(fmt.Sprintf("commits meanwhile=%v", meanwhile), func(t *testing.T) {
			t.Parallel()
			for attempts := 1; !leadsThroughALongRound(t, meanwhile); attempts++ {
				if attempts == 5 {
					t.Fatalf("in each of %d attempts the lead was lost", attempts)
				}
			}
		})
	}
}

// leadsThroughALongRound reports whether the term is the same after a long round as before.
func leadsThroughALongRound(t *testing.T, meanwhile bool) bool {
	t.Helper()
	const each, delay = 900, 900 * time.Millisecond
	d := deployment.New(t, deployment.Options{Bound: 6 * time.Second})
	slow := &slowPurges{channel: d.Space.Purged(0)}
	_, stop := startHooked(d, slow)
	defer stop()
	listings(d, "FOLSOM", 1, 1)
	listings(d, "GALT", 2, 2)
	listings(d, "LODI", 3, 3)
	many := views("properties?city=FOLSOM&min_price=%d", each)
	fill(d, append(many, galt))
	writer := silent(d, 3, 2)[0]
	before := term(d)

	heard := d.Listen()
	slow.by.Store(int64(delay))
	began := time.Now()
	token := d.Exec("update properties set price = price + 1 where id = 1")
	if meanwhile {
		<-heard.C
		_, err := writer.Exec(t.Context(), "commit")
		d.Must(err)
		heard.Until(galt)
	}
	d.AwaitApplied(token)
	if took := time.Since(began); took < d.Bound/2 { // its session may be idle for so long
		t.Errorf("the round took %v, which proves little", took)
	}
	slow.by.Store(0)
	if !meanwhile {
		_, err := writer.Exec(t.Context(), "commit")
		d.Must(err)
		heard.Until(galt)
	}
	if n := present(d, append(many, galt)); n != 0 {
		t.Errorf("%d queries are still there", n)
	}
	d.AwaitApplied(d.Exec("update properties set price = price + 1 where id = 2"))
	return term(d) == before
}

// The lock is granted when the last drain of a round is over and the round is not: what the
// silent writer has committed is looked for before the invalidator sleeps. Nothing else would
// find it before the next beat.
func TestLockGrantedWithinARound(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{Bound: rareBeats})
	slow := &slowPurges{channel: d.Space.Purged(0)}
	_, stop := startHooked(d, slow)
	defer stop()
	d.Exec(`insert into properties (id, title, property_type, price, city) values
		(1, 'House', 'Condo', 1000, 'FOLSOM'), (2, 'House', 'Condo', 2000, 'GALT'), (3, 'House', 'Condo', 3000, 'LODI')`)
	writers := silent(d, 3, 1, 2)
	fill(d, []string{folsom, galt})
	commit := func(writer *pgx.Conn) {
		_, err := writer.Exec(t.Context(), "commit")
		d.Must(err)
	}

	heard := d.Listen()
	slow.by.Store(int64(500 * time.Millisecond))
	before := slow.begun.Load()
	commit(writers[0]) // nobody rings: behind a ring it would look more than once
	d.Await("a purge to begin", func() bool { return slow.begun.Load() > before })
	slow.by.Store(0) // but for the one that has begun
	commit(writers[1])
	committed := time.Now()
	if _, at := heard.Until(galt); at.Sub(committed) > late {
		t.Errorf("%s was purged after %v, want at most %v", galt, at.Sub(committed), late)
	}
}

// silent returns connections within transactions that have each changed a listing and not rung,
// for which the invalidator waits since. Another listing, changed many times, keeps it awake
// before; of that one some changes may still be to be applied.
func silent(d *deployment.Deployment, other int, ids ...int) (writers []*pgx.Conn) {
	d.Helper()
	for range ids {
		writers = append(writers, d.Connect())
	}
	d.Await("writers need not ring", func() bool {
		wake(d, writers[0], other)
		silent := true
		for i, id := range ids {
			_, err := writers[i].Exec(d.Context(), fmt.Sprintf("begin; update properties set price = price + 1 where id = %d", id))
			d.Must(err)
			silent = silent && doorbellLock(d, writers[i], "mode = 'ShareLock' and pid = pg_backend_pid()")
		}
		if !silent {
			for _, w := range writers {
				_, err := w.Exec(d.Context(), "rollback")
				d.Must(err)
			}
		}
		return silent
	})
	observer := d.Connect()
	d.Await("the invalidator to ask for its lock", func() bool { return doorbellLock(d, observer, asking) })
	return writers
}

// firstTerm is that of a new cluster's first leader, on timeline 1.
const firstTerm = 1<<32 + 1

// term returns the present leader's.
func term(d *deployment.Deployment) (n int64) {
	d.Helper()
	d.Must(d.Connect().QueryRow(d.Context(), "select term from freshlist.marker order by revision desc limit 1").Scan(&n))
	return n
}

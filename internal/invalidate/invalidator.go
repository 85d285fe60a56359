// Package invalidate is the write path. It reads the changes that anybody has committed to
// the described tables, and removes from Redis exactly the answers that they change.
//
// Its invariant: a beat is published only after everything that was visible in PostgreSQL at
// the beat's noted time has been purged. One loop does it all, in this order: read Redis'
// clock, drain the changes, match and purge, read the new registrations, match and purge
// those, store the position, publish the beat. After any error there is no beat, and the
// work is taken up again from the stored position: in one partition of Redis, if it is an error of
// that one, and in all if it is any other.
package invalidate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// Config says what an Invalidator works on. Every field must be set but the last two.
type Config struct {
	DatabaseURL string                // direct, not through a transaction pooler
	Redis       redis.UniversalClient // as rediscache.Connect returns it
	Space       rediskey.Space
	Bound       time.Duration // B
	Log         *slog.Logger
	Metrics     *telemetry.Invalidator

	Traces Traces          // nil if none are made
	Tracer pgx.QueryTracer // of statements; nil if there is none
}

// Traces makes spans of rounds that purge, as *tracing.Tracing does.
type Traces interface {
	Purge(ctx context.Context, began time.Time, database string, xids []uint64) (context.Context, func(changes, purged int, err error))
}

// Invalidator is one process's part in invalidation: leader or standby.
type Invalidator struct {
	Config
	status        status
	stream        activity.Stream // of what is purged, for those who watch
	state         *cachestate.State
	beatState     beatState
	reports       reporter
	database      string    // which one this process works on, as beats name it
	leaderChecked time.Time // when the leader's proofs were last looked at
	described     time.Time // when a standby last looked which description is installed
	aheadAt       time.Time // when it may read ahead again
	questions     chan *question

	// What is known of Redis outlives a leadership: if nobody else has led meanwhile, the
	// next one goes on with it, by the same description. A standby reads it ahead.
	purger    *rediscache.Purger
	index     match.Index
	feed      *feed.Feed                  // of the description that the index is of; nil before the first
	keepAlive func(context.Context) error // of the present leadership
	collapse  int                         // collapseRows, but for tests
	keptRows  int                         // keptLimits.Rows, but for tests
	spare     int                         // aheadSpare, but for tests
}

// State is why nothing is cached, or that it is.
func (i *Invalidator) State() *cachestate.State { return i.state }

// New returns an Invalidator that does nothing until Run.
func New(c Config) *Invalidator {
	i := &Invalidator{
		Config: c, status: status{role: starting, roleSince: time.Now()}, collapse: collapseRows, keptRows: keptLimits.Rows, spare: aheadSpare,
		state: cachestate.New(c.Log, time.Now), reports: reporter{log: c.Log}, questions: make(chan *question),
	}
	i.stream.Greet(func() activity.Hello {
		r := i.Report()
		return activity.Hello{Role: r.Role, Epoch: r.Epoch}
	})
	i.purger = rediscache.NewPurger(c.Redis, c.Space, c.Bound, func(ctx context.Context) error { return i.keepAlive(ctx) })
	return i
}

// What the leader does in how much of B. A leader that is stopped or cut off loses
// its locks B/2 after it last used them.
func (i *Invalidator) beatEvery() time.Duration { return i.Bound / 5 }
func (i *Invalidator) idleLimit() time.Duration { return i.Bound / 2 }

// tryEvery is how often a standby tries to become the leader.
func (i *Invalidator) tryEvery() time.Duration { return min(i.beatEvery(), 250*time.Millisecond) }

// lockWait is how long the leader waits for the doorbell's lock before it asks anew: meanwhile
// its session is not idle, and would keep its locks were the process stopped.
func (i *Invalidator) lockWait() time.Duration {
	return max(min(i.beatEvery(), 200*time.Millisecond), time.Millisecond)
}

// stepTimeout bounds one exchange with PostgreSQL: a link that has gone silent must
// not hold the loop for ever. (Those with Redis are bounded by its client.)
func (i *Invalidator) stepTimeout() time.Duration { return max(i.Bound, time.Second) }

// Run waits for the leadership, leads, and begins again after whatever error,
// until ctx is done. Then it returns nil.
func (i *Invalidator) Run(ctx context.Context) error {
	for pause := firstRetry; ctx.Err() == nil; pause = min(2*pause, i.idleLimit()) {
		began := time.Now()
		err := i.lead(ctx)
		i.setRole(starting)
		if ctx.Err() != nil {
			break
		}
		i.Interrupted(ctx, err)
		switch {
		case errors.Is(err, rediscache.ErrFenced):
			i.Metrics.Fenced.Inc()
			pause = 2 * i.Bound // leave Redis to the other one; it may be of another database
		case time.Since(began) > i.Bound:
			pause = firstRetry
		}
		wait(ctx, pause)
	}
	return nil
}

const firstRetry = 20 * time.Millisecond

// wait returns after d, or when ctx is done.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// lead takes the leader lock, waiting for it as a standby, and works until
// something fails. It never returns nil.
func (i *Invalidator) lead(ctx context.Context) error {
	if _, err := rediscache.CheckServer(ctx, i.Redis, i.Space); err != nil {
		return err
	}
	locks, err := i.connect(ctx, "lock", map[string]string{
		"lock_timeout": milliseconds(i.beatEvery()),
		waitSetting:    fmt.Sprint(i.lockWait().Milliseconds()),
	})
	if err != nil {
		return err
	}
	defer closeConn(locks)
	if err := i.awaitLeadership(ctx, locks); err != nil {
		return err
	}
	drains, err := i.connect(ctx, "drain", nil)
	if err != nil {
		return err
	}
	defer closeConn(drains)
	return i.work(ctx, locks, drains)
}

// awaitLeadership tries to take the leader lock until it has it. Each try also shows that
// the connection still lives.
func (i *Invalidator) awaitLeadership(ctx context.Context, locks *pgx.Conn) error {
	if err := i.identify(ctx, locks); err != nil {
		return err
	}
	for {
		step, cancel := context.WithTimeout(ctx, i.stepTimeout())
		held, err := takeLeaderLock(step, locks, i.idleLimit())
		cancel()
		if held || err != nil {
			return err
		}
		i.setRole(standby)
		if err := i.checkLeader(ctx, locks); err != nil {
			return err
		}
		if err := i.readAhead(ctx, locks); err != nil {
			return err
		}
		if wait(ctx, i.tryEvery()); ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// work leads with the lock held.
func (i *Invalidator) work(ctx context.Context, locks, drains *pgx.Conn) error {
	ctx, cancel := context.WithCancel(ctx)
	l := i.newLeadership(locks, drains)
	defer l.entering.Wait()
	defer l.doorbell.awaitAnswer() // after cancel
	defer cancel()
	i.setRole(leader)
	if err := l.begin(ctx); err != nil {
		return err
	}
	i.Log.InfoContext(ctx, "leading", "epoch", l.position.Epoch, "term", l.position.Term)
	err := l.loop(ctx)
	if ctx.Err() != nil {
		l.saveOnExit(ctx)
	}
	return err
}

package invalidate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/cache"
	"github.com/freshlist/freshlist/internal/caching"
	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// leadership is the work of one leader from taking the lock to the first error.
type leadership struct {
	*Invalidator
	bell    doorbell
	locks   *pgx.Conn // holds the leader lock and the doorbell's, and does nothing else
	drains  *pgx.Conn // does all the work
	used    time.Time // when the connection with the locks was last used
	ears    *listener
	polling bool // writers never ring: nothing to sleep for

	at       feed.Position // how far the cache has come; PostgreSQL may have stored less
	sweep    *feed.Sweep   // deletes what is behind the position that the work began with
	left     []string      // queries that drained changes touch and that are still to be purged
	pending  []uint64      // transactions purged but not yet stored as done
	stored   time.Time     // when the position was last stored
	noted    int64         // the time that the last beat certified, Redis' microseconds
	notedAt  time.Time     // when that was noted, by this process's clock; or before
	renewed  time.Time     // when that beat was last published again
	unproved bool          // changes have been applied since
}

func (i *Invalidator) newLeadership(locks, drains *pgx.Conn) *leadership {
	l := &leadership{Invalidator: i, locks: locks, drains: drains, used: time.Now()}
	l.bell = doorbell{ask: l.askForDoorbell, release: l.releaseDoorbell, every: lookOften}
	i.pulse = l.touch
	return l
}

// touch uses the leader's connection if it has been idle for a while: a session
// that does nothing for B/2 is ended by PostgreSQL, and its locks go to the
// standby. It must be called between the parts of anything that takes long. While K
// is asked for, to use it is to take in the answer.
func (l *leadership) touch(ctx context.Context) error {
	if l.bell.busy() {
		select {
		case a := <-l.bell.granted:
			err := l.answered(ctx, a)
			l.bell.unseen = l.bell.state == asleep
			return err
		default:
			return nil
		}
	}
	if time.Since(l.used) < l.beatEvery() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.stepTimeout())
	defer cancel()
	nothing := l.locks.PgConn().StartPipeline(ctx)
	if err := errors.Join(nothing.Sync(), nothing.Close()); err != nil { // an answer, and no transaction
		return fmt.Errorf("keep the leader lock: %w", err)
	}
	l.used = time.Now()
	return nil
}

// answered takes in the answer to the request for K, which has used the leader's connection.
func (l *leadership) answered(ctx context.Context, a answer) error {
	l.used = time.Now()
	return l.bell.answered(ctx, l.used, a)
}

// while does one step that may take long, and meanwhile keeps the session of the locks in
// use, for at most so long. That session does nothing but hold them. If it did more, the
// process might be stopped while PostgreSQL sends it something large; then the session
// would not be idle, and so never end.
func (l *leadership) while(ctx context.Context, most time.Duration, step func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- step(limited) }()
	tick := time.NewTicker(max(l.beatEvery()/2, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
			if limited.Err() != nil {
				continue // it should have ended: a step that hangs must not keep the locks
			}
			if err := l.touch(ctx); err != nil {
				cancel()
				<-done
				return err
			}
		}
	}
}

// compute does something with so many queries or changes that takes no connection, and
// cannot be cancelled.
func (l *leadership) compute(ctx context.Context, size int, do func()) error {
	const fewest = 64 // fewer take no time
	if size < fewest {
		do()
		return nil
	}
	return l.while(ctx, computeTimeout, func(context.Context) error { do(); return nil })
}

// computeTimeout is more than any computation takes.
const computeTimeout = time.Minute

// partTimeout bounds a step that may have much to read or to delete.
func (l *leadership) partTimeout() time.Duration { return 10 * l.stepTimeout() }

// begin takes over what the last leader left, or begins a new epoch if that
// cannot be trusted. While capture is not in order it waits: then nothing may be
// cached. Then it learns which queries are live.
func (l *leadership) begin(ctx context.Context) error {
	for {
		catalog, err := l.awaitCapture(ctx)
		if err != nil {
			return err
		}
		err = l.while(ctx, l.partTimeout(), func(ctx context.Context) error { return l.takeOver(ctx, catalog) })
		switch {
		case errors.Is(err, feed.ErrCatalog):
			continue
		case err != nil:
			return err
		}
		return l.learnAll(ctx)
	}
}

// takeOver goes on from the stored position, or begins a new epoch and says why.
func (l *leadership) takeOver(ctx context.Context, catalog string) error {
	if err := l.checkForeign(ctx); err != nil {
		return err
	}
	var prepared string
	if err := l.drains.QueryRow(ctx, "show max_prepared_transactions").Scan(&prepared); err != nil {
		return fmt.Errorf("read max_prepared_transactions: %w", err)
	}
	l.polling = prepared != "0"
	highest, err := l.daemon.HighestTerm(ctx)
	if err != nil {
		return err
	}
	stored, found, err := feed.Takeover(ctx, l.drains, highest)
	if err != nil {
		return err
	}
	beginning := feed.Beginning{Term: stored.Term, Catalog: catalog, Orphans: stored.Orphans}
	switch {
	case !found:
		beginning.Term = highest + 1
		if beginning.Orphans, err = l.unseen(ctx, nil); err != nil {
			return err
		}
		return l.newEpoch(ctx, beginning, telemetry.NoMarker)
	case stored.Catalog != catalog:
		if beginning.Orphans, err = l.unseen(ctx, stored.Orphans); err != nil {
			return err
		}
		return l.newEpoch(ctx, beginning, telemetry.CaptureChanged)
	case stored.Agreed != l.agreed():
		return l.newEpoch(ctx, beginning, telemetry.AgreementChanged)
	}
	next, err := l.leader(ctx, stored)
	if err != nil {
		return err
	}
	known, err := l.daemon.TakeOver(ctx, next, positionsOf(stored.Fences))
	if errors.Is(err, cache.ErrLost) {
		l.Metrics.Lost.Inc()
		return l.newEpoch(ctx, beginning, telemetry.RedisLost)
	}
	if err != nil {
		return err
	}
	if !known {
		l.index.Reset()
	}
	l.enter(stored)
	return nil
}

// unseen returns some orphans and all transactions in progress of which a change may not be
// captured, or not any more, where it is not known that capture was in order throughout.
//
// A crash or a promotion ends all sessions, but prepared transactions go on. A marker that was
// deleted or replaced by hand ends none, and no marker says with which catalog they have written.
func (l *leadership) unseen(ctx context.Context, orphans []uint64) ([]uint64, error) {
	prepared, err := feed.Prepared(ctx, l.drains)
	if err != nil {
		return nil, err
	}
	writing, err := feed.Writing(ctx, l.drains)
	if err != nil {
		return nil, err
	}
	all := slices.Concat(orphans, prepared, writing)
	slices.Sort(all)
	return slices.Compact(all), nil
}

// enter begins to work from a position. What was done behind another one is no concern of it.
func (l *leadership) enter(at feed.Position) {
	l.at, l.sweep = at, feed.NewSweep(at)
	l.noted, l.left, l.pending = 0, nil, nil
	l.status.setOrphans(len(at.Orphans))
}

// awaitCapture returns the catalog's fingerprint once all triggers are in order. Triggers
// that somebody has disabled and enabled again it puts in order itself.
func (l *leadership) awaitCapture(ctx context.Context) (catalog string, err error) {
	repairs := pacer{first: repairFirst, most: repairMost}
	for {
		var fault feed.Fault
		err := l.while(ctx, l.partTimeout(), func(ctx context.Context) (err error) {
			catalog, fault, err = feed.Catalog(ctx, l.drains)
			return err
		})
		if err != nil {
			return "", err
		}
		l.status.setTriggers(fault.Said)
		if fault.Why == caching.OK {
			return catalog, nil
		}
		l.hinder(fault.Why, fault.Said)
		if repairs.due(time.Now()) {
			repaired, err := l.repair(ctx)
			if err != nil {
				return "", err
			}
			if repaired {
				continue // the next look says whether that was all
			}
		}
		if wait(ctx, min(l.beatEvery(), captureEvery)); ctx.Err() != nil {
			return "", ctx.Err()
		}
		if err := l.touch(ctx); err != nil {
			return "", err
		}
	}
}

// checkForeign returns cache.ErrForeign while an invalidator of another database beats
// under the same names.
func (l *leadership) checkForeign(ctx context.Context) error {
	self, err := l.leader(ctx, feed.Position{})
	if err != nil {
		return err
	}
	return cache.CheckForeign(ctx, l.Redis, l.Space, self.Database)
}

// captureEvery is how often capture that is not in order is looked at.
const captureEvery = 200 * time.Millisecond

// A repair waits for writers, and others wait behind it. One that got no lock in time is
// tried again after repairFirst, then less and less often.
const (
	repairFirst = 200 * time.Millisecond
	repairMost  = 5 * time.Second
)

// repair has triggers that are enabled, but not always, enabled always, and reports whether
// there were any and it could.
func (l *leadership) repair(ctx context.Context) (repaired bool, err error) {
	var did string
	err = l.while(ctx, l.partTimeout(), func(ctx context.Context) (err error) {
		did, err = feed.Repair(ctx, l.drains)
		return err
	})
	if did != "" {
		l.Log.InfoContext(ctx, "capture has been put in order", "did", did)
	}
	return did != "", err
}

// pacer says when something is due that is done less and less often.
type pacer struct {
	first, most time.Duration
	pause       time.Duration
	next        time.Time
}

func (p *pacer) due(now time.Time) bool {
	if now.Before(p.next) {
		return false
	}
	p.pause = min(max(p.first, 2*p.pause), p.most)
	p.next = now.Add(p.pause)
	return true
}

// leader names this leadership to Redis.
func (l *leadership) leader(ctx context.Context, at feed.Position) (cache.Leader, error) {
	next := cache.Leader{Term: at.Term, Epoch: at.Epoch}
	err := l.drains.QueryRow(ctx, `
		select extract(epoch from pg_postmaster_start_time())::text,
			(select system_identifier from pg_control_system())
				|| '/' || (select oid from pg_database where datname = current_database())`).Scan(&next.Server, &next.Database)
	if err != nil {
		return cache.Leader{}, fmt.Errorf("read which server and database this is: %w", err)
	}
	return next, nil
}

// renewEpoch begins a new epoch in the same term, with the catalog as it was found in order.
func (l *leadership) renewEpoch(ctx context.Context, reason telemetry.Reason) error {
	return l.while(ctx, l.partTimeout(), func(ctx context.Context) error {
		return l.newEpoch(ctx, feed.Beginning{Term: l.at.Term, Catalog: l.at.Catalog, Orphans: l.at.Orphans}, reason)
	})
}

// newEpoch voids the cache: first in PostgreSQL, where the marker and the cursor
// are written by one transaction, then in Redis. A change that commits between the
// two is behind the cursor and so not lost.
func (l *leadership) newEpoch(ctx context.Context, b feed.Beginning, reason telemetry.Reason) error {
	b.Epoch, b.Partitions, b.Agreed = cache.NewEpoch(), l.Space.Partitions, l.agreed()
	at, err := feed.NewEpoch(ctx, l.drains, b)
	if err != nil {
		return err
	}
	next, err := l.leader(ctx, at)
	if err != nil {
		return err
	}
	if err := l.daemon.BeginEpoch(ctx, next); err != nil {
		return err
	}
	l.index.Reset() // registrations are numbered anew: what is known would pass for later
	l.enter(at)
	l.Metrics.Epoch(reason)
	l.Log.InfoContext(ctx, "new epoch", "epoch", at.Epoch, "reason", reason.String(), "orphans", len(at.Orphans))
	return nil
}

func positionsOf(fences []feed.Fence) []cache.Position {
	positions := make([]cache.Position, len(fences))
	for p, f := range fences {
		positions[p] = cache.Position{Term: f.Term, Seq: f.Seq, Batch: f.Batch}
	}
	return positions
}

func fencesOf(positions []cache.Position) []feed.Fence {
	fences := make([]feed.Fence, len(positions))
	for p, c := range positions {
		fences[p] = feed.Fence{Term: c.Term, Seq: c.Seq, Batch: c.Batch}
	}
	return fences
}

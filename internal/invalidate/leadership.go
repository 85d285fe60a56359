package invalidate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/lsn"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// leadership is the work of one leader from taking the lock to the first error.
type leadership struct {
	*Invalidator
	doorbell doorbell
	locks    *pgx.Conn // holds the leader lock and the doorbell's, and does nothing else
	drains   *pgx.Conn // does all the work
	used     time.Time // when the connection with the locks was last used
	listener *listener
	pollOnly bool // writers never ring: nothing to sleep for

	position      feed.Position // how far the cache has come; PostgreSQL may have stored less
	name          rediscache.Leader
	dark          map[int]*darkPartition
	entering      sync.WaitGroup // those who enter dark partitions
	arrived       chan struct{}  // one of them is done
	kept          int            // how many changes have been kept for dark partitions
	unswept       bool           // there are changes that were kept
	storeSoon     bool           // the position is to be stored although nothing has been applied
	sweep         *feed.Sweep    // deletes what is behind the position that the work began with
	remaining     []string       // queries that drained changes affect and that are still to be purged
	pending       []uint64       // transactions purged but not yet stored as done
	stored        time.Time      // when the position was last stored
	certified     int64          // the time that the last beat certified, by Redis' clock, in microseconds
	certifiedAt   time.Time      // when that was noted, by this process's clock; or before
	republishedAt time.Time      // when that beat was last published again
	spacedUntil   time.Time      // no round before that, unless a beat is due
	dirty         bool           // changes have been applied since

	observed    []observation // of the present round, for those who watch
	began       time.Time     // when the round began
	purged      time.Time     // when it last had purged something
	commitTimes *bool         // whether PostgreSQL notes when transactions commit; nil: not asked yet

	trace    roundTrace
	question *question // that is answered behind the next beat; nil if there is none
}

func (i *Invalidator) newLeadership(locks, drains *pgx.Conn) *leadership {
	l := &leadership{Invalidator: i, locks: locks, drains: drains, used: time.Now(), arrived: make(chan struct{}, 1)}
	l.doorbell = doorbell{ask: l.askForDoorbell, release: l.releaseDoorbell, pollEvery: pollMin}
	i.keepAlive = l.keepAlive
	return l
}

// keepShare says how soon keepAlive uses the connection again: within that part of the time between beats. A
// partition that hangs takes B/4 from one call of it to the next, so little else may.
const keepShare = 4

// keepAlive uses the connection with the locks if it has been idle for a while. PostgreSQL
// ends a session that does nothing for B/2, and its locks go to the standby. keepAlive must
// be called between the parts of anything that takes long. While the doorbell lock is
// requested, it handles the answer instead.
func (l *leadership) keepAlive(ctx context.Context) error {
	if l.doorbell.busy() {
		select {
		case a := <-l.doorbell.granted:
			return l.answeredMeanwhile(ctx, a)
		default:
			return nil
		}
	}
	if time.Since(l.used) < l.beatEvery()/keepShare {
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

// answered handles the answer to the request for the doorbell lock, which has used the
// connection with the locks.
func (l *leadership) answered(ctx context.Context, a answer) error {
	l.used = time.Now()
	return l.doorbell.answered(ctx, l.used, a)
}

// answeredMeanwhile is answered where no round follows at once: what was not rung for before the doorbell
// slept is polled for next.
func (l *leadership) answeredMeanwhile(ctx context.Context, a answer) error {
	err := l.answered(ctx, a)
	l.doorbell.pollDue = l.doorbell.state == asleep
	return err
}

// runKeepingAlive runs one step that may take long, at most for so long, and meanwhile keeps
// the session with the locks in use. That session only holds locks. If it did more, the
// process might be stopped while PostgreSQL sends it something large. The session would then
// not be idle, and so never end.
func (l *leadership) runKeepingAlive(ctx context.Context, most time.Duration, step func(context.Context) error) error {
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
			if err := l.keepAlive(ctx); err != nil {
				cancel()
				<-done
				return err
			}
		}
	}
}

// computeKeepingAlive runs a computation on size queries or changes. It uses no connection
// and cannot be cancelled.
func (l *leadership) computeKeepingAlive(ctx context.Context, size int, do func()) error {
	const fewest = 64 // fewer take no time
	if size < fewest {
		do()
		return nil
	}
	return l.runKeepingAlive(ctx, computeTimeout, func(context.Context) error { do(); return nil })
}

// computeTimeout is more than any computation takes.
const computeTimeout = time.Minute

// partTimeout bounds a step that may have much to read or to delete.
func (l *leadership) partTimeout() time.Duration { return 10 * l.stepTimeout() }

// begin takes over what the last leader left, or begins a new epoch if that cannot be
// trusted. While capture is not in order it waits: nothing may be cached then. At the end it
// reads which queries are live.
func (l *leadership) begin(ctx context.Context) error {
	for {
		catalog, err := l.awaitCapture(ctx)
		if err != nil {
			return err
		}
		err = l.runKeepingAlive(ctx, l.partTimeout(), func(ctx context.Context) error { return l.takeOver(ctx, catalog) })
		switch {
		case isAltered(err):
			continue
		case err != nil:
			return err
		}
		return l.learn(ctx)
	}
}

// learn reads which queries are live: all, or those that are not known yet.
func (l *leadership) learn(ctx context.Context) error {
	l.index.Defer()
	if err := l.readRegistrations(ctx); err != nil {
		return err
	}
	return l.computeKeepingAlive(ctx, l.index.Len(), l.index.Build)
}

// takeOver goes on from the stored position, or begins a new epoch and says why.
func (l *leadership) takeOver(ctx context.Context, catalog string) error {
	if err := l.checkOtherDatabase(ctx); err != nil {
		return err
	}
	var prepared string
	if err := l.drains.QueryRow(ctx, "show max_prepared_transactions").Scan(&prepared); err != nil {
		return fmt.Errorf("read max_prepared_transactions: %w", err)
	}
	l.pollOnly = prepared != "0"
	highest, of, err := l.purger.HighestTerm(ctx)
	if err != nil {
		return err
	}
	timeline, err := feed.Timeline(ctx, l.drains)
	if err != nil {
		return err
	}
	stored, found, installed, err := feed.Takeover(ctx, l.drains, highest, timeline<<timelineShift)
	if err != nil {
		return err
	}
	if !found {
		if err := l.checkTimeline(ctx, timeline, highest, of); err != nil {
			return err
		}
	}
	if err := l.useDescription(installed); err != nil {
		return err
	}
	beginning := feed.EpochStart{Term: stored.Term, Catalog: catalog, Uncaptured: stored.Uncaptured}
	switch {
	case !found:
		beginning.Term = max(highest, timeline<<timelineShift) + 1
		if beginning.Uncaptured, err = l.unseen(ctx, nil); err != nil {
			return err
		}
		return l.newEpoch(ctx, beginning, telemetry.NoMarker)
	case stored.Catalog != catalog, stored.Description != installed.Identity:
		if beginning.Uncaptured, err = l.unseen(ctx, stored.Uncaptured); err != nil {
			return err
		}
		return l.newEpoch(ctx, beginning, telemetry.CaptureChanged)
	case stored.Agreed != l.agreed():
		return l.newEpoch(ctx, beginning, telemetry.AgreementChanged)
	}
	if l.name, err = l.announce(ctx, stored); err != nil {
		return err
	}
	fences := make([]rediscache.Fence, len(stored.Parts))
	for p, part := range stored.Parts {
		fences[p] = part.Fence
	}
	changed, err := l.purger.TakeOver(ctx, l.name, fences)
	l.forget(changed...) // of each that was entered, whatever was of the others
	if errors.Is(err, rediscache.ErrStateLost) {
		l.Metrics.Lost.Inc()
		return l.newEpoch(ctx, beginning, telemetry.RedisLost)
	}
	if err != nil {
		return err
	}
	stored.Snapshot = leastOf(stored.Parts, func(p int) bool { return l.purger.Dark(p) == nil })
	l.startFrom(stored, leastOf(stored.Parts, func(int) bool { return true }))
	return nil
}

// A term is the timeline of the server that it began on, times 2^32, and a counter. So the terms of a promoted
// server are above all of the one that it has replaced. Scripts in Redis count exactly up to 2^53.
const timelineShift = 32

// errReplaced tells that this server is an old primary: another one has been promoted in its place.
var errReplaced = errors.New("a server that was promoted later has an invalidator under the same names")

// checkTimeline returns errReplaced if the highest term in Redis is of a later timeline of this very cluster,
// and no marker here is as late as that.
func (l *leadership) checkTimeline(ctx context.Context, timeline, highest int64, of string) error {
	if highest>>timelineShift <= timeline {
		return nil
	}
	self, err := l.leader(ctx, feed.Position{})
	if err != nil || !rediscache.SameCluster(self.Database, of) {
		return err
	}
	return fmt.Errorf("%w: %w (timeline %d, here %d); stop this server, or, if it is the right one, delete the keys %s in Redis",
		rediscache.ErrFenced, errReplaced, highest>>timelineShift, timeline, l.Space.Fence(0)+" and the like")
}

// useDescription takes the stored description of the tables for all that follows. What is known
// of the queries was read by that description, so with another one it is forgotten.
func (i *Invalidator) useDescription(installed feed.Installed) error {
	if i.feed != nil && i.feed.Site.Identity == installed.Identity {
		return nil
	}
	site, err := installed.Site()
	if err != nil {
		return err
	}
	i.feed = feed.New(site)
	i.index.Use(site)
	i.purger.Forget()
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
	writing, err := l.feed.Writing(ctx, l.drains)
	if err != nil {
		return nil, err
	}
	all := slices.Concat(orphans, prepared, writing)
	slices.Sort(all)
	return slices.Compact(all), nil
}

// startFrom begins to work from a position. State of an earlier position is dropped. What the
// snapshot swept sees, no partition needs.
func (l *leadership) startFrom(at feed.Position, swept string) {
	l.position, l.sweep = at, l.feed.NewSweep(swept)
	l.certified, l.remaining, l.pending = 0, nil, nil
	l.dark, l.kept, l.unswept, l.storeSoon = map[int]*darkPartition{}, 0, l.purger.AnyDark(), false
	l.status.setUncaptured(len(at.Uncaptured))
	l.status.setDark(0)
	l.Metrics.DarkPartitions.Set(0)
}

// awaitCapture returns the catalog's fingerprint once all triggers are in order. Triggers
// that somebody has disabled and enabled again it puts in order itself.
func (l *leadership) awaitCapture(ctx context.Context) (catalog string, err error) {
	repairs := backoff{first: repairFirst, most: repairMost}
	for {
		var fault feed.Fault
		err := l.runKeepingAlive(ctx, l.partTimeout(), func(ctx context.Context) (err error) {
			catalog, fault, err = feed.CheckCapture(ctx, l.drains)
			return err
		})
		if err != nil {
			return "", err
		}
		l.status.setTriggers(fault.Said)
		if fault.Why == cachestate.OK {
			return catalog, nil
		}
		l.beatPrevented(fault.Why, fault.Said)
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
		if err := l.keepAlive(ctx); err != nil {
			return "", err
		}
	}
}

// checkOtherDatabase returns rediscache.ErrOtherDatabase while the invalidator of another
// database publishes beats under the same names.
func (l *leadership) checkOtherDatabase(ctx context.Context) error {
	self, err := l.leader(ctx, feed.Position{})
	if err != nil {
		return err
	}
	return rediscache.CheckOtherDatabase(ctx, l.Redis, l.Space, self.Database)
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
	err = l.runKeepingAlive(ctx, l.partTimeout(), func(ctx context.Context) (err error) {
		did, err = feed.Repair(ctx, l.drains)
		return err
	})
	if did != "" {
		l.Log.InfoContext(ctx, "capture has been put in order", "did", did)
	}
	return did != "", err
}

// backoff says when something is due that is retried less and less often.
type backoff struct {
	first, most time.Duration
	pause       time.Duration
	next        time.Time
}

func (p *backoff) due(now time.Time) bool {
	if now.Before(p.next) {
		return false
	}
	p.pause = min(max(p.first, 2*p.pause), p.most)
	p.next = now.Add(p.pause)
	return true
}

// leader names this leadership to Redis. The floor is behind the banner, and behind every position that has
// been read.
func (l *leadership) leader(ctx context.Context, at feed.Position) (rediscache.Leader, error) {
	next := rediscache.Leader{Term: at.Term, Epoch: at.Epoch}
	var end string
	err := l.drains.QueryRow(ctx, `
		select extract(epoch from pg_postmaster_start_time())::text,
			(select system_identifier from pg_control_system())
				|| '/' || (select oid from pg_database where datname = current_database()),
			pg_current_wal_insert_lsn()::text`).Scan(&next.Server, &next.Database, &end)
	if err == nil {
		next.Floor, err = lsn.Parse(end)
	}
	if err != nil {
		return rediscache.Leader{}, fmt.Errorf("read which server and database this is: %w", err)
	}
	return next, nil
}

// announce writes the banner, by which a standby shows of which epoch it is, and names this leadership.
func (l *leadership) announce(ctx context.Context, at feed.Position) (rediscache.Leader, error) {
	if err := feed.WriteBanner(ctx, l.drains, at); err != nil {
		return rediscache.Leader{}, err
	}
	return l.leader(ctx, at)
}

// renewEpoch begins a new epoch in the same term, with the catalog as it was found in order.
func (l *leadership) renewEpoch(ctx context.Context, reason telemetry.EpochReason) error {
	return l.runKeepingAlive(ctx, l.partTimeout(), func(ctx context.Context) error {
		return l.newEpoch(ctx, feed.EpochStart{Term: l.position.Term, Catalog: l.position.Catalog, Uncaptured: l.position.Uncaptured}, reason)
	})
}

// newEpoch voids the cache: first in PostgreSQL, where one transaction writes the marker and
// the position, then in Redis. A change that commits between the two is behind the position,
// so it is not lost. The epoch is one of the description that this leader matches by, or none.
func (l *leadership) newEpoch(ctx context.Context, b feed.EpochStart, reason telemetry.EpochReason) error {
	b.Epoch, b.Description, b.Agreed = rediscache.NewEpoch(), l.feed.Site.Identity, l.agreed()
	b.Generations = rediscache.NewGenerations(l.Space.Partitions)
	at, err := feed.NewEpoch(ctx, l.drains, b)
	if err != nil {
		return err
	}
	if l.name, err = l.announce(ctx, at); err != nil {
		return err
	}
	l.index.Reset() // registrations are numbered anew: what is known would pass for later
	l.purger.Forget()
	if err := l.purger.BeginEpoch(ctx, l.name, b.Generations); err != nil {
		return err
	}
	l.startFrom(at, at.Snapshot)
	l.Metrics.Epoch(reason)
	l.stream.Publish(activity.EventEpoch, activity.Epoch{At: time.Now(), Epoch: at.Epoch, Reason: reason.String()})
	l.Log.InfoContext(ctx, "new epoch", "epoch", at.Epoch, "reason", reason.String(), "uncaptured", len(at.Uncaptured))
	return nil
}

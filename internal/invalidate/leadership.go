package invalidate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/cache"
	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// leadership is the work of one leader from taking the lock to the first error.
type leadership struct {
	*Invalidator
	bell    doorbell
	locks   *pgx.Conn // holds the leader lock and the doorbell's
	drains  *pgx.Conn // drains while the other waits for the doorbell's lock
	used    time.Time // when the connection with the locks was last used
	ears    *listener
	daemon  *cache.Daemon
	index   match.Index
	polling bool // writers never ring: nothing to sleep for

	at       feed.Position // how far the cache has come; PostgreSQL may have stored less
	left     []string      // queries that drained changes touch and that are still to be purged
	pending  []uint64      // transactions purged but not yet stored as done
	stored   time.Time     // when the position was last stored
	noted    int64         // the time that the last beat certified, Redis' microseconds
	notedAt  time.Time     // when that was noted, by this process\'s clock; or before
	renewed  time.Time     // when that beat was last published again
	unproved bool          // changes have been applied since
}

func (i *Invalidator) newLeadership(locks, drains *pgx.Conn) *leadership {
	l := &leadership{Invalidator: i, locks: locks, drains: drains, used: time.Now()}
	l.bell = doorbell{ask: l.askForDoorbell, release: l.releaseDoorbell, every: lookOften}
	l.daemon = cache.NewDaemon(i.Redis, i.Space, i.Bound, l.touch)
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
	if _, err := l.locks.Exec(ctx, "select"); err != nil {
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

// conn returns the connection to drain on: the leader's own, which is thereby
// used, unless it waits for K.
func (l *leadership) conn() *pgx.Conn {
	if l.bell.busy() {
		return l.drains
	}
	l.used = time.Now()
	return l.locks
}

// begin takes over what the last leader left, or begins a new epoch if that
// cannot be trusted. While capture is not in order it waits: then nothing may be
// cached.
func (l *leadership) begin(ctx context.Context) error {
	l.index.Reset()
	l.noted, l.left, l.pending = 0, nil, nil
	catalog, err := l.awaitCapture(ctx)
	if err != nil {
		return err
	}
	var prepared string
	if err := l.conn().QueryRow(ctx, "show max_prepared_transactions").Scan(&prepared); err != nil {
		return fmt.Errorf("read max_prepared_transactions: %w", err)
	}
	l.polling = prepared != "0"
	if err := l.takeOver(ctx, catalog); err != nil {
		return err
	}
	return feed.Sweep(ctx, l.conn(), l.at, l.touch)
}

// takeOver goes on from the stored position, or begins a new epoch and says why.
func (l *leadership) takeOver(ctx context.Context, catalog string) error {
	if err := l.checkForeign(ctx); err != nil {
		return err
	}
	highest, err := l.daemon.HighestTerm(ctx)
	if err != nil {
		return err
	}
	stored, found, err := feed.Takeover(ctx, l.conn(), highest)
	switch {
	case err != nil:
		return err
	case !found:
		return l.newEpoch(ctx, highest+1, telemetry.NoMarker)
	case stored.Catalog != catalog:
		return l.newEpoch(ctx, stored.Term, telemetry.CaptureChanged)
	}
	next, err := l.leader(ctx, stored)
	if err != nil {
		return err
	}
	err = l.daemon.TakeOver(ctx, next, positionsOf(stored.Fences))
	if errors.Is(err, cache.ErrLost) {
		l.Metrics.Lost.Inc()
		return l.newEpoch(ctx, stored.Term, telemetry.RedisLost)
	}
	l.at = stored
	return err
}

// awaitCapture returns the catalog's fingerprint once all triggers are in order.
func (l *leadership) awaitCapture(ctx context.Context) (string, error) {
	for {
		catalog, fault, err := feed.Catalog(ctx, l.conn())
		if err != nil {
			return "", err
		}
		l.status.setTriggers(fault)
		if fault == "" {
			return catalog, nil
		}
		l.hinder(reasonOfFault(fault), fault)
		if wait(ctx, l.beatEvery()); ctx.Err() != nil {
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

// leader names this leadership to Redis.
func (l *leadership) leader(ctx context.Context, at feed.Position) (cache.Leader, error) {
	next := cache.Leader{Term: at.Term, Epoch: at.Epoch}
	err := l.conn().QueryRow(ctx, `
		select extract(epoch from pg_postmaster_start_time())::text,
			(select system_identifier from pg_control_system())
				|| '/' || (select oid from pg_database where datname = current_database())`).Scan(&next.Server, &next.Database)
	if err != nil {
		return cache.Leader{}, fmt.Errorf("read which server and database this is: %w", err)
	}
	return next, nil
}

// newEpoch voids the cache: first in PostgreSQL, where the marker and the cursor
// are written by one transaction, then in Redis. A change that commits between the
// two is behind the cursor and so not lost.
func (l *leadership) newEpoch(ctx context.Context, term int64, reason telemetry.Reason) error {
	at, err := feed.NewEpoch(ctx, l.conn(), cache.NewEpoch(), term, l.Space.Partitions)
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
	l.at = at
	l.Metrics.Epoch(reason)
	l.Log.InfoContext(ctx, "new epoch", "epoch", at.Epoch, "reason", reason.String())
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

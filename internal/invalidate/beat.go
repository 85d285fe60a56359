package invalidate

import (
	"context"
	"errors"
	"time"

	"github.com/freshlist/freshlist/internal/cache"
	"github.com/freshlist/freshlist/internal/invalidate/feed"
)

// note reads Redis' clock, for the beat at the end of the round, and makes sure
// that Redis has not been told to evict what it must keep.
func (l *leadership) note(ctx context.Context) error {
	l.notedAt = time.Now()
	clock, err := l.daemon.Note(ctx)
	if err != nil {
		return err
	}
	if _, err := cache.CheckPolicy(clock.Policy); err != nil {
		return err
	}
	l.noted = clock.Noted
	return nil
}

// beat publishes the proof, and then looks at some live queries that may have gone.
func (l *leadership) beat(ctx context.Context) error {
	err := l.daemon.Beat(ctx, cache.Proof{Noted: l.noted, Applied: l.at.Snapshot})
	switch {
	case err == nil:
		now := time.Now()
		l.proved(l.notedAt)
		l.Metrics.Beats.Inc()
		l.Metrics.LastBeat.Set(float64(now.UnixMilli()) / 1000)
		l.status.beat(now, l.index.Len(), l.daemon.Positions()[0].Batch, l.at.Epoch)
	case isMild(err):
		l.hinder(reasonOf(err), "a beat was refused: "+err.Error())
	default:
		return err
	}
	gone, err := l.daemon.Cleanup(ctx, max(leastLooks, l.index.Len()/sweepBeats))
	l.forget(gone)
	l.Metrics.LiveQueries.Set(float64(l.index.Len()))
	l.Metrics.Unparsable.Set(float64(l.index.Unparsable()))
	return err
}

// A beat looks at least at leastLooks live queries, and at all of them within
// sweepBeats beats.
const (
	leastLooks = 20
	sweepBeats = 500
)

// renewEvery is how often a beat is renewed while changes keep coming, for those who
// wait to see their own write. Where very many come, they read it from the database.
func (l *leadership) renewEvery() time.Duration {
	if !l.bell.ringing() {
		return l.beatEvery() / 4
	}
	return 15 * time.Millisecond
}

// renew publishes the present beat with what has been applied since. As for any proof,
// the catalog must have been read: a transaction that went past disabled triggers is in
// the applied snapshot like any other, but nothing of it has been applied.
func (l *leadership) renew(ctx context.Context) error {
	l.unproved, l.renewed = false, time.Now()
	if l.noted == 0 {
		return nil
	}
	err := l.daemon.Beat(ctx, cache.Proof{Noted: l.noted, Applied: l.at.Snapshot})
	if isMild(err) {
		return nil
	}
	return err
}

// checkCatalog reads the catalog after a drain that did not: the first change after some
// quiet is purged for sooner without. It speaks for the drain's snapshot too, since no
// fingerprint comes a second time.
func (l *leadership) checkCatalog(ctx context.Context) error {
	return l.while(ctx, l.stepTimeout(), func(ctx context.Context) error {
		catalog, err := feed.Fingerprint(ctx, l.drains)
		if err == nil && catalog != l.at.Catalog {
			err = feed.ErrCatalog
		}
		return err
	})
}

// isMild reports whether a beat was refused for its time only.
func isMild(err error) bool {
	return errors.Is(err, cache.ErrLate) || errors.Is(err, cache.ErrFuture)
}

package invalidate

import (
	"context"
	"errors"
	"time"

	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/rediscache"
)

// readClock reads Redis' clock, for the beat at the end of the round, and checks the
// eviction policy of Redis.
func (l *leadership) readClock(ctx context.Context) error {
	l.certifiedAt = time.Now()
	clock, err := l.purger.ReadClock(ctx)
	if err != nil {
		return err
	}
	if _, err := rediscache.CheckPolicy(clock.Policy); err != nil {
		return err
	}
	l.certified = clock.Noted
	return nil
}

// publishBeat publishes the beat. Then it scans some live queries, and removes those of
// which nothing is left.
func (l *leadership) publishBeat(ctx context.Context) error {
	err := l.purger.PublishBeat(ctx, rediscache.Proof{Noted: l.certified, Applied: l.position.Snapshot})
	switch {
	case err == nil:
		now := time.Now()
		l.beatPublished(l.certifiedAt)
		l.Metrics.Beats.Inc()
		l.Metrics.LastBeat.Set(float64(now.UnixMilli()) / 1000)
		l.status.setBeat(now, &l.index, l.purger.LastBatch(), l.position.Epoch)
	case isRefusedForTime(err):
		l.beatPrevented(reasonOf(err), "a beat was refused: "+err.Error())
	default:
		return err
	}
	if err := l.keepAlive(ctx); err != nil {
		return err
	}
	gone, err := l.purger.Cleanup(ctx, max(minScans, l.index.Len()/scanBeats))
	l.removeFromIndex(gone)
	l.Metrics.LiveQueries.Set(float64(l.index.Len()))
	l.Metrics.Unparsable.Set(float64(l.index.Unparsable()))
	return err
}

// Each beat scans at least minScans live queries, and scanBeats beats scan all of them.
const (
	minScans  = 20
	scanBeats = 500
)

// republishEvery is how often a beat is published again while changes keep coming. It serves
// those who wait to see their own write. Where very many changes come, they read from the
// database.
func (l *leadership) republishEvery() time.Duration {
	if !l.doorbell.ringing() {
		return l.beatEvery() / 4
	}
	return 15 * time.Millisecond
}

// republishBeat publishes the present beat again, with what has been applied since. As for
// any beat, the catalog must have been read: a transaction that went past disabled triggers
// is in the applied snapshot like any other, but nothing of it has been applied.
func (l *leadership) republishBeat(ctx context.Context) error {
	l.dirty, l.republishedAt = false, time.Now()
	if l.certified == 0 {
		return nil
	}
	err := l.purger.PublishBeat(ctx, rediscache.Proof{Noted: l.certified, Applied: l.position.Snapshot})
	if isRefusedForTime(err) {
		return nil
	}
	return err
}

// checkCatalog reads the catalog after a drain that did not: the first change after some
// quiet is purged for sooner without. It speaks for the drain's snapshot too, since no
// fingerprint comes a second time.
func (l *leadership) checkCatalog(ctx context.Context) error {
	return l.runKeepingAlive(ctx, l.stepTimeout(), func(ctx context.Context) error {
		catalog, err := feed.Fingerprint(ctx, l.drains)
		if err == nil && catalog != l.position.Catalog {
			err = feed.ErrCatalog
		}
		return err
	})
}

// isRefusedForTime reports whether a beat was refused only for its time.
func isRefusedForTime(err error) bool {
	return errors.Is(err, rediscache.ErrLate) || errors.Is(err, rediscache.ErrFuture)
}

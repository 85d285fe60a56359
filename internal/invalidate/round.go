package invalidate

import (
	"context"
	"math"
	"time"

	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/rediscache"
)

// round is one pass from reading the clock to the beat. One in which no beat is due only
// applies what is there. The guarantee rests on the order of its steps. A round that meets a
// large backlog goes on until nothing is left, and then publishes a beat even if none was
// due.
func (l *leadership) round(ctx context.Context, beatDue bool) (published bool, err error) {
	defer func() { l.endTrace(err) }()
	if err := l.keepAlive(ctx); err != nil {
		return false, err
	}
	if beatDue {
		if err := l.readRegistrations(ctx); err != nil { // which may take long, so before the time is noted
			return false, err
		}
		if err := l.keepAlive(ctx); err != nil {
			return false, err
		}
		if err := l.readClock(ctx); err != nil {
			return false, err
		}
	}
	began := time.Now()
	l.began = began
	renewal := !beatDue && l.dirty && began.Sub(l.republishedAt) >= l.republishEvery()
	changes, consumed := 0, backlog{}
	for most := stepQueries; ; {
		batch, err := l.step(ctx, beatDue || renewal, most)
		if err != nil {
			return false, err
		}
		if err := l.keepAlive(ctx); err != nil {
			return false, err
		}
		changes += len(batch.Changes)
		if err := l.keep(ctx, len(batch.Changes)); err != nil {
			return false, err
		}
		if batch.More {
			if err := l.consume(ctx, batch, &consumed); err != nil {
				return false, err
			}
			if err := l.readClock(ctx); err != nil { // the beat certifies the time before the last drain
				return false, err
			}
			beatDue, most = true, math.MaxInt
		} else if len(l.remaining) == 0 {
			break
		}
		if most < math.MaxInt/2 && time.Since(began) > l.beatEvery()/evenPart {
			most *= 2
		}
	}
	if changes > 0 {
		l.dirty = true
		l.Metrics.Purged(time.Since(began))
	}
	if err := l.store(l.within(ctx), beatDue); err != nil {
		return false, err
	}
	switch {
	case beatDue:
		l.dirty = false
		return true, l.publishBeat(ctx)
	case renewal:
		return false, l.republishBeat(ctx)
	case l.dirty && began.Sub(l.republishedAt) >= l.republishEvery():
		if err := l.checkCatalog(ctx); err != nil {
			return false, err
		}
		return false, l.republishBeat(ctx)
	}
	return false, nil
}

// A round purges about stepQueries a step. After one in evenPart of the time between beats
// it takes ever more, so that it ends whatever comes meanwhile.
const (
	stepQueries = 50
	evenPart    = 4
)

// step drains, and purges about most queries. The rest is left for the next step, so that
// those who commit meanwhile need not wait for all of an edit that very many queries show.
// Nothing is stored or certified while anything is left. After a drain that reached its
// limits, nothing is left, and the position is still before it.
func (l *leadership) step(ctx context.Context, catalog bool, most int) (*feed.Batch, error) {
	l.doorbell.polledAt = time.Now()
	batch, err := l.pollOnce(ctx, catalog)
	if err == nil {
		err = l.judge(batch, catalog)
	}
	if err != nil {
		return nil, err
	}
	if batch.More {
		most = math.MaxInt
	}
	if len(batch.Changes) > 0 {
		l.purger.RaiseFloor(batch.End)
	}
	if len(batch.Changes) > 0 || len(l.remaining) > 0 {
		if err := l.apply(l.traced(ctx, batch), batch.Changes, most); err != nil {
			return nil, err
		}
	}
	if !batch.More {
		l.advance(batch)
	}
	return batch, l.answerBurst(ctx, batch)
}

// judge compares what a drain says of PostgreSQL with what the epoch began with.
func (l *leadership) judge(batch *feed.Batch, catalog bool) error {
	switch {
	case catalog && batch.Catalog != l.position.Catalog:
		return feed.ErrCatalog
	case batch.Ended(l.position.Uncaptured):
		return feed.ErrUncaptured
	}
	return nil
}

// pollOnce drains. When writers ring there is probably a change, so it reads the new
// registrations at the same time: then one purge is nearly always enough.
func (l *leadership) pollOnce(ctx context.Context, catalog bool) (*feed.Batch, error) {
	if l.doorbell.state != asleep {
		return l.drain(ctx, catalog)
	}
	type answer struct {
		some []rediscache.Registration
		err  error
	}
	learned := make(chan answer, 1)
	go func() {
		some, _, err := l.purger.SomeRegistrations(ctx, l.purger.InUse())
		learned <- answer{some, err}
	}()
	batch, err := l.drain(ctx, catalog) // here, so that it is most likely sent first
	a := <-learned
	l.addToIndex(a.some)
	if a.err != nil {
		return nil, a.err
	}
	return batch, err
}

// drain reads what is new, in one step.
func (l *leadership) drain(ctx context.Context, catalog bool) (batch *feed.Batch, err error) {
	err = l.runKeepingAlive(ctx, l.partTimeout(), func(ctx context.Context) error {
		batch, err = l.feed.Drain(ctx, l.drains, l.position, drainLimits, catalog)
		return err
	})
	return batch, err
}

// drainLimits bound what is read and applied at once, and so how long that takes.
var drainLimits = feed.Limits{Rows: 5000, Bytes: 1 << 20}

// advance moves the position behind a batch that has been applied.
func (l *leadership) advance(batch *feed.Batch) {
	l.position.Snapshot = batch.Snapshot
	l.pending = append(l.pending, batch.Xids...)
}

// backlog notes how many changes have been read or counted and not yet applied.
func (l *leadership) backlog(rows int) {
	l.Metrics.Backlog.Set(float64(rows))
	l.status.setBacklog(rows)
}

package invalidate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/invalidate/feed"
)

// errBacklog tells that there are so many changes that to forget the whole cache, in one
// step, is sooner done than to apply them.
var errBacklog = errors.New("the backlog is too large to be applied")

// A backlog of more than collapseRows is not applied. It is counted once countAfter changes
// have been consumed, and again when as many more have been as half of what was counted.
const (
	collapseRows = 2_000_000
	countAfter   = 20_000
)

// backlog is how far a round has come with more than one drain reads.
type backlog struct {
	consumed int
	countAt  int
}

// consume deletes what has been applied of a batch with More. Each part that is consumed
// stays so, whatever ends this leadership.
func (l *leadership) consume(ctx context.Context, batch *feed.Batch, so *backlog) error {
	l.beatPrevented(cachestate.CatchingUp, fmt.Sprintf("%d changes are done", so.consumed+len(batch.Changes)))
	if err := l.giveUpDark(ctx); err != nil { // of what is deleted nothing can be kept
		return err
	}
	marked := l.mark()
	err := l.runKeepingAlive(ctx, l.partTimeout(), func(ctx context.Context) error {
		return l.feed.Consume(ctx, l.drains, l.position, batch)
	})
	if err != nil {
		return err
	}
	l.purger.BatchStored(marked)
	so.consumed += len(batch.Changes)
	if so.consumed >= max(so.countAt, countAfter) {
		return l.count(ctx, so)
	}
	return nil
}

// count counts the backlog. It returns errBacklog if that is too large.
func (l *leadership) count(ctx context.Context, so *backlog) error {
	var rows int
	err := l.runKeepingAlive(ctx, countTimeout, func(ctx context.Context) (err error) {
		rows, err = l.feed.Count(ctx, l.drains, l.position, l.collapse+1)
		return err
	})
	if err != nil {
		return err
	}
	if l.backlog(rows); rows > l.collapse {
		return errBacklog
	}
	so.countAt = so.consumed + max(rows/2, countAfter)
	return nil
}

// countTimeout is more than any machine takes to count up to collapseRows.
const countTimeout = time.Minute

// sweepSome deletes some of the changes that nobody needs any more, which an epoch or an
// interruption has left. It takes a quarter of the time between two beats at most.
func (l *leadership) sweepSome(ctx context.Context) error {
	for began := time.Now(); !l.sweep.Done() && time.Since(began) < l.beatEvery()/4; {
		err := l.runKeepingAlive(ctx, l.partTimeout(), func(ctx context.Context) error { return l.sweep.Step(ctx, l.drains) })
		if err != nil {
			return err
		}
	}
	return nil
}

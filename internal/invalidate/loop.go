package invalidate

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// loop works until an error ends the leadership. It never returns nil.
func (l *leadership) loop(ctx context.Context) error {
	l.listener = l.listen(ctx)
	defer func() { l.listener.stop() }()
	beatTimer := time.NewTimer(0)
	defer beatTimer.Stop()
	for beatDue := false; ; {
		published, err := l.round(ctx, beatDue)
		if failed := l.publishObserved(ctx, err == nil); failed != nil {
			return cmp.Or(err, failed)
		}
		var again bool
		if again, err = l.restart(ctx, err); err != nil {
			return err
		}
		switch {
		case again:
			beatTimer.Reset(0)
		case published:
			if err := l.answerQuestion(ctx); err != nil {
				return err
			}
			if err := l.sweepSome(ctx); err != nil {
				return err
			}
			beatTimer.Reset(l.beatEvery())
		}
		if err := l.tendPartitions(ctx); err != nil {
			if _, err = l.restart(ctx, err); err != nil {
				return err
			}
			beatTimer.Reset(0)
		}
		if err := l.maintain(ctx); err != nil {
			return err
		}
		if beatDue, err = l.awaitEvent(ctx, beatTimer.C); err != nil {
			return err
		}
	}
}

// restart answers an error after which the same leader can go on: it takes everything up
// again, or begins a new epoch. Any other error ends the leadership.
func (l *leadership) restart(ctx context.Context, failed error) (again bool, err error) {
	switch {
	case failed == nil:
		return false, nil
	case errors.Is(failed, feed.ErrUncaptured):
		err = l.renewEpoch(ctx, telemetry.PreparedEnded)
	case errors.Is(failed, errBacklog):
		err = l.renewEpoch(ctx, telemetry.Backlog)
	case errors.Is(failed, feed.ErrMarker), errors.Is(failed, rediscache.ErrStateLost), isAltered(failed):
		err = l.begin(ctx)
	default:
		return false, failed
	}
	if isAltered(err) {
		err = l.begin(ctx)
	}
	return err == nil, err
}

// isAltered reports whether the tables, their capture or their description are not what this
// leader has looked at.
func isAltered(err error) bool {
	return errors.Is(err, feed.ErrCatalog) || errors.Is(err, feed.ErrDescription)
}

package invalidate

import (
	"context"
	"time"
)

// The position is stored every storeOften while so many changes keep coming that there are
// storeMany transactions by then, and else every storeSeldom; deleting the changes of one
// may take storeTime.
const (
	storeOften  = 50 * time.Millisecond
	storeSeldom = 200 * time.Millisecond
	storeMany   = 100
	storeTime   = time.Millisecond
)

// store writes the position to PostgreSQL and deletes the changes behind it, if
// there are any and it is time. Until then a restart would apply them once more.
func (l *leadership) store(ctx context.Context, beatDue bool) error {
	every := storeSeldom
	if len(l.pending) >= storeMany {
		every = storeOften
	}
	if !l.storeSoon && (len(l.pending) == 0 || !beatDue && time.Since(l.stored) < every) {
		return nil
	}
	limit := l.stepTimeout() + time.Duration(len(l.pending))*storeTime
	return l.runKeepingAlive(ctx, limit, l.save)
}

// save writes the position now. Changes that a partition which is behind has not seen are kept. When no
// partition needs them any more, they are swept away: not before that is stored.
func (l *leadership) save(ctx context.Context) error {
	marked := l.mark()
	done, keeps := l.pending, l.keeps()
	if keeps {
		done, l.unswept = nil, true
	}
	if err := l.feed.Advance(ctx, l.drains, l.position, done); err != nil {
		return err
	}
	if l.unswept && !keeps {
		l.sweep, l.unswept = l.feed.NewSweep(l.position.Snapshot), false
	}
	l.purger.BatchStored(marked)
	l.pending, l.stored, l.storeSoon = l.pending[:0], time.Now(), false
	return nil
}

// saveOnExit stores the position when the process is told to stop, so that the next leader
// need not apply again what has been applied. If it fails, the next leader does that. It
// does nothing while the position is ahead of what has been purged.
func (l *leadership) saveOnExit(ctx context.Context) {
	if len(l.pending) == 0 || len(l.remaining) > 0 {
		return
	}
	enough, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.stepTimeout())
	defer cancel()
	if err := l.save(enough); err != nil {
		l.Log.DebugContext(ctx, "the position was not stored at the end", "error", err)
	}
}

package invalidate

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/invalidate/feed"
)

// awaitEvent waits for a ring, the next poll, the next beat or the answer to the request for
// the doorbell lock, or a question, whichever comes first. It reports whether a beat is due: a
// question is answered behind one.
func (l *leadership) awaitEvent(ctx context.Context, beatTimer <-chan time.Time) (beatDue bool, err error) {
	if beatDue, err := l.awaitSpacing(ctx, beatTimer); beatDue || err != nil {
		return beatDue, err
	}
	if l.doorbell.pollDue {
		l.doorbell.pollDue = false
		select {
		case <-beatTimer:
			return true, nil
		default:
			return false, nil
		}
	}
	var poll <-chan time.Time
	if d := l.doorbell.pollIn(time.Now(), l.pollOnly, l.beatEvery()); d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		poll = t.C
	}
	var questions chan *question
	if l.question == nil {
		questions = l.questions
	}
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-beatTimer:
		return true, nil
	case <-l.listener.rings:
		l.Metrics.Rings.Inc()
	case a := <-l.doorbell.granted:
		return false, l.answered(ctx, a)
	case <-poll:
	case <-l.arrived:
	case l.question = <-questions:
		return true, nil
	}
	return false, nil
}

// maintain does what the locks, the doorbell and the listener need between two rounds.
func (l *leadership) maintain(ctx context.Context) error {
	if err := l.keepAlive(ctx); err != nil { // on a busy machine a round may have taken long after its drain
		return err
	}
	now := time.Now()
	if l.listener.overdue(now) {
		l.Metrics.ListenerRestarts.Inc()
		l.Log.WarnContext(ctx, "the listener does not receive its own pings and is replaced")
		l.listener.stop()
		l.listener = l.listen(ctx)
	}
	switch fit := l.listener.healthy(now); {
	case !fit && l.doorbell.ringing():
		return l.doorbell.wake(ctx, now)
	case fit && !l.pollOnly && l.doorbell.sleepDue(now):
		l.doorbell.requestLock(ctx)
		l.Metrics.Sleeps.Inc()
	}
	return nil
}

// askForDoorbell requests the doorbell lock once.
func (l *leadership) askForDoorbell(ctx context.Context) (held bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.stepTimeout()+l.lockWait())
	defer cancel()
	return askForDoorbellLock(ctx, l.locks)
}

// releaseDoorbell releases the doorbell lock.
func (l *leadership) releaseDoorbell(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.stepTimeout())
	defer cancel()
	return releaseDoorbellLock(ctx, l.locks)
}

// listen begins to listen, on connections of its own.
func (l *leadership) listen(ctx context.Context) *listener {
	connect := func(ctx context.Context, purpose string) (*pgx.Conn, error) { return l.connect(ctx, purpose, nil) }
	return startListener(ctx, connect, func(err error) {
		if ctx.Err() == nil && !errors.Is(err, context.Canceled) { // that is the end of this listener
			l.Log.WarnContext(ctx, "listening interrupted", "error", err)
		}
	})
}

// answerBurst wakes the doorbell if changes come so fast that ringing would cost the writers
// more than polling costs the invalidator.
func (l *leadership) answerBurst(ctx context.Context, batch *feed.Batch) error {
	now := time.Now()
	if batch.Ringing && l.doorbell.ringing() {
		l.listener.pingSoon() // whoever holds the lock may do so for long
	}
	if len(batch.Xids) > 0 && l.doorbell.addTransactions(now, len(batch.Xids), batch.InProgress()) {
		return l.doorbell.wake(ctx, now)
	}
	return nil
}

package invalidate

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/invalidate/feed"
)

// sleep waits for whatever comes first of a ring, the next look, the next beat and
// the answer to the request for K, and tells whether it was the beat.
func (l *leadership) sleep(ctx context.Context, beat <-chan time.Time) (due bool, err error) {
	if l.bell.unseen {
		l.bell.unseen = false
		select {
		case <-beat:
			return true, nil
		default:
			return false, nil
		}
	}
	var look <-chan time.Time
	if d := l.bell.next(time.Now(), l.polling, l.beatEvery()); d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		look = t.C
	}
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-beat:
		return true, nil
	case <-l.ears.rings:
		l.Metrics.Rings.Inc()
	case err := <-l.bell.granted:
		return false, l.answered(err)
	case <-look:
	}
	return false, nil
}

// tend does what the locks, the doorbell and the listener need between two rounds.
func (l *leadership) tend(ctx context.Context) error {
	if err := l.touch(ctx); err != nil { // on a busy machine a round may have taken long after its drain
		return err
	}
	now := time.Now()
	if l.ears.deaf(now) {
		l.Metrics.ListenerRestarts.Inc()
		l.Log.WarnContext(ctx, "the listener does not hear its own ring, beginning another")
		l.ears.stop()
		l.ears = l.listen(ctx)
		l.proved = time.Time{}
	}
	if since := now.Sub(l.proved); since >= proofEvery || since >= proofFirst && !l.ears.hears() {
		if err := l.prove(ctx, now); err != nil {
			return err
		}
	}
	switch {
	case l.bell.state == asleep && !l.ears.hears():
		return l.bell.wake(ctx, now)
	case l.bell.state == awake && !l.polling && l.ears.hears() && l.bell.owed(now) == 0:
		l.bell.queue(ctx)
		l.Metrics.Sleeps.Inc()
	}
	return nil
}

// prove rings to oneself, not on the leader's connection: a NOTIFY may have to wait
// for the commits of others, longer than that one waits for a lock.
func (l *leadership) prove(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, l.stepTimeout())
	defer cancel()
	if _, err := l.drains.Exec(ctx, "select pg_notify($1, $2)", proofChannel, l.ears.prove(now)); err != nil {
		return fmt.Errorf("ring to oneself: %w", err)
	}
	l.proved = now
	return nil
}

// listen begins to listen on a connection of its own.
func (l *leadership) listen(ctx context.Context) *listener {
	connect := func(ctx context.Context) (*pgx.Conn, error) { return l.connect(ctx, "listen", nil) }
	return startListener(ctx, connect, func(err error) {
		if ctx.Err() == nil {
			l.Log.WarnContext(ctx, "listening interrupted", "error", err)
		}
	})
}

// answerBurst wakes up if changes come so fast that ringing would cost the writers
// more than looking costs the invalidator.
func (l *leadership) answerBurst(ctx context.Context, batch *feed.Batch) error {
	now := time.Now()
	if len(batch.Xids) > 0 && l.bell.found(now, len(batch.Xids), batch.InProgress()) {
		return l.bell.wake(ctx, now)
	}
	return nil
}

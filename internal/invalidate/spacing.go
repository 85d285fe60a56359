package invalidate

import (
	"context"
	"time"
)

// A purge that is published costs Redis about messageCost for each subscriber, whatever is in the
// message, and meanwhile Redis answers nobody. So rounds that publish are spaced: those messages may
// take one part in deliveryShare of the time of a server. With a hundred API processes that is
// shorter than the loop waits anyway. A round within which a beat is due comes in any case.
const (
	messageCost   = 7 * time.Microsecond
	deliveryShare = 3
)

// spaceRounds puts the next round off, since so many messages have been written to subscribers
// just now. Nothing that is proved depends on it: what is committed meanwhile is drained later, and
// only then certified.
func (l *leadership) spaceRounds(deliveries int) {
	pause := time.Duration(deliveries) * messageCost * deliveryShare
	if pause < pollMin {
		return
	}
	now := time.Now()
	from := l.spacedUntil
	if from.Before(now) {
		from = now
	}
	l.spacedUntil = from.Add(pause)
	if most := now.Add(l.beatEvery()); l.spacedUntil.After(most) {
		l.spacedUntil = most
	}
}

// awaitSpacing waits until the next round may come, or reports that a beat is due. Rings wait.
func (l *leadership) awaitSpacing(ctx context.Context, beatTimer <-chan time.Time) (beatDue bool, err error) {
	for {
		pause := time.Until(l.spacedUntil)
		if pause <= 0 {
			return false, nil
		}
		over := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-beatTimer:
			beatDue = true
		case a := <-l.doorbell.granted:
			err = l.answeredMeanwhile(ctx, a)
		case <-over.C:
		}
		over.Stop()
		if beatDue || err != nil {
			return beatDue, err
		}
	}
}

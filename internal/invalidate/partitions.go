package invalidate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/pgsnapshot"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// The partitions of Redis share the changes that are drained, and nothing else. One that fails is
// dark: it gets no beat, and the changes from its stored position on are kept for it. The others
// go on. A dark partition is entered again and again, beside the rounds. Once that has succeeded
// it catches up between two rounds, alone, and then joins the others.

// darkPartition is one that is out of use.
type darkPartition struct {
	since   time.Time
	tryAt   time.Time               // when it is entered next
	entered chan rediscache.Entered // gives what entering it has answered; nil: nobody is about to
}

// keptLimits bound what is kept for dark partitions, and read when one catches up. Beyond, it is
// sooner done to let them begin anew.
var keptLimits = feed.Limits{Rows: 50_000, Bytes: 16 << 20}

// tryAgainAfter is the pause before a dark partition is entered again.
func (l *leadership) tryAgainAfter() time.Duration { return min(l.beatEvery(), time.Second) }

// behind reports whether a partition has not seen all that the others have: it is dark, or has been
// entered again and not caught up yet, whatever may have kept it from that. Its position stays where
// it is stored, and the changes behind that are kept.
func (l *leadership) behind(p int) bool { return l.purger.Dark(p) != nil || l.dark[p] != nil }

// tendPartitions looks after dark partitions between two rounds.
func (l *leadership) tendPartitions(ctx context.Context) error {
	if !l.purger.AnyDark() && len(l.dark) == 0 {
		return nil
	}
	for p := range l.position.Parts {
		why, dark := l.purger.Dark(p), l.dark[p]
		switch {
		case why != nil && dark == nil:
			l.setDark(ctx, p, why)
		case dark == nil:
		case dark.entered != nil:
			select {
			case e := <-dark.entered:
				dark.entered, dark.tryAt = nil, time.Now().Add(l.tryAgainAfter())
				if err := l.join(ctx, p, e); err != nil {
					return err
				}
				if err := l.keepAlive(ctx); err != nil {
					return err
				}
			default:
			}
		case !time.Now().Before(dark.tryAt):
			l.enter(ctx, p, dark)
		}
	}
	l.Metrics.DarkPartitions.Set(float64(len(l.dark)))
	l.status.setDark(len(l.dark))
	return nil
}

// setDark begins to look after a partition that has failed.
func (l *leadership) setDark(ctx context.Context, p int, why error) {
	l.Log.WarnContext(ctx, "a partition of Redis is out of use; the others go on", "partition", p, "error", why)
	if errors.Is(why, rediscache.ErrStateLost) {
		l.Metrics.Lost.Inc()
	}
	l.dark[p] = &darkPartition{since: time.Now()}
	l.enter(ctx, p, l.dark[p])
}

// enter begins to enter a dark partition. It does not wait: the partition's server may not answer.
// What PostgreSQL has stored of the partition is what is compared: its position and how far Redis
// was are of one row.
func (l *leadership) enter(ctx context.Context, p int, dark *darkPartition) {
	entered := make(chan rediscache.Entered, 1)
	dark.entered = entered
	leader, stored, first := l.name, l.position.Parts[p].Fence, l.purger.FirstSeq(p)
	l.entering.Go(func() {
		entered <- l.purger.Enter(ctx, p, leader, stored, first, true)
		select {
		case l.arrived <- struct{}{}:
		default:
		}
	})
}

// join takes a partition that has been entered into use again. It stays dark if anything fails
// in it meanwhile. The error is that of something else.
func (l *leadership) join(ctx context.Context, p int, e rediscache.Entered) error {
	if errors.Is(e.Err(), rediscache.ErrFenced) {
		return fmt.Errorf("partition %d: %w", p, e.Err())
	}
	err := l.adopt(ctx, p, e)
	switch {
	case err != nil:
	case errors.Is(e.Err(), rediscache.ErrStateLost):
		err = l.beginGeneration(ctx, p)
	case e.Err() == nil:
		err = l.catchUp(ctx, p)
	}
	if err != nil || l.purger.Dark(p) != nil {
		return err
	}
	l.Log.InfoContext(ctx, "the partition of Redis is in use again", "partition", p,
		"after", time.Since(l.dark[p].since).Round(time.Millisecond))
	delete(l.dark, p)
	l.storeSoon = true
	return nil
}

// adopt takes in what entering a partition has answered, and forgets its queries if they are not
// those that are there.
func (l *leadership) adopt(ctx context.Context, p int, e rediscache.Entered) error {
	if l.purger.Adopt(p, l.name, e) {
		return nil
	}
	return l.computeKeepingAlive(ctx, l.index.Len(), func() { l.forget(p) })
}

// forget forgets the queries of some partitions. It looks at every query once.
func (i *Invalidator) forget(partitions ...int) {
	switch len(partitions) {
	case 0:
		return
	case i.Space.Partitions:
		i.index.Reset()
		return
	}
	of := make([]bool, i.Space.Partitions)
	for _, p := range partitions {
		of[p] = true
	}
	i.index.RemoveFunc(func(query string) bool { return of[i.Space.Partition(query)] })
}

// beginGeneration voids one partition: first in PostgreSQL, then in Redis, as an epoch does for
// all. Each try has a generation of its own: an earlier one may have begun without an answer, and
// be in use.
func (l *leadership) beginGeneration(ctx context.Context, p int) error {
	part, err := l.storeGeneration(ctx, p, rediscache.NewEpoch())
	if err == nil {
		l.name, err = l.leader(ctx, l.position) // with a floor behind the partition's position
	}
	if err != nil {
		return err
	}
	e := l.purger.Begin(ctx, p, l.name, part.Generation)
	err = l.adopt(ctx, p, e)
	if e.Err() == nil {
		l.Metrics.Epoch(telemetry.RedisLost)
		l.Log.InfoContext(ctx, "a partition of Redis begins anew", "partition", p)
	}
	return err
}

// storeGeneration begins a generation of a partition in PostgreSQL, or none.
func (l *leadership) storeGeneration(ctx context.Context, p int, generation string) (part feed.Part, err error) {
	err = l.runKeepingAlive(ctx, l.partTimeout(), func(ctx context.Context) error {
		part, err = feed.BeginGeneration(ctx, l.drains, l.position, p, generation)
		return err
	})
	if err == nil {
		l.position.Parts[p] = part
	}
	return part, err
}

// catchUp applies to a partition that has just been entered what it has missed: all from its
// stored position on. Its registrations are read before, and again behind the purge, as in any
// round. This drain comes after those of the others, in the same session, so it sees all that
// they have seen: nothing is between it and the next one, which is for all. There, and not
// before, the partition gets a beat: its time is noted at the beginning of that round.
func (l *leadership) catchUp(ctx context.Context, p int) error {
	if err := l.readRegistrationsIn(ctx, []int{p}); err != nil || l.purger.Dark(p) != nil {
		return err
	}
	at := l.position
	at.Snapshot = l.position.Parts[p].Snapshot
	var batch *feed.Batch
	err := l.runKeepingAlive(ctx, l.partTimeout(), func(ctx context.Context) (err error) {
		batch, err = l.feed.Drain(ctx, l.drains, at, keptLimits, true)
		return err
	})
	if err == nil {
		err = l.judge(batch, true)
	}
	switch {
	case err != nil:
		return err
	case batch.More:
		return l.beginGeneration(ctx, p)
	}
	l.purger.RaiseFloor(batch.End)
	return l.applyIn(ctx, p, batch.Changes)
}

// applyIn is apply in one partition.
func (l *leadership) applyIn(ctx context.Context, p int, changes []match.Change) error {
	known, err := l.affected(ctx, &l.index, changes, nil, nil)
	if err != nil {
		return err
	}
	fresh, err := l.purge(ctx, []int{p}, known)
	if err != nil {
		return err
	}
	return l.applyLate(ctx, []int{p}, changes, fresh, nil)
}

// giveUpDark lets go of what is kept for dark partitions: they will begin anew.
func (l *leadership) giveUpDark(ctx context.Context) error {
	for p := range l.position.Parts {
		if !l.behind(p) || l.position.Parts[p].Snapshot == "" {
			continue
		}
		if _, err := l.storeGeneration(ctx, p, ""); err != nil {
			return err
		}
		if dark := l.dark[p]; dark != nil {
			dark.entered = nil // by what is not stored any more
		}
		l.Log.WarnContext(ctx, "a partition of Redis has been out of use for too many changes and will begin anew", "partition", p)
	}
	l.kept = 0
	return nil
}

// keep counts changes that are kept for dark partitions, and gives those up if there are too many.
func (l *leadership) keep(ctx context.Context, changes int) error {
	if !l.keeps() {
		l.kept = 0
		return nil
	}
	if l.kept += changes; l.kept > l.keptRows {
		return l.giveUpDark(ctx)
	}
	return nil
}

// keeps reports whether changes are kept for a partition that is behind.
func (l *leadership) keeps() bool {
	for p := range l.position.Parts {
		if l.behind(p) && l.position.Parts[p].Snapshot != "" {
			return true
		}
	}
	return false
}

// mark notes how far the partitions have come that are not behind, to be stored, and returns them.
// The others stay where they are.
func (l *leadership) mark() (marked []int) {
	for p := range l.position.Parts {
		if !l.behind(p) {
			l.position.Parts[p] = feed.Part{Snapshot: l.position.Snapshot, Fence: l.purger.Fence(p)}
			marked = append(marked, p)
		}
	}
	return marked
}

// leastOf returns the snapshot that sees the least of some parts': all others see what it sees.
// It is "" if there is none.
func leastOf(parts []feed.Part, of func(p int) bool) (least string) {
	for p := range parts {
		at := parts[p].Snapshot
		if at != "" && of(p) && (least == "" || pgsnapshot.Covers(least, at)) {
			least = at
		}
	}
	return least
}

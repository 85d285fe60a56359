package rediscache_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/rediscache"
)

// enterAgain has the world's daemon enter one partition again, as its leader does after it has lost
// sight of it.
func (w *world) enterAgain(p int) rediscache.Entered {
	w.Helper()
	return w.daemon.Enter(w.ctx, p, w.leader, w.daemon.Fence(p), w.daemon.FirstSeq(p), true)
}

// A leader takes a partition over again in its own term, and not in a later one. What it sent
// before that, and comes late, is refused.
func TestADarkPartitionIsEnteredAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	for p := range 2 {
		w.store(w.queryOf(p), "x")
	}
	w.registrations()
	late := w.daemon
	next := w.newPurger()
	next.Adopt(0, w.leader, w.enterAgain(0))
	w.must(next.Dark(0))
	w.must(late.Purge(w.ctx, []string{w.queryOf(0), w.queryOf(1)}, ignore)) // the other partition goes on
	w.want(late.Dark(0), rediscache.ErrStateLost)
	w.must(late.Dark(1))
	told := 0
	w.must(next.RegistrationsIn(w.ctx, []int{0}, func(rediscache.Registration) { told++ }))
	w.must(next.Dark(0))
	if told != 1 {
		t.Errorf("%d registrations are told, want 1: the late purge was refused", told)
	}

	w.must(w.rdb.HIncrBy(w.ctx, w.space.Fence(1), "term", 1).Err())
	w.want(w.enterAgain(1).Err(), rediscache.ErrFenced)
}

// A try that fails leaves what is known of a partition as it is: the caller forgets nothing, and the
// registrations go on behind those that have been told.
func TestADarkPartitionIsNotReached(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.store(query, "x")
	w.registrations()
	gone, cancel := context.WithCancel(w.ctx)
	cancel()
	if !w.daemon.Adopt(0, w.leader, w.daemon.Enter(gone, 0, w.leader, w.daemon.Fence(0), w.daemon.FirstSeq(0), true)) || w.daemon.Dark(0) == nil {
		t.Error("who has not reached a partition is to forget its queries, or it is in use")
	}
	if !w.daemon.Adopt(0, w.leader, w.enterAgain(0)) {
		t.Error("the partition is not where it was left")
	}
	w.store("properties/7", "y")
	if told := len(w.registrations()); told != 1 {
		t.Errorf("%d registrations are told, want the one since", told)
	}
}

// purges counts the purges that are sent to each partition.
type purges struct {
	sent map[string]int // by the channel that they publish on
}

func (h *purges) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (h *purges) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h *purges) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			for _, word := range cmd.Args() {
				if text, ok := word.(string); ok {
					if _, counted := h.sent[text]; counted {
						h.sent[text]++
					}
				}
			}
		}
		return next(ctx, cmds)
	}
}

// A partition that has gone dark since the caller looked is sent no purge: its server may not answer.
func TestADarkPartitionIsSentNoPurge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	in := w.daemon.InUse()
	gone, cancel := context.WithCancel(w.ctx)
	cancel()
	w.daemon.Adopt(1, w.leader, w.daemon.Enter(gone, 1, w.leader, w.daemon.Fence(1), w.daemon.FirstSeq(1), true))
	counted := &purges{sent: map[string]int{w.space.Purged(0): 0, w.space.Purged(1): 0}}
	w.rdb.AddHook(counted)
	w.must(w.daemon.PurgeIn(w.ctx, in, []string{w.queryOf(0), w.queryOf(1)}, ignore))
	if used, dark := counted.sent[w.space.Purged(0)], counted.sent[w.space.Purged(1)]; used != 1 || dark != 0 {
		t.Errorf("%d purges are sent to the partition in use, %d to the dark one; want 1 and 0", used, dark)
	}
}

// A partition in which another database's invalidator beats is not entered.
func TestADarkPartitionOfAnotherDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.beat()
	w.must(w.enterAgain(0).Err())
	w.setBeat(func(b *rediscache.Beat) { b.Database = "7/6" })
	w.want(w.enterAgain(0).Err(), rediscache.ErrOtherDatabase)
	w.setBeat(func(b *rediscache.Beat) { b.Noted -= 24 * time.Hour.Microseconds() })
	w.must(w.enterAgain(0).Err())
}

// A partition that comes into use gets no beat before its server's clock has been read anew: the
// present noted time may be one of before it was lost.
func TestADarkPartitionGetsNoBeatOfBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.beat()
	w.must(w.rdb.Del(w.ctx, w.space.Beat(0), w.space.Beat(1)).Err())
	w.daemon.Adopt(1, w.leader, w.enterAgain(1))
	w.must(w.daemon.PublishBeat(w.ctx, rediscache.Proof{Noted: w.noted, Applied: "1:1:"}))
	if n := w.rdb.Exists(w.ctx, w.space.Beat(0), w.space.Beat(1)).Val(); n != 1 || w.rdb.Exists(w.ctx, w.space.Beat(0)).Val() != 1 {
		t.Errorf("%d partitions have a beat, want the other one alone", n)
	}
	w.beat()
	if n := w.rdb.Exists(w.ctx, w.space.Beat(0), w.space.Beat(1)).Val(); n != 2 {
		t.Errorf("%d partitions have a beat, want 2", n)
	}
}

package rediscache_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/rediscache"
)

// takeOver has a daemon take over, and returns whether it knows Redis.
func (w *world) takeOver(d *rediscache.Purger, l rediscache.Leader, stored []rediscache.Fence) (known bool) {
	w.Helper()
	changed, err := d.TakeOver(w.ctx, l, stored)
	w.must(err)
	return len(changed) == 0
}

func second[T any](_ T, err error) error { return err }

// again has the world's daemon take over from itself.
func (w *world) again() (known bool) {
	w.Helper()
	w.leader.Term++
	return w.takeOver(w.daemon, w.leader, w.daemon.Fences())
}

// lead has another daemon take over.
func (w *world) lead(d *rediscache.Purger) {
	w.Helper()
	w.leader.Term++
	w.takeOver(d, w.leader, w.daemon.Fences())
}

// A daemon that leads again goes on behind the registrations that it knows, unless anybody
// else has led meanwhile, or Redis is elsewhere than it was left.
func TestMemory(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		meanwhile func(*world)
		known     bool
	}{
		"nothing":                  {func(*world) {}, true},
		"a query was registered":   {func(w *world) { w.store("properties/3", "z") }, true},
		"it is to forget":          {func(w *world) { w.daemon.Forget() }, false},
		"another one has led":      {func(w *world) { w.lead(w.newPurger()) }, false},
		"Redis forgot a purge":     {func(w *world) { w.must(w.daemon.Purge(w.ctx, nil, ignore)); w.forget("seq", -1) }, false},
		"an answer did not arrive": {func(w *world) { w.forget("seq", 1) }, false},
		// Interleaving E5: what this daemon last had is (term 1, seq 1). Redis goes back to
		// before that; another one leads, learns another query and comes to seq 1 as well.
		"Redis went back, and another came to the same seq": {func(w *world) {
			w.forget("seq", -1)
			other := w.newPurger()
			w.leader.Term++
			stored := w.daemon.Fences()
			stored[0].Seq = 0
			w.takeOver(other, w.leader, stored)
			w.must(other.Registrations(w.ctx, ignore))
			w.must(w.rdb.HSet(w.ctx, w.space.Fence(0), "seq", w.daemon.Fence(0).Seq).Err())
		}, false},
		"a new epoch has begun": {func(w *world) {
			w.leader.Term++
			w.leader.Epoch = rediscache.NewEpoch()
			w.must(w.begin(w.newPurger(), w.leader))
		}, false},
		"it began a new epoch itself": {func(w *world) {
			w.leader.Term++
			w.leader.Epoch = rediscache.NewEpoch()
			w.must(w.begin(w.daemon, w.leader))
			w.store("properties/4", "z")
		}, true}, // of that epoch it knows all
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			w.store("properties/1", "x")
			w.store("properties/2", "y")
			w.registrations()
			c.meanwhile(w)
			w.leader.Term++
			stored := w.daemon.Fences()
			stored[0] = rediscache.Fence{Generation: w.rdb.HGet(w.ctx, w.space.Fence(0), "generation").Val()} // as far back as can be: this is not about the stored position
			stored[0].Batch = w.batch()
			if known := w.takeOver(w.daemon, w.leader, stored); known != c.known {
				t.Errorf("known is %t, want %t", known, c.known)
			}
			told := len(w.registrations())
			if all := int(w.live()); !c.known && told != all {
				t.Errorf("%d registrations are told, want all %d", told, all)
			} else if c.known && told > 1 {
				t.Errorf("%d registrations are told again", told)
			}
			w.registrations()
			if !w.again() {
				t.Error("it does not know what it has just read")
			}
		})
	}
}

// A partition that is not where it was left is dark, the others are entered. What has been
// learned anew of one of them counts as known, and of the others not.
func TestMemoryOfSomePartitions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	for p := range 3 {
		w.store(w.queryOf(p), "x")
	}
	w.registrations()
	w.lead(w.newPurger())
	fence, stored := w.space.Fence(2), w.daemon.Fences()
	w.must(w.rdb.Rename(w.ctx, fence, fence+"gone").Err())
	w.leader.Term++
	if changed, err := w.daemon.TakeOver(w.ctx, w.leader, stored); err != nil || !slices.Equal(changed, []int{0, 1}) {
		t.Errorf("changed are %v, %v", changed, err)
	}
	w.want(w.daemon.Dark(2), rediscache.ErrStateLost)
	if told := len(w.registrations()); told != 2 {
		t.Errorf("%d registrations are told, want 2", told)
	}
	w.must(w.rdb.Rename(w.ctx, fence+"gone", fence).Err())
	e := w.daemon.Enter(w.ctx, 2, w.leader, stored[2], w.daemon.FirstSeq(2), true)
	if w.daemon.Adopt(2, w.leader, e) || w.daemon.AnyDark() {
		t.Errorf("the third partition passes for known, or is dark: %v", w.daemon.Dark(2))
	}
	if told := len(w.registrations()); told != 1 {
		t.Errorf("%d registrations are told, want 1", told)
	}
	e = w.daemon.Enter(w.ctx, 2, w.leader, stored[2], w.daemon.FirstSeq(2), false)
	w.want(e.Err(), rediscache.ErrFenced) // by a leader of this very term
}

// What was learned before an interruption is not read again.
func TestLearningGoesOn(t *testing.T) {
	t.Parallel()
	const many = 2100
	w := newWorld(t, 1)
	w.limits.Live = many
	w.reader = rediscache.NewReader(w.rdb, w.space, build, w.limits)
	var want []string
	for id := range many {
		q := propertyOf(id + 1)
		w.acquire(q)
		want = append(want, q)
	}
	var seen []string
	see := func(r rediscache.Registration) { seen = append(seen, r.Query) }
	enough, cancel := context.WithCancel(w.ctx)
	calls := 0
	generation := w.daemon.Fence(0).Generation
	w.daemon = rediscache.NewPurger(w.rdb, w.space, bound, func(context.Context) error {
		if calls++; calls == 2 {
			cancel()
		}
		return enough.Err()
	})
	w.leader.Term++
	w.takeOver(w.daemon, w.leader, []rediscache.Fence{{Generation: generation}})
	w.want(w.daemon.Registrations(enough, see), context.Canceled)
	if n := len(seen); n == 0 || n == many {
		t.Fatalf("%d registrations were told before the interruption", n)
	}
	enough = w.ctx
	if !w.again() {
		t.Error("it does not know what it has read")
	}
	w.must(w.daemon.Registrations(w.ctx, see))
	if !slices.Equal(seen, want) {
		t.Errorf("%d registrations were told, want %d, each once", len(seen), many)
	}
}

// Redis goes back by a step, an entry of the same leader changes seq, and its answer is lost, or thrown
// away. The next entry must not take Redis for what it was before all that.
//
//  1. A query is registered, with number n; the daemon reads that.
//  2. Redis goes back to before 1.
//  3. The daemon enters the partition, and gets no answer.
//  4. Another query is registered, with number n, and filled.
//  5. The daemon enters the partition again.
func TestAnEntryWithoutAnAnswerIsNoticed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	stored, goBack := w.daemon.Fence(0), w.remember()
	w.store("properties/1", "x")
	w.registrations()
	goBack()
	enter := func() rediscache.Entered {
		return w.daemon.Enter(w.ctx, 0, w.leader, stored, w.daemon.FirstSeq(0), true)
	}
	w.must(enter().Err())
	w.store("properties/2", "y")
	e := enter()
	w.must(e.Err())
	if w.daemon.Adopt(0, w.leader, e) {
		t.Error("what the daemon knows passes for what is there")
	}
	var told []string
	w.must(w.daemon.Registrations(w.ctx, func(r rediscache.Registration) { told = append(told, r.Query) }))
	if !slices.Contains(told, "properties/2") {
		t.Errorf("told are %v, not the query that has the number of a forgotten one", told)
	}
}

// An entry that comes late, after others of the same leader, changes nothing: it does not make up for a
// purge that Redis has forgotten.
func TestALateEntryIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.store(query, "x")
	w.registrations()
	before, late := w.daemon.Fence(0), w.daemon.FirstSeq(0)
	w.daemon.Adopt(0, w.leader, w.enterAgain(0))
	w.must(w.daemon.Purge(w.ctx, nil, ignore))
	goBack := w.remember()
	w.must(w.daemon.Purge(w.ctx, []string{query}, ignore))
	stored := w.daemon.Fence(0)
	goBack()
	w.want(w.daemon.Enter(w.ctx, 0, w.leader, before, late, true).Err(), rediscache.ErrFenced)
	w.want(w.daemon.Enter(w.ctx, 0, w.leader, stored, w.daemon.FirstSeq(0), true).Err(), rediscache.ErrStateLost)
}

// An entry begins above all that was sent, answered or not.
func TestAnEntryIsAboveWhatWasNotAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.store(query, "x")
	w.registrations()
	stored := w.daemon.Fence(0)
	gone, cancel := context.WithCancel(w.ctx)
	cancel()
	w.want(w.daemon.Purge(gone, []string{query}, ignore), context.Canceled)
	w.forget("seq", 1) // it has been executed
	w.must(w.daemon.Enter(w.ctx, 0, w.leader, stored, w.daemon.FirstSeq(0), true).Err())
}

// forget changes a number in the fence, as a Redis that went back would.
func (w *world) forget(field string, by int64) {
	w.Helper()
	w.must(w.rdb.HIncrBy(w.ctx, w.space.Fence(0), field, by).Err())
}

func (w *world) batch() int64 {
	w.Helper()
	n, err := w.rdb.HGet(w.ctx, w.space.Fence(0), "batch").Int64()
	w.must(err)
	return n
}

func (w *world) live() int64 {
	w.Helper()
	n, err := w.rdb.ZCard(w.ctx, w.space.Live(0)).Result()
	if err != redis.Nil {
		w.must(err)
	}
	return n
}

func propertyOf(id int) string { return fmt.Sprintf("properties/%d", id) }

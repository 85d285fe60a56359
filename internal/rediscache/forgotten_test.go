package rediscache_test

import (
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/rediscache"
)

// remember keeps every key of this test, and returns what puts all back as it was: a
// Redis that fails over, or reads an old snapshot, without a connection's end.
func (w *world) remember() (goBack func()) {
	w.Helper()
	type key struct {
		value string
		life  time.Duration
	}
	kept := map[string]key{}
	for _, name := range w.rdb.Keys(w.ctx, w.space.Prefix+":*").Val() {
		value, err := w.rdb.Dump(w.ctx, name).Result()
		w.must(err)
		kept[name] = key{value, max(0, w.rdb.PTTL(w.ctx, name).Val())}
	}
	return func() {
		w.Helper()
		w.flush()
		for name, k := range kept {
			w.must(w.rdb.Restore(w.ctx, name, k.life, k.value).Err())
		}
	}
}

// Redis goes back to before a registration that the daemon has read, and gives its
// number to another query. The daemon would not ask for that one, nor take its lease.
//
//  1. A query is acquired, with number 1; the daemon reads that.
//  2. Redis goes back to before 1: no registration, no query is live.
//  3. Another query is acquired, with number 1.
//  4. The daemon asks for numbers above 1.
func TestForgottenRegistrationIsNoticed(t *testing.T) {
	t.Parallel()
	for name := range purgerCalls(nil) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			goBack := w.remember()
			w.acquire("properties/1")
			w.registrations()
			goBack()
			w.acquire("properties/2")
			w.want(purgerCalls(w)[name](w.daemon), rediscache.ErrStateLost)
		})
	}
}

// Redis goes back to before a cleanup: the query is cached again, and the daemon does
// not know it any more.
func TestForgottenCleanupIsNoticed(t *testing.T) {
	t.Parallel()
	for name := range purgerCalls(nil) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			w.store("properties/1", "evicted")
			w.store("properties/2", "never purged")
			w.registrations()
			goBack := w.remember()
			w.must(w.rdb.Del(w.ctx, w.space.Queryset("properties/2"), w.space.View("json", "properties/2")).Err())
			gone, err := w.daemon.Cleanup(w.ctx, 10)
			w.must(err)
			if len(gone) != 1 || gone[0] != "properties/2" {
				t.Fatalf("cleanup removes %v, want properties/2", gone)
			}
			goBack()
			w.want(purgerCalls(w)[name](w.daemon), rediscache.ErrStateLost)
		})
	}
}

// The daemon's own calls leave it in order: what it raises, it knows.
func TestDaemonKnowsWhatItRaised(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	for range 3 {
		w.store(query, "x")
		w.registrations()
		w.must(w.rdb.Del(w.ctx, w.space.Queryset(query), w.space.View("json", query)).Err())
		for name, call := range purgerCalls(w) {
			if err := call(w.daemon); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// Redis goes back to before a takeover, and the leader of before, which still lives,
// raises seq beyond what is stored: the stored term tells.
func TestForgottenTakeoverIsNoticed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	goBack := w.remember()
	second, leader := w.newPurger(), w.leader
	leader.Term++
	w.takeOver(second, leader, w.daemon.Fences())
	w.must(second.Purge(w.ctx, []string{query}, ignore))
	stored := second.Fences()
	second.BatchStored(second.InUse())
	goBack()
	for range 3 {
		w.must(w.daemon.Purge(w.ctx, nil, ignore))
	}
	leader.Term++
	_, err := w.newPurger().TakeOver(w.ctx, leader, stored)
	w.want(err, rediscache.ErrStateLost)
}

// A new epoch is published: what API processes keep is void.
func TestEpochIsPublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	heard := w.subscribe()
	w.leader.Term++
	w.must(w.begin(w.daemon, w.leader))
	if got := heard.next(w); got != "*" {
		t.Errorf("a new epoch is published as %q, want *", got)
	}
}

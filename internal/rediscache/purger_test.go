package rediscache_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/rediscache"
)

// purgerCalls are all that a daemon does to Redis; each must notice that Redis is
// not where the daemon left it.
func purgerCalls(w *world) map[string]func(*rediscache.Purger) error {
	return map[string]func(*rediscache.Purger) error{
		"registrations": func(d *rediscache.Purger) error { return d.Registrations(w.ctx, ignore) },
		"purge":         func(d *rediscache.Purger) error { return d.Purge(w.ctx, []string{query}, ignore) },
		"cleanup":       func(d *rediscache.Purger) error { _, err := d.Cleanup(w.ctx, 10); return err },
		"beat": func(d *rediscache.Purger) error {
			clock, err := d.ReadClock(w.ctx)
			w.must(err)
			return d.PublishBeat(w.ctx, rediscache.Proof{Noted: clock.Noted, Applied: "1:1:"})
		},
	}
}

func TestDaemonNoticesWhatRedisHasForgotten(t *testing.T) {
	t.Parallel()
	faults := map[string]func(*world){
		"everything":           (*world).flush,
		"a purge (seq)":        func(w *world) { w.must(w.rdb.HIncrBy(w.ctx, w.space.Fence(0), "seq", -1).Err()) },
		"the epoch":            func(w *world) { w.must(w.rdb.HSet(w.ctx, w.space.Fence(0), "generation", rediscache.NewEpoch()).Err()) },
		"the takeover (term)":  func(w *world) { w.must(w.rdb.HSet(w.ctx, w.space.Fence(0), "term", 0).Err()) },
		"live, by an eviction": func(w *world) { w.must(w.rdb.Del(w.ctx, w.space.Live(0)).Err()) },
		"the fence, to somebody else's value": func(w *world) {
			w.must(w.rdb.Set(w.ctx, w.space.Fence(0), "junk", 0).Err())
		},
		"one live query": func(w *world) { w.must(w.rdb.ZRem(w.ctx, w.space.Live(0), "properties/9").Err()) },
	}
	for fault, inject := range faults {
		for _, call := range []string{"registrations", "purge", "cleanup", "beat"} {
			t.Run(call+" after losing "+fault, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, 1)
				w.store(query, "x")
				w.registrations()
				w.must(purgerCalls(w)[call](w.daemon)) // in order before the fault
				w.store("properties/9", "y")
				w.registrations()
				inject(w)
				w.want(purgerCalls(w)[call](w.daemon), rediscache.ErrStateLost)
			})
		}
	}
}

func TestOldLeaderIsFenced(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"registrations", "purge", "cleanup", "beat"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			w.store(query, "x")
			next := w.newPurger()
			leader := w.leader
			leader.Term++
			w.takeOver(next, leader, w.daemon.Fences())
			w.want(purgerCalls(w)[call](w.daemon), rediscache.ErrFenced)
			w.must(purgerCalls(w)[call](next))
			leader.Term = 1
			w.want(w.begin(w.newPurger(), leader), rediscache.ErrFenced)
			w.want(second(w.newPurger().TakeOver(w.ctx, leader, w.daemon.Fences())), rediscache.ErrFenced)
		})
	}
}

// TestTakeover tells which states of Redis a new leader accepts, given what
// PostgreSQL has stored.
func TestTakeover(t *testing.T) {
	t.Parallel()
	purge := func(w *world) { w.must(w.daemon.Purge(w.ctx, nil, ignore)) }
	settled := func(w *world) { purge(w); w.daemon.BatchStored(w.daemon.InUse()) }
	cases := []struct {
		name   string
		after  func(*world) // what happens after the position was stored
		server string
		want   error
	}{
		{"nothing happened since", func(*world) {}, "first-start", nil},
		{"nothing happened but a clean restart of PostgreSQL", func(*world) {}, "second-start", nil},
		{"queries were registered since", func(w *world) { w.store(query, "x"); w.registrations() }, "first-start", nil},
		{"killed between purge and cursor", purge, "first-start", nil},
		{"killed between the purges of one batch and cursor", func(w *world) { purge(w); purge(w) }, "first-start", nil},
		{"PostgreSQL went back to before a batch", purge, "second-start", rediscache.ErrStateLost},
		{"PostgreSQL went back to before two batches", func(w *world) { settled(w); settled(w) }, "first-start", rediscache.ErrStateLost},
		{"Redis went back to before a purge", func(w *world) {
			w.must(w.rdb.HIncrBy(w.ctx, w.space.Fence(0), "seq", -1).Err())
		}, "first-start", rediscache.ErrStateLost},
		{"Redis went back to before a batch", func(w *world) {
			w.must(w.rdb.HIncrBy(w.ctx, w.space.Fence(0), "batch", -1).Err())
		}, "first-start", rediscache.ErrStateLost},
		{"Redis is empty", (*world).flush, "first-start", rediscache.ErrStateLost},
		{"somebody else has written over the fence", func(w *world) {
			w.must(w.rdb.Set(w.ctx, w.space.Fence(0), "junk", 0).Err())
		}, "first-start", rediscache.ErrStateLost},
		{"Redis has another epoch", func(w *world) {
			w.must(w.rdb.HSet(w.ctx, w.space.Fence(0), "generation", rediscache.NewEpoch()).Err())
		}, "first-start", rediscache.ErrStateLost},
		{"Redis has evicted live", func(w *world) {
			w.must(w.rdb.Del(w.ctx, w.space.Live(0)).Err())
		}, "first-start", rediscache.ErrStateLost},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			w.store("properties/1", "1")
			w.registrations()
			settled(w)
			stored := w.daemon.Fences()
			c.after(w)
			next, leader := w.newPurger(), w.leader
			leader.Term++
			leader.Server = c.server
			_, err := next.TakeOver(w.ctx, leader, stored)
			if c.want != nil {
				w.want(err, c.want)
				return
			}
			w.must(err)
			w.daemon = next
			if len(w.registrations()) == 0 {
				t.Error("the new leader does not learn the live queries")
			}
			w.beat()
			w.wantBody("properties/1", "1")
		})
	}
}

// Whatever stands under our names, a new epoch can be begun, and a beat be published.
func TestEpochOverSomebodyElsesValues(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	for _, key := range []string{w.space.Fence(0), w.space.Live(0), w.space.Windows(0), w.space.Beat(0)} {
		w.must(w.rdb.Del(w.ctx, key).Err())
		w.must(w.rdb.RPush(w.ctx, key, "junk").Err())
	}
	w.must(rediscache.CheckOtherDatabase(w.ctx, w.rdb, w.space, w.leader.Database))
	highest, _, err := w.newPurger().HighestTerm(w.ctx)
	w.must(err)
	if highest != 0 {
		t.Errorf("highest term %d, want 0", highest)
	}
	w.daemon = w.newPurger()
	w.must(w.begin(w.daemon, w.leader))
	w.beat()
	w.store(query, "x")
	w.wantBody(query, "x")
}

// A batch touches the partitions of its queries only, and partition 0. A takeover
// knows from which batch each of them is.
func TestTakeoverOfPartitionsThatDifferInTheirBatch(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		last   int  // how many purges of one partition are not stored
		settle bool // whether each of them was a batch of its own
		server string
		want   error
	}{
		"all stored":                      {0, true, "second-start", nil},
		"killed within a batch":           {2, false, "first-start", nil},
		"PostgreSQL went back by a batch": {1, true, "second-start", rediscache.ErrStateLost},
		"PostgreSQL went back by two":     {2, true, "first-start", rediscache.ErrStateLost},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 3)
			purge := func(p int) {
				w.must(w.daemon.Purge(w.ctx, []string{w.queryOf(p)}, ignore))
			}
			for _, p := range []int{1, 2, 2, 0, 1, 1} {
				purge(p)
				w.daemon.BatchStored(w.daemon.InUse())
			}
			stored := w.daemon.Fences()
			for range test.last {
				purge(2)
				if test.settle {
					w.daemon.BatchStored(w.daemon.InUse())
				}
			}
			leader := w.leader
			for range 2 { // the second leader does nothing before the third
				leader.Term++
				leader.Server = test.server
				next := w.newPurger()
				if _, err := next.TakeOver(w.ctx, leader, stored); !errors.Is(err, test.want) {
					t.Fatalf("error is %v, want %v", err, test.want)
				}
				if test.want != nil {
					return
				}
				stored = next.Fences()
			}
		})
	}
}

// Whoever takes over between a purge and the store of the position goes on with the batch that has been
// begun, however often: by another leader, or by the same one, which has lost sight of the partition.
func TestATakeoverGoesOnWithTheBatch(t *testing.T) {
	t.Parallel()
	for name, enter := range map[string]func(*world, rediscache.Fence) rediscache.Entered{
		"by another leader": func(w *world, stored rediscache.Fence) rediscache.Entered {
			w.leader.Term++
			w.daemon = w.newPurger()
			return w.daemon.Enter(w.ctx, 0, w.leader, stored, w.daemon.FirstSeq(0), false)
		},
		"by the same one": func(w *world, stored rediscache.Fence) rediscache.Entered {
			return w.daemon.Enter(w.ctx, 0, w.leader, stored, w.daemon.FirstSeq(0), true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			w.must(w.daemon.Purge(w.ctx, nil, ignore))
			w.daemon.BatchStored(w.daemon.InUse())
			stored := w.daemon.Fence(0)
			for range 4 {
				e := enter(w, stored)
				w.must(e.Err())
				w.daemon.Adopt(0, w.leader, e)
				w.must(w.daemon.Purge(w.ctx, []string{query}, ignore))
			}
			if last := w.daemon.Fence(0).Batch; last != stored.Batch+1 || w.batch() != last {
				t.Errorf("the batch is %d, in Redis %d; want %d", last, w.batch(), stored.Batch+1)
			}
			w.daemon.BatchStored(w.daemon.InUse())
			w.must(w.daemon.Purge(w.ctx, nil, ignore))
			if last := w.daemon.Fence(0).Batch; last != stored.Batch+2 || w.batch() != last {
				t.Errorf("the next batch is %d, in Redis %d; want %d", last, w.batch(), stored.Batch+2)
			}
		})
	}
}

// queryOf returns a query of a partition.
func (w *world) queryOf(partition int) string {
	for id := 1; ; id++ {
		if q := fmt.Sprintf("properties/%d", id); w.space.Partition(q) == partition {
			return q
		}
	}
}

func TestTakeoverOfAnotherNumberOfPartitions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	stored := w.daemon.Fences()
	w.leader.Term++
	w.want(second(w.newPurger().TakeOver(w.ctx, w.leader, stored[:2])), rediscache.ErrStateLost)
	w.takeOver(w.newPurger(), w.leader, stored)
}

// PostgreSQL that was put back to an older state gives a term a second time. Who has it the
// first time may live yet: the fence refuses it.
func TestTermComesAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.want(second(w.newPurger().TakeOver(w.ctx, w.leader, w.daemon.Fences())), rediscache.ErrFenced)
	w.must(w.daemon.Purge(w.ctx, nil, ignore))
}

// From a takeover on after a restart of PostgreSQL, what was read of its new start is stored,
// and what was read of the one before is not.
func TestFillAfterARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	before, leader := w.leader, w.leader
	leader.Term++
	leader.Server = "second-start"
	w.takeOver(w.newPurger(), leader, w.daemon.Fences())
	w.leader = before
	w.want(w.fill(w.acquire("properties/1"), "x"), rediscache.ErrEpoch)
	w.leader = leader
	w.store("properties/1", "x")
}

// A queryset of an earlier epoch is in nobody's way: a query can be filled at once.
func TestLeaseInANewEpoch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.store(query, "old")
	w.leader.Epoch, w.leader.Term = rediscache.NewEpoch(), 2
	w.must(w.begin(w.daemon, w.leader))
	w.beat()
	w.store(query, "new")
	w.wantBody(query, "new")
}

// A living beat of another database under the same prefix is noticed.
func TestForeignBeat(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.must(rediscache.CheckOtherDatabase(w.ctx, w.rdb, w.space, "7/6")) // there is none yet
	w.beat()
	w.must(rediscache.CheckOtherDatabase(w.ctx, w.rdb, w.space, w.leader.Database))
	w.want(rediscache.CheckOtherDatabase(w.ctx, w.rdb, w.space, "7/6"), rediscache.ErrOtherDatabase)
}

func TestBeatIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.beat()
	present, err := w.rdb.Get(w.ctx, w.space.Beat(0)).Result()
	w.must(err)
	clock, err := w.daemon.ReadClock(w.ctx)
	w.must(err)
	for name, c := range map[string]struct {
		noted int64
		want  error
	}{
		"before the present one":     {w.noted - 1, rediscache.ErrLate},
		"older than the bound":       {clock.Noted - bound.Microseconds(), rediscache.ErrLate},
		"in the future of the clock": {clock.Noted + time.Minute.Microseconds(), rediscache.ErrFuture},
		"of long ago":                {1, rediscache.ErrLate},
	} {
		w.want(w.daemon.PublishBeat(w.ctx, rediscache.Proof{Noted: c.noted, Applied: "1:1:"}), c.want)
		if still, err := w.rdb.Get(w.ctx, w.space.Beat(0)).Result(); err != nil || still != present {
			t.Errorf("%s: the present beat is %q, want %q (%v)", name, still, present, err)
		}
	}
	w.must(w.rdb.Del(w.ctx, w.space.Beat(0)).Err())
	w.want(w.daemon.PublishBeat(w.ctx, rediscache.Proof{Noted: clock.Noted - bound.Microseconds(), Applied: "1:1:"}), rediscache.ErrLate)
	w.beat()
}

func TestCleanupTakesOutWhatIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	heard := w.subscribe()
	w.store("properties/1", "kept whole")
	w.store("properties/2", "kept as view")
	w.must(w.rdb.Del(w.ctx, w.space.Queryset("properties/2")).Err())
	w.acquire("properties/3") // kept for its lease
	w.store("properties/4", "gone")
	w.must(w.rdb.Del(w.ctx, w.space.Queryset("properties/4"), w.space.View("json", "properties/4")).Err())
	w.registrations()
	for range 2 { // the second time there is nothing left to do
		_, err := w.daemon.Cleanup(w.ctx, 2)
		w.must(err)
		_, err = w.daemon.Cleanup(w.ctx, 2)
		w.must(err)
	}
	left, err := w.rdb.ZRange(w.ctx, w.space.Live(0), 0, -1).Result()
	w.must(err)
	if len(left) != 3 {
		t.Errorf("live are %v, want properties 1 to 3", left)
	}
	if got := heard.next(w); got != "properties/4" {
		t.Errorf("published is %q, want properties/4", got)
	}
	w.beat() // the count in the fence still agrees
}

func TestSees(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		applied string
		xid     uint64
		want    bool
	}{
		{"10:20:12,15", 9, true}, {"10:20:12,15", 10, true}, {"10:20:12,15", 12, false}, {"10:20:12,15", 15, false},
		{"10:20:12,15", 13, true}, {"10:20:12,15", 19, true}, {"10:20:12,15", 20, false}, {"10:20:12,15", 21, false},
		{"10:10:", 9, true}, {"10:10:", 10, false}, {"10:20:112", 12, true}, {"", 1, false}, {"x:y:", 1, false}, {"5", 1, false},
	} {
		if got := (rediscache.Beat{Applied: c.applied}).Sees(c.xid); got != c.want {
			t.Errorf("snapshot %q sees %d: %v, want %v", c.applied, c.xid, got, c.want)
		}
	}
}

func TestCheckPolicy(t *testing.T) {
	t.Parallel()
	for policy, fine := range map[string]bool{
		"volatile-lru": true, "volatile-lfu": true, "noeviction": true,
		"volatile-ttl": false, "volatile-random": false, "allkeys-lru": false, "allkeys-lfu": false, "allkeys-random": false, "": false,
	} {
		warning, err := rediscache.CheckPolicy(policy)
		if (err == nil) != fine || (warning != "") != (policy == "noeviction") {
			t.Errorf("policy %q: warning %q, error %v", policy, warning, err)
		}
	}
}

package rediscache_test

import (
	"testing"

	"github.com/freshlist/freshlist/internal/lsn"
	"github.com/freshlist/freshlist/internal/rediscache"
)

// newStandbyWorld is a world whose reader reads standbys, with a beat, in an epoch with a floor.
func newStandbyWorld(t *testing.T, partitions int, floor lsn.LSN) *world {
	t.Helper()
	w := newWorld(t, partitions)
	w.limits.Standbys = true
	w.reader = rediscache.NewReader(w.rdb, w.space, build, w.limits)
	w.leader.Floor = floor
	w.must(w.begin(w.daemon, w.leader))
	w.beat()
	return w
}

// wantFloor compares what is told to those who register a query.
func (w *world) wantFloor(q string, want lsn.LSN) {
	w.Helper()
	switch floor := w.acquire(q).Floor; {
	case floor == nil:
		w.Errorf("%s: no floor, want %d", q, want)
	case floor.LSN != want:
		w.Errorf("%s: floor %d, want %d", q, floor.LSN, want)
	}
}

// An epoch begins with the floor of its leader, which a drain raises, and nothing lowers.
func TestFloorOfAnEpoch(t *testing.T) {
	t.Parallel()
	w := newStandbyWorld(t, 1, 1<<40)
	lease := w.acquire("properties/1")
	if f := lease.Floor; f == nil || f.LSN != 1<<40 || f.Beat.Epoch != w.leader.Epoch || f.Age < 0 || f.Age > bound {
		t.Fatalf("the floor is %+v", f)
	}
	w.daemon.RaiseFloor(1<<40 + 2)
	w.registrations()
	w.wantFloor("properties/2", 1<<40+2)
	w.daemon.RaiseFloor(1<<40 + 1)
	w.registrations()
	w.wantFloor("properties/3", 1<<40+2)
	w.beat() // seq is what the daemon takes it for

	plain := rediscache.NewReader(w.rdb, w.space, build, rediscache.Limits{Lease: bound, View: bound, Queryset: bound, Live: 100})
	lease, _, err := plain.Acquire(w.ctx, "properties/4")
	if w.must(err); lease.Floor != nil {
		t.Errorf("who reads no standbys is told the floor %+v", lease.Floor)
	}
	w.must(w.rdb.Del(w.ctx, w.space.Beat(0)).Err())
	if lease := w.acquire("properties/5"); lease.Floor != nil {
		t.Errorf("a floor without a beat: %+v", lease.Floor)
	}
}

// Whoever registers once the registrations have been read knows the floor, in every partition, whether or not
// anything is purged there.
func TestFloorBeforeRegistrations(t *testing.T) {
	t.Parallel()
	w := newStandbyWorld(t, 2, 5)
	for p := range 2 {
		w.acquire(w.queryOf(p))
	}
	w.daemon.RaiseFloor(9)
	told := 0
	w.must(w.daemon.Purge(w.ctx, nil, func(r rediscache.Registration) {
		told++
		w.wantFloor(r.Query+"?", 9)
	}))
	if told != 2 {
		t.Errorf("%d registrations, want 2", told)
	}
}

// Redis that has forgotten the floor is not where it was left.
func TestFloorIsForgotten(t *testing.T) {
	t.Parallel()
	w := newStandbyWorld(t, 1, 5)
	before, err := w.rdb.HGetAll(w.ctx, w.space.Fence(0)).Result()
	w.must(err)
	w.daemon.RaiseFloor(9)
	w.must(w.daemon.Registrations(w.ctx, ignore))
	w.must(w.rdb.HSet(w.ctx, w.space.Fence(0), before).Err())
	w.want(w.daemon.Registrations(w.ctx, ignore), rediscache.ErrStateLost)
}

// A new leader keeps the floor or raises it to its own. After one of a version that keeps none there is none,
// until another takes over.
func TestFloorOfATakeover(t *testing.T) {
	t.Parallel()
	w := newStandbyWorld(t, 1, 5)
	w.daemon.RaiseFloor(9)
	takeOver := func(floor lsn.LSN) {
		t.Helper()
		w.must(w.daemon.Purge(w.ctx, nil, ignore))
		w.daemon.BatchStored(w.daemon.InUse())
		stored := w.daemon.Fences()
		w.daemon = w.newPurger()
		w.leader.Term++
		w.leader.Floor = floor
		_, err := w.daemon.TakeOver(w.ctx, w.leader, stored)
		w.must(err)
		w.beat()
	}
	takeOver(7)
	w.wantFloor("properties/1", 9)
	takeOver(11)
	w.wantFloor("properties/2", 11)
	w.must(w.rdb.HIncrBy(w.ctx, w.space.Fence(0), "term", 1).Err())
	if lease := w.acquire("properties/3"); lease.Floor != nil {
		t.Errorf("the floor of another leader counts: %+v", lease.Floor)
	}
}

// Who may not register is told the floor all the same.
func TestFloorOfTooMany(t *testing.T) {
	t.Parallel()
	w := newStandbyWorld(t, 1, 5)
	w.limits.Live = 1
	w.reader = rediscache.NewReader(w.rdb, w.space, build, w.limits)
	w.acquire("properties/1")
	lease, _, err := w.reader.Acquire(w.ctx, "properties/2")
	w.want(err, rediscache.ErrFull)
	if lease == nil || lease.Floor == nil || lease.Floor.LSN != 5 {
		t.Errorf("the lease is %+v", lease)
	}
}

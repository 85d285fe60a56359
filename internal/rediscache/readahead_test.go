package rediscache_test

import (
	"testing"

	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/redistest"
)

// standby is a Purger that does not lead, and what its process knows of the queries.
type standby struct {
	*world
	purger *rediscache.Purger
	known  map[string]int64 // the number of each query's registration
	read   int              // registrations that have been read
}

func (w *world) newStandby() *standby { return &standby{w, w.newPurger(), map[string]int64{}, 0} }

func (s *standby) see(r rediscache.Registration) {
	s.read++
	s.known[r.Query] = r.Number
}

func (s *standby) forget(partitions []int) {
	for _, p := range partitions {
		for q := range s.known {
			if s.space.Partition(q) == p {
				delete(s.known, q)
			}
		}
	}
}

// ahead reads ahead until nothing is left.
func (s *standby) ahead() (a rediscache.Ahead) {
	s.Helper()
	for more := true; more; more = a.More {
		var err error
		a, err = s.purger.ReadAhead(s.ctx)
		s.must(err)
		s.forget(a.Changed)
		for _, r := range a.Registrations {
			s.see(r)
		}
	}
	return a
}

// lead has the standby take over, or begin an epoch if Redis has lost something, and read what it does
// not know.
func (s *standby) lead(stored []rediscache.Fence) (lost bool) {
	s.Helper()
	s.leader.Term++
	changed, err := s.purger.TakeOver(s.ctx, s.leader, stored)
	s.forget(changed)
	if lost = err != nil; lost {
		s.want(err, rediscache.ErrStateLost)
		s.purger.Forget()
		clear(s.known)
		s.must(s.begin(s.purger, s.leader))
	}
	s.learn()
	return lost
}

func (s *standby) learn() {
	s.Helper()
	s.read = 0
	s.must(s.purger.Registrations(s.ctx, s.see))
}

// wantAll fails the test unless every live query is known by its latest registration.
func (s *standby) wantAll() {
	s.Helper()
	live := 0
	for p := range s.space.Partitions {
		for _, z := range s.rdb.ZRangeWithScores(s.ctx, s.space.Live(p), 0, -1).Val() {
			live++
			if q, _ := z.Member.(string); s.known[q] != int64(z.Score) {
				s.Errorf("%s is live with number %v, known with %d", q, z.Score, s.known[q])
			}
		}
	}
	if live == 0 {
		s.Error("nothing is live")
	}
}

// A standby that has read ahead reads the rest once it leads, and takes everything for right that it has read.
func TestReadAheadIsKept(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{1, 3} {
		w := newWorld(t, partitions)
		for i := range 10 {
			w.store(views10[i], "x")
		}
		s := w.newStandby()
		if a := s.ahead(); a.Live != 10 || s.read != 10 {
			t.Errorf("%d are live, %d have been read, want 10", a.Live, s.read)
		}
		w.registrations() // and the leader goes on
		w.must(w.daemon.Purge(w.ctx, views10[:3], ignore))
		w.store(views10[0], "again")
		s.ahead()
		w.store(views10[1], "again")
		w.beat()
		if s.lead(w.daemon.Fences()) {
			t.Error("the takeover has found a loss")
		}
		if s.read != 1 {
			t.Errorf("%d registrations have been read after the takeover, want the last one alone", s.read)
		}
		s.wantAll()
		w.daemon = s.purger
		w.beat()
		w.wantBody(views10[0], "again")
	}
}

var views10 = []string{
	"properties/0", "properties/1", "properties/2", "properties/3", "properties/4",
	"properties/5", "properties/6", "properties/7", "properties/8", "properties/9",
}

// What a standby has read counts for nothing once Redis is not where it has read it, since numbers may have
// been given again. In each case a query has a number that the standby has seen of another.
func TestReadAheadNoticesWhatRedisHasForgotten(t *testing.T) {
	t.Parallel()
	const one, two = "properties/1", "properties/2"
	for name, c := range map[string]struct {
		between func(w *world, s *standby, goBack func())
		lost    bool
	}{
		"gone back before the takeover": {func(w *world, s *standby, goBack func()) {
			goBack()
			w.store(two, "x")
		}, false},
		"gone back between two calls": {func(w *world, s *standby, goBack func()) {
			goBack()
			w.store(two, "x")
			s.ahead()
		}, false},
		"a new epoch before the takeover": {func(w *world, s *standby, _ func()) {
			w.must(w.begin(w.daemon, w.leader))
			w.store(two, "x")
		}, false},
		"a new epoch between two calls": {func(w *world, s *standby, _ func()) {
			w.must(w.begin(w.daemon, w.leader))
			w.store(two, "x")
			s.ahead()
		}, false},
		"emptied": {func(w *world, s *standby, _ func()) { w.flush() }, true},
		"emptied, and looked at": {func(w *world, s *standby, _ func()) {
			w.flush()
			s.ahead()
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			s := w.newStandby()
			s.ahead()
			goBack := w.remember()
			w.store(one, "x")
			s.ahead()
			c.between(w, s, goBack)
			if s.lead(w.daemon.Fences()) != c.lost {
				t.Errorf("whether the takeover has found a loss: want %v", c.lost)
			}
			if c.lost {
				w.leader = s.leader
				w.store(two, "x")
				s.learn()
			}
			s.wantAll()
		})
	}
}

// The same by a server that was killed and comes up with an older snapshot; and with the latest, where
// nothing is lost and what was read counts.
func TestReadAheadThroughARestart(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	w := newWorldOn(t, server.Client(t), rediskey.Space{Prefix: "freshlist", Partitions: 1})
	older := server.Save(t)
	w.store("properties/1", "x")
	s := w.newStandby()
	s.ahead()
	server.Restart(t, server.Save(t))
	w.store("properties/3", "x")
	s.lead(w.daemon.Fences())
	if s.read != 1 {
		t.Errorf("%d registrations have been read where nothing was lost, want 1", s.read)
	}
	s.wantAll()

	next := w.newStandby()
	next.leader = s.leader
	next.ahead()
	server.Restart(t, older)
	w.store("properties/2", "x")
	next.lead([]rediscache.Fence{{Generation: w.daemon.Fences()[0].Generation, Term: 1}})
	next.wantAll()
}

// One standby reads ahead. Another one leaves it alone, and knows nothing.
func TestOneStandbyReadsAhead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.store(query, "x")
	first, second := w.newStandby(), w.newStandby()
	first.ahead()
	if a := second.ahead(); second.read != 0 || !a.Held {
		t.Errorf("the second standby has read %d registrations, held off: %v", second.read, a.Held)
	}
	first.ahead()
	second.lead(w.daemon.Fences())
	second.wantAll()
}

// A leader that has lost the lead knows what it knew, until somebody else leads.
func TestReadAheadAfterALeadership(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.store(query, "x")
	former := &standby{w, w.daemon, map[string]int64{}, 0}
	former.learn()
	if a := former.ahead(); len(a.Changed) != 0 || former.read != 1 {
		t.Errorf("nothing has happened, and partitions %v are to be forgotten, %d registrations read", a.Changed, former.read)
	}
	next := w.newStandby()
	next.lead(w.daemon.Fences())
	w.store("properties/1", "x")
	if former.ahead(); former.read != 3 {
		t.Errorf("after another leader %d registrations are read, want both anew", former.read-1)
	}
	stored := next.purger.Fences()
	w.leader.Term++
	former.leader = w.leader
	former.lead(stored)
	former.wantAll()
}

package coherence

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/coherence/fleet"
	"github.com/freshlist/freshlist/internal/faultproxy"
)

// room is what a process that is due at a time may be late by, on a busy machine.
const room = 15 * time.Second

// lastHit asks the API for the probe until it no longer comes from the cache, and
// returns how long after began the last request was sent that did.
func (r *rig) lastHit(began time.Time) time.Duration {
	r.Helper()
	last := time.Duration(0)
	fleet.Await(r, "no answer from the cache", func() bool {
		sent := time.Since(began)
		response, _ := r.get(r.apis[0], probe)
		if response != nil && fleet.Hit(response) {
			last = sent
			return false
		}
		return response != nil && sent > r.bound
	})
	return last
}

// Scenario 19: an invalidator that is killed, or stopped, and comes back.
func TestInvalidatorGone(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{bound: time.Second, apis: 2, invalidators: 1})
	p, epoch := r.invalidators[0], r.epoch()
	r.work(2, 2, 2*time.Millisecond)
	for _, gone := range []struct {
		how        string
		away, back func(testing.TB)
	}{{"killed", p.Kill, p.Start}, {"stopped", p.Stop, p.Continue}} {
		gone.away(t)
		began := time.Now() // no proof is of a later time
		if last := r.lastHit(began); last > r.bound {
			t.Errorf("%s: answered from the cache %v after, the bound is %v", gone.how, last, r.bound)
		}
		for n := range 10 { // a backlog
			r.edit(fmt.Sprintf("update public.properties set price = price + 1 where id = %d", 1+n))
		}
		gone.back(t)
		t.Logf("%s: in use again %v after its return", gone.how, r.awaitHit(patience))
		if now := r.epoch(); now != epoch {
			t.Errorf("%s: the cache was not kept: epoch %s, then %s", gone.how, epoch, now)
		}
	}
}

// A standby takes over a warm cache, and a leader that comes back changes nothing.
func TestStandby(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{bound: 2 * time.Second, apis: 1, invalidators: 2})
	epoch := r.epoch()
	r.work(1, 1, 5*time.Millisecond)
	for _, gone := range []struct {
		how        string
		away, back func(i int)
		limit      time.Duration
	}{
		{"killed", func(i int) { r.invalidators[i].Kill(t) }, func(i int) { r.invalidators[i].Start(t) }, r.bound},
		{"stopped", func(i int) { r.invalidators[i].Stop(t) }, func(i int) { r.invalidators[i].Continue(t) }, 2 * r.bound},
		{"cut off", func(i int) { r.links[i].Silence(faultproxy.Both) }, func(i int) { r.links[i].Resume() }, 2 * r.bound},
	} {
		old, standby := r.leader()
		fleet.Await(t, "a standby", func() bool { return r.invalidators[standby].Status().Role == "standby" })
		gone.away(old)
		took := fleet.Within(t, gone.limit+room, gone.how+": the standby leads", func() bool {
			return r.invalidators[standby].Status().Role == "leader"
		})
		t.Logf("%s: the standby leads after %v, the bound is %v", gone.how, took, r.bound)
		gone.back(old)
		fleet.Await(t, "the old leader stands by", func() bool {
			return r.invalidators[old].Status().Role == "standby" && r.invalidators[standby].Status().Role == "leader"
		})
		r.awaitHit(patience)
		if now := r.epoch(); now != epoch {
			t.Errorf("%s: the cache was not kept: epoch %s, then %s", gone.how, epoch, now)
		}
	}
}

// Scenario 20: the invalidator's connections.
func TestConnections(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{bound: time.Second, apis: 1, invalidators: 1})
	epoch := r.epoch()
	r.work(2, 2, 2*time.Millisecond)
	for range 10 {
		r.terminate()
		fleet.Await(t, "a beat of a new leadership", func() bool { return r.invalidators[0].Status().Role == "leader" })
	}
	r.awaitHit(patience)

	restarts := func() float64 { return r.invalidators[0].Metric("freshlist_listener_restarts_total") }
	before := restarts()
	var deafened time.Time
	fleet.Await(t, "another listener", func() bool {
		if restarts() > before {
			return true
		}
		if time.Since(deafened) > 15*time.Second { // again, if the leader has lost the lead and begun to listen anew
			mend := r.dropNotifications()
			t.Cleanup(mend)
			deafened = time.Now()
		}
		return false
	})
	r.awaitHit(patience)
	if now := r.epoch(); now != epoch {
		t.Errorf("the cache was not kept: epoch %s, then %s", epoch, now)
	}
}

// Scenario 23: changes that nobody captured.
func TestTriggers(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{bound: time.Second, apis: 1, invalidators: 1})
	r.work(2, 0, 2*time.Millisecond)
	newEpoch := func(what string, do func()) {
		t.Helper()
		epoch := r.epoch()
		do()
		fleet.Await(t, what+": a new epoch", func() bool { return r.epoch() != epoch })
		r.awaitHit(patience)
	}
	newEpoch("disabled for a load", r.loadUncaptured)
	newEpoch("as pg_restore --disable-triggers leaves it, which the invalidator mends", func() {
		r.edit(`alter table public.properties disable trigger user;
			update public.properties set price = price + 1;
			alter table public.properties enable trigger user`)
	})

	for _, broken := range []string{
		"drop trigger freshlist_update on public.properties",
		"alter table public.properties disable trigger freshlist_update",
		"create or replace function freshlist.properties_update() returns trigger language plpgsql as 'begin return null; end'",
	} {
		newEpoch(broken, func() {
			r.edit(broken)
			r.edit("update public.properties set price = price + 1")
			r.awaitBypass(patience)
			r.edit("update public.properties set price = price + 1")
			if said := r.invalidators[0].Status().Capture; said == "ok" || said == "" {
				t.Errorf("%s: the invalidator says %q of the triggers", broken, said)
			}
			install(r)
		})
	}
}

// Scenario 25: a write is seen by a read with its token, at once, on another API
// process: written by SQL or through the API.
func TestOwnWrites(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{bound: 5 * time.Second, apis: 2, invalidators: 1})
	const path = "/v1/properties/3"
	see := func(n int) {
		t.Helper()
		w := r.edit(fmt.Sprintf("update public.properties set title = 'Own %d' where id = 3", n))
		_, body := r.get(r.apis[n%2], path, "Consistency-Token", fmt.Sprint(w.xid))
		if want := fmt.Sprintf("Own %d\"", n); !strings.Contains(body, want) {
			t.Fatalf("%q is not in %s", want, body)
		}
	}
	for n := range 100 {
		see(n)
	}
	for n := range 30 {
		token := patch(t, r.apis[n%2], path, fmt.Sprintf(`{"title": "Patched %d"}`, n))
		_, body := r.get(r.apis[(n+1)%2], path, "Consistency-Token", token)
		if want := fmt.Sprintf("Patched %d\"", n); !strings.Contains(body, want) {
			t.Fatalf("%q is not in %s", want, body)
		}
	}
	r.invalidators[0].Stop(t) // nothing is applied any more, while old proofs still stand
	for n := range 10 {
		see(1000 + n)
	}
	r.invalidators[0].Continue(t)
}

// A write that went past the triggers is not taken for applied either, though other
// changes, which are captured, keep the applied snapshot going.
func TestOwnUncapturedWrite(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{bound: 5 * time.Second, apis: 1, invalidators: 1})
	const path = "/v1/properties/3"
	for n := range 10 {
		r.cached(path)
		w := r.edit(fmt.Sprintf(`alter table public.properties disable trigger freshlist_update;
			update public.properties set title = 'Uncaptured %d' where id = 3;
			alter table public.properties enable always trigger freshlist_update`, n))
		r.edit("update public.properties set price = price + 1 where id = 1000001")
		_, body := r.get(r.apis[0], path, "Consistency-Token", fmt.Sprint(w.xid))
		if want := fmt.Sprintf("Uncaptured %d\"", n); !strings.Contains(body, want) {
			t.Fatalf("%q is not in %s", want, body)
		}
	}
}

package invalidate

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

// doorbellRig is a doorbell whose lock is a field: askings are answered when the test says so.
type doorbellRig struct {
	*testing.T
	doorbell
	now     time.Time
	held    bool      // the lock
	askings chan bool // answers to askings: whether the lock is granted
}

func newDoorbellRig(t *testing.T) *doorbellRig {
	r := &doorbellRig{T: t, now: time.Unix(1_000_000, 0), askings: make(chan bool)}
	r.ask = func(ctx context.Context) (bool, error) {
		select {
		case granted := <-r.askings:
			return granted, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	r.release = func(context.Context) error {
		if !r.held {
			return errors.New("the lock is not held")
		}
		r.held = false
		return nil
	}
	return r
}

// answer has the server answer the asking, and the doorbell take that in.
func (r *doorbellRig) answer(granted bool) {
	r.Helper()
	if granted {
		r.held = true
	}
	r.askings <- granted
	if err := r.answered(r.Context(), r.now, <-r.granted); err != nil {
		r.Fatal(err)
	}
}

func (r *doorbellRig) expect(s doorbellState, held bool) {
	r.Helper()
	if r.state != s || r.held != held {
		r.Fatalf("state %d, lock held %t; want %d, %t", r.state, r.held, s, held)
	}
}

// burst has drains find more and more changes until that is too much to ring for.
func (r *doorbellRig) burst() {
	r.Helper()
	for range 100 {
		r.now = r.now.Add(time.Millisecond)
		if r.addTransactions(r.now, 1, 1) {
			if err := r.wake(r.Context(), r.now); err != nil {
				r.Fatal(err)
			}
			return
		}
	}
	r.Fatal("a hundred transactions within as many milliseconds are no burst")
}

// polls reports whether the loop looks without being rung.
func (r *doorbellRig) polls() bool {
	d := r.pollIn(r.now, false, 200*time.Millisecond)
	return d > 0 && d <= pollMax
}

// A request is withdrawn while much comes: from that moment on the loop looks, but the
// request counts until it is answered. If it was granted meanwhile, the lock is given back;
// or else every writer would ring for good.
func TestWithdrawal(t *testing.T) {
	t.Parallel()
	for _, granted := range []bool{true, false} {
		r := newDoorbellRig(t)
		r.requestLock(t.Context())
		r.burst()
		r.expect(withdrawing, false)
		if !r.polls() || r.ringing() || !r.busy() {
			t.Error("while it is withdrawn, the loop does not look as when awake, or the connection counts as free")
		}
		r.answer(granted)
		r.expect(awake, false)
		if !r.polls() {
			t.Error("awake, the loop does not look")
		}
	}
}

// After a withdrawal in vain it is not asked again at once, and each time later, until the
// lock has been granted.
func TestAskedForAgainLessOften(t *testing.T) {
	t.Parallel()
	r := newDoorbellRig(t)
	var waits []time.Duration
	for range 7 {
		r.requestLock(t.Context())
		r.burst()
		r.answer(false)
		began := r.now
		for !r.sleepDue(r.now) {
			r.now = r.now.Add(10 * time.Millisecond)
		}
		waits = append(waits, r.now.Sub(began))
	}
	for n := 1; n < len(waits); n++ {
		if waits[n] < waits[n-1] || waits[n] < retryFirst || waits[n] > retryMax {
			t.Errorf("asked for again after %v", waits)
		}
	}
	if last := waits[len(waits)-1]; last < retryMax/2 {
		t.Errorf("after so many in vain it is asked for again after %v already", last)
	}
	r.requestLock(t.Context())
	r.answer(true)
	r.expect(asleep, true)
	r.burst()
	r.expect(awake, false)
	r.now = r.now.Add(maxAwakeLevel)
	if !r.sleepDue(r.now) {
		t.Error("after a sleep it is not asked for as soon as little comes")
	}
	r.requestLock(t.Context())
	r.burst()
	r.answer(false)
	if r.now = r.now.Add(2 * retryFirst); !r.sleepDue(r.now) {
		t.Error("what was in vain before a sleep counts after it")
	}
}

// While little comes, an asking that is over is followed by another: the writers ring on.
func TestAskedForAgainWhileLittleComes(t *testing.T) {
	t.Parallel()
	r := newDoorbellRig(t)
	r.requestLock(t.Context())
	for range 50 {
		r.now = r.now.Add(200 * time.Millisecond)
		if r.addTransactions(r.now, 1, 1) {
			t.Fatal("five transactions a second are a burst")
		}
		r.answer(false)
		r.expect(requesting, false)
	}
	r.answer(true)
	r.expect(asleep, true)
}

// Whatever comes in whatever order, the lock is held only by who sleeps, and a busy
// connection is answered before it is used.
func TestDoorbellHoldsTheLockOnlyAsleep(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r, random := newDoorbellRig(t), rand.New(rand.NewPCG(seed, 0))
		for range 200 {
			r.now = r.now.Add(time.Duration(random.IntN(50)) * time.Millisecond)
			switch n := random.IntN(4); {
			case r.sleepDue(r.now) && n > 0:
				r.requestLock(t.Context())
			case r.busy() && n == 0:
				r.answer(random.IntN(2) == 0)
			case n == 1 && r.ringing():
				if err := r.wake(t.Context(), r.now); err != nil {
					t.Fatal(err)
				}
			case n > 1:
				if r.addTransactions(r.now, 1+random.IntN(10), random.IntN(4)) {
					if err := r.wake(t.Context(), r.now); err != nil {
						t.Fatal(err)
					}
				}
			}
			if r.held != (r.state == asleep) {
				t.Fatalf("seed %d: lock held %t in state %d", seed, r.held, r.state)
			}
		}
		if r.busy() {
			r.answer(false)
		}
		if r.busy() {
			r.answer(true) // asked again
		}
	}
}

// pingRig is a hearing that has heard itself.
type pingRig struct {
	*testing.T
	pings
	now time.Time
}

func newPingRig(t *testing.T) *pingRig {
	r := &pingRig{T: t, now: time.Unix(1_000_000, 0)}
	r.ping(time.Millisecond)
	r.expect(true, "it has heard itself")
	return r
}

// ping rings to itself, is heard, and lets the time to the next ring go by.
func (r *pingRig) ping(took time.Duration) {
	number := r.send(r.now)
	if took >= hungPing {
		r.hung(r.now.Add(hungPing))
	}
	r.now = r.now.Add(took)
	r.committed(r.now)
	r.receive(number)
}

func (r *pingRig) expect(healthy bool, what string) {
	r.Helper()
	if r.healthy(r.now) != healthy {
		r.Errorf("fit is %t: %s", !healthy, what)
	}
}

func TestHearing(t *testing.T) {
	t.Parallel()
	r := newPingRig(t)
	r.ping(slowPing)
	r.expect(true, "one ring took long, which may be the machine")
	if r.pings.interval() != pingAgain {
		t.Error("it does not ring again soon after a slow ring")
	}
	r.ping(time.Millisecond)
	r.ping(slowPing)
	r.expect(true, "slow, quick, slow")
	r.ping(slowPing)
	r.expect(false, "two rings after another took long")

	r = newPingRig(t)
	r.send(r.now)
	r.now = r.now.Add(hungPing - 1)
	r.expect(true, "it has just rung")
	r.now = r.now.Add(1)
	r.expect(false, "the ring hangs")

	r = newPingRig(t)
	r.send(r.now)
	r.committed(r.now)
	r.now = r.now.Add(receivedWithin - 1)
	r.expect(true, "a ring is about to be heard")
	r.now = r.now.Add(1)
	r.expect(false, "a ring was not heard")
	if r.overdue(r.now) {
		t.Error("overdue after a second")
	}
	r.now = r.now.Add(overdueAfter)
	if !r.overdue(r.now) {
		t.Error("not overdue after long")
	}
	r.disconnected()
	if r.overdue(r.now) {
		t.Error("what was rung to the lost connection counts against the next one")
	}
	r.expect(false, "the next one has not heard anything")
	r.ping(time.Millisecond)
	r.expect(true, "heard on the next connection")

	r = newPingRig(t)
	r.receive(r.sent + 1)
	if r.received > r.sent {
		t.Error("a number that was never sent counts as heard")
	}
	r.failed()
	r.expect(false, "the ring has failed")
}

// A ring that hangs for long is no reason to give the listener up.
func TestHungRingIsNoDeafness(t *testing.T) {
	t.Parallel()
	r := newPingRig(t)
	r.send(r.now)
	r.now = r.now.Add(time.Hour)
	if r.overdue(r.now) {
		t.Error("overdue, though no ping was sent")
	}
}

// After slow rings nobody is asked to ring for a while, and for longer if they are slow again
// soon after; after a long time of quick ones all is as before.
func TestRestAfterSlowRings(t *testing.T) {
	t.Parallel()
	r := newPingRig(t)
	var rests []time.Duration
	for range 8 {
		r.ping(hungPing)
		began := r.now
		for !r.healthy(r.now) {
			r.ping(time.Millisecond)
			r.now = r.now.Add(time.Second)
		}
		rests = append(rests, r.now.Sub(began))
	}
	for n, want := 0, pauseFirst; n < len(rests); n, want = n+1, min(2*want, pauseMax) {
		if rests[n] < want-hungPing || rests[n] > want+2*time.Second {
			t.Errorf("rest %d is %v, want %v", n, rests[n], want)
		}
	}
	r.now = r.now.Add(pauseMax + time.Second)
	r.ping(hungPing)
	if rest := r.pauseUntil.Sub(r.now); rest != pauseFirst {
		t.Errorf("after a long time of quick rings the rest is %v", rest)
	}
}

// Who was in progress when a ring was drained for may have stayed silent, since that ring was
// in its way: a few looks follow. Otherwise nobody looks before the next ring or beat.
func TestLooksBehindARing(t *testing.T) {
	t.Parallel()
	r := newDoorbellRig(t)
	r.requestLock(t.Context())
	r.answer(true)
	r.expect(asleep, true)
	if r.polls() {
		t.Error("it looks though nobody has rung")
	}
	r.addTransactions(r.now, 1, 0)
	if r.polls() {
		t.Error("it looks though nobody else was in progress")
	}
	r.addTransactions(r.now, 1, 1)
	looks := 0
	for ; r.polls(); looks++ {
		if looks > 10 {
			t.Fatal("it looks on and on")
		}
	}
	if looks < 2 {
		t.Errorf("%d looks behind a ring", looks)
	}
}

package invalidate

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

// bellRig is a doorbell whose lock is a field: askings are answered when the test says so.
type bellRig struct {
	*testing.T
	doorbell
	now     time.Time
	held    bool      // the lock
	askings chan bool // answers to askings: whether the lock is granted
}

func newBellRig(t *testing.T) *bellRig {
	r := &bellRig{T: t, now: time.Unix(1_000_000, 0), askings: make(chan bool)}
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
func (r *bellRig) answer(granted bool) {
	r.Helper()
	if granted {
		r.held = true
	}
	r.askings <- granted
	if err := r.answered(r.Context(), r.now, <-r.granted); err != nil {
		r.Fatal(err)
	}
}

func (r *bellRig) expect(s bellState, held bool) {
	r.Helper()
	if r.state != s || r.held != held {
		r.Fatalf("state %d, lock held %t; want %d, %t", r.state, r.held, s, held)
	}
}

// burst has drains find more and more changes until that is too much to ring for.
func (r *bellRig) burst() {
	r.Helper()
	for range 100 {
		r.now = r.now.Add(time.Millisecond)
		if r.found(r.now, 1, 1) {
			if err := r.wake(r.Context(), r.now); err != nil {
				r.Fatal(err)
			}
			return
		}
	}
	r.Fatal("a hundred transactions within as many milliseconds are no burst")
}

// looks reports whether the loop looks without being rung.
func (r *bellRig) looks() bool {
	d := r.next(r.now, false, 200*time.Millisecond)
	return d > 0 && d <= lookSeldom
}

// A request is withdrawn while much comes: from that moment on the loop looks, but the
// request counts until it is answered. If it was granted meanwhile, the lock is given back;
// or else every writer would ring for good.
func TestWithdrawal(t *testing.T) {
	t.Parallel()
	for _, granted := range []bool{true, false} {
		r := newBellRig(t)
		r.queue(t.Context())
		r.burst()
		r.expect(withdrawing, false)
		if !r.looks() || r.ringing() || !r.busy() {
			t.Error("while it is withdrawn, the loop does not look as when awake, or the connection counts as free")
		}
		r.answer(granted)
		r.expect(awake, false)
		if !r.looks() {
			t.Error("awake, the loop does not look")
		}
	}
}

// After a withdrawal in vain it is not asked again at once, and each time later, until the
// lock has been granted.
func TestAskedForAgainLessOften(t *testing.T) {
	t.Parallel()
	r := newBellRig(t)
	var waits []time.Duration
	for range 7 {
		r.queue(t.Context())
		r.burst()
		r.answer(false)
		began := r.now
		for !r.rested(r.now) {
			r.now = r.now.Add(10 * time.Millisecond)
		}
		waits = append(waits, r.now.Sub(began))
	}
	for n := 1; n < len(waits); n++ {
		if waits[n] < waits[n-1] || waits[n] < vainFirst || waits[n] > vainMost {
			t.Errorf("asked for again after %v", waits)
		}
	}
	if last := waits[len(waits)-1]; last < vainMost/2 {
		t.Errorf("after so many in vain it is asked for again after %v already", last)
	}
	r.queue(t.Context())
	r.answer(true)
	r.expect(asleep, true)
	r.burst()
	r.expect(awake, false)
	r.now = r.now.Add(awakeDebt)
	if !r.rested(r.now) {
		t.Error("after a sleep it is not asked for as soon as little comes")
	}
	r.queue(t.Context())
	r.burst()
	r.answer(false)
	if r.now = r.now.Add(2 * vainFirst); !r.rested(r.now) {
		t.Error("what was in vain before a sleep counts after it")
	}
}

// While little comes, an asking that is over is followed by another: the writers ring on.
func TestAskedForAgainWhileLittleComes(t *testing.T) {
	t.Parallel()
	r := newBellRig(t)
	r.queue(t.Context())
	for range 50 {
		r.now = r.now.Add(200 * time.Millisecond)
		if r.found(r.now, 1, 1) {
			t.Fatal("five transactions a second are a burst")
		}
		r.answer(false)
		r.expect(asking, false)
	}
	r.answer(true)
	r.expect(asleep, true)
}

// Whatever comes in whatever order, the lock is held only by who sleeps, and a busy
// connection is answered before it is used.
func TestDoorbellHoldsTheLockOnlyAsleep(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r, random := newBellRig(t), rand.New(rand.NewPCG(seed, 0))
		for range 200 {
			r.now = r.now.Add(time.Duration(random.IntN(50)) * time.Millisecond)
			switch n := random.IntN(4); {
			case r.rested(r.now) && n > 0:
				r.queue(t.Context())
			case r.busy() && n == 0:
				r.answer(random.IntN(2) == 0)
			case n == 1 && r.ringing():
				if err := r.wake(t.Context(), r.now); err != nil {
					t.Fatal(err)
				}
			case n > 1:
				if r.found(r.now, 1+random.IntN(10), random.IntN(4)) {
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

// hearingRig is a hearing that has heard itself.
type hearingRig struct {
	*testing.T
	hearing
	now time.Time
}

func newHearingRig(t *testing.T) *hearingRig {
	r := &hearingRig{T: t, now: time.Unix(1_000_000, 0)}
	r.ring(time.Millisecond)
	r.expect(true, "it has heard itself")
	return r
}

// ring rings to itself, is heard, and lets the time to the next ring go by.
func (r *hearingRig) ring(took time.Duration) {
	number := r.send(r.now)
	if took >= hungRing {
		r.hung(r.now.Add(hungRing))
	}
	r.now = r.now.Add(took)
	r.committed(r.now)
	r.hear(number)
}

func (r *hearingRig) expect(fit bool, what string) {
	r.Helper()
	if r.fit(r.now) != fit {
		r.Errorf("fit is %t: %s", !fit, what)
	}
}

func TestHearing(t *testing.T) {
	t.Parallel()
	r := newHearingRig(t)
	r.ring(slowRing)
	r.expect(true, "one ring took long, which may be the machine")
	if r.hearing.next() != ringAgain {
		t.Error("it does not ring again soon after a slow ring")
	}
	r.ring(time.Millisecond)
	r.ring(slowRing)
	r.expect(true, "slow, quick, slow")
	r.ring(slowRing)
	r.expect(false, "two rings after another took long")

	r = newHearingRig(t)
	r.send(r.now)
	r.now = r.now.Add(hungRing - 1)
	r.expect(true, "it has just rung")
	r.now = r.now.Add(1)
	r.expect(false, "the ring hangs")

	r = newHearingRig(t)
	r.send(r.now)
	r.committed(r.now)
	r.now = r.now.Add(heardWithin - 1)
	r.expect(true, "a ring is about to be heard")
	r.now = r.now.Add(1)
	r.expect(false, "a ring was not heard")
	if r.deaf(r.now) {
		t.Error("deaf after a second")
	}
	r.now = r.now.Add(deafAfter)
	if !r.deaf(r.now) {
		t.Error("not deaf after long")
	}
	r.lost()
	if r.deaf(r.now) {
		t.Error("what was rung to the lost connection counts against the next one")
	}
	r.expect(false, "the next one has not heard anything")
	r.ring(time.Millisecond)
	r.expect(true, "heard on the next connection")

	r = newHearingRig(t)
	r.hear(r.sent + 1)
	if r.heard > r.sent {
		t.Error("a number that was never sent counts as heard")
	}
	r.failed()
	r.expect(false, "the ring has failed")
}

// A ring that hangs for long is no reason to give the listener up.
func TestHungRingIsNoDeafness(t *testing.T) {
	t.Parallel()
	r := newHearingRig(t)
	r.send(r.now)
	r.now = r.now.Add(time.Hour)
	if r.deaf(r.now) {
		t.Error("deaf, though nothing was rung")
	}
}

// After slow rings nobody is asked to ring for a while, and for longer if they are slow again
// soon after; after a long time of quick ones all is as before.
func TestRestAfterSlowRings(t *testing.T) {
	t.Parallel()
	r := newHearingRig(t)
	var rests []time.Duration
	for range 8 {
		r.ring(hungRing)
		began := r.now
		for !r.fit(r.now) {
			r.ring(time.Millisecond)
			r.now = r.now.Add(time.Second)
		}
		rests = append(rests, r.now.Sub(began))
	}
	for n, want := 0, restFirst; n < len(rests); n, want = n+1, min(2*want, restMost) {
		if rests[n] < want-hungRing || rests[n] > want+2*time.Second {
			t.Errorf("rest %d is %v, want %v", n, rests[n], want)
		}
	}
	r.now = r.now.Add(restMost + time.Second)
	r.ring(hungRing)
	if rest := r.restUntil.Sub(r.now); rest != restFirst {
		t.Errorf("after a long time of quick rings the rest is %v", rest)
	}
}

// Who was in progress when a ring was drained for may have stayed silent, since that ring was
// in its way: a few looks follow. Otherwise nobody looks before the next ring or beat.
func TestLooksBehindARing(t *testing.T) {
	t.Parallel()
	r := newBellRig(t)
	r.queue(t.Context())
	r.answer(true)
	r.expect(asleep, true)
	if r.looks() {
		t.Error("it looks though nobody has rung")
	}
	r.found(r.now, 1, 0)
	if r.looks() {
		t.Error("it looks though nobody else was in progress")
	}
	r.found(r.now, 1, 1)
	looks := 0
	for ; r.looks(); looks++ {
		if looks > 10 {
			t.Fatal("it looks on and on")
		}
	}
	if looks < 2 {
		t.Errorf("%d looks behind a ring", looks)
	}
}

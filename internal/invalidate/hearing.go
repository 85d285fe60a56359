package invalidate

import "time"

// A writer that rings waits at its commit, by PostgreSQL's rule, for one lock of the whole
// cluster, which each NOTIFY of any database holds until its own commit has ended: through
// its flush, and through the wait for a synchronous standby. Where that takes long nobody
// must ring. So the invalidator rings to itself, and sleeps only while it hears itself soon.
const (
	// ringEvery is how often it rings to itself: two transactions each time, so not oftener
	// than needed, since the beats find what goes unheard, and see whether somebody holds
	// the lock.
	ringEvery = 4 * time.Second
	// ringAgain is how soon it rings again to itself after a ring that was not quick, or was
	// not heard.
	ringAgain = time.Second

	// A ring is slow if its commit takes longer than slowRing, and so does that of the next;
	// it hangs if it takes longer than hungRing.
	slowRing = 20 * time.Millisecond
	hungRing = 100 * time.Millisecond
	// heardWithin is how soon a ring is heard once it has been committed, else nobody can be
	// relied on to be heard.
	heardWithin = time.Second
	// deafAfter is from when on the listener is given up: its connection is open, and dead.
	deafAfter = 8 * time.Second

	// After slow rings it stays awake for restFirst, and each time that they are slow again
	// soon after for twice as long as before.
	restFirst = 10 * time.Second
	restMost  = 5 * time.Minute
)

// hearing is what is known of whether writers can ring and would be heard. It has no clock.
type hearing struct {
	sent      uint64    // number of the latest ring to oneself
	heard     uint64    // number of the latest one heard on this connection, 0 if none
	began     time.Time // when the ring under way was sent, zero if none is
	unheard   time.Time // when the oldest ring was committed that has not been heard, zero if none
	slowOnce  bool      // the latest ring was slow, or somebody else's holds the lock
	restUntil time.Time // nobody is asked to ring before
	rest      time.Duration
}

// send begins a ring and returns its number.
func (h *hearing) send(now time.Time) (number uint64) {
	h.sent++
	h.began = now
	return h.sent
}

// hung notes that the ring under way hangs.
func (h *hearing) hung(now time.Time) { h.slow(now) }

// committed notes that the commit of the ring under way has ended.
func (h *hearing) committed(now time.Time) {
	took := now.Sub(h.began)
	h.began = time.Time{}
	if h.heard < h.sent && h.unheard.IsZero() {
		h.unheard = now
	}
	switch {
	case took < slowRing:
		h.slowOnce = false
	case took >= hungRing || h.slowOnce:
		h.slow(now)
		h.slowOnce = true
	default:
		h.slowOnce = true
	}
}

// failed notes that the ring under way has failed.
func (h *hearing) failed() { h.began, h.heard = time.Time{}, 0 }

// hear notes that a ring has been heard.
func (h *hearing) hear(number uint64) {
	if number <= h.sent { // anybody may notify on any channel
		h.heard, h.unheard = max(h.heard, number), time.Time{}
	}
}

// lost notes that the listening connection has gone: what was rung meanwhile is not heard.
func (h *hearing) lost() { h.heard, h.unheard = 0, time.Time{} }

// slow has nobody asked to ring for a while.
func (h *hearing) slow(now time.Time) {
	switch {
	case now.Before(h.restUntil): // known; the time counts from the latest
	case now.Sub(h.restUntil) > h.rest:
		h.rest = restFirst
	default:
		h.rest = min(2*h.rest, restMost)
	}
	h.restUntil = now.Add(h.rest)
}

// fit reports whether a ring of now would not be waited for, and would be heard.
func (h *hearing) fit(now time.Time) bool {
	return h.heard > 0 && !now.Before(h.restUntil) &&
		(h.began.IsZero() || now.Sub(h.began) < hungRing) &&
		(h.unheard.IsZero() || now.Sub(h.unheard) < heardWithin)
}

// deaf reports whether the listener is to be given up.
func (h *hearing) deaf(now time.Time) bool {
	return !h.unheard.IsZero() && now.Sub(h.unheard) > deafAfter
}

// next returns how long after the end of a ring the next is due.
func (h *hearing) next() time.Duration {
	if h.slowOnce || h.heard < h.sent {
		return ringAgain
	}
	return ringEvery
}

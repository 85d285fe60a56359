package invalidate

import "time"

// A writer that rings waits at its commit, by PostgreSQL's rule, for one lock of the whole
// cluster, which each NOTIFY of any database holds until its own commit has ended: through
// its flush, and through the wait for a synchronous standby. Where that takes long nobody
// must ring. So the invalidator rings to itself, and sleeps only while it hears itself soon.
const (
	// pingEvery is how often it rings to itself: two transactions each time, so not oftener
	// than needed, since the beats find what goes unheard, and see whether somebody holds
	// the lock.
	pingEvery = 4 * time.Second
	// pingAgain is how soon it rings again to itself after a ring that was not quick, or was
	// not heard.
	pingAgain = time.Second

	// A ring is slow if its commit takes longer than slowPing, and so does that of the next;
	// it hangs if it takes longer than hungPing.
	slowPing = 20 * time.Millisecond
	hungPing = 100 * time.Millisecond
	// receivedWithin is how soon a ring is heard once it has been committed, else nobody can be
	// relied on to be heard.
	receivedWithin = time.Second
	// overdueAfter is from when on the listener is given up: its connection is open, and dead.
	overdueAfter = 8 * time.Second

	// After slow rings it stays awake for pauseFirst, and each time that they are slow again
	// soon after for twice as long as before.
	pauseFirst = 10 * time.Second
	pauseMax   = 5 * time.Minute
)

// pings is what is known of whether writers can ring and would be heard. It has no clock.
type pings struct {
	sent         uint64    // number of the latest ring to oneself
	received     uint64    // number of the latest one heard on this connection, 0 if none
	began        time.Time // when the ring under way was sent, zero if none is
	missingSince time.Time // when the oldest ring was committed that has not been heard, zero if none
	slow         bool      // the latest ring was slow, or somebody else's holds the lock
	pauseUntil   time.Time // nobody is asked to ring before
	pause        time.Duration
}

// send begins a ring and returns its number.
func (h *pings) send(now time.Time) (number uint64) {
	h.sent++
	h.began = now
	return h.sent
}

// hung notes that the ring under way hangs.
func (h *pings) hung(now time.Time) { h.pauseWriters(now) }

// committed notes that the commit of the ring under way has ended.
func (h *pings) committed(now time.Time) {
	took := now.Sub(h.began)
	h.began = time.Time{}
	if h.received < h.sent && h.missingSince.IsZero() {
		h.missingSince = now
	}
	switch {
	case took < slowPing:
		h.slow = false
	case took >= hungPing || h.slow:
		h.pauseWriters(now)
		h.slow = true
	default:
		h.slow = true
	}
}

// failed notes that the ring under way has failed.
func (h *pings) failed() { h.began, h.received = time.Time{}, 0 }

// receive notes that a ring has been heard.
func (h *pings) receive(number uint64) {
	if number <= h.sent { // anybody may notify on any channel
		h.received, h.missingSince = max(h.received, number), time.Time{}
	}
}

// disconnected notes that the listening connection has gone: what was rung meanwhile is not heard.
func (h *pings) disconnected() { h.received, h.missingSince = 0, time.Time{} }

// pauseWriters has nobody asked to ring for a while.
func (h *pings) pauseWriters(now time.Time) {
	switch {
	case now.Before(h.pauseUntil): // known; the time counts from the latest
	case now.Sub(h.pauseUntil) > h.pause:
		h.pause = pauseFirst
	default:
		h.pause = min(2*h.pause, pauseMax)
	}
	h.pauseUntil = now.Add(h.pause)
}

// healthy reports whether a ring of now would not be waited for, and would be heard.
func (h *pings) healthy(now time.Time) bool {
	return h.received > 0 && !now.Before(h.pauseUntil) &&
		(h.began.IsZero() || now.Sub(h.began) < hungPing) &&
		(h.missingSince.IsZero() || now.Sub(h.missingSince) < receivedWithin)
}

// overdue reports whether the listener is to be given up.
func (h *pings) overdue(now time.Time) bool {
	return !h.missingSince.IsZero() && now.Sub(h.missingSince) > overdueAfter
}

// interval returns how long after the end of a ring the next is due.
func (h *pings) interval() time.Duration {
	if h.slow || h.received < h.sent {
		return pingAgain
	}
	return pingEvery
}

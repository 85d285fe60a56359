package invalidate

import "time"

// A writer that rings waits at its commit: PostgreSQL has one lock for the whole cluster, and each
// NOTIFY of any database holds it until its own commit has ended, including the flush and the
// wait for a synchronous standby. Where that takes long nobody must ring. So the invalidator
// sends a ping to itself by NOTIFY, and sleeps only while its pings arrive soon.
const (
	// pingEvery is the time between two pings. Each costs two transactions. Pings need not be
	// frequent: the beats find changes whose rings do not arrive, and see whether somebody
	// holds the lock.
	pingEvery = 4 * time.Second
	// pingAgain is the time to the next ping after one that was slow or did not arrive.
	pingAgain = time.Second

	// Pings are slow if the commits of two in a row take longer than slowPing. A ping hangs if
	// its commit takes longer than hungPing.
	slowPing = 20 * time.Millisecond
	hungPing = 100 * time.Millisecond
	// receivedWithin is how soon a committed ping must arrive. Otherwise no ring can be relied on.
	receivedWithin = time.Second
	// overdueAfter is when the listener is replaced: its connection is open, but dead.
	overdueAfter = 8 * time.Second

	// After slow pings the invalidator stays awake for pauseFirst. If they are slow again soon
	// after, it stays awake for twice as long as before.
	pauseFirst = 10 * time.Second
	pauseMax   = 5 * time.Minute
)

// pings records what the pings have shown: whether writers can ring, and whether their rings
// would arrive. It has no clock.
type pings struct {
	sent         uint64    // number of the latest ping
	received     uint64    // number of the latest one that arrived on this connection, 0 if none
	began        time.Time // when the ping under way was sent, zero if none is
	missingSince time.Time // when the oldest ping that has not arrived was committed, zero if none
	slow         bool      // the latest ping was slow, or another NOTIFY holds the lock
	pauseUntil   time.Time // writers are not asked to ring before
	pause        time.Duration
}

// send begins a ping and returns its number.
func (h *pings) send(now time.Time) (number uint64) {
	h.sent++
	h.began = now
	return h.sent
}

// hung records that the ping under way hangs.
func (h *pings) hung(now time.Time) { h.pauseWriters(now) }

// committed records that the commit of the ping under way has ended.
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

// failed records that the ping under way has failed.
func (h *pings) failed() { h.began, h.received = time.Time{}, 0 }

// receive records that a ping has arrived.
func (h *pings) receive(number uint64) {
	if number <= h.sent { // anybody may notify on any channel
		h.received, h.missingSince = max(h.received, number), time.Time{}
	}
}

// disconnected records that the listening connection is lost: pings sent meanwhile do not
// arrive.
func (h *pings) disconnected() { h.received, h.missingSince = 0, time.Time{} }

// pauseWriters keeps writers from being asked to ring for a while.
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

// healthy reports whether a ring of now would not wait, and would arrive.
func (h *pings) healthy(now time.Time) bool {
	return h.received > 0 && !now.Before(h.pauseUntil) &&
		(h.began.IsZero() || now.Sub(h.began) < hungPing) &&
		(h.missingSince.IsZero() || now.Sub(h.missingSince) < receivedWithin)
}

// overdue reports whether a ping has been missing for so long that the listener must be
// replaced.
func (h *pings) overdue(now time.Time) bool {
	return !h.missingSince.IsZero() && now.Sub(h.missingSince) > overdueAfter
}

// interval returns how long after the end of a ping the next one is due.
func (h *pings) interval() time.Duration {
	if h.slow || h.received < h.sent {
		return pingAgain
	}
	return pingEvery
}

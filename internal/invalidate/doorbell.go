package invalidate

import (
	"context"
	"time"
)

// doorbell is the invalidator's half of the protocol by which writers send a NOTIFY (they
// "ring") only while it waits for one. A writer tries to take the doorbell lock shared, and
// rings if it cannot.
//
//   - awake: nobody holds the lock exclusively, and writers do not ring. The loop polls.
//   - requesting: the lock has been requested; that alone makes every later writer ring.
//     Writers from before the latest request may still be silent, so the loop polls, too.
//   - withdrawing: there are so many changes that ringing would slow the writers down.
//     The loop polls as when awake, and waits for the answer to the request: only that
//     says whether the lock was granted meanwhile. If it was, it is released. Then the
//     state is awake.
//   - asleep: the lock is held, so no silent writer is left. After one more poll, every
//     change rings.
//
// One request ends by itself after a while, granted or not. A writer that does not ring
// between two requests is found by the next beat.
//
// The request occupies its connection. Meanwhile the loop drains on another one.
type doorbell struct {
	ask     func(context.Context) (held bool, err error) // requests the lock, and waits for a while
	release func(context.Context) error                  // releases it

	state     doorbellState
	request   func()        // requests the lock again
	granted   chan answer   // receives the answer to the request
	pollDue   bool          // the lock was granted within a round: one more poll is due
	pause     time.Duration // until the next poll while requesting, or asleep after a ring; 0 for none
	polledAt  time.Time     // when the latest poll began
	pollEvery time.Duration // from one poll to the next while awake
	level     time.Duration // of the leaky bucket, as of levelAt; it drains with time
	levelAt   time.Time     // when changes were last found, or it woke up

	retryPause time.Duration // how long the latest withdrawn request is not repeated
	retryAt    time.Time     // no request before
}

type doorbellState uint8

const (
	awake doorbellState = iota
	requesting
	withdrawing
	asleep
)

// answer is the result of one request for the lock.
type answer struct {
	held bool
	err  error
}

// How often the loop polls. A poll costs the same whether it finds one transaction or ten.
// So while awake the loop polls about once for every pollFinds of them.
const (
	pollFinds = 2
	pollMin   = 4 * time.Millisecond  // from one poll to the next, however many changes come
	pollMax   = 20 * time.Millisecond // likewise, however few
	pollPause = 1 * time.Millisecond  // from the end of one to the next, however long it took
	pollOnly  = 5 * time.Millisecond  // likewise where writers never ring, while no changes come
)

// A ring costs as much as a poll, but it also makes concurrent writers commit one after
// another, each for as long as a flush takes. A poll costs both servers something even if there
// is no change. A leaky bucket decides which is cheaper. Each transaction that is found adds
// transactionCost, and waiterCost for each that was in progress then and may have had to wait.
// It counts transactions, not drains, so a slow drain decides like a fast one.
const (
	transactionCost = 12500 * time.Microsecond // polling is cheaper above some 80 transactions a second
	waiterCost      = 5 * time.Millisecond     // for each transaction in progress
	maxWaiters      = 3                        // count as waiting; others are just long
	wakeLevel       = 12 * transactionCost     // above it writers stop ringing, and the loop polls
	maxAwakeLevel   = 3 * transactionCost      // the most while awake; the lock is requested at 0
)

// A silent transaction that stays open keeps the lock from being granted. While it is
// requested all others ring. A request that was withdrawn is repeated after a pause, which
// doubles each time.
const (
	retryFirst = time.Second
	retryMax   = 16 * time.Second
)

// busy reports whether a request occupies the connection.
func (b *doorbell) busy() bool { return b.state == requesting || b.state == withdrawing }

// ringing reports whether writers ring.
func (b *doorbell) ringing() bool { return b.state == requesting || b.state == asleep }

// sleepDue reports whether it is time to request the lock.
func (b *doorbell) sleepDue(now time.Time) bool {
	return b.state == awake && b.levelNow(now) == 0 && !now.Before(b.retryAt)
}

// requestLock requests the lock and does not wait. ctx is that of all requests until the
// state is awake again.
func (b *doorbell) requestLock(ctx context.Context) {
	b.state, b.pause = requesting, pollMin
	b.request = func() {
		granted := make(chan answer, 1)
		b.granted = granted
		go func() {
			held, err := b.ask(ctx)
			granted <- answer{held, err}
		}()
	}
	b.request()
}

// answered handles the answer to a request. If the lock is held, the state is asleep. If the
// request has timed out, the lock is requested again, unless the request is being withdrawn.
func (b *doorbell) answered(ctx context.Context, now time.Time, a answer) error {
	b.granted = nil
	switch {
	case a.err != nil:
		return a.err
	case a.held && b.state == requesting:
		b.state, b.retryPause, b.pause = asleep, 0, 0
	case a.held:
		if err := b.release(ctx); err != nil {
			return err
		}
		b.startPolling(now)
	case b.state == requesting:
		b.request()
	default:
		b.retryPause = min(max(retryFirst, 2*b.retryPause), retryMax)
		b.retryAt = now.Add(b.retryPause)
		b.startPolling(now)
	}
	return nil
}

// wake keeps writers from ringing: at once if the lock is held, else as soon as the request
// is answered.
func (b *doorbell) wake(ctx context.Context, now time.Time) error {
	switch b.state {
	case requesting:
		b.startPolling(now)
		b.state = withdrawing
	case asleep:
		if err := b.release(ctx); err != nil {
			return err
		}
		b.startPolling(now)
	}
	return nil
}

// startPolling makes the state awake.
func (b *doorbell) startPolling(now time.Time) {
	b.state, b.pollDue, b.pollEvery, b.level, b.levelAt = awake, false, pollMin, maxAwakeLevel, now
}

// awaitAnswer waits for the answer to a request whose context has been cancelled.
func (b *doorbell) awaitAnswer() {
	if b.granted != nil {
		<-b.granted
		b.granted = nil
	}
}

// levelNow returns the level of the leaky bucket at now.
func (b *doorbell) levelNow(now time.Time) time.Duration { return max(0, b.level-now.Sub(b.levelAt)) }

// addTransactions records that a drain found changes of so many transactions, while so many
// others were in progress. It reports whether that is too much for writers to ring for.
func (b *doorbell) addTransactions(now time.Time, transactions, inProgress int) (burst bool) {
	b.adjustInterval(now.Sub(b.levelAt) * pollFinds / time.Duration(transactions))
	b.level, b.levelAt = b.levelNow(now)+time.Duration(transactions)*(transactionCost+time.Duration(min(inProgress, maxWaiters))*waiterCost), now
	if !b.ringing() {
		b.level = min(b.level, maxAwakeLevel)
		return false
	}
	if b.state == asleep && inProgress > 0 {
		b.pause = pollMin
	}
	return b.level > wakeLevel
}

// adjustInterval moves the time between two polls towards what suits the latest changes:
// quickly when more come, and slowly when fewer do, which may be a pause only.
func (b *doorbell) adjustInterval(suits time.Duration) {
	switch suits = min(max(suits, pollMin), pollMax); {
	case suits < b.pollEvery:
		b.pollEvery -= (b.pollEvery - suits) / 2
	default:
		b.pollEvery += (suits - b.pollEvery) / 8
	}
}

// pollIn returns how long to wait before the next poll if nobody rings; 0 means until the
// next beat.
func (b *doorbell) pollIn(now time.Time, polling bool, beat time.Duration) time.Duration {
	switch {
	case b.state == awake && polling && b.levelNow(now) == 0:
		return pollOnly
	case !b.ringing():
		return max(pollPause, b.pollEvery-now.Sub(b.polledAt))
	case b.state == requesting && b.pause < beat:
		b.pause *= 2
		return b.pause
	case b.state == asleep && b.pause > 0 && b.pause < pollMax:
		b.pause *= 2
		return b.pause / 2
	}
	return 0
}

package invalidate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshlist/freshlist/internal/schema"
)

// doorbell is the invalidator's half of the protocol by which writers ring only
// while it sleeps. Writers try to take the lock K shared and notify if they cannot.
//
//   - awake: nobody holds K, writers are silent, changes are found by looking.
//   - queued: K has been asked for; that alone makes every later writer ring. Only
//     those that were silent before may still have to be found by looking.
//   - asleep: K is held, so no silent writer is left; one more look, then every
//     change rings.
//
// The request for K occupies its connection: while it is queued, the loop drains
// on another one.
type doorbell struct {
	conn    *pgx.Conn // holds the leader lock and K
	state   bellState
	ask     func()     // sends the request
	granted chan error // answers it
	unseen  bool       // K was granted within a round: one more look is due
	pause   time.Duration
	looked  time.Time     // when the loop last began to look
	every   time.Duration // from one look to the next while awake
	debt    time.Duration // of the leaky bucket, less the time gone by since hit
	hit     time.Time     // when changes were last found, or it woke up: the debt is as of then
}

type bellState uint8

const (
	awake bellState = iota
	queued
	asleep
)

// How the loop looks for changes. A look costs the same whether it finds one transaction
// or ten, so while awake it looks about once for every lookFinds of them.
const (
	lookFinds   = 2
	lookOften   = 4 * time.Millisecond  // from one look to the next, however many changes come
	lookSeldom  = 20 * time.Millisecond // likewise, however few
	lookLeast   = 1 * time.Millisecond  // from the end of one to the next, however long it took
	lookPolling = 5 * time.Millisecond  // likewise where writers never ring, while no changes come
)

// Looking costs both servers something whether there is a change or not, and a ring costs
// as much as a look; but ringing also makes concurrent writers commit one after another,
// each as long as a flush. Which is dearer is told by a leaky bucket: each transaction
// found counts once for itself, and less for each that was under way then and may have had
// to wait. It counts transactions and not drains: a slow drain judges like a fast one.
const (
	pace        = 12500 * time.Microsecond // per transaction: looking pays above some 80 a second
	waitPace    = 5 * time.Millisecond     // per transaction under way
	mostWaiting = 3                        // count as waiting; a few others are just long
	wakeDebt    = 12 * pace                // asleep: wake up above it
	awakeDebt   = 3 * pace                 // awake: the most there can be; sleep once it is paid
)

// busy tells whether the connection is occupied by the request for K.
func (b *doorbell) busy() bool { return b.state == queued }

// queue asks for K, until ctx is done, without waiting for it.
func (b *doorbell) queue(ctx context.Context) {
	b.state, b.pause = queued, lookOften
	b.ask = func() {
		granted := make(chan error, 1)
		b.granted = granted
		go func() {
			_, err := b.conn.Exec(ctx, "select pg_advisory_lock($1)", schema.DoorbellLock)
			granted <- err
		}()
	}
	b.ask()
}

// answered takes in the answer to the queued request: K is held, or the time for
// one try is over and it is asked for again.
func (b *doorbell) answered(err error) error {
	b.granted = nil
	var pg *pgconn.PgError
	switch {
	case err == nil:
		b.state = asleep
	case errors.As(err, &pg) && pg.Code == pgerrcode.LockNotAvailable:
		b.ask()
	default:
		return fmt.Errorf("wait for the doorbell's lock: %w", err)
	}
	return nil
}

// wake gives K back, so that writers fall silent.
func (b *doorbell) wake(ctx context.Context, now time.Time) error {
	var held bool
	if err := b.conn.QueryRow(ctx, "select pg_advisory_unlock($1)", schema.DoorbellLock).Scan(&held); err != nil {
		return fmt.Errorf("release the doorbell's lock: %w", err)
	}
	if !held {
		return errors.New("the doorbell's lock was not held")
	}
	b.state, b.every, b.debt, b.hit = awake, lookOften, awakeDebt, now
	return nil
}

// settle waits for the queued request to end; its context has been cancelled.
func (b *doorbell) settle() {
	if b.granted != nil {
		<-b.granted
		b.granted = nil
	}
}

// owed returns the debt as of now.
func (b *doorbell) owed(now time.Time) time.Duration { return max(0, b.debt-now.Sub(b.hit)) }

// found notes that a drain found changes of so many transactions, while so many others
// were in progress, and reports whether a sleeping loop should wake up.
func (b *doorbell) found(now time.Time, transactions, inProgress int) (burst bool) {
	b.adjust(now.Sub(b.hit) * lookFinds / time.Duration(transactions))
	b.debt, b.hit = b.owed(now)+time.Duration(transactions)*(pace+time.Duration(min(inProgress, mostWaiting))*waitPace), now
	if b.state != asleep {
		b.debt = min(b.debt, awakeDebt)
		return false
	}
	return b.debt > wakeDebt
}

// adjust moves the time from one look to the next towards what suits the latest changes:
// quickly when more come, and slowly when fewer do, which may be a pause only.
func (b *doorbell) adjust(suits time.Duration) {
	switch suits = min(max(suits, lookOften), lookSeldom); {
	case suits < b.every:
		b.every -= (b.every - suits) / 2
	default:
		b.every += (suits - b.every) / 8
	}
}

// next returns how long to wait before looking again without having been rung;
// 0 means until the next beat.
func (b *doorbell) next(now time.Time, polling bool, beat time.Duration) time.Duration {
	switch {
	case b.state == awake && polling && b.owed(now) == 0:
		return lookPolling
	case b.state == awake:
		return max(lookLeast, b.every-now.Sub(b.looked))
	case b.state == queued && b.pause < beat:
		b.pause *= 2
		return b.pause
	}
	return 0
}

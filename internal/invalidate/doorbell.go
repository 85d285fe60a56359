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
	granted chan error // answers the queued request
	pause   time.Duration
	quiet   time.Time     // when the last change was found, or the loop woke up
	debt    time.Duration // burstPace for each transaction found asleep, less the time gone by
	hit     time.Time     // when the debt was last reckoned
}

type bellState uint8

const (
	awake bellState = iota
	queued
	asleep
)

// How the loop looks for changes.
const (
	lookAwake   = 2 * time.Millisecond  // between looks while awake
	lookPolling = 5 * time.Millisecond  // likewise where writers never ring
	quietBefore = 20 * time.Millisecond // without a change before it tries to sleep

	// Ringing makes concurrent writers commit one after another, each as long as a
	// flush. From this rate on, held for so long, the invalidator wakes up.
	burstPace = 10 * time.Millisecond // per transaction
	burstDebt = 60 * time.Millisecond
)

// busy tells whether the connection is occupied by the request for K.
func (b *doorbell) busy() bool { return b.state == queued }

// queue asks for K, without waiting for it.
func (b *doorbell) queue(ctx context.Context) {
	b.state, b.pause = queued, lookAwake
	granted := make(chan error, 1)
	b.granted = granted
	go func() {
		_, err := b.conn.Exec(ctx, "select pg_advisory_lock($1)", schema.DoorbellLock)
		granted <- err
	}()
}

// answered takes in the answer to the queued request: K is held, or the time for
// one try is over and it is asked for again.
func (b *doorbell) answered(ctx context.Context, err error) error {
	b.granted = nil
	var pg *pgconn.PgError
	switch {
	case err == nil:
		b.state = asleep
	case errors.As(err, &pg) && pg.Code == pgerrcode.LockNotAvailable:
		pause := b.pause
		b.queue(ctx)
		b.pause = pause
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
	b.state, b.quiet, b.debt = awake, now, 0
	return nil
}

// settle waits for the queued request to end; its context has been cancelled.
func (b *doorbell) settle() {
	if b.granted != nil {
		<-b.granted
		b.granted = nil
	}
}

// found notes that a drain found changes of so many transactions, and reports whether
// they come so fast that a sleeping loop should wake up rather than have every writer
// ring. Transactions are counted, not rings, so that a slow drain counts like a fast
// one: this is a leaky bucket.
func (b *doorbell) found(now time.Time, transactions int) (burst bool) {
	b.debt = max(0, b.debt-now.Sub(b.hit)) + time.Duration(transactions)*burstPace
	b.hit, b.quiet = now, now
	return b.state == asleep && b.debt > burstDebt
}

// next returns how long to wait before looking again without having been rung;
// 0 means until the next beat.
func (b *doorbell) next(polling bool, beat time.Duration) time.Duration {
	switch {
	case b.state == awake && polling && time.Since(b.quiet) > quietBefore:
		return lookPolling
	case b.state == awake:
		return lookAwake
	case b.state == queued && b.pause < beat:
		b.pause *= 2
		return b.pause
	}
	return 0
}

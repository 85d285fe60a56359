package coherence

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshlist/freshlist/internal/listing"
)

// journal lets writers commit one at a time, and keeps the history of it.
type journal struct {
	url       string // of the database, for the table's owner
	truncates bool   // now and then: each is a new epoch
	history   *history
	commit    sync.Mutex
	last      atomic.Pointer[write] // the last commit that was answered
	rows      atomic.Int64          // of properties after it

	rolledBack, failed, unanswered atomic.Int64
}

// write is one commit.
type write struct {
	xid  uint64
	done instant // when it was answered
}

// lossy is more than what a crash of PostgreSQL can lose of commits that did not
// wait for the disk: three times wal_writer_delay, 0.2 s.
const lossy = instant(3 * time.Second)

// run does one transaction: do, and then COMMIT. The error is that of the
// connection or of a statement; nothing is committed then, unless the connection
// was lost at the commit, which is looked into.
func (j *journal) run(ctx context.Context, conn *pgx.Conn, do func(pgx.Tx) error) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback(ctx))
	}
	j.commit.Lock()
	defer j.commit.Unlock()
	return j.finish(ctx, conn, tx)
}

// runAlone is run for what keeps readers out until it commits: nobody else commits from
// its beginning, since reading the table is part of everybody's commit. It must give up
// the locks that it cannot have soon, for others hold theirs until they may commit.
func (j *journal) runAlone(ctx context.Context, conn *pgx.Conn, do func(pgx.Tx) error) error {
	j.commit.Lock()
	defer j.commit.Unlock()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback(ctx))
	}
	return j.finish(ctx, conn, tx)
}

// finish commits. The mutex is held.
func (j *journal) finish(ctx context.Context, conn *pgx.Conn, tx pgx.Tx) error {
	now, err := readContents(ctx, conn, j.history.sites[more])
	if err != nil {
		return errors.Join(fmt.Errorf("read the tables: %w", err), tx.Rollback(ctx))
	}
	w := write{}
	if err := tx.QueryRow(ctx, "select pg_current_xact_id()::text::bigint").Scan(&w.xid); err != nil {
		return errors.Join(fmt.Errorf("read the transaction's id: %w", err), tx.Rollback(ctx))
	}
	state := j.history.state(now)
	begun := j.history.now()
	j.history.addPossible(state, begun)
	if err := tx.Commit(ctx); err != nil {
		j.unanswered.Add(1)
		return errors.Join(err, j.reread(ctx, begun))
	}
	w.done = j.history.now()
	j.history.setState(state, begun, w.done)
	j.rows.Store(int64(len(now.rows["properties"])))
	j.last.Store(&w)
	return nil
}

// resync finds out what the state is after a crash that began at an instant.
func (j *journal) resync(ctx context.Context, since instant) error {
	j.commit.Lock()
	defer j.commit.Unlock()
	j.history.loseNoMore()
	return j.reread(ctx, since)
}

// reread reads the tables until they can be read. The mutex is held.
func (j *journal) reread(ctx context.Context, since instant) error {
	for {
		now, err := j.readOnce(ctx, j.history.sites[more])
		if err == nil {
			read := j.history.now()
			j.last.Store(nil)
			j.history.setState(j.history.state(now), since, read)
			return nil
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

func (j *journal) readOnce(ctx context.Context, site *listing.Site) (contents, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, j.url)
	if err != nil {
		return contents{}, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return readContents(ctx, conn, site)
}

// expect notes that a variant of the description is about to be installed.
func (j *journal) expect(ctx context.Context, variant int) error {
	j.commit.Lock()
	defer j.commit.Unlock()
	now, err := j.readOnce(ctx, j.history.sites[more])
	if err == nil {
		j.history.describe(variant)
		j.history.addPossible(j.history.state(now), j.history.now())
	}
	return err
}

// forget notes that another description took the place of a variant at an instant.
func (j *journal) forget(variant int, since instant) {
	j.commit.Lock()
	defer j.commit.Unlock()
	j.history.describeNoMore(variant, since)
}

// write makes random edits until ctx is done, on one connection after the other.
func (j *journal) write(ctx context.Context, random *rand.Rand, settings string, rest func() time.Duration) {
	for ctx.Err() == nil {
		conn, err := pgx.Connect(ctx, j.url)
		if err == nil {
			_, err = conn.Exec(ctx, settings)
		}
		for err == nil {
			if err = j.edit(ctx, conn, random); err == nil {
				err = pause(ctx, rest())
			}
		}
		if conn != nil {
			_ = conn.Close(context.WithoutCancel(ctx)) // it is broken, or the run is over
		}
		_ = pause(ctx, 5*time.Millisecond)
	}
}

// errRollBack makes a transaction that has gone well roll back.
var errRollBack = errors.New("rolled back on purpose")

// edit does one random transaction. Its error says that the connection is lost.
func (j *journal) edit(ctx context.Context, conn *pgx.Conn, random *rand.Rand) error {
	e := editor{random: random, rows: int(j.rows.Load())}
	run, do := j.run, e.transaction
	if j.truncates && random.IntN(80) == 0 {
		run, do = j.runAlone, e.truncate
	}
	err := run(ctx, conn, func(tx pgx.Tx) error { return do(ctx, tx) })
	var refused *pgconn.PgError
	switch {
	case errors.Is(err, errRollBack):
		j.rolledBack.Add(1)
		return nil
	case conn.IsClosed():
		return err
	case errors.As(err, &refused):
		j.failed.Add(1) // a deadlock, a lock not got in time, an id that is taken
		return nil
	}
	return err
}

// pause waits, and returns the context's error if that ends first.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

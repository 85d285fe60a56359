package database

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/lsn"
	"github.com/freshlist/freshlist/internal/session"
)

// Why a standby has not been read.
var (
	// ErrBehind: the standby has not replayed all that the read must show.
	ErrBehind = errors.New("the standby has not replayed enough of the primary's log")
	// ErrConflict: replay has taken away what the read needed.
	ErrConflict = errors.New("the read was in the way of replay on the standby")
	// ErrNoStandby: the server is no standby, or none answers.
	ErrNoStandby = errors.New("there is no standby to read")
)

// Standbys answers queries from standbys of the primary. Its methods may be called concurrently.
type Standbys struct {
	pool  *Pool
	lag   func(bytes float64) // told how far the standby was behind what was asked for
	rests atomic.Int64        // until when none is asked, UnixNano
}

// NewStandbys returns a reader on a pool of sessions with standbys. It tells lag how far behind the
// floor each read has found them.
func NewStandbys(pool *Pool, lag func(bytes float64)) *Standbys {
	return &Standbys{pool: pool, lag: lag}
}

const (
	// standbyWait is how long a read waits for a session: new ones are made meanwhile.
	standbyWait = 250 * time.Millisecond
	// standbyRest is how long standbys are left alone after none could be reached.
	standbyRest = time.Second
)

// behindPauses are the pauses before a standby that is behind is asked again.
var behindPauses = [...]time.Duration{5 * time.Millisecond, 15 * time.Millisecond}

// Read returns the rows of q from a standby that has replayed the primary's log up to the floor, and
// what ReadWithOrigin says besides, as of the epoch that the standby shows; empty if it shows none. A standby that
// is behind is asked twice more within 20 ms. The error is ErrBehind, ErrConflict, ErrNoStandby or
// PostgreSQL's own.
func (s *Standbys) Read(ctx context.Context, q listing.Query, floor lsn.LSN) (qs listing.Queryset, origin string, err error) {
	if time.Now().UnixNano() < s.rests.Load() {
		return qs, "", ErrNoStandby
	}
	var a answer
	for try := 0; ; try++ {
		err = s.pool.retryOnce(ctx, func() (err error) {
			a, err = s.readOnce(ctx, q, floor)
			return err
		})
		if !errors.Is(err, ErrBehind) || try == len(behindPauses) {
			break
		}
		if !sleep(ctx, behindPauses[try]) {
			break
		}
	}
	if err != nil {
		return listing.Queryset{}, "", fmt.Errorf("read %s on a standby: %w", q, s.judge(err))
	}
	return a.queryset, a.origin, nil
}

func sleep(ctx context.Context, d time.Duration) (slept bool) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// judge classifies an error, and leaves standbys alone for a while if it says that none can be reached.
func (s *Standbys) judge(err error) error {
	switch {
	case errors.Is(err, ErrBehind):
		return err
	case hasCode(err, serializationFailure, deadlock):
		return fmt.Errorf("%w: %w", ErrConflict, err)
	case errors.Is(err, ErrNoStandby):
		// The address may lead to another server by now.
		s.pool.resetSessions(ErrInRecovery)
	case connectionLost(err), errors.Is(classify(err), ErrUnavailable), errors.Is(err, ErrBusy) && !s.pool.exhausted():
		err = fmt.Errorf("%w: %w", ErrNoStandby, err)
	default:
		return err
	}
	s.rests.Store(time.Now().Add(standbyRest).UnixNano())
	return err
}

func (s *Standbys) readOnce(ctx context.Context, q listing.Query, floor lsn.LSN) (answer, error) {
	waiting, cancel := context.WithTimeout(ctx, standbyWait)
	conn, err := s.pool.acquire(waiting)
	cancel()
	if err != nil {
		return answer{}, err
	}
	defer conn.Release()
	each := func(ctx context.Context, conn *pgx.Conn, st *statement, do eachRow) error {
		return s.eachAbove(ctx, conn, floor, st, do)
	}
	a := answer{queryset: listing.Queryset{Query: q}}
	if q.Kind == listing.SummaryKind {
		err = a.readSummary(ctx, each, conn.Conn(), bannerOrigin)
	} else {
		err = a.readRows(ctx, each, conn.Conn(), bannerOrigin)
	}
	return a, err
}

// bannerOrigin says of which epoch, server, database and description the standby's data is.
func bannerOrigin(s *statement) string {
	return "case when not " + s.rowSecurity() + " then freshlist.banner() end"
}

// eachAbove runs a statement on a standby that has replayed the log up to a floor. How much it has replayed is
// asked by a statement of its own, on the same session and before: then the snapshot of the data is the later
// one, and shows all that had been replayed. In one statement PostgreSQL would take the snapshot first. Behind a
// pooler one transaction keeps both on one server; each of its statements has a snapshot of its own.
func (s *Standbys) eachAbove(ctx context.Context, conn *pgx.Conn, floor lsn.LSN, st *statement, do eachRow) (err error) {
	if !session.InStartup(conn) {
		if _, err := conn.Exec(ctx, beginRead+"; "+s.pool.local); err != nil {
			return fmt.Errorf("set up transaction: %w", err)
		}
		defer func() {
			if _, failed := conn.Exec(ctx, "commit"); err == nil { // of one that has failed, a rollback
				err = failed
			}
		}()
	}
	if err := s.reaches(ctx, conn, floor); err != nil {
		return err
	}
	return st.each(ctx, conn, do)
}

// reaches asks how much of the log the server has replayed, and returns nil if that reaches a floor.
func (s *Standbys) reaches(ctx context.Context, conn *pgx.Conn, floor lsn.LSN) error {
	var replayed pgtype.Text
	const ask = "select case when pg_is_in_recovery() then pg_last_wal_replay_lsn()::text end"
	if err := conn.QueryRow(ctx, ask).Scan(&replayed); err != nil {
		return err
	}
	if !replayed.Valid {
		return ErrNoStandby
	}
	at, err := lsn.Parse(replayed.String)
	switch {
	case err != nil:
		return err
	case at < floor:
		s.lag(float64(floor - at))
		return ErrBehind
	}
	s.lag(0)
	return nil
}

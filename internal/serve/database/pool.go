// Package database is the API's way to PostgreSQL: it reads querysets and
// writes rows, in SQL that is made of constants and of quoted names of the description; every
// value travels as a parameter.
//
// The pool is the bound of concurrent work in the database. A read is one
// statement, hence one snapshot: what it returns was true at one instant, and so
// was the epoch that it returns with it.
package database

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/freshlist/freshlist/internal/session"
)

// Config says where PostgreSQL is and how much of it may be used.
type Config struct {
	URL         string          // it may name its own application, limit of a statement and ways of planning
	Application string          // application_name of the sessions
	MaxConns    int             // connections at once, at least 1
	Timeout     time.Duration   // of one statement in the server; 0 = none
	Log         *slog.Logger    // nil = none
	Tracer      pgx.QueryTracer // of statements; nil = none
}

// Sessions are kept for an hour, so that a changed address or role takes hold
// without a restart; a peer that is gone without a word is noticed within
// deadAfter.
const (
	sessionLifetime = time.Hour
	connectTimeout  = 3 * time.Second
	deadAfter       = 9 * time.Second
	statementCache  = 128 // prepared statements of one session
)

// Pool is a bounded set of sessions. Its methods may be called concurrently.
//
// A pool begins with sessions of its own: settings in the start-up packet, prepared
// statements. As soon as it notices a connection pooler in between, it works so that
// each transaction may go to another backend: see behindPooler.
type Pool struct {
	pgx   *pgxpool.Pool
	probe *pgxpool.Pool // one session, so that a busy pool does not look like a dead database
	log   *slog.Logger

	settings session.Settings
	local    string // the settings as a statement, for one transaction

	pooled  atomic.Bool  // a pooler stands in between
	renewed atomic.Int64 // when sessions with a standby were last closed, UnixNano
}

// Open returns a pool that connects when it is first used, so that a process
// may start before its database. It fails only for a configuration that cannot
// work.
func Open(c Config) (*Pool, error) {
	config, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return nil, fmt.Errorf("parse database address: %w", err)
	}
	p := &Pool{log: c.Log, settings: settings(c)}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.local = p.settings.Local()
	config.MaxConns = int32(c.MaxConns)
	config.MaxConnLifetime = sessionLifetime
	config.MaxConnLifetimeJitter = sessionLifetime / 10
	config.BeforeConnect, config.AfterConnect = p.beforeConnect, p.afterConnect
	config.ConnConfig.StatementCacheCapacity = statementCache
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	dialer := &net.Dialer{
		Timeout:         config.ConnConfig.ConnectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: deadAfter / 3, Interval: deadAfter / 3, Count: 2},
		Control:         limitUnacknowledged,
	}
	config.ConnConfig.DialFunc = dialer.DialContext
	session.GiveUpSlowNames(config.ConnConfig)
	config.ConnConfig.Tracer = c.Tracer

	if p.pgx, err = pgxpool.NewWithConfig(context.Background(), config); err != nil {
		return nil, fmt.Errorf("make database pool: %w", err)
	}
	config = config.Copy()
	config.MinConns, config.MinIdleConns, config.MaxConns = 0, 0, 1
	if p.probe, err = pgxpool.NewWithConfig(context.Background(), config); err != nil {
		p.pgx.Close()
		return nil, fmt.Errorf("make database probe: %w", err)
	}
	return p, nil
}

// settings returns what the pool's sessions rely on.
//
// Plans are made for the values at hand. That takes some 0.1 ms each time, but a
// plan for any price at all looks for the few cheapest properties by walking the
// whole table in the order of the page: at 100,000 rows 54 ms where 1.2 ms do.
func settings(c Config) session.Settings {
	return session.For(c.Application).
		With("plan_cache_mode", "force_custom_plan").
		Overridable("statement_timeout", strconv.FormatInt(c.Timeout.Milliseconds(), 10)).
		// A process that is stopped within a write must not keep the row locked.
		Overridable("idle_in_transaction_session_timeout", "10s")
}

// errPooler tells that a new session leads to a pooler.
var errPooler = errors.New("another process answers than the one that was named")

// pooler reports whether no session could be had because there is a pooler in between.
func pooler(err error) bool { return errors.Is(err, errPooler) || session.Refused(err) }

func (p *Pool) beforeConnect(_ context.Context, config *pgx.ConnConfig) error {
	if !p.pooled.Load() {
		p.settings.Startup(config)
		return nil
	}
	p.settings.Bare(config)
	// No statement has a name, so that any backend takes it.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.StatementCacheCapacity, config.DescriptionCacheCapacity = 0, 0
	return nil
}

func (p *Pool) afterConnect(ctx context.Context, conn *pgx.Conn) error {
	if err := session.CheckEncoding(conn); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if !session.InStartup(conn) {
		return nil
	}
	behind, err := session.BehindPooler(ctx, conn)
	switch {
	case err != nil:
		return err
	case behind:
		return errPooler
	}
	return p.settings.Complete(ctx, conn)
}

// behindPooler makes the pool work through a pooler that gives each transaction to any
// backend. There settings hold for a transaction only, so each brings its own, and
// statements have no names. Through one that keeps sessions apart that works as well.
func (p *Pool) behindPooler(sign error) {
	if p.pooled.CompareAndSwap(false, true) {
		p.log.Info("a connection pooler stands before PostgreSQL: every transaction brings its settings, no statement is prepared", "sign", sign)
		p.reset()
	}
}

// reset has every session closed, at once or when it is given back.
func (p *Pool) reset() {
	p.pgx.Reset()
	p.probe.Reset()
}

// Ping asks PostgreSQL for a sign of life, on a session that no read or write
// uses. Its error is ErrInRecovery for a standby.
func (p *Pool) Ping(ctx context.Context) error {
	var standby bool
	err := p.retryOnce(ctx, func() error {
		err := p.ask(ctx, p.probe, "select pg_is_in_recovery()", nil, &standby)
		if err == nil && standby {
			return ErrInRecovery
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("ping database: %w", classify(err))
	}
	return nil
}

// ask runs a statement that returns one row, on a session of one of the pools.
func (p *Pool) ask(ctx context.Context, from *pgxpool.Pool, sql string, args []any, into ...any) error {
	conn, err := p.acquireFrom(ctx, from)
	if err != nil {
		return err
	}
	defer conn.Release()
	return p.row(ctx, conn.Conn(), sql, args, into...)
}

// row runs a statement that returns one row.
func (p *Pool) row(ctx context.Context, conn *pgx.Conn, sql string, args []any, into ...any) error {
	rows, err := p.query(ctx, conn, sql, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if rows.Next() {
		err = rows.Scan(into...)
	}
	rows.Close()
	return errors.Join(err, rows.Err())
}

// beginRead begins the transaction of what only reads, where that needs one.
const beginRead = "begin isolation level read committed read only"

// query runs one statement outside a transaction.
func (p *Pool) query(ctx context.Context, conn *pgx.Conn, sql string, args ...any) (pgx.Rows, error) {
	if session.InStartup(conn) {
		return conn.Query(ctx, sql, args...)
	}
	var batch pgx.Batch
	batch.Queue(beginRead)
	batch.Queue(p.local)
	batch.Queue(sql, args...)
	batch.Queue("commit")
	r := &batchedRows{conn: conn, batch: conn.SendBatch(ctx, &batch)}
	for range 2 {
		if _, err := r.batch.Exec(); err != nil {
			r.end(ctx)
			return nil, fmt.Errorf("set up transaction: %w", err)
		}
	}
	var err error
	if r.Rows, err = r.batch.Query(); err != nil {
		r.end(ctx)
		return nil, err
	}
	r.ctx = ctx
	return r, nil
}

// beginOn returns what begins a transaction that writes: with the triggers' search path,
// and behind a pooler with all settings.
func (p *Pool) beginOn(conn *pgx.Conn) string {
	if session.InStartup(conn) {
		return "begin; " + session.Settings{{Name: "search_path", Value: session.TriggerPath}}.Local()
	}
	// Of a transaction that has begun, a setting does not change the modes any more.
	return "begin isolation level read committed read write not deferrable; " +
		p.settings.With("search_path", session.TriggerPath).Local()
}

// batchedRows are the rows of a batch's statement; closing them ends the batch.
type batchedRows struct {
	pgx.Rows
	ctx   context.Context
	conn  *pgx.Conn
	batch pgx.BatchResults
	ended bool
	err   error // of the batch's end
}

func (r *batchedRows) Close() {
	r.Rows.Close()
	r.end(r.ctx)
}

// end leaves no failed transaction behind: the session would have to be given up.
func (r *batchedRows) end(ctx context.Context) {
	if r.ended {
		return
	}
	r.ended = true
	r.err = r.batch.Close()
	if r.err != nil && !r.conn.IsClosed() {
		_, _ = r.conn.Exec(ctx, "rollback") // the pool gives up a session in which this fails
	}
}

func (r *batchedRows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return err
	}
	return r.err
}

// retryOnce runs do once more if its session failed and not what it asked for. PostgreSQL
// must have done nothing in that case: do reads, or sessionStale means that nothing was
// written.
func (p *Pool) retryOnce(ctx context.Context, do func() error) error {
	err := do()
	if sessionStale(err) && ctx.Err() == nil && p.resetSessions(err) {
		err = do()
	}
	return err
}

// resetSessions closes every session, at once or when it is given back, after err on one of
// them: new ones may lead to another server. It reports whether a retry makes sense. All
// sessions may be stale ones of the same server; but where an address leads to a standby
// only, new sessions every resetEvery are enough.
func (p *Pool) resetSessions(err error) bool {
	switch {
	case movedBackend(err):
		p.behindPooler(err)
		return true
	case errors.Is(err, ErrInRecovery):
		last, now := p.renewed.Load(), time.Now()
		if now.UnixNano() < last+int64(resetEvery) || !p.renewed.CompareAndSwap(last, now.UnixNano()) {
			return false
		}
	}
	p.reset()
	return true
}

const resetEvery = 100 * time.Millisecond

// closeTimeout bounds how long Close waits for a server that does not answer. The driver
// would wait 15 s for each session.
const closeTimeout = 5 * time.Second

// Close ends all sessions once those in use have been given back. After closeTimeout it returns
// all the same; what is left then ends by itself. Of no pool it does nothing.
func (p *Pool) Close() {
	if p == nil {
		return
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		p.probe.Close()
		p.pgx.Close()
	}()
	select {
	case <-closed:
	case <-time.After(closeTimeout):
	}
}

// exhausted reports whether all sessions that there may be are in use. If not, who waits for one waits for a server.
func (p *Pool) exhausted() bool {
	s := p.pgx.Stat()
	return s.AcquiredConns() >= s.MaxConns()
}

// Stats returns how many sessions are in use and idle, and how often none was free at once.
func (p *Pool) Stats() (used, idle, limit int, waits uint64) {
	s := p.pgx.Stat()
	return int(s.AcquiredConns()), int(s.IdleConns()), int(s.MaxConns()), uint64(s.EmptyAcquireCount())
}

// acquire takes a session out of the pool. If none is free before ctx ends its
// error is ErrBusy.
func (p *Pool) acquire(ctx context.Context) (*pgxpool.Conn, error) { return p.acquireFrom(ctx, p.pgx) }

func (p *Pool) acquireFrom(ctx context.Context, pool *pgxpool.Pool) (*pgxpool.Conn, error) {
	conn, err := pool.Acquire(ctx)
	// The session that tells of the pooler, and perhaps one that was begun before it told.
	for try := 0; try < 3 && pooler(err) && ctx.Err() == nil; try++ {
		p.behindPooler(err)
		conn, err = pool.Acquire(ctx)
	}
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() == context.DeadlineExceeded:
		return nil, fmt.Errorf("acquire a database connection: %w", ErrBusy)
	default:
		return nil, fmt.Errorf("acquire a database connection: %w", classify(err))
	}
}

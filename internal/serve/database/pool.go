// Package database is the API's way to PostgreSQL: it reads querysets and
// writes properties, in SQL that is made of constant fragments only; every value
// travels as a parameter.
//
// The pool is the bound of concurrent work in the database. A read is one
// statement, hence one snapshot: what it returns was true at one instant, and so
// was the epoch that it returns with it.
package database

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Config says where PostgreSQL is and how much of it may be used.
type Config struct {
	URL         string        // what a parameter in it sets, nothing below overrides
	Application string        // application_name of the sessions
	MaxConns    int           // connections at once, at least 1
	Timeout     time.Duration // of one statement in the server; 0 = none
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
type Pool struct {
	pgx   *pgxpool.Pool
	probe *pgxpool.Pool // one session, so that a busy pool does not look like a dead database

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
	config.MaxConns = int32(c.MaxConns)
	config.MaxConnLifetime = sessionLifetime
	config.MaxConnLifetimeJitter = sessionLifetime / 10
	config.AfterConnect = settings(c, config.ConnConfig.RuntimeParams)
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

	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, fmt.Errorf("make database pool: %w", err)
	}
	config = config.Copy()
	config.MinConns, config.MinIdleConns, config.MaxConns = 0, 0, 1
	probe, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("make database probe: %w", err)
	}
	return &Pool{pgx: pool, probe: probe}, nil
}

// settings returns what is done to each new session. The settings are made by a
// statement, not in the start-up packet, where connection poolers refuse them.
//
// Plans are made for the values at hand. That takes some 0.1 ms each time, but a
// plan for any price at all looks for the few cheapest properties by walking the
// whole table in the order of the page: at 100,000 rows 54 ms where 1.2 ms do.
func settings(c Config, given map[string]string) func(context.Context, *pgx.Conn) error {
	wanted := [][2]string{
		{"application_name", c.Application},
		{"plan_cache_mode", "force_custom_plan"},
		{"jit", "off"}, // compiling takes longer than any of these statements
		{"timezone", "UTC"},
		{"statement_timeout", strconv.FormatInt(c.Timeout.Milliseconds(), 10)},
		// A process that is stopped within a write must not keep the row locked.
		{"idle_in_transaction_session_timeout", "10s"},
	}
	s := &statement{}
	s.add("select true")
	for _, setting := range wanted {
		if _, ok := given[setting[0]]; !ok {
			s.add(", set_config(", s.arg(setting[0]), ", ", s.arg(setting[1]), ", false)")
		}
	}
	return func(ctx context.Context, conn *pgx.Conn) error {
		arguments := append([]any{pgx.QueryExecModeExec}, s.args...) // not prepared: it is needed once
		if _, err := conn.Exec(ctx, s.text.String(), arguments...); err != nil {
			return fmt.Errorf("set up session: %w", err)
		}
		return nil
	}
}

// Ping asks PostgreSQL for a sign of life, on a session that no read or write
// uses. Its error is ErrInRecovery for a standby.
func (p *Pool) Ping(ctx context.Context) error {
	var standby bool
	err := p.probe.QueryRow(ctx, "select pg_is_in_recovery()").Scan(&standby)
	if err == nil && standby {
		err = ErrInRecovery
		p.renew(err)
	}
	if err != nil {
		return fmt.Errorf("ping database: %w", classify(err))
	}
	return nil
}

// renew has every session closed, at once or when it is given back, after err on one of
// them: new ones may lead to another server. It reports whether trying again makes sense.
// All sessions may be stale ones of the same server, but where an address leads to a
// standby only, new sessions every renewEvery are enough.
func (p *Pool) renew(err error) bool {
	if errors.Is(err, ErrInRecovery) {
		last, now := p.renewed.Load(), time.Now()
		if now.UnixNano() < last+int64(renewEvery) || !p.renewed.CompareAndSwap(last, now.UnixNano()) {
			return false
		}
	}
	p.pgx.Reset()
	p.probe.Reset()
	return true
}

const renewEvery = 100 * time.Millisecond

// Close ends all sessions once those in use have been given back.
func (p *Pool) Close() {
	p.probe.Close()
	p.pgx.Close()
}

// acquire takes a session out of the pool. If none is free before ctx ends its
// error is ErrBusy.
func (p *Pool) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	conn, err := p.pgx.Acquire(ctx)
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() == context.DeadlineExceeded:
		return nil, fmt.Errorf("acquire a database connection: %w", ErrBusy)
	default:
		return nil, fmt.Errorf("acquire a database connection: %w", classify(err))
	}
}

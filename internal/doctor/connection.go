package doctor

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/session"
)

// connect opens a connection on which every statement is one message exchange and
// leaves nothing behind, so that it works, and can be judged, through a pooler too.
func connect(ctx context.Context, url string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse the address of PostgreSQL: %w", err) // pgx hides the password
	}
	config.ConnectTimeout = connectTimeout
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	return session.For("freshlist-invalidator doctor").ConnectConfig(ctx, config)
}

// closeConn closes a connection without waiting long for the other side.
func hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

const directRemedy = "give the invalidator the address of PostgreSQL itself: its locks and LISTEN belong to a session"

// direct checks that a session is one backend's from beginning to end. A transaction
// pooler gives each statement to any backend, and drops what a backend says in between:
// a notification sent by another session.
func (c Config) direct(ctx context.Context, conn *pgx.Conn) (Finding, error) {
	backends, err := backendsOf(ctx, conn)
	if err != nil {
		return Finding{}, err
	}
	if len(backends) > 1 {
		return fail("a pooler gives each statement to another backend", directRemedy), nil
	}
	heard, err := c.hears(ctx, conn)
	own := backends[conn.PgConn().PID()]
	switch {
	case err != nil:
		return Finding{}, err
	case !heard && !own:
		return fail("a pooler stands in between, and notifications do not come through", directRemedy), nil
	case !heard:
		return warn(fmt.Sprintf("a notification was not heard within %v", heardWithin), "see how busy the server is"), nil
	case !own:
		return warn("something stands in between, though it keeps sessions apart", directRemedy), nil
	}
	return ok("direct, notifications are heard"), nil
}

// backendsOf returns the backends that a few statements meet.
func backendsOf(ctx context.Context, conn *pgx.Conn) (map[uint32]bool, error) {
	backends := make(map[uint32]bool)
	for range 5 {
		var pid uint32
		if err := conn.QueryRow(ctx, "select pg_backend_pid()").Scan(&pid); err != nil {
			return nil, err
		}
		backends[pid] = true
	}
	return backends, nil
}

const heardWithin = 5 * time.Second

// hears has another session notify this one.
func (c Config) hears(ctx context.Context, conn *pgx.Conn) (bool, error) {
	channel := "freshlist_doctor_" + strings.ToLower(rand.Text())
	if _, err := conn.Exec(ctx, "listen "+channel); err != nil {
		return false, err
	}
	other, err := connect(ctx, c.DatabaseURL)
	if err != nil {
		return false, err
	}
	defer hangUp(other)
	waiting, cancel := context.WithTimeout(ctx, heardWithin)
	defer cancel()
	// A NOTIFY of anybody that hangs in its commit holds up this one.
	if _, err := other.Exec(waiting, "select pg_notify($1, '')", channel); err != nil && waiting.Err() == nil {
		return false, err
	}
	_, unheard := conn.WaitForNotification(waiting) // the end of its time leaves the connection usable
	_, err = conn.Exec(ctx, "unlisten "+channel)
	return unheard == nil, err
}

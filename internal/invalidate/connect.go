package invalidate

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/session"
)

// connect opens a connection of its own for one purpose, with what all sessions rely on
// and, over that, settings. It must reach PostgreSQL directly: a session's locks and
// LISTEN do not survive a transaction pooler. Nothing that the invalidator writes outlives
// a crash, so it waits for no flush, and for no standby that may be gone.
func (i *Invalidator) connect(ctx context.Context, purpose string, settings map[string]string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(i.DatabaseURL)
	if err != nil {
		return nil, fmt.Errorf("parse DATABASE_URL: %w", err) // pgx hides the password
	}
	config.Tracer = i.Tracer
	config.ConnectTimeout = max(i.Bound, time.Second)
	config.DialFunc = (&net.Dialer{Timeout: config.ConnectTimeout, KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: time.Second, Interval: time.Second, Count: 3,
	}}).DialContext
	relied := session.For("freshlist-invalidator "+purpose).
		With("synchronous_commit", "off").
		With("tcp_user_timeout", milliseconds(i.stepTimeout()))
	for name, value := range settings {
		relied = relied.With(name, value)
	}
	conn, err := relied.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL to %s: %w", purpose, err)
	}
	return conn, nil
}

// closeTimeout bounds the closing of a connection that may be dead.
const closeTimeout = 100 * time.Millisecond

// closeConn closes a connection without waiting long for the other side.
func closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = conn.Close(ctx)
}

// milliseconds spells a duration as PostgreSQL's settings take it.
func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%dms", max(1, d.Milliseconds()))
}

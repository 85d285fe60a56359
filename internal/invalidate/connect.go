package invalidate

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
)

// pinned are the settings that every session relies on, whatever those of the database and
// of the role are. Nothing that the invalidator writes outlives a crash, so it waits for no
// flush, and for no standby that may be gone. An end of an idle session is set where one is
// wanted.
var pinned = map[string]string{
	"client_encoding":                     "UTF8",
	"search_path":                         "pg_catalog, pg_temp",
	"DateStyle":                           "ISO",
	"IntervalStyle":                       "postgres",
	"TimeZone":                            "UTC",
	"extra_float_digits":                  "1",
	"bytea_output":                        "hex",
	"standard_conforming_strings":         "on",
	"statement_timeout":                   "0",
	"lock_timeout":                        "0",
	"idle_session_timeout":                "0",
	"idle_in_transaction_session_timeout": "0",
	"default_transaction_isolation":       "read committed",
	"default_transaction_read_only":       "off",
	"default_transaction_deferrable":      "off",
	"synchronous_commit":                  "off",
}

// connect opens a connection of its own for one purpose. It must reach PostgreSQL
// directly: a session's locks and LISTEN do not survive a transaction pooler.
func (i *Invalidator) connect(ctx context.Context, purpose string, settings map[string]string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(i.DatabaseURL)
	if err != nil {
		return nil, fmt.Errorf("parse DATABASE_URL: %w", err) // pgx hides the password
	}
	config.ConnectTimeout = max(i.Bound, time.Second)
	config.DialFunc = (&net.Dialer{Timeout: config.ConnectTimeout, KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: time.Second, Interval: time.Second, Count: 3,
	}}).DialContext
	for name, value := range pinned {
		config.RuntimeParams[name] = value
	}
	config.RuntimeParams["tcp_user_timeout"] = milliseconds(i.stepTimeout())
	config.RuntimeParams["application_name"] = "freshlist-invalidator " + purpose
	for name, value := range settings {
		config.RuntimeParams[name] = value
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL to %s: %w", purpose, err)
	}
	return conn, nil
}

// closeTimeout bounds the farewell of a connection that may be dead.
const closeTimeout = 100 * time.Millisecond

// hangUp closes a connection without waiting long for the other side.
func hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = conn.Close(ctx)
}

// milliseconds spells a duration as PostgreSQL's settings take it.
func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%dms", max(1, d.Milliseconds()))
}

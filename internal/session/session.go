// Package session gives a connection to PostgreSQL the settings that freshlist relies
// on, whatever ALTER SYSTEM, ALTER DATABASE, ALTER ROLE, PGOPTIONS or a service file say.
//
// There are three ways to give them, since none works everywhere:
//
//   - The start-up packet beats all of those, before the first statement. Connection
//     poolers refuse most of it.
//   - A statement sets them for the session. That is the way of Connect where the packet
//     was refused; it holds as long as the pooler keeps the session on one backend.
//   - A transaction pooler gives each transaction to any backend: only what is set in
//     a transaction holds in it. Local is the statement for that.
//
// Timeouts and the isolation level are among them: a database's own statement_timeout
// of a second would end the leader's session while it waits for a lock.
package session

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/freshlist/freshlist/internal/description"
)

// Setting is one parameter of PostgreSQL and the value it must have.
type Setting struct {
	Name, Value string

	// Overridable: the same parameter in the address stands. It does for what an operator may
	// want to choose for one process, never for what answers depend on.
	Overridable bool

	since int // the first major version of PostgreSQL that knows it; 0: all that are supported
}

// Settings are what a connection relies on. A name occurs once.
type Settings []Setting

// Search paths. Operators and functions are PostgreSQL's own: with another schema in the
// path, one in it whose argument types fit better would win.
const (
	OwnPath = "pg_catalog, pg_temp"
	// TriggerPath is for writes to the listings: triggers of the table's owner may name
	// what is in public without its schema.
	TriggerPath = "pg_catalog, public, pg_temp"
	// MigrationPath has public as its current schema, that of the table of migrations.
	// PostgreSQL looks into pg_catalog first all the same.
	MigrationPath = "public, pg_temp"
)

// For returns what every connection relies on, for one of an application's name.
func For(application string) Settings {
	return Settings{
		{Name: "application_name", Value: application, Overridable: true},
		// How values are written and read as text.
		{Name: "client_encoding", Value: "UTF8"},
		{Name: "DateStyle", Value: "ISO, MDY"},
		{Name: "IntervalStyle", Value: "postgres"},
		{Name: "TimeZone", Value: "UTC"},
		{Name: "extra_float_digits", Value: "1"},
		{Name: "bytea_output", Value: "hex"},
		{Name: "array_nulls", Value: "on"},
		// What SQL means.
		{Name: "search_path", Value: OwnPath},
		{Name: "standard_conforming_strings", Value: "on"},
		{Name: "quote_all_identifiers", Value: "off"},
		{Name: "transform_null_equals", Value: "off"},
		{Name: "gin_fuzzy_search_limit", Value: "0"}, // else a text search leaves rows out
		{Name: "row_security", Value: "on"},          // off turns a hidden row into an error
		// What a transaction may do and see.
		{Name: "default_transaction_isolation", Value: "read committed"},
		{Name: "default_transaction_read_only", Value: "off", Overridable: true},
		{Name: "default_transaction_deferrable", Value: "off"},
		// How long things may take, and what an error ends.
		{Name: "statement_timeout", Value: "0"},
		{Name: "lock_timeout", Value: "0"},
		{Name: "idle_in_transaction_session_timeout", Value: "0"},
		{Name: "idle_session_timeout", Value: "0"},
		{Name: "transaction_timeout", Value: "0", since: 17},
		{Name: "exit_on_error", Value: "off"},
		// How statements are planned.
		{Name: "plan_cache_mode", Value: "auto", Overridable: true},
		{Name: "jit", Value: "off", Overridable: true}, // compiling takes longer than any of our statements
	}
}

// With returns the settings with another value for one of them, or with one more. What a
// program asks for by With may yield to the address only if the setting does.
func (s Settings) With(name, value string) Settings {
	changed := make(Settings, 0, len(s)+1)
	found := false
	for _, setting := range s {
		if strings.EqualFold(setting.Name, name) {
			setting.Value, found = value, true
		}
		changed = append(changed, setting)
	}
	if !found {
		changed = append(changed, Setting{Name: name, Value: value})
	}
	return changed
}

// Overridable returns the settings with one that stands if the address sets it.
func (s Settings) Overridable(name, value string) Settings {
	changed := s.With(name, value)
	for i := range changed {
		if strings.EqualFold(changed[i].Name, name) {
			changed[i].Overridable = true
		}
	}
	return changed
}

// Startup puts the settings into the start-up packet of a connection to be made.
func (s Settings) Startup(config *pgx.ConnConfig) {
	for _, setting := range s {
		if setting.since == 0 && !(setting.Overridable && given(config, setting.Name)) {
			remove(config, setting.Name)
			config.RuntimeParams[setting.Name] = setting.Value
		}
	}
}

// Bare leaves in the start-up packet of a connection to be made only what every pooler
// takes.
func (s Settings) Bare(config *pgx.ConnConfig) {
	for _, setting := range s {
		if setting.Name != "application_name" {
			remove(config, setting.Name)
		}
	}
	if name := s.value("application_name"); !given(config, "application_name") {
		config.RuntimeParams["application_name"] = name
	}
}

// InStartup reports whether a connection was given its settings in the start-up packet.
func InStartup(conn *pgx.Conn) bool { return given(conn.Config(), "search_path") }

// Local returns a statement that sets all of it for the rest of the transaction.
func (s Settings) Local() string { return s.statement(true) }

// statement sets all of it, for the transaction or for the session. It has no
// parameters, so that it may stand beside others in one message: names and values are
// constants of this program or durations.
func (s Settings) statement(local bool) string {
	var b strings.Builder
	separator := "select "
	for _, setting := range s {
		if setting.Name == "application_name" {
			continue // poolers take it from the start-up packet
		}
		set := fmt.Sprintf("pg_catalog.set_config(%s, %s, %t)", description.QuoteLiteral(setting.Name), description.QuoteLiteral(setting.Value), local)
		if setting.since > 0 {
			set = fmt.Sprintf("case when pg_catalog.current_setting(%s, true) is not null then %s end", description.QuoteLiteral(setting.Name), set)
		}
		b.WriteString(separator + set)
		separator = ", "
	}
	return b.String()
}

func (s Settings) value(name string) string {
	for _, setting := range s {
		if strings.EqualFold(setting.Name, name) {
			return setting.Value
		}
	}
	return ""
}

// given reports whether an address sets a parameter. PostgreSQL's names have no case.
func given(config *pgx.ConnConfig, name string) bool {
	for parameter := range config.RuntimeParams {
		if strings.EqualFold(parameter, name) {
			return true
		}
	}
	return false
}

func remove(config *pgx.ConnConfig, name string) {
	for parameter := range config.RuntimeParams {
		if strings.EqualFold(parameter, name) {
			delete(config.RuntimeParams, parameter)
		}
	}
}

// Connect opens a connection to the database at url.
func (s Settings) Connect(ctx context.Context, url string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse the address of the database: %w", err) // pgx hides the password
	}
	return s.ConnectConfig(ctx, config)
}

// ConnectConfig opens a connection. Where a pooler refuses the settings in the start-up
// packet, it sets them by a statement for the session.
func (s Settings) ConnectConfig(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	config = config.Copy()
	GiveUpSlowNames(config)
	asked := config.Copy()
	s.Startup(asked)
	conn, err := pgx.ConnectConfig(ctx, asked)
	if Refused(err) {
		bare := config.Copy()
		s.Bare(bare)
		if conn, err = pgx.ConnectConfig(ctx, bare); err == nil {
			err = s.set(ctx, conn)
		}
	} else if err == nil {
		err = s.Complete(ctx, conn)
	}
	if err != nil {
		return nil, errors.Join(err, closed(conn))
	}
	return conn, nil
}

func closed(conn *pgx.Conn) error {
	if conn == nil {
		return nil
	}
	return conn.Close(context.Background())
}

// OpenDB makes a pool for package database/sql.
func (s Settings) OpenDB(config *pgx.ConnConfig) *sql.DB {
	config = config.Copy()
	GiveUpSlowNames(config)
	return sql.OpenDB(connector{s, config})
}

// connector opens connections with settings.
type connector struct {
	settings Settings
	config   *pgx.ConnConfig
}

// Connect is that of driver.Connector. What stdlib opens by itself could not try again.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	asked := c.config.Copy()
	c.settings.Startup(asked)
	conn, err := stdlib.GetConnector(*asked, stdlib.OptionAfterConnect(c.settings.Complete)).Connect(ctx)
	if Refused(err) {
		bare := c.config.Copy()
		c.settings.Bare(bare)
		conn, err = stdlib.GetConnector(*bare, stdlib.OptionAfterConnect(c.settings.set)).Connect(ctx)
	}
	return conn, err
}

// Driver is that of driver.Connector.
func (c connector) Driver() driver.Driver { return stdlib.GetDefaultDriver() }

// Complete sets what cannot stand in a start-up packet, since not every version of
// PostgreSQL knows it.
func (s Settings) Complete(ctx context.Context, conn *pgx.Conn) error {
	var late Settings
	for _, setting := range s {
		if setting.since > 0 && setting.since <= Version(conn) {
			late = append(late, setting)
		}
	}
	if len(late) == 0 {
		return nil
	}
	return late.set(ctx, conn)
}

// set sets all of it for the session.
func (s Settings) set(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, s.statement(false), pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("set up session: %w", err)
	}
	return nil
}

// Version returns the major version of the server that a connection leads to, 0 if it
// does not say.
func Version(conn *pgx.Conn) int {
	var major int
	_, _ = fmt.Sscanf(conn.PgConn().ParameterStatus("server_version"), "%d", &major)
	return major
}

// Refused reports whether a pooler has refused the start-up packet: by the error that
// says so, or as something that it does not support.
func Refused(err error) bool {
	var connect *pgconn.ConnectError
	var pg *pgconn.PgError
	return errors.As(err, &connect) && errors.As(err, &pg) &&
		(pg.Code == protocolViolation || pg.Code == featureNotSupported)
}

const (
	protocolViolation   = "08P01"
	featureNotSupported = "0A000"
)

// ErrEncoding tells that a database's texts are not in UTF-8. Which rows a change
// touches is told by comparing texts byte by byte.
var ErrEncoding = errors.New("the encoding of the database does not do")

// CheckEncoding returns ErrEncoding, with the encoding and the way out, unless the
// database of a connection is in UTF-8.
func CheckEncoding(conn *pgx.Conn) error {
	encoding := conn.PgConn().ParameterStatus("server_encoding")
	if encoding == "UTF8" || encoding == "" { // a pooler may not say
		return nil
	}
	return fmt.Errorf("%w: it is %s, not UTF8; move it into one made by CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0", ErrEncoding, encoding)
}

// BehindPooler reports whether a pooler stands between a connection and its backend: the
// backend's process is not the one that the connection was told of.
func BehindPooler(ctx context.Context, conn *pgx.Conn) (bool, error) {
	var pid uint32
	err := conn.QueryRow(ctx, "select pg_catalog.pg_backend_pid()", pgx.QueryExecModeExec).Scan(&pid)
	if err != nil {
		return false, fmt.Errorf("look for a pooler: %w", err)
	}
	return pid != conn.PgConn().PID(), nil
}

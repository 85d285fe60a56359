package explain

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/listing"
)

// Statement is what a statement would do to the cache.
type Statement struct {
	Rows    int64    `json:"rows"`    // that it changes, as PostgreSQL counts them
	Changes []Change `json:"changes"` // what is captured of it; the first ones
	More    int      `json:"more_changes"`
	Verdict
	Notes []string `json:"notes"`
	Took  float64  `json:"seconds"`
}

// Change is one change that is captured of the statement.
type Change struct {
	Table   string   `json:"table"`
	Kind    string   `json:"kind"` // insert, update, delete, bulk, whole
	Key     *string  `json:"key"`
	Columns []string `json:"columns"` // of an update
}

// Limits of a statement's run, and of what is told of it.
const (
	statementTimeout = "10s"
	lockTimeout      = "2s" // and while it counts, no writer rings: see db/triggers/045_doorbell.sql
	mostChanges      = 20
)

// SQL runs a statement on a connection, in a transaction that it rolls back, and says what its
// commit would purge of the queries that are live. spared is how many of those that would stay
// are named. The first judge that can answers; why the ones before could not is noted. The
// connection's role must be one that may run the statement and read what is captured: the tables'
// owner. The connection is of no use afterwards but to be closed.
func SQL(ctx context.Context, conn *pgx.Conn, site *listing.Site, sql string, spared int, judges ...Judge) (Statement, error) {
	began := time.Now()
	if err := check(sql); err != nil {
		return Statement{}, err
	}
	s, captured, err := try(ctx, conn, site, sql)
	if err != nil {
		return Statement{}, err
	}
	if err := s.describe(site, captured); err != nil {
		return Statement{}, err
	}
	for i, judge := range judges {
		s.Verdict, err = judge(ctx, site, Question{Description: site.Identity, Captured: captured, Spared: spared})
		if err == nil {
			break
		}
		if i == len(judges)-1 || ctx.Err() != nil {
			return Statement{}, err
		}
		s.Notes = append(s.Notes, fmt.Sprintf("every registration was read, which takes long where there are many, since %v", err))
	}
	s.Took = time.Since(began).Seconds()
	return s, nil
}

// try runs a statement, reads what is captured of it, and rolls it back.
func try(ctx context.Context, conn *pgx.Conn, site *listing.Site, sql string) (s Statement, captured []feed.Captured, err error) {
	s = Statement{Changes: []Change{}, Notes: []string{}}
	const begin = `begin isolation level read committed read write;
		set local standard_conforming_strings = on; -- check has read it so
		set local statement_timeout = '` + statementTimeout + `'; set local lock_timeout = '` + lockTimeout + `';
		set local idle_in_transaction_session_timeout = '` + statementTimeout + `'`
	if _, err := conn.Exec(ctx, begin); err != nil {
		return s, nil, fmt.Errorf("begin a transaction: %w", err)
	}
	if _, err := conn.Exec(ctx, usualPath); err != nil {
		return s, nil, fmt.Errorf("set the search path: %w", err)
	}
	defer func() {
		_, failed := conn.Exec(context.WithoutCancel(ctx), "rollback")
		err = errors.Join(err, failed)
		if err == nil && drewNumbers(ctx, conn) {
			s.Notes = append(s.Notes, "it drew a number of a sequence; PostgreSQL does not put those back")
		}
	}()
	// By the extended protocol, which takes one statement only.
	ran := conn.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil).Read()
	if ran.Err != nil {
		return s, nil, hint(fmt.Errorf("run the statement: %w", ran.Err))
	}
	if status := conn.PgConn().TxStatus(); status != 'T' {
		return s, nil, errors.New("the statement has ended its transaction; give one that does not")
	}
	s.Rows = ran.CommandTag.RowsAffected()
	if _, err := conn.Exec(ctx, "set constraints all immediate"); err != nil {
		return s, nil, hint(fmt.Errorf("check the deferred constraints, as a commit would: %w", err))
	}
	captured, err = feed.New(site).Own(ctx, conn)
	return s, captured, hint(err)
}

// describe tells what is captured.
func (s *Statement) describe(site *listing.Site, captured []feed.Captured) error {
	changes, err := feed.New(site).Decode(captured)
	if err != nil {
		return err
	}
	for i := range changes[:min(len(changes), mostChanges)] {
		s.Changes = append(s.Changes, describe(&changes[i]))
	}
	s.More = len(changes) - len(s.Changes)
	if len(changes) == 0 {
		s.Notes = append(s.Notes, "nothing of it is captured: it changes no row of a described table, or no column that is described")
	}
	return nil
}

// usualPath sets the search path that the role has by itself: our own sessions have another one.
const usualPath = `
	select set_config('search_path', coalesce((
		select substr(setting, length('search_path=') + 1)
		from pg_db_role_setting as s, unnest(s.setconfig) as setting
		where setting like 'search\_path=%'
		  and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
		  and s.setrole in (0, (select oid from pg_roles where rolname = session_user))
		order by s.setrole <> 0 and s.setdatabase <> 0 desc, s.setrole <> 0 desc, s.setdatabase <> 0 desc limit 1),
		'"$user", public'), true)`

// drewNumbers reports whether the session has taken a number of a sequence.
func drewNumbers(ctx context.Context, conn *pgx.Conn) bool {
	_, err := conn.Exec(ctx, "select lastval()")
	return err == nil
}

// hint names the next step where an error of PostgreSQL has one.
func hint(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	switch pg.Code {
	case pgerrcode.InsufficientPrivilege:
		return fmt.Errorf("%w; set DATABASE_URL to the role that owns the tables", err)
	case pgerrcode.UndefinedTable, pgerrcode.InvalidSchemaName:
		if strings.Contains(pg.Message, "freshlist.") {
			return fmt.Errorf("%w; as the tables' owner run: invalidator install", err)
		}
	case pgerrcode.QueryCanceled:
		return fmt.Errorf("%w; it may take %s here", err, statementTimeout)
	case pgerrcode.LockNotAvailable:
		return fmt.Errorf("%w; another transaction holds what it needs for longer than %s: try again", err, lockTimeout)
	case pgerrcode.ReadOnlySQLTransaction:
		return fmt.Errorf("%w; point DATABASE_URL at the primary", err)
	}
	return err
}

// describe returns what is told of a change.
func describe(c *match.Change) Change {
	told := Change{Kind: c.Name(), Columns: c.Columns()}
	if c.Table != nil {
		told.Table = c.Table.Name
	}
	if key, ok := c.Key(); ok {
		told.Key = &key
	}
	return told
}

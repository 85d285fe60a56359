package schema

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshlist/freshlist/db"
)

// ErrNoTable tells that the migrations have not been applied.
var ErrNoTable = errors.New("there is no table public.properties; run: api migrate up")

// How an installation waits for writers: in short tries with pauses between them, so
// that others do not queue up behind it for long.
const (
	lockTimeout = "100ms"
	lockTries   = 50
	lockPause   = 400 * time.Millisecond
)

// Install makes the capture triggers what this program was built with, and gives the
// roles their rights. It compares first, and takes no lock and changes nothing if
// nothing differs. Otherwise it keeps writers out while it replaces functions and
// triggers: replacing a function would not wait for a transaction that has already run
// the old one, and that transaction may commit after the change.
//
// What it makes belongs to the table's owner, whoever runs it. A fault that no
// installation mends, such as an inherited table, is an error.
func Install(ctx context.Context, conn *pgx.Conn) (changed bool, err error) {
	difference, err := Compare(ctx, conn)
	if err != nil {
		return false, err
	}
	if difference == "" {
		return false, grant(ctx, conn)
	}
	if err := locked(ctx, conn, lockTries, install); err != nil {
		if isForbidden(err) {
			err = fmt.Errorf("%w; %s", err, owners(ctx, conn))
		}
		return false, fmt.Errorf("install the triggers: %w", err)
	}
	if difference, err = Compare(ctx, conn); err == nil && difference != "" {
		err = errors.New(difference)
	}
	if err != nil {
		return true, fmt.Errorf("installed the triggers, but listings cannot be cached: %w", err)
	}
	return true, nil
}

// Uninstall removes the triggers and the schema freshlist.
func Uninstall(ctx context.Context, conn *pgx.Conn) error {
	err := locked(ctx, conn, lockTries, func(ctx context.Context, tx pgx.Tx) error {
		if err := keepWritersOut(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "drop schema if exists freshlist cascade")
		return err
	})
	if err != nil {
		return fmt.Errorf("uninstall the triggers: %w", err)
	}
	return nil
}

// locked runs do in a transaction that waits for no lock longer than lockTimeout, and
// tries again while that is too short, tries times in all.
func locked(ctx context.Context, conn *pgx.Conn, tries int, do func(context.Context, pgx.Tx) error) error {
	for try := 1; ; try++ {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "set local lock_timeout = '"+lockTimeout+"'"); err != nil {
				return err
			}
			return do(ctx, tx)
		})
		var pg *pgconn.PgError
		switch {
		case !errors.As(err, &pg) || pg.Code != pgerrcode.LockNotAvailable:
			return err
		case try == tries:
			return fmt.Errorf("%w; other transactions keep the table: %s", err, holders(ctx, conn))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockPause):
		}
	}
}

// holders names the transactions that keep a lock on the table which writers take or a
// stronger one.
func holders(ctx context.Context, conn *pgx.Conn) string {
	var names string
	err := conn.QueryRow(ctx, `
		select coalesce(string_agg(distinct format('pid %s (%s)', l.pid, l.mode), ', '), 'gone by now')
		from pg_locks as l
		where l.relation = to_regclass('public.properties') and l.granted and l.pid <> pg_backend_pid()
		  and l.mode not in ('AccessShareLock', 'RowShareLock')`).Scan(&names)
	if err != nil {
		return err.Error()
	}
	return names
}

// keepWritersOut locks the table before anything of ours is locked. A transaction that already
// holds its own lock on the table would else wait, inside our trigger, for what is being
// replaced, while the replacement waits for it.
func keepWritersOut(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		do $$
		begin
			if to_regclass('public.properties') is not null then
				lock table public.properties in share row exclusive mode;
			end if;
		end
		$$`)
	if err != nil {
		return fmt.Errorf("lock public.properties: %w", err)
	}
	return nil
}

func install(ctx context.Context, tx pgx.Tx) error {
	const becomeOwner = `
		select set_config('role', pg_get_userbyid(relowner), true) from pg_class where oid = to_regclass('public.properties')`
	if err := keepWritersOut(ctx, tx); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, becomeOwner); err != nil {
		return fmt.Errorf("become the owner of public.properties: %w", err)
	}
	if err := makeWay(ctx, tx); err != nil {
		return err
	}
	sources, err := Sources()
	if err != nil {
		return err
	}
	for _, s := range sources {
		_, err := tx.Exec(ctx, s.SQL)
		switch pg := (*pgconn.PgError)(nil); {
		case errors.As(err, &pg) && pg.Code == misfitCode:
			return fmt.Errorf("public.properties does not fit: %s", pg.Message)
		case err != nil:
			return fmt.Errorf("execute %s: %w", s.Name, locate(err, s.SQL))
		}
	}
	var installed string
	err = tx.QueryRow(ctx, `
		select format('%s %s %s', $1::text, freshlist.properties_definitions(), array_to_string(freshlist.properties_positions(), ','))`,
		sourceHash(sources)).Scan(&installed)
	if err != nil {
		return fmt.Errorf("read what was installed: %w", err)
	}
	// All are digits; COMMENT takes no parameters.
	if _, err := tx.Exec(ctx, "comment on schema freshlist is "+literal(installed)); err != nil {
		return fmt.Errorf("note what was installed: %w", err)
	}
	return grant(ctx, tx)
}

// misfitCode is the SQLSTATE by which the capture SQL refuses a table, its encoding or its
// columns.
const misfitCode = "FL001"

// makeWay drops what cannot be replaced in place: the guard view, the functions that know the
// table's row type, tables whose columns may differ, and our triggers of a table that has
// made way for the present one. The changes are safe to lose, since an installation begins
// a new epoch.
func makeWay(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		drop view if exists freshlist.properties_guard, freshlist.properties_keystone; -- the latter is a former name
		do $$
		declare
			former text;
		begin
			for former in
				select format('drop trigger %I on %s', t.tgname, t.tgrelid::regclass)
				from pg_trigger as t
				join pg_proc as p on p.oid = t.tgfoid
				join pg_namespace as n on n.oid = p.pronamespace
				where n.nspname = 'freshlist' and t.tgname like 'freshlist\_%' and t.tgrelid <> 'public.properties'::regclass
				union all
				select format('drop function %s', p.oid::regprocedure)
				from pg_proc as p
				join pg_namespace as n on n.oid = p.pronamespace
				where n.nspname = 'freshlist' and p.proname in ('properties_id', 'properties_description', 'properties_image')
			loop
				execute former;
			end loop;
		end
		$$;
		drop table if exists freshlist.properties_changes, freshlist.properties_marker;
		drop type if exists freshlist.property, freshlist.property_sets`)
	if err != nil {
		return fmt.Errorf("drop what was installed: %w", err)
	}
	return nil
}

// Compare tells how the installed triggers differ from this program's, "" if they
// do not.
func Compare(ctx context.Context, conn *pgx.Conn) (difference string, err error) {
	var table bool
	if err := conn.QueryRow(ctx, "select to_regclass('public.properties') is not null").Scan(&table); err != nil {
		return "", fmt.Errorf("look for the table: %w", err)
	}
	if !table {
		return "", ErrNoTable
	}
	sources, err := Sources()
	if err != nil {
		return "", err
	}
	var installed string
	err = conn.QueryRow(ctx, `
		select coalesce((select obj_description(oid, 'pg_namespace') from pg_namespace where nspname = 'freshlist'), '')`).Scan(&installed)
	if err != nil {
		return "", fmt.Errorf("read what is installed: %w", err)
	}
	switch hash, _, _ := strings.Cut(installed, " "); hash {
	case "":
		return "the triggers are not installed", nil
	case sourceHash(sources):
	default:
		return "the triggers were installed by another version", nil
	}
	err = conn.QueryRow(ctx, "select freshlist.properties_fault()").Scan(&difference)
	if isUndefined(err) {
		return "the schema freshlist is not complete", nil
	}
	if isForbidden(err) {
		return "", fmt.Errorf("read the state of the triggers: %w; %s", err, owners(ctx, conn))
	}
	if err != nil {
		return "", fmt.Errorf("read the state of the triggers: %w", err)
	}
	return difference, nil
}

// MayInstall reports whether the connection's role owns the table, and so can
// install.
func MayInstall(ctx context.Context, conn *pgx.Conn) (bool, error) {
	var owns bool
	err := conn.QueryRow(ctx, `
		select coalesce((select pg_has_role(relowner, 'member') from pg_class where oid = to_regclass('public.properties')), false)`).Scan(&owns)
	if err != nil {
		return false, fmt.Errorf("read the table's owner: %w", err)
	}
	return owns, nil
}

// grant gives the roles of the deployment their rights, where they exist.
func grant(ctx context.Context, on interface {
	Exec(context.Context, string, ...any) (pgconn.CommandTag, error)
}) error {
	if _, err := on.Exec(ctx, db.Grants); err != nil {
		return fmt.Errorf("grant rights: %w", locate(err, db.Grants))
	}
	return nil
}

func isForbidden(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == pgerrcode.InsufficientPrivilege
}

// owners says to whom the table and the schema freshlist belong, and what to do about it.
func owners(ctx context.Context, conn *pgx.Conn) string {
	const query = `
		select coalesce((select pg_get_userbyid(relowner) from pg_class where oid = to_regclass('public.properties')), 'nobody'),
			(select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'freshlist')`
	var table string
	var schema *string
	switch err := conn.QueryRow(ctx, query).Scan(&table, &schema); {
	case err != nil:
		return err.Error()
	case schema == nil || *schema == table:
		return "public.properties belongs to " + table + ": run install as that role, which needs CREATE on the database"
	default:
		return "public.properties belongs to " + table + ", the schema freshlist to " + *schema +
			": run uninstall as a superuser, then install as " + table + ", which needs CREATE on the database"
	}
}

// isUndefined reports whether err says that a schema, table or function is missing.
func isUndefined(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case pgerrcode.InvalidSchemaName, pgerrcode.UndefinedFunction, pgerrcode.UndefinedTable:
		return true
	}
	return false
}

// locate adds the line of the source that PostgreSQL complains about.
func locate(err error, source string) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Position < 1 {
		return err
	}
	runes := []rune(source)
	before := string(runes[:min(int(pg.Position)-1, len(runes))])
	line := strings.Count(before, "\n")
	return fmt.Errorf("line %d, %q: %w", line+1, strings.TrimSpace(strings.Split(source, "\n")[line]), err)
}

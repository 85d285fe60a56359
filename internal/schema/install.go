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
	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// How an installation waits for writers: in short tries with pauses between them, so
// that others do not queue up behind it for long.
const (
	lockTimeout = "100ms"
	lockTries   = 50
	lockPause   = 400 * time.Millisecond
)

// Installed says what an installation has done.
type Installed struct {
	Changed     bool                     // it was not so before
	Description *description.Description // that is installed
	Warnings    description.Faults       // what is worth a second look
}

// Install makes capture what this program was built with, for the description that is
// installed, or the one that ships if none is. The description's file is held against the
// catalog anew, so that what has changed in the tables is taken up.
func Install(ctx context.Context, conn *pgx.Conn) (changed bool, err error) {
	f, _, err := stored(ctx, conn)
	if err != nil {
		return false, err
	}
	done, err := InstallFile(ctx, conn, f)
	return done.Changed, err
}

// InstallFile makes capture what this program was built with, for the tables of a description,
// removes it from others, and gives the roles their rights. If the file does not fit, nothing
// changes, and the error is of type description.Faults.
//
// It compares first, and takes no lock and changes nothing if nothing differs. Otherwise it
// keeps writers out while it replaces functions and triggers: replacing a function would not
// wait for a transaction that has already run the old one, and that transaction may commit
// after the change. It holds the file against the catalog once more while it has the tables,
// and stores the description in the same transaction.
//
// What it makes belongs to the tables' owner, whoever runs it. A fault that no
// installation mends, such as an inherited table, is an error.
func InstallFile(ctx context.Context, conn *pgx.Conn, f File) (done Installed, err error) {
	done.Description, done.Warnings, err = f.resolveOn(ctx, conn)
	if err != nil {
		return Installed{}, err
	}
	difference, err := compare(ctx, conn, done.Description)
	if err != nil {
		return Installed{}, err
	}
	if difference == "" {
		return done, grant(ctx, conn)
	}
	relations := relationsOf(done.Description)
	err = locked(ctx, conn, lockTries, func(ctx context.Context, tx pgx.Tx) (err error) {
		done, err = install(ctx, tx, f)
		return err
	})
	if err != nil {
		if isForbidden(err) {
			err = fmt.Errorf("%w; %s", err, owners(ctx, conn, relations))
		}
		return Installed{}, fmt.Errorf("install the triggers: %w", err)
	}
	if difference, err = compare(ctx, conn, done.Description); err == nil && difference != "" {
		err = errors.New(difference)
	}
	if err != nil {
		return done, fmt.Errorf("installed the triggers, but nothing can be cached: %w", err)
	}
	return done, nil
}

// Uninstall removes the triggers and the schema freshlist. While migrations are applied, a new
// schema keeps the table that says so, and belongs to the owner of the captured tables.
func Uninstall(ctx context.Context, conn *pgx.Conn) error {
	err := locked(ctx, conn, lockTries, func(ctx context.Context, tx pgx.Tx) error {
		if err := keepWritersOut(ctx, tx, nil); err != nil {
			return err
		}
		keeper, err := keeperOfMigrations(ctx, tx)
		switch {
		case err != nil:
			return fmt.Errorf("look for applied migrations: %w", err)
		case keeper == "":
			_, err = tx.Exec(ctx, "drop schema if exists freshlist cascade")
		default:
			_, err = tx.Exec(ctx, fmt.Sprintf(`
				alter schema freshlist rename to freshlist_uninstalled;
				create schema freshlist authorization %[1]s;
				%[2]s;
				alter table freshlist_uninstalled.schema_migrations owner to %[1]s;
				alter table freshlist_uninstalled.schema_migrations set schema freshlist;
				drop schema freshlist_uninstalled cascade`, pgx.Identifier{keeper}.Sanitize(), openSchema))
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("uninstall the triggers: %w", err)
	}
	return nil
}

// keeperOfMigrations returns who is to own the table of migrations when all else goes, "" if
// none is applied.
func keeperOfMigrations(ctx context.Context, tx pgx.Tx) (owner string, err error) {
	var there, applied bool
	err = tx.QueryRow(ctx, `
		select exists (select from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
			where n.nspname = $1 and c.relname = $2 and c.relkind = 'r')`, ownSchema, versionTable).Scan(&there)
	if err != nil || !there {
		return "", err
	}
	if err := tx.QueryRow(ctx, "select exists (select from freshlist.schema_migrations where version > 0)").Scan(&applied); err != nil || !applied {
		return "", err
	}
	err = tx.QueryRow(ctx, `
		select pg_get_userbyid(coalesce(
			(select min(c.relowner::bigint)::oid from pg_class as c where c.oid in (`+capturedTables+`)),
			(select c.relowner from pg_class as c where c.oid = 'freshlist.schema_migrations'::regclass)))::text`).Scan(&owner)
	return owner, err
}

// locked runs do in a transaction that waits for no lock longer than lockTimeout, and
// tries again while that is too short, tries times in all.
func locked(ctx context.Context, conn *pgx.Conn, tries int, do func(context.Context, pgx.Tx) error) error {
	for try := 1; ; try++ {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "set local lock_timeout = '"+lockTimeout+"'; set local standard_conforming_strings = on"); err != nil {
				return err
			}
			return do(ctx, tx)
		})
		var pg *pgconn.PgError
		switch {
		case !errors.As(err, &pg) || pg.Code != pgerrcode.LockNotAvailable:
			return err
		case try == tries:
			return fmt.Errorf("%w; other transactions keep the tables: %s", err, holders(ctx, conn))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockPause):
		}
	}
}

// holders names the transactions that keep a lock on a table of somebody's which writers take,
// or a stronger one.
func holders(ctx context.Context, conn *pgx.Conn) string {
	var names string
	err := conn.QueryRow(ctx, `
		select coalesce(string_agg(distinct format('pid %s (%s on %s)', l.pid, l.mode, l.relation::regclass), ', '), 'gone by now')
		from pg_locks as l
		join pg_database as d on d.oid = l.database
		where d.datname = current_database() and l.relation >= 16384 and l.granted and l.pid <> pg_backend_pid()
		  and l.mode not in ('AccessShareLock', 'RowShareLock')`).Scan(&names)
	if err != nil {
		return err.Error()
	}
	return names
}

// keepWritersOut locks the tables that capture is installed on, and others that are named,
// before anything of ours is locked, always in the same order. A transaction that already holds
// its own lock on a table would else wait, inside our trigger, for what is being replaced, while
// the replacement waits for it.
func keepWritersOut(ctx context.Context, tx pgx.Tx, relations []description.RelationName) error {
	// One installation at a time, of whatever tables.
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", InstallLock); err != nil {
		return fmt.Errorf("wait for another installation: %w", err)
	}
	schemas, names := splitNames(relations)
	rows, err := tx.Query(ctx, `
		select format('%I.%I', n.nspname, c.relname)
		from pg_class as c
		join pg_namespace as n on n.oid = c.relnamespace
		where (n.nspname::text, c.relname::text) in (select * from unnest($1::text[], $2::text[]))
		   or c.oid in (`+capturedTables+`)
		order by n.nspname, c.relname`, schemas, names)
	if err != nil {
		return fmt.Errorf("look for the tables: %w", err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("look for the tables: %w", err)
	}
	if len(tables) == 0 {
		return nil
	}
	list := strings.Join(tables, ", ")
	if _, err := tx.Exec(ctx, "lock table "+list+" in share row exclusive mode"); err != nil {
		return fmt.Errorf("lock %s: %w", list, err)
	}
	return nil
}

// capturedTables selects the tables that have triggers of ours.
const capturedTables = `
	select t.tgrelid
	from pg_trigger as t
	join pg_proc as p on p.oid = t.tgfoid
	join pg_namespace as own on own.oid = p.pronamespace
	where own.nspname = 'freshlist' and t.tgname like 'freshlist\_%'`

func splitNames(relations []description.RelationName) (schemas, names []string) {
	schemas, names = []string{}, []string{}
	for _, r := range relations {
		schemas, names = append(schemas, r.Schema), append(names, r.Name)
	}
	return schemas, names
}

func relationsOf(d *description.Description) (relations []description.RelationName) {
	for i := range d.Tables {
		relations = append(relations, d.Tables[i].Relation)
	}
	return relations
}

// install installs a description within a transaction.
func install(ctx context.Context, tx pgx.Tx, f File) (done Installed, err error) {
	done.Changed = true
	done.Description, done.Warnings, err = f.resolve(func(names []description.RelationName) (*description.Catalog, error) {
		if err := keepWritersOut(ctx, tx, names); err != nil {
			return nil, err
		}
		c, err := readCatalog(ctx, tx, names)
		if err != nil {
			return nil, fmt.Errorf("read the catalog: %w", err)
		}
		return c, nil
	})
	if err != nil {
		return done, err
	}
	site := listing.NewSite(done.Description)
	sources, err := Sources(site)
	if err != nil {
		return done, err
	}
	if err := removeTriggers(ctx, tx, site); err != nil {
		return done, err
	}
	if err := becomeOwner(ctx, tx, relationsOf(done.Description)); err != nil {
		return done, err
	}
	if err := makeWay(ctx, tx, site); err != nil {
		return done, err
	}
	for _, s := range sources {
		_, err := tx.Exec(ctx, s.SQL)
		switch pg := (*pgconn.PgError)(nil); {
		case errors.As(err, &pg) && pg.Code == misfitCode:
			return done, fmt.Errorf("the tables do not fit: %s", pg.Message)
		case err != nil && s.Table != "":
			return done, fmt.Errorf("execute %s for %s: %w", s.Name, s.Table, locate(err, s.SQL))
		case err != nil:
			return done, fmt.Errorf("execute %s: %w", s.Name, locate(err, s.SQL))
		}
	}
	if err := f.store(ctx, tx, site); err != nil {
		return done, err
	}
	if err := note(ctx, tx, sources); err != nil {
		return done, err
	}
	return done, grant(ctx, tx)
}

// note writes into the schema's comment what was installed.
func note(ctx context.Context, tx pgx.Tx, sources []Source) error {
	var installed string
	err := tx.QueryRow(ctx, "select format('%s %s', $1::text, freshlist.definitions())", sourceHash(sources)).Scan(&installed)
	if err != nil {
		return fmt.Errorf("read what was installed: %w", err)
	}
	// All are digits; COMMENT takes no parameters.
	if _, err := tx.Exec(ctx, "comment on schema freshlist is "+description.QuoteLiteral(installed)); err != nil {
		return fmt.Errorf("note what was installed: %w", err)
	}
	return nil
}

// misfitCode is the SQLSTATE by which the capture SQL refuses tables, their encoding or their
// columns.
const misfitCode = "FL001"

// removeTriggers drops our triggers of tables that are not described any more, or are by another
// name. It comes before anything of ours is locked: readers of such a table would else wait for
// that, while this waits for them.
func removeTriggers(ctx context.Context, tx pgx.Tx, site *listing.Site) error {
	described := []string{}
	for _, t := range site.Tables {
		described = append(described, t.Name)
	}
	schemas, names := splitNames(relationsOf(site.Description))
	rows, err := tx.Query(ctx, `
		select format('drop trigger %I on %I.%I', t.tgname, n.nspname, c.relname)
		from pg_trigger as t
		join pg_proc as p on p.oid = t.tgfoid
		join pg_namespace as own on own.oid = p.pronamespace
		join pg_class as c on c.oid = t.tgrelid
		join pg_namespace as n on n.oid = c.relnamespace
		where own.nspname = 'freshlist' and t.tgname like 'freshlist\_%'
		  and (n.nspname::text, c.relname::text, p.proname::text) not in (
			select schema, name, table_name || '_' || replace(t.tgname, 'freshlist_', '')
			from unnest($1::text[], $2::text[], $3::text[]) as d (schema, name, table_name))
		order by n.nspname, c.relname, t.tgname`, schemas, names, described)
	return drop(ctx, tx, "drop the triggers of former tables", rows, err)
}

// makeWay drops what cannot be replaced in place: the guard views, the functions that know a
// table's row type, tables whose columns may differ, and all of tables that are not described
// any more. The changes are safe to lose, since an installation begins a new epoch.
// (Functions whose name and type stay are replaced: programs are running that call them.)
func makeWay(ctx context.Context, tx pgx.Tx, site *listing.Site) error {
	tables := []string{}
	for _, t := range site.Tables {
		tables = append(tables, t.Name)
	}
	rows, err := tx.Query(ctx, formerObjects, tables, append(tableFunctions, rowFunctions...), rowFunctions, tableRelations)
	return drop(ctx, tx, "drop what was installed", rows, err)
}

// formerObjects selects the statements that drop what makeWay drops: of the tables $1, and of
// others that were described, which are known by one of their functions. $2 are the
// words of functions, $3 those that cannot be replaced, $4 those of relations. What begins with
// propert is of a version that knew one table.
const formerObjects = `
	with own as (
		select oid from pg_namespace where nspname = 'freshlist'
	), described (name, stays) as (
		select t, true from unnest($1::text[]) as t
		union
		select left(p.proname, -length('_whole_table')), false
		from own join pg_proc as p on p.pronamespace = own.oid
		where p.proname like '%\_whole\_table' and left(p.proname, -length('_whole_table')) <> all ($1)
	), relations (name) as (
		select name || '_' || word from described, unnest($4::text[]) as word
		union values ('marker'), ('banner'), ('description'), ('properties_keystone'), ('properties_marker'), ('property'), ('property_sets')
	), functions (name) as (
		select name || '_' || word from described, unnest($2::text[]) as word where not stays or word = any ($3)
		union values ('properties_id'), ('properties_description'), ('properties_columns'), ('properties_positions'), ('properties_misfits'),
			('properties_may_ring'), ('properties_epoch'), ('properties_catalog'), ('properties_definitions'), ('properties_fault'), ('properties_repair')
	)
	select statement
	from (
		select array_position(array['v', 'r', 'c'], c.relkind::text) * 2 as place,
			format('drop %s freshlist.%I', case c.relkind when 'v' then 'view' when 'r' then 'table' else 'type' end, c.relname) as statement
		from own
		join pg_class as c on c.relnamespace = own.oid
		join relations as r on r.name = c.relname
		where c.relkind in ('v', 'r', 'c')
		union all
		select 5, format('drop function freshlist.%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid))
		from own
		join pg_proc as p on p.pronamespace = own.oid
		where p.proname in (select name from functions)
		   or exists (select from described as d where starts_with(p.proname, d.name || '_masked_') and p.proname ~ '_masked_[0-9]+$')
	) as dropped
	order by place, statement`

// drop executes the statements that a query returns.
func drop(ctx context.Context, tx pgx.Tx, what string, rows pgx.Rows, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if _, err := tx.Exec(ctx, strings.Join(statements, "; ")); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Compare tells how what is installed differs from what Install would make, "" if it does not.
func Compare(ctx context.Context, conn *pgx.Conn) (difference string, err error) {
	f, _, err := stored(ctx, conn)
	if err != nil {
		return "", err
	}
	d, _, err := f.resolveOn(ctx, conn)
	var faults description.Faults
	switch {
	case errors.As(err, &faults):
		return "the description does not fit the tables: " + inOneLine(faults), nil
	case err != nil:
		return "", err
	}
	return compare(ctx, conn, d)
}

func inOneLine(faults description.Faults) string {
	var lines []string
	for _, f := range faults {
		lines = append(lines, f.String())
	}
	return strings.Join(lines, "; ")
}

// compare tells how what is installed differs from what this program makes of a description.
func compare(ctx context.Context, conn *pgx.Conn, d *description.Description) (difference string, err error) {
	site := listing.NewSite(d)
	sources, err := Sources(site)
	if err != nil {
		return "", err
	}
	var installed string
	err = conn.QueryRow(ctx, `
		select coalesce((select obj_description(oid, 'pg_namespace') from pg_namespace where nspname = 'freshlist'), '')`).Scan(&installed)
	if err != nil {
		return "", fmt.Errorf("read what is installed: %w", err)
	}
	if installed == "" {
		return "the triggers are not installed", nil
	}
	_, identity, err := stored(ctx, conn)
	switch hash, _, _ := strings.Cut(installed, " "); {
	case isForbidden(err):
		return "", fmt.Errorf("%w; %s", err, owners(ctx, conn, relationsOf(d)))
	case err != nil:
		return "", err
	case identity != "" && identity != site.Identity:
		return "another description is installed", nil
	case identity == "" || hash != sourceHash(sources):
		return "the triggers were installed by another version", nil
	}
	const missing = "case when to_regclass('freshlist.idempotency_keys') is null then 'there is no table freshlist.idempotency_keys' else '' end"
	err = conn.QueryRow(ctx, "select coalesce(nullif(freshlist.fault(), ''), "+missing+")").Scan(&difference)
	if isUndefined(err) {
		return "the schema freshlist is not complete", nil
	}
	if isForbidden(err) {
		return "", fmt.Errorf("read the state of the triggers: %w; %s", err, owners(ctx, conn, relationsOf(d)))
	}
	if err != nil {
		return "", fmt.Errorf("read the state of the triggers: %w", err)
	}
	return difference, nil
}

// grant gives the roles of the deployment their rights, where they exist.
func grant(ctx context.Context, on querier) error {
	if _, err := on.Exec(ctx, db.Grants); err != nil {
		return fmt.Errorf("grant rights: %w", locate(err, db.Grants))
	}
	return nil
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

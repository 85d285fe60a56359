package schema

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	migratepgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshlist/freshlist/db"
	"github.com/freshlist/freshlist/internal/session"
)

// Version is where a database stands among the migrations.
type Version struct {
	Applied uint // number of the last migration applied, 0 if none
	Latest  uint // number of the last one there is
	Dirty   bool // the last migration was cut off: Force finds out whether it was kept
}

func (v Version) dirty() error {
	return fmt.Errorf("a migration was cut off before, up or down to %d\n"+
		"api migrate force finds out whether it was kept, and ends this state", v.Applied)
}

// Up applies the migrations that are missing, then the grants. A migration that the database
// refuses leaves nothing behind.
func Up(ctx context.Context, url string) error {
	conn, err := connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to migrate: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := session.CheckEncoding(conn); err != nil {
		return fmt.Errorf("migrate up: %w", err)
	}
	switch v, err := status(ctx, conn); {
	case err != nil:
		return err
	case v.Dirty:
		return fmt.Errorf("migrate up: %w", v.dirty())
	case v.Applied > v.Latest:
		return fmt.Errorf("migrate up: the database is at migration %d, and this program knows %d of them\n"+
			"a newer version of freshlist has been here: run that one", v.Applied, v.Latest)
	}
	if err := prepare(ctx, conn); err != nil {
		return fmt.Errorf("migrate up: %w", err)
	}
	known, err := versions()
	if err != nil {
		return err
	}
	if err := migrateBy(url, +1, len(known)); err != nil {
		return fmt.Errorf("migrate up: %w", err)
	}
	return grant(ctx, conn)
}

// Down takes back the last steps migrations. The capture that watches the table
// goes first: it would keep PostgreSQL from dropping it.
func Down(ctx context.Context, url string, steps int) error {
	if steps < 1 {
		return fmt.Errorf("migrate down %d: the number of steps must be 1 or more", steps)
	}
	conn, err := connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to uninstall the triggers: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	switch v, err := status(ctx, conn); {
	case err != nil:
		return err
	case v.Dirty:
		return fmt.Errorf("migrate down: %w", v.dirty())
	case v.Applied == 0:
		return errors.New("migrate down: no migration is applied")
	}
	if err := prepare(ctx, conn); err != nil {
		return fmt.Errorf("migrate down: %w", err)
	}
	if err := Uninstall(ctx, conn); err != nil {
		return err
	}
	if err := migrateBy(url, -1, steps); err != nil {
		return fmt.Errorf("migrate down: %w\ncapture is uninstalled: invalidator install brings it back", err)
	}
	if v, err := status(ctx, conn); err != nil || v.Applied > 0 {
		return err
	}
	return Uninstall(ctx, conn) // what was kept for the migrations
}

// Status tells where the database at url stands. It changes nothing.
func Status(ctx context.Context, url string) (Version, error) {
	conn, err := connect(ctx, url)
	if err != nil {
		return Version{}, fmt.Errorf("connect to read the migration status: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return status(ctx, conn)
}

func status(ctx context.Context, conn *pgx.Conn) (v Version, err error) {
	known, err := versions()
	if err != nil {
		return Version{}, err
	}
	v.Latest = uint(known[len(known)-1])
	schema, err := versionSchema(ctx, conn)
	if err == nil && schema != "" {
		table := pgx.Identifier{schema, versionTable}.Sanitize()
		err = conn.QueryRow(ctx, "select greatest(version, 0), dirty from "+table+" limit 1").Scan(&v.Applied, &v.Dirty) // -1 is none
		if errors.Is(err, pgx.ErrNoRows) {
			err = nil
		}
	}
	if err != nil {
		return Version{}, fmt.Errorf("read the migration status: %w", err)
	}
	return v, nil
}

// Force ends the dirty state that a migration leaves if it is cut off, by a crash or a lost
// connection. Each migration is one transaction, so it was kept whole or not at all; Force
// finds out which by trying it in a transaction that it takes back. With a version above 0 it
// sets that one, for who knows better.
func Force(ctx context.Context, url string, to uint) error {
	conn, err := connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to migrate: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	v, err := status(ctx, conn)
	switch {
	case err != nil:
		return err
	case to > v.Latest:
		return fmt.Errorf("migrate force %d: there are %d migrations", to, v.Latest)
	case to == 0 && !v.Dirty:
		return fmt.Errorf("migrate force: no migration was cut off, the database is at %d of %d; "+
			"migrate force N would set another number", v.Applied, v.Latest)
	}
	if err := prepare(ctx, conn); err != nil {
		return fmt.Errorf("migrate force: %w", err)
	}
	at := version(to)
	if to == 0 {
		if at, err = found(ctx, conn, version(v.Applied)); err != nil {
			return fmt.Errorf("migrate force: %w", err)
		}
	}
	if err := withMigrations(url, func(m *migrate.Migrate) error { return m.Force(at.orNone()) }); err != nil {
		return fmt.Errorf("migrate force: %w", err)
	}
	return nil
}

// found returns the last migration that is there, where one up to cutOff, or one down to it,
// was cut off.
func found(ctx context.Context, conn *pgx.Conn, cutOff version) (version, error) {
	for _, v := range []version{cutOff.after(), cutOff} {
		there, err := v.isThere(ctx, conn)
		if err != nil {
			return 0, err
		}
		if there {
			return v, nil
		}
	}
	return cutOff.before(), nil
}

// isThere reports whether a migration has been applied: what it makes is there already.
func (v version) isThere(ctx context.Context, conn *pgx.Conn) (bool, error) {
	sql, err := v.sql()
	if err != nil || sql == "" {
		return false, err
	}
	settings := "set local search_path = " + session.MigrationPath + "; set local lock_timeout = '10s'; "
	err = conn.PgConn().Exec(ctx, "begin; "+settings+sql+"; rollback").Close()
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false, err
	}
	if _, err := conn.Exec(ctx, "rollback"); err != nil {
		return false, err
	}
	switch pg.Code {
	case pgerrcode.DuplicateTable, pgerrcode.DuplicateColumn, pgerrcode.DuplicateObject, pgerrcode.DuplicateSchema, pgerrcode.DuplicateFunction:
		return true, nil
	case pgerrcode.UndefinedTable, pgerrcode.UndefinedColumn, pgerrcode.UndefinedObject:
		return false, nil // what an earlier one makes is missing
	}
	return false, fmt.Errorf("try migration %d: %w", v, pg)
}

// version is the number of a migration, 0 for none.
type version uint

// versions returns the numbers of the migrations there are, in order.
func versions() (all []version, err error) {
	source, err := iofs.New(db.Migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	defer source.Close()
	for v, err := source.First(); !errors.Is(err, fs.ErrNotExist); v, err = source.Next(v) {
		if err != nil {
			return nil, fmt.Errorf("read the migrations: %w", err)
		}
		all = append(all, version(v))
	}
	return all, nil
}

// before and after return the neighbours of a version, 0 if there is none.
func (v version) before() version { return v.neighbour(-1) }
func (v version) after() version  { return v.neighbour(+1) }

func (v version) neighbour(step int) version {
	all, err := versions()
	if err != nil {
		return 0 // embedded files, which the tests read
	}
	i := slices.Index(all, v) + step // none is at -1
	if i < 0 || i >= len(all) {
		return 0
	}
	return all[i]
}

// orNone is the version as golang-migrate writes it.
func (v version) orNone() int {
	if v == 0 {
		return database.NilVersion
	}
	return int(v)
}

// sql returns what the migration executes, "" if there is none.
func (v version) sql() (string, error) {
	if v == 0 {
		return "", nil
	}
	source, err := iofs.New(db.Migrations, "migrations")
	if err != nil {
		return "", err
	}
	defer source.Close()
	file, _, err := source.ReadUp(uint(v))
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	return string(text), err
}

// The table of golang-migrate. It lies in our schema, since the one in public may be
// another application's.
const (
	ownSchema    = "freshlist"
	versionTable = "schema_migrations"
)

// formerVersionTable tells whether public.schema_migrations is ours, of a version that had it
// there: it has the columns of golang-migrate and a number that we know, and the table that
// our first migration makes is there with its index and its check.
const formerVersionTable = `
	select exists (
		select from pg_class as c
		where c.oid = to_regclass('public.schema_migrations') and c.relkind = 'r'
		  and (select string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ',' order by a.attnum)
			from pg_attribute as a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) = 'version bigint,dirty boolean')
	and exists (
		select from pg_index as i join pg_constraint as k on k.conrelid = i.indrelid
		where i.indrelid = to_regclass('public.properties') and i.indexrelid = to_regclass('public.properties_newest')
		  and k.conname = 'properties_price_range')`

// versionSchema returns the schema in which the table of migrations is, "" if there is none.
func versionSchema(ctx context.Context, conn *pgx.Conn) (string, error) {
	var own, former bool
	err := conn.QueryRow(ctx, `
		select exists (select from pg_class as c join pg_namespace as n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = $2)`,
		ownSchema, versionTable).Scan(&own)
	if err != nil || own {
		return ownSchema, err
	}
	if err := conn.QueryRow(ctx, formerVersionTable).Scan(&former); err != nil || !former {
		return "", err
	}
	known, err := versions()
	if err != nil {
		return "", err
	}
	var ours bool
	err = conn.QueryRow(ctx, "select count(*) = 1 and bool_and(version between 1 and $1) from public.schema_migrations",
		int64(known[len(known)-1])).Scan(&ours)
	if err != nil || !ours {
		return "", err
	}
	return "public", nil
}

// openSchema lets every role see that capture is not installed, in a schema that holds nothing
// but the table of migrations. An installation closes it to PUBLIC.
const openSchema = "grant usage on schema freshlist to public"

// prepare makes the schema freshlist if it is not there, and takes over the table of
// migrations that a former version kept in public.
func prepare(ctx context.Context, conn *pgx.Conn) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", InstallLock); err != nil {
			return fmt.Errorf("wait for another installation: %w", err)
		}
		var there bool
		err := tx.QueryRow(ctx, "select exists (select from pg_namespace where nspname = $1)", ownSchema).Scan(&there)
		if err != nil {
			return err
		}
		if !there {
			if _, err := tx.Exec(ctx, "create schema freshlist; "+openSchema); err != nil {
				return fmt.Errorf("make the schema freshlist: %w", err)
			}
		}
		schema, err := versionSchema(ctx, conn)
		if err != nil || schema != "public" {
			return err
		}
		if _, err := tx.Exec(ctx, "alter table public.schema_migrations set schema freshlist"); err != nil {
			return fmt.Errorf("take over public.schema_migrations: %w", err)
		}
		return nil
	})
}

// connect opens a connection of the table's owner.
func connect(ctx context.Context, url string) (*pgx.Conn, error) {
	return session.For("freshlist-schema").Connect(ctx, url)
}

// migrateBy applies or takes back one migration after the other, at most steps, until there is
// none: golang-migrate leaves goroutines behind if one of several fails. A migration that the
// database refuses has left nothing, being one transaction, so that the database stands where it
// stood, whatever golang-migrate has noted.
func migrateBy(url string, direction, steps int) error {
	return withMigrations(url, func(m *migrate.Migrate) (err error) {
		for i := 0; i < steps && err == nil; i++ {
			err = m.Steps(direction)
		}
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, migrate.ErrNilVersion) {
			return nil // no more of them
		}
		var failed database.Error
		var pg *pgconn.PgError
		if !errors.As(err, &failed) || !errors.As(failed.OrigErr, &pg) {
			return err
		}
		at, _, noted := m.Version()
		tried, stood := version(at), version(at).before()
		if direction < 0 { // what is noted is where it would have led
			tried, stood = version(at).after(), version(at).after()
		}
		if noted != nil && !errors.Is(noted, migrate.ErrNilVersion) {
			return errors.Join(refused(tried, pg), noted)
		}
		return errors.Join(refused(tried, pg), m.Force(stood.orNone()))
	})
}

// refused says in two lines why a migration cannot be, and what to do.
func refused(v version, pg *pgconn.PgError) error {
	what := pg.Message
	if pg.Detail != "" {
		what += " (" + pg.Detail + ")"
	}
	switch pg.Code {
	case pgerrcode.DuplicateTable, pgerrcode.DuplicateObject, pgerrcode.DuplicateColumn, pgerrcode.DuplicateFunction:
		return fmt.Errorf("migration %d would make what is there and is not of freshlist: %s; nothing was changed\n"+
			"to serve a table of your own: api describe TABLE, then invalidator install FILE; for the sample site: another database in DATABASE_URL", v, what)
	}
	return fmt.Errorf("migration %d: %s (SQLSTATE %s); nothing was changed", v, what, pg.Code)
}

// withMigrations calls do with the embedded migrations and the database at url.
func withMigrations(url string, do func(*migrate.Migrate) error) (err error) {
	source, err := iofs.New(db.Migrations, "migrations")
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return errors.Join(err, source.Close())
	}
	settings := session.For("freshlist-schema").With("search_path", session.MigrationPath)
	target, err := migratepgx.WithInstance(settings.OpenDB(config), &migratepgx.Config{SchemaName: ownSchema, MigrationsTable: versionTable})
	if err != nil {
		return errors.Join(err, source.Close())
	}
	m, err := migrate.NewWithInstance("iofs", source, "postgres", target)
	if err != nil {
		return errors.Join(err, source.Close(), target.Close())
	}
	err = do(m)
	closeSource, closeDatabase := m.Close()
	return errors.Join(err, closeSource, closeDatabase)
}

package schema

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/golang-migrate/migrate/v4"
	migratepgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/db"
	"github.com/freshlist/freshlist/internal/session"
)

// Version is where a database stands among the migrations.
type Version struct {
	Applied uint // number of the last migration applied, 0 if none
	Latest  uint // number of the last one there is
	Dirty   bool // a migration has failed halfway and must be mended by hand
}

// Up applies the migrations that are missing, then the grants.
func Up(ctx context.Context, url string) error {
	conn, err := connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to migrate: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := session.CheckEncoding(conn); err != nil {
		return fmt.Errorf("migrate up: %w", err)
	}
	err = withMigrations(url, func(m *migrate.Migrate) error { return m.Up() })
	if err != nil && !errors.Is(err, migrate.ErrNoChange) {
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
	if err := Uninstall(ctx, conn); err != nil {
		return err
	}
	err = withMigrations(url, func(m *migrate.Migrate) error { return m.Steps(-steps) })
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, migrate.ErrNoChange) {
		return errors.New("migrate down: no migration is applied")
	}
	if short := (migrate.ErrShortLimit{}); errors.As(err, &short) {
		return nil // all of them have been taken back
	}
	if err != nil {
		return fmt.Errorf("migrate down: %w", err)
	}
	return nil
}

// Status tells where the database stands.
func Status(url string) (Version, error) {
	var v Version
	err := withMigrations(url, func(m *migrate.Migrate) error {
		var err error
		v.Applied, v.Dirty, err = m.Version()
		if errors.Is(err, migrate.ErrNilVersion) {
			return nil
		}
		return err
	})
	if err != nil {
		return Version{}, fmt.Errorf("read the migration status: %w", err)
	}
	v.Latest, err = latest()
	return v, err
}

// latest returns the number of the last migration there is.
func latest() (uint, error) {
	source, err := iofs.New(db.Migrations, "migrations")
	if err != nil {
		return 0, fmt.Errorf("read the migrations: %w", err)
	}
	defer source.Close()
	last, err := source.First()
	for next := last; err == nil; next, err = source.Next(last) {
		last = next
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("read the migrations: %w", err)
	}
	return last, nil
}

// connect opens a connection of the table's owner.
func connect(ctx context.Context, url string) (*pgx.Conn, error) {
	return session.For("freshlist-schema").Connect(ctx, url)
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
	database, err := migratepgx.WithInstance(settings.OpenDB(config), &migratepgx.Config{})
	if err != nil {
		return errors.Join(err, source.Close())
	}
	m, err := migrate.NewWithInstance("iofs", source, "postgres", database)
	if err != nil {
		return errors.Join(err, source.Close(), database.Close())
	}
	err = do(m)
	closeSource, closeDatabase := m.Close()
	return errors.Join(err, closeSource, closeDatabase)
}

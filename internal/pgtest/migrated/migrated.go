// Package migrated gives tests databases in the state of a fresh deployment: the
// migrations applied, listingtest's description of properties installed, the three roles with their
// rights, and no listing. (Package pgtest itself knows nothing of freshlist, so that
// package schema can be tested with it.)
package migrated

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/schema"
)

// New returns a database on the server that all tests of this process share.
func New(t testing.TB) pgtest.Database {
	t.Helper()
	return On(t, pgtest.Shared(t))
}

// On returns a database on a server of the test's own.
func On(t testing.TB, server *pgtest.Server) pgtest.Database {
	t.Helper()
	return server.CloneWithRoles(t, "freshlist_migrated", build)
}

func build(ctx context.Context, owner string) error {
	if err := schema.Up(ctx, owner); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	conn, err := pgx.Connect(ctx, owner)
	if err != nil {
		return err
	}
	_, err = schema.InstallFile(ctx, conn, schema.File{Name: "properties.yaml", Text: listingtest.PropertiesListings})
	return errors.Join(err, conn.Close(ctx))
}

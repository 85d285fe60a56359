package schema

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// InstallTrying installs in at most tries tries.
func InstallTrying(ctx context.Context, conn *pgx.Conn, tries int) error {
	return locked(ctx, conn, tries, func(ctx context.Context, tx pgx.Tx) error {
		_, err := install(ctx, tx, Shipped())
		return err
	})
}

// InstallWithin installs a description within a transaction.
func InstallWithin(ctx context.Context, tx pgx.Tx, f File) error {
	_, err := install(ctx, tx, f)
	return err
}

package schema

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// InstallTrying installs in at most tries tries.
func InstallTrying(ctx context.Context, conn *pgx.Conn, tries int) error {
	return locked(ctx, conn, tries, install)
}

package feed

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// WriteBanner copies what the marker says of the epoch to a table that standbys have too: the marker
// is unlogged. Where the marker is not of the position's term any more, it writes nothing. Nor does
// it where capture was installed by a version without a banner, or this role may not write it: then
// no read of a standby counts, and doctor says why.
func WriteBanner(ctx context.Context, conn *pgx.Conn, at Position) error {
	const query = `
		insert into freshlist.banner (one, epoch, description, started)
		select true, epoch, description, extract(epoch from pg_postmaster_start_time())::text
		from freshlist.marker
		where revision = (select max(revision) from freshlist.marker) and epoch = $1 and term = $2
		on conflict (one) do update set epoch = excluded.epoch, description = excluded.description, started = excluded.started`
	_, err := conn.Exec(ctx, query, at.Epoch, at.Term)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == pgerrcode.UndefinedTable || pg.Code == pgerrcode.InsufficientPrivilege) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("write the banner: %w", err)
	}
	return nil
}

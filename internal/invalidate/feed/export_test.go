package feed

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/invalidate/match"
)

// DrainQuery is the statement of a drain.
const DrainQuery = drainQuery

// DrainCollapsing is DrainAll with another bound for what is read at all.
func DrainCollapsing(ctx context.Context, conn *pgx.Conn, after Position, collapse int, see func([]match.Change) error) (*Batch, error) {
	return drainAll(ctx, conn, after, false, collapse, see)
}

// Settle prepares a connection as every use of the feed does.
func Settle(ctx context.Context, conn *pgx.Conn) error { return settle(ctx, conn) }

// Decimal decodes a numeric.
func Decimal(b []byte, scale int) (int64, error) { return decimal(b, scale) }

package feed

import (
	"context"
	"encoding/binary"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/listing"
)

// DrainQuery is the statement of a drain.
const DrainQuery = drainQuery

// ForceIndexPlans prepares a connection as every use of the feed does.
func ForceIndexPlans(ctx context.Context, conn *pgx.Conn) error { return forceIndexPlans(ctx, conn) }

// Decimal decodes a numeric as a price's column would.
func Decimal(b []byte) (int64, error) {
	f := fields{rest: append(binary.BigEndian.AppendUint32(make([]byte, 4), uint32(len(b))), b...)}
	v := f.decimal(2, listing.MaxPrice, listing.NaNPrice)
	return v.V, f.end()
}

// Changes decodes one row of the changes table.
func Changes(xid uint64, before, after []byte, sets *string) []match.Change {
	return appendAnyChange(nil, xid, before, after, nil, sets)
}

package feed

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/invalidate/match"
)

// DrainQuery is the statement of a drain.
func (f *Feed) DrainQuery() string { return f.drain }

// ForceIndexPlans prepares a connection as every use of the feed does.
func ForceIndexPlans(ctx context.Context, conn *pgx.Conn) error { return forceIndexPlans(ctx, conn) }

// Changes decodes one row of the changes of a table, by its number.
func (f *Feed) Changes(table int, xid uint64, before, after []byte, changed *int64, sets *string) []match.Change {
	return f.tables[table].appendAnyChange(nil, &captured{xid, before, after, changed, sets})
}

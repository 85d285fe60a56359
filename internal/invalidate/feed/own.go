package feed

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/invalidate/match"
)

// Own returns what has been captured of the present transaction of a connection, whose role must
// be one that may read the tables of changes.
func (f *Feed) Own(ctx context.Context, conn *pgx.Conn) ([]match.Change, error) {
	var s strings.Builder
	for i := range f.tables {
		if i > 0 {
			s.WriteString(" union all ")
		}
		fmt.Fprintf(&s, `select %d, xid, record_send(old_row), record_send(new_row), changed, to_json(sets)::text
			from %s where xid = pg_current_xact_id_if_assigned()`, i, f.tables[i].changes)
	}
	rows, err := conn.Query(ctx, s.String())
	if err != nil {
		return nil, fmt.Errorf("read what was captured: %w", err)
	}
	var changes []match.Change
	var number int32
	var c captured
	_, err = pgx.ForEachRow(rows, []any{&number, &c.xid, &c.before, &c.after, &c.changed, &c.sets}, func() error {
		one := c
		one.before, one.after = clone(c.before), clone(c.after)
		changes = f.tables[number].appendAnyChange(changes, &one)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what was captured: %w", err)
	}
	return changes, nil
}

// clone copies what the next row would overwrite; nil stays nil.
func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}

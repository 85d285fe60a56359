package feed

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/invalidate/match"
)

// Captured is one row of a table of changes, as one process sends it to another of the same
// description.
type Captured struct {
	Table   int     `json:"table"` // its number
	Before  []byte  `json:"before"`
	After   []byte  `json:"after"`
	Changed *int64  `json:"changed"`
	Sets    *string `json:"sets"`
}

// Own returns what has been captured of the present transaction of a connection, whose role must
// be one that may read the tables of changes.
func (f *Feed) Own(ctx context.Context, conn *pgx.Conn) ([]Captured, error) {
	var s strings.Builder
	for i := range f.tables {
		if i > 0 {
			s.WriteString(" union all ")
		}
		fmt.Fprintf(&s, `select %d, record_send(old_row), record_send(new_row), changed, to_json(sets)::text
			from %s where xid = pg_current_xact_id_if_assigned()`, i, f.tables[i].changes)
	}
	rows, err := conn.Query(ctx, s.String())
	if err != nil {
		return nil, fmt.Errorf("read what was captured: %w", err)
	}
	captured, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c Captured, err error) {
		return c, row.Scan(&c.Table, &c.Before, &c.After, &c.Changed, &c.Sets)
	})
	if err != nil {
		return nil, fmt.Errorf("read what was captured: %w", err)
	}
	return captured, nil
}

// Decode returns what some captured rows say.
func (f *Feed) Decode(rows []Captured) ([]match.Change, error) {
	var changes []match.Change
	for i := range rows {
		r := &rows[i]
		if r.Table < 0 || r.Table >= len(f.tables) {
			return nil, fmt.Errorf("read what was captured: there is no table number %d", r.Table)
		}
		changes = f.tables[r.Table].appendAnyChange(changes, &captured{before: r.Before, after: r.After, changed: r.Changed, sets: r.Sets})
	}
	return changes, nil
}

package csvimport

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// How much is tried to find the lines that PostgreSQL refuses.
const (
	maxRefused = 10
	searchTime = time.Minute
)

// run runs the statement. If PostgreSQL refuses a row, it looks for the line.
func (l *load) run(ctx context.Context, tx pgx.Tx, rows int64, faults *Faults, s *Summary) error {
	added, changed, err := l.try(ctx, tx, 1, rows)
	var refused *pgconn.PgError
	switch {
	case err == nil:
		s.Added, s.Changed = added, changed
		return nil
	case !errors.As(err, &refused) || !ofRow(refused):
		return fmt.Errorf("write the rows into %s: %w", l.table.Relation, err)
	}
	if err := l.search(ctx, tx, rows, refused, faults); err != nil {
		return err
	}
	if faults.Count == 0 { // what no row breaks by itself
		faults.add(0, 0, "PostgreSQL refuses the rows: %s", plainly(refused))
	}
	return faults
}

// ofRow reports whether an error is of a value or a row.
func ofRow(pg *pgconn.PgError) bool {
	switch pg.Code[:2] {
	case "21", "22", "23", "44", "54", "P0": // twice in one statement, data, integrity, WITH CHECK OPTION, limits, RAISE
		return true
	}
	return false
}

// try writes the rows of a range, or none of them.
func (l *load) try(ctx context.Context, tx pgx.Tx, first, last int64) (added, changed int64, err error) {
	err = pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error {
		if err := savepoint.QueryRow(ctx, l.write(first, last), pgx.QueryExecModeExec).Scan(&added, &changed); err != nil {
			return err
		}
		_, err := savepoint.Exec(ctx, "set constraints all immediate", pgx.QueryExecModeExec)
		return err
	})
	return added, changed, err
}

// search finds lines that PostgreSQL refuses for the same reason as the whole: it writes the rows
// in parts, ever smaller ones where a part is refused. All of it is rolled back in the end.
func (l *load) search(ctx context.Context, tx pgx.Tx, rows int64, refused *pgconn.PgError, faults *Faults) error {
	until := time.Now().Add(searchTime)
	for first := int64(1); first <= rows && faults.Count < maxRefused && time.Now().Before(until); {
		last := rows
		var latest *pgconn.PgError
		for size := last - first + 1; ; size = (last - first + 1) / 2 {
			middle := first + max(size, 1) - 1
			_, _, err := l.try(ctx, tx, first, middle)
			if err == nil {
				if first = middle + 1; first > last {
					break
				}
				continue
			}
			var pg *pgconn.PgError
			if !errors.As(err, &pg) || !ofRow(pg) {
				return fmt.Errorf("look for the line that PostgreSQL refuses: %w", err)
			}
			latest = pg
			if last = middle; first == last {
				break
			}
		}
		if latest == nil || first > last {
			return nil
		}
		if latest.Code == refused.Code && latest.ConstraintName == refused.ConstraintName || faults.Count > 0 {
			var line int64
			if err := tx.QueryRow(ctx, "select line from "+staging+" where n = $1", pgx.QueryExecModeExec, first).Scan(&line); err != nil {
				return fmt.Errorf("look for the line that PostgreSQL refuses: %w", err)
			}
			faults.add(line, 0, "PostgreSQL refuses the row: %s", plainly(latest))
		}
		first++
	}
	return nil
}

// plainly is PostgreSQL's own message, with what it adds of values and remedies. The values of
// a whole row, which a check adds, would fill the screen.
func plainly(pg *pgconn.PgError) string {
	text := pg.Message
	if pg.Detail != "" && !strings.HasPrefix(pg.Detail, "Failing row") {
		text += ": " + pg.Detail
	}
	if pg.Hint != "" {
		text += " (" + pg.Hint + ")"
	}
	return text
}

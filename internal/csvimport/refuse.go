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
	known := true // that some of the rows from first are refused
	for first := int64(1); first <= rows && faults.Count < maxRefused; first++ {
		row, why, err := l.refusedRow(ctx, tx, first, rows, known, until)
		if err != nil {
			return fmt.Errorf("look for the line that PostgreSQL refuses: %w", err)
		}
		if row == 0 {
			return nil
		}
		if why.Code == refused.Code && why.ConstraintName == refused.ConstraintName || faults.Count > 0 {
			var line int64
			if err := tx.QueryRow(ctx, "select line from "+staging+" where n = $1", pgx.QueryExecModeExec, row).Scan(&line); err != nil {
				return fmt.Errorf("look for the line that PostgreSQL refuses: %w", err)
			}
			faults.add(line, 0, "PostgreSQL refuses the row: %s", plainly(why))
		}
		first, known = row, false
	}
	return nil
}

// refusedRow writes the rows from first to last up to one that is refused, and returns that one and
// why; 0 if there is none, or time is up before it is found. known says that some of them are refused.
func (l *load) refusedRow(ctx context.Context, tx pgx.Tx, first, last int64, known bool, until time.Time) (row int64, why *pgconn.PgError, err error) {
	for first <= last && time.Now().Before(until) {
		middle := last
		if known { // all of them together have been tried
			middle = first + (last-first)/2
		}
		_, _, err := l.try(ctx, tx, first, middle)
		if err == nil {
			first = middle + 1
			continue
		}
		if !errors.As(err, &why) || !ofRow(why) {
			return 0, nil, err
		}
		if first == middle {
			return first, why, nil
		}
		last, known = middle, true
	}
	return 0, nil, nil
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

package database

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/listing"
)

// Written is the outcome of a write.
type Written struct {
	Property listing.Property // as it is now; zero after a Delete
	Xid      uint64           // the transaction, for a Consistency-Token
}

// Precondition tells whether a write may change the property that it is shown.
type Precondition func(listing.Property) bool

// Writer changes properties. Its methods may be called concurrently. A write
// that breaks a rule of the table returns a *RuleError.
type Writer struct{ pool *Pool }

// NewWriter returns a writer on pool.
func NewWriter(pool *Pool) *Writer { return &Writer{pool} }

// Create inserts a property; columns without a value get the table's default.
func (w *Writer) Create(ctx context.Context, f Fields) (Written, error) {
	var created Written
	err := w.transact(ctx, func(tx pgx.Tx) (err error) {
		created, err = written(ctx, tx, insertStatement(f))
		return err
	})
	if err != nil {
		return Written{}, fmt.Errorf("create property: %w", err)
	}
	return created, nil
}

// Patch gives the property of an id new values. It asks may, unless that is nil,
// under the row's lock: ErrPrecondition if the answer is no. A patch that changes
// nothing leaves the row, its updated_at included, as it is.
func (w *Writer) Patch(ctx context.Context, id int64, f Fields, may Precondition) (Written, error) {
	var patched Written
	err := w.locked(ctx, id, may, func(tx pgx.Tx, current Written) error {
		patched = current
		wanted := f.appliedTo(current.Property)
		if wanted.Same(&current.Property) {
			return nil
		}
		var err error
		patched, err = written(ctx, tx, updateStatement(id, f))
		return err
	})
	if err != nil {
		return Written{}, fmt.Errorf("patch property %d: %w", id, err)
	}
	return patched, nil
}

// Delete removes the property of an id, asking may as Patch does.
func (w *Writer) Delete(ctx context.Context, id int64, may Precondition) (Written, error) {
	var deleted Written
	err := w.locked(ctx, id, may, func(tx pgx.Tx, current Written) error {
		deleted.Xid = current.Xid
		_, err := tx.Exec(ctx, "delete from public.properties where id = $1", id)
		return err
	})
	if err != nil {
		return Written{}, fmt.Errorf("delete property %d: %w", id, err)
	}
	return deleted, nil
}

// locked runs change in a transaction that holds the row's lock, on the row as
// it is under that lock.
func (w *Writer) locked(ctx context.Context, id int64, may Precondition, change func(pgx.Tx, Written) error) error {
	return w.transact(ctx, func(tx pgx.Tx) error {
		current, err := written(ctx, tx, lockStatement(id))
		switch {
		case errors.Is(err, ErrNotFound):
			return err
		case err != nil:
			return fmt.Errorf("%w: %w", errUnreadable, err)
		case may != nil && !may(current.Property):
			return ErrPrecondition
		default:
			return change(tx, current)
		}
	})
}

// transact runs do in a transaction. It does so once more if the first session turns out
// to lead to a standby, or through a pooler: such a transaction has not changed anything.
// Whatever else goes wrong may have happened after the commit.
func (w *Writer) transact(ctx context.Context, do func(pgx.Tx) error) error {
	err := w.once(ctx, do)
	if (errors.Is(err, ErrInRecovery) || movedBackend(err)) && ctx.Err() == nil && w.pool.resetSessions(err) {
		err = w.once(ctx, do)
	}
	return w.pool.explain(ctx, err)
}

func (w *Writer) once(ctx context.Context, do func(pgx.Tx) error) error {
	conn, err := w.pool.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	return classify(pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{BeginQuery: w.pool.beginOn(conn.Conn())}, do))
}

// written runs a statement that returns one property behind the transaction's
// id. Its error is ErrNotFound if there is none.
func written(ctx context.Context, on pgx.Tx, s *statement) (Written, error) {
	rows, err := on.Query(ctx, s.text.String(), s.args...)
	if err != nil {
		return Written{}, err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return Written{}, err
		}
		return Written{}, ErrNotFound
	}
	var w Written
	var row row
	if err := row.scan(rows, &w.Xid, true); err != nil {
		return Written{}, err
	}
	rows.Close()
	w.Property = row.property()
	return w, rows.Err()
}

const returned = "pg_current_xact_id(), " + propertyColumns

func insertStatement(f Fields) *statement {
	s := &statement{}
	names, values := "updated_at", "default" // one column at least
	for _, c := range f.given() {
		names += ", " + c.name
		values += ", " + s.arg(c.value(&f.Values)) + c.cast
	}
	s.add("insert into public.properties as p (", names, ") values (", values, ") returning ", returned)
	return s
}

// updateStatement takes the clock, not the start of the transaction: that may
// have waited for the row's lock and would turn updated_at back.
func updateStatement(id int64, f Fields) *statement {
	s := &statement{}
	s.add("update public.properties as p set updated_at = clock_timestamp()")
	for _, c := range f.given() {
		s.add(", ", c.name, " = ", s.arg(c.value(&f.Values)), c.cast)
	}
	s.add(" where p.id = ", s.arg(id), "::bigint returning ", returned)
	return s
}

func lockStatement(id int64) *statement {
	s := &statement{}
	s.add("select ", returned, " from public.properties as p where p.id = ", s.arg(id), "::bigint for update")
	return s
}

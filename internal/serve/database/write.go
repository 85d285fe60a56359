package database

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/pgvalue"
)

// Fields are values for some columns of a row. Those for columns that writes do not set are
// ignored, and so is one for the key of a row that is there already.
type Fields struct {
	Columns listing.Columns // the columns that have a value
	Values  listing.Row     // of the other columns nothing is read
}

// given returns the columns that have a value to be set.
func (f *Fields) given(t *listing.Table) (columns []*listing.Column) {
	for i := range t.Columns {
		if c := &t.Columns[i]; f.Columns.Has(i) && c.Write == description.Settable {
			columns = append(columns, c)
		}
	}
	return columns
}

// Written is the outcome of a write.
type Written struct {
	Row listing.Row // as it is now, as the row's own page shows it, with its inner rows; zero after a Delete
	Xid uint64      // the transaction, for a Consistency-Token
}

// Precondition tells whether a write may change the row that it is shown.
type Precondition func(listing.Row) bool

// Writer changes rows of described tables. Its methods may be called concurrently. A write
// that breaks a rule of the table returns a *RuleError, one that a trigger has taken back ErrRefused.
type Writer struct{ pool *Pool }

// NewWriter returns a writer on pool.
func NewWriter(pool *Pool) *Writer { return &Writer{pool} }

// Create inserts a row; columns without a value get the table's default.
func (w *Writer) Create(ctx context.Context, t *listing.Table, f Fields) (Written, error) {
	var created Written
	err := w.transact(ctx, t, func(tx pgx.Tx) (err error) {
		if created, err = written(ctx, tx, insertStatement(t, f)); err != nil {
			return refused(err)
		}
		return created.complete(ctx, tx, t)
	})
	if err != nil {
		return Written{}, fmt.Errorf("create a row of %s: %w", t.Name, err)
	}
	return created, nil
}

// CreateOnce is Create for a request with a name: what has been answered under that name is answered
// again, and creates nothing. The answer is kept in the transaction that creates the row.
func (w *Writer) CreateOnce(ctx context.Context, t *listing.Table, f Fields, once Once) (Kept, error) {
	var kept Kept
	err := w.transact(ctx, t, func(tx pgx.Tx) error {
		before, found, err := once.claim(ctx, tx, t)
		if err != nil || found {
			kept = before
			return err
		}
		created, err := written(ctx, tx, insertStatement(t, f))
		if err != nil {
			return refused(err)
		}
		if err := created.complete(ctx, tx, t); err != nil {
			return err
		}
		kept = once.Answer(created)
		return once.keep(ctx, tx, t, kept)
	})
	if err != nil {
		return Kept{}, fmt.Errorf("create a row of %s once: %w", t.Name, err)
	}
	return kept, nil
}

// Patch gives the row of a key new values. It asks may, unless that is nil,
// under the row's lock: ErrPrecondition if the answer is no. A patch that changes
// nothing leaves the row, its time of change included, as it is.
func (w *Writer) Patch(ctx context.Context, t *listing.Table, key listing.Value, f Fields, may Precondition) (Written, error) {
	f.Columns &^= listing.ColumnSet(t.Key)
	var patched Written
	err := w.locked(ctx, t, key, may, func(tx pgx.Tx, current Written) error {
		patched = current
		if f.leave(t, &current.Row) {
			if may != nil {
				return nil // it has been read with its inner rows
			}
			return patched.complete(ctx, tx, t)
		}
		var err error
		if patched, err = written(ctx, tx, updateStatement(t, key, f)); err != nil {
			return refused(err)
		}
		return patched.complete(ctx, tx, t)
	})
	if err != nil {
		return Written{}, fmt.Errorf("patch %s: %w", t.RowQuery(key), err)
	}
	return patched, nil
}

// leave reports whether a row has the values already.
func (f *Fields) leave(t *listing.Table, r *listing.Row) bool {
	for _, c := range f.given(t) {
		if f.Values.Get(c.Number) != r.Get(c.Number) {
			return false
		}
	}
	return true
}

// refused says of a write that has returned no row that it was not made: the row is there, under
// this transaction's lock, or was given.
func refused(err error) error {
	if errors.Is(err, ErrNotFound) {
		return ErrRefused
	}
	return err
}

// Delete removes the row of a key, asking may as Patch does.
func (w *Writer) Delete(ctx context.Context, t *listing.Table, key listing.Value, may Precondition) (Written, error) {
	var deleted Written
	err := w.locked(ctx, t, key, may, func(tx pgx.Tx, current Written) error {
		deleted.Xid = current.Xid
		s := &statement{table: t}
		s.add("delete from ", s.relation(), s.whereKey("", key), " returning 1")
		gone := false
		err := s.each(ctx, tx.Conn(), func([]pgconn.FieldDescription, [][]byte) error {
			gone = true
			return nil
		})
		if err == nil && !gone {
			return ErrRefused
		}
		return err
	})
	if err != nil {
		return Written{}, fmt.Errorf("delete %s: %w", t.RowQuery(key), err)
	}
	return deleted, nil
}

// locked runs change in a transaction that holds the row's lock, on the row as
// it is under that lock.
func (w *Writer) locked(ctx context.Context, t *listing.Table, key listing.Value, may Precondition, change func(pgx.Tx, Written) error) error {
	return w.transact(ctx, t, func(tx pgx.Tx) error {
		current, err := written(ctx, tx, lockStatement(t, key))
		switch {
		case errors.Is(err, ErrNotFound):
			return err
		case err != nil:
			return fmt.Errorf("%w: %w", errUnreadable, err)
		case may == nil:
			return change(tx, current)
		}
		if err := current.complete(ctx, tx, t); err != nil {
			return fmt.Errorf("%w: %w", errUnreadable, err)
		}
		if !may(current.Row) {
			return ErrPrecondition
		}
		return change(tx, current)
	})
}

// complete reads the row once more, with its inner rows, if its table has any. That takes a
// statement of its own. One that writes sees in other rows of its own table what was there before it;
// and one that has waited for a lock sees the inner rows as they were before it waited.
func (w *Written) complete(ctx context.Context, tx pgx.Tx, t *listing.Table) error {
	if len(t.Joins) == 0 {
		return nil
	}
	q := t.RowQuery(w.Row.Values[t.Key])
	s := &statement{table: t, joins: q.Joins()}
	s.add("select ")
	s.returned()
	s.innerRows()
	s.add(" from ", s.relation(), " as p", s.whereKey("p.", q.Key))
	complete, err := written(ctx, tx, s)
	if err != nil {
		return fmt.Errorf("read the row with its inner rows: %w", err)
	}
	*w = complete
	return nil
}

// transact runs do in a transaction. It does so once more if the first session turns out
// to lead to a standby, or through a pooler: such a transaction has not changed anything.
// Whatever else goes wrong may have happened after the commit.
func (w *Writer) transact(ctx context.Context, t *listing.Table, do func(pgx.Tx) error) error {
	err := w.once(ctx, do)
	if (errors.Is(err, ErrInRecovery) || movedBackend(err)) && ctx.Err() == nil && w.pool.resetSessions(err) {
		err = w.once(ctx, do)
	}
	whole := t.RowQuery(listing.Value{})
	err = w.pool.explain(ctx, tablesOf(t, whole.Joins()), err)
	return w.pool.findRule(ctx, t, err)
}

func (w *Writer) once(ctx context.Context, do func(pgx.Tx) error) error {
	conn, err := w.pool.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	return classify(pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{BeginQuery: w.pool.beginOn(conn.Conn())}, do))
}

// written runs a statement that returns one row of the table behind the transaction's
// id. Its error is ErrNotFound if there is none.
func written(ctx context.Context, on pgx.Tx, s *statement) (Written, error) {
	var w Written
	found := false
	err := s.each(ctx, on.Conn(), func(fields []pgconn.FieldDescription, values [][]byte) (err error) {
		found = true
		if w.Xid, err = strconv.ParseUint(string(values[0]), 10, 64); err != nil {
			return fmt.Errorf("read the transaction's id: %w", err)
		}
		w.Row, err = s.row(fields, values)
		return err
	})
	switch {
	case err != nil:
		return Written{}, err
	case !found:
		return Written{}, ErrNotFound
	}
	return w, nil
}

// returned adds what statements that write return.
func (s *statement) returned() {
	s.add("pg_current_xact_id()::text")
	q := s.table.RowQuery(listing.Value{})
	s.results(q.Columns(), pgvalue.Expression)
}

// whereKey returns the condition on the row of a key.
func (s *statement) whereKey(from string, key listing.Value) string {
	return " where " + from + s.column(s.table.Key) + " = " + s.value(s.table.KeyColumn(), key)
}

// written makes the new value of a column a parameter. It is given without the column's own
// length and scale, which PostgreSQL then checks and does not cut to.
func (s *statement) written(c *listing.Column, v listing.Null[listing.Value]) string {
	switch {
	case c.Form == listing.JSON:
		return s.fromJSON(c, v)
	case !v.Valid:
		return s.arg(nil) + "::" + c.Castable()
	}
	return s.value(c, v.V)
}

// fromJSON makes of a JSON text a value of a column of any type: PostgreSQL reads it as the
// one member of a record. That record is not one of the table: another column whose domain is NOT NULL
// would have no value in it.
func (s *statement) fromJSON(c *listing.Column, v listing.Null[listing.Value]) string {
	if !v.Valid {
		v.V.Text = "null"
	}
	return "(select v from json_to_record(" + s.arg(`{"v": `+v.V.Text+"}") + "::json) as r(v " + c.Type.Name + "))"
}

func insertStatement(t *listing.Table, f Fields) *statement {
	s := &statement{table: t}
	names, values, separator := "", "", ""
	set := func(c *listing.Column, value string) {
		names, values, separator = names+separator+quote(c), values+separator+value, ", "
	}
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Write == description.SetNow && !c.Default {
			set(c, "now()")
		}
	}
	for _, c := range f.given(t) {
		set(c, s.written(c, f.Values.Get(c.Number)))
	}
	s.add("insert into ", s.relation(), " as p ")
	if names == "" {
		s.add("default values")
	} else {
		s.add("(", names, ") values (", values, ")")
	}
	s.add(" returning ")
	s.returned()
	return s
}

// updateStatement takes the clock, not the start of the transaction: that may
// have waited for the row's lock and would turn the time of change back.
func updateStatement(t *listing.Table, key listing.Value, f Fields) *statement {
	s := &statement{table: t}
	separator := " set "
	set := func(c *listing.Column, value string) {
		s.add(separator, quote(c), " = ", value)
		separator = ", "
	}
	s.add("update ", s.relation(), " as p")
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Write == description.SetNow {
			set(c, "clock_timestamp()")
		}
	}
	for _, c := range f.given(t) {
		set(c, s.written(c, f.Values.Get(c.Number)))
	}
	s.add(s.whereKey("p.", key), " returning ")
	s.returned()
	return s
}

func lockStatement(t *listing.Table, key listing.Value) *statement {
	s := &statement{table: t}
	s.add("select ")
	s.returned()
	s.add(" from ", s.relation(), " as p", s.whereKey("p.", key), " for update")
	return s
}

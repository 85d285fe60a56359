package feed

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// deleteAtOnce is how many transactions' changes, or how many rows, one statement
// deletes.
const deleteAtOnce = 5000

// Advance stores a position and deletes the changes of the given transactions,
// which it has seen. It returns ErrTerm if another term has begun. pulse is called
// between the statements of a large deletion; what an interruption leaves behind,
// Sweep removes.
func Advance(ctx context.Context, conn *pgx.Conn, to Position, xids []uint64, pulse func(context.Context) error) error {
	const query = `
		with stored as (
			update freshlist.properties_marker
			set cursor = $3::pg_snapshot, fence_terms = $4, fence_seqs = $5, fence_batches = $6
			where epoch = $1 and term = $2
			returning true
		), deleted as (
			delete from freshlist.properties_changes
			where xid = any($7::text::xid8[]) and exists (select from stored)
		)
		select exists (select from stored)`
	terms, seqs, batches := make([]int64, len(to.Fences)), make([]int64, len(to.Fences)), make([]int64, len(to.Fences))
	for p, f := range to.Fences {
		terms[p], seqs[p], batches[p] = f.Term, f.Seq, f.Batch
	}
	first := xids[:min(len(xids), deleteAtOnce)]
	var stored bool
	err := conn.QueryRow(ctx, query, to.Epoch, to.Term, to.Snapshot, terms, seqs, batches, xidArray(first)).Scan(&stored)
	if err != nil {
		return fmt.Errorf("store the position: %w", err)
	}
	if !stored {
		return fmt.Errorf("store the position: %w", ErrTerm)
	}
	for rest := xids[len(first):]; len(rest) > 0; {
		some := rest[:min(len(rest), deleteAtOnce)]
		if _, err := conn.Exec(ctx, "delete from freshlist.properties_changes where xid = any($1::text::xid8[])", xidArray(some)); err != nil {
			return fmt.Errorf("delete applied changes: %w", err)
		}
		if err := pulse(ctx); err != nil {
			return err
		}
		rest = rest[len(some):]
	}
	return nil
}

// xidArray spells transaction ids as PostgreSQL spells an array of them.
func xidArray(xids []uint64) string {
	b := make([]byte, 0, 2+12*len(xids))
	b = append(b, '{')
	for i, xid := range xids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, xid, 10)
	}
	return string(append(b, '}'))
}

// Sweep deletes the changes that a position has seen: what an interrupted Advance
// has left, and everything before the beginning of an epoch. pulse is called
// between its statements.
func Sweep(ctx context.Context, conn *pgx.Conn, at Position, pulse func(context.Context) error) error {
	const query = `
		delete from freshlist.properties_changes
		where ctid = any(array(
			select ctid from freshlist.properties_changes where pg_visible_in_snapshot(xid, $1::pg_snapshot) limit $2))`
	for {
		done, err := conn.Exec(ctx, query, at.Snapshot, deleteAtOnce)
		if err != nil {
			return fmt.Errorf("sweep applied changes: %w", err)
		}
		if done.RowsAffected() < deleteAtOnce {
			return nil
		}
		if err := pulse(ctx); err != nil {
			return err
		}
	}
}

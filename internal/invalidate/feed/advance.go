package feed

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// What one statement deletes at most: it must end before the caller's patience does.
const (
	deleteXids = 5000
	deleteRows = 20_000
)

// deleteApplied deletes at most $2 changes of the transactions $1. Within one
// statement, and so one snapshot, a row's place in the file is its own.
const deleteApplied = `
	delete from freshlist.properties_changes
	where ctid = any(array(
		select ctid from freshlist.properties_changes where xid = any($1::xid8[]) limit $2))`

// Advance stores a position and deletes the changes of the given transactions,
// which it has seen. It returns ErrTerm if another term has begun. pulse is called
// between the statements of a large deletion; what an interruption leaves behind,
// Sweep removes.
func Advance(ctx context.Context, conn *pgx.Conn, to Position, xids []uint64, pulse func(context.Context) error) error {
	const query = `
		with stored as (
			update freshlist.properties_marker
			set revision = revision + 1, cursor = $5::pg_snapshot, fence_terms = $6, fence_seqs = $7, fence_batches = $8
			where revision = (select max(revision) from freshlist.properties_marker) and epoch = $3 and term = $4
			returning true
		), deleted as (` + deleteApplied + ` and exists (select from stored)
			returning true
		)
		select exists (select from stored), (select count(*) from deleted)`
	if err := settle(ctx, conn); err != nil {
		return err
	}
	terms, seqs, batches := make([]int64, len(to.Fences)), make([]int64, len(to.Fences)), make([]int64, len(to.Fences))
	for p, f := range to.Fences {
		terms[p], seqs[p], batches[p] = f.Term, f.Seq, f.Batch
	}
	first := xids[:min(len(xids), deleteXids)]
	var stored bool
	var deleted int
	err := conn.QueryRow(ctx, query, first, deleteRows, to.Epoch, to.Term, to.Snapshot, terms, seqs, batches).Scan(&stored, &deleted)
	if err != nil {
		return fmt.Errorf("store the position: %w", err)
	}
	if !stored {
		return fmt.Errorf("store the position: %w", ErrTerm)
	}
	if deleted == deleteRows {
		if err := deleteChanges(ctx, conn, first, pulse); err != nil {
			return err
		}
	}
	return deleteChanges(ctx, conn, xids[len(first):], pulse)
}

// deleteChanges deletes the changes of transactions that have been applied.
func deleteChanges(ctx context.Context, conn *pgx.Conn, xids []uint64, pulse func(context.Context) error) error {
	for len(xids) > 0 {
		some := xids[:min(len(xids), deleteXids)]
		done, err := conn.Exec(ctx, deleteApplied, some, deleteRows)
		if err != nil {
			return fmt.Errorf("delete applied changes: %w", err)
		}
		if err := pulse(ctx); err != nil {
			return err
		}
		if done.RowsAffected() < deleteRows {
			xids = xids[len(some):]
		}
	}
	return nil
}

// Sweep deletes the changes that a position has seen: what an interrupted Advance
// has left, and everything before the beginning of an epoch. pulse is called
// between its statements.
func Sweep(ctx context.Context, conn *pgx.Conn, at Position, pulse func(context.Context) error) error {
	const query = `
		select array(
			select distinct xid from (
				select xid from freshlist.properties_changes
				where xid > $2 and xid < pg_snapshot_xmax($1::pg_snapshot) and pg_visible_in_snapshot(xid, $1::pg_snapshot)
				order by xid limit $3
			) as seen
			order by xid)`
	if err := settle(ctx, conn); err != nil {
		return err
	}
	for last := uint64(0); ; {
		var xids []uint64
		if err := conn.QueryRow(ctx, query, at.Snapshot, last, deleteXids).Scan(&xids); err != nil {
			return fmt.Errorf("look for applied changes: %w", err)
		}
		if len(xids) == 0 {
			return nil
		}
		if err := deleteChanges(ctx, conn, xids, pulse); err != nil {
			return err
		}
		last = xids[len(xids)-1]
	}
}

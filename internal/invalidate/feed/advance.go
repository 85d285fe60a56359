package feed

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// What one statement deletes at most, so that none takes long.
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
// which it has seen. It returns ErrTerm if another term has begun. What an interruption
// leaves behind, a Sweep removes.
func Advance(ctx context.Context, conn *pgx.Conn, to Position, xids []uint64) error {
	const query = `
		with stored as (` + storePosition + `), deleted as (` + deleteApplied + ` and exists (select from stored)
			returning true
		)
		select exists (select from stored), (select count(*) from deleted)`
	if err := forceIndexPlans(ctx, conn); err != nil {
		return err
	}
	first := xids[:min(len(xids), deleteXids)]
	var stored bool
	var deleted int
	err := conn.QueryRow(ctx, query, to.arguments(first, deleteRows)...).Scan(&stored, &deleted)
	if err != nil {
		return fmt.Errorf("store the position: %w", err)
	}
	if !stored {
		return fmt.Errorf("store the position: %w", ErrTerm)
	}
	if deleted == deleteRows {
		if err := deleteChanges(ctx, conn, first); err != nil {
			return err
		}
	}
	return deleteChanges(ctx, conn, xids[len(first):])
}

// storePosition writes a position to the marker.
const storePosition = `
	update freshlist.properties_marker
	set revision = revision + 1, position = $5::pg_snapshot, fence_terms = $6, fence_seqs = $7, fence_batches = $8
	where revision = (select max(revision) from freshlist.properties_marker) and epoch = $3 and term = $4
	returning true`

// arguments returns the position behind what a statement deletes and how much of it.
func (p *Position) arguments(what any, most int) []any {
	terms, seqs, batches := make([]int64, len(p.Fences)), make([]int64, len(p.Fences)), make([]int64, len(p.Fences))
	for i, f := range p.Fences {
		terms[i], seqs[i], batches[i] = f.Term, f.Seq, f.Batch
	}
	return []any{what, most, p.Epoch, p.Term, p.Snapshot, terms, seqs, batches}
}

// Consume deletes the changes that a batch with More has read, once they have been applied:
// the position, which it stores, is still before them. So a large backlog becomes smaller
// with every part of it that is applied, whatever interrupts the rest.
//
// The rows are known by their places in the file. Only a rewrite of the table moves them,
// and that begins a new epoch: the file is in the catalog's fingerprint.
func Consume(ctx context.Context, conn *pgx.Conn, at Position, batch *Batch) error {
	const query = `
		with stored as (` + storePosition + `), deleted as (
			delete from freshlist.properties_changes
			where ctid = any(array(select unnest($1::tid[]) limit $2)) and exists (select from stored)
		)
		select exists (select from stored)`
	if err := forceIndexPlans(ctx, conn); err != nil {
		return err
	}
	places := batch.places
	if places == nil {
		places = []pgtype.TID{}
	}
	var stored bool
	if err := conn.QueryRow(ctx, query, at.arguments(places, len(places))...).Scan(&stored); err != nil {
		return fmt.Errorf("consume changes: %w", err)
	}
	if !stored {
		return fmt.Errorf("consume changes: %w", ErrTerm)
	}
	return nil
}

// deleteChanges deletes the changes of transactions that have been applied.
func deleteChanges(ctx context.Context, conn *pgx.Conn, xids []uint64) error {
	for len(xids) > 0 {
		some := xids[:min(len(xids), deleteXids)]
		done, err := conn.Exec(ctx, deleteApplied, some, deleteRows)
		if err != nil {
			return fmt.Errorf("delete applied changes: %w", err)
		}
		if done.RowsAffected() < deleteRows {
			xids = xids[len(some):]
		}
	}
	return nil
}

// Sweep is a walk through the file of the changes that deletes those which a position has
// seen: what an interrupted Advance has left, and everything before the beginning of an
// epoch. It walks the file once, a part at each step, so that its cost is that of the file,
// however much stays and however many dead rows an open transaction keeps.
type Sweep struct {
	seen string // the position's snapshot
	next int64  // page
	end  int64  // page behind the last, 0 before the first step
	done bool
}

// sweepPages is how many pages a step looks at: some thousands of rows.
const sweepPages = 100

// NewSweep returns a sweep behind a position.
func NewSweep(at Position) *Sweep { return &Sweep{seen: at.Snapshot} }

// Done reports whether nothing is left to do. A nil Sweep is done.
func (s *Sweep) Done() bool { return s == nil || s.done }

// Step does one part.
func (s *Sweep) Step(ctx context.Context, conn *pgx.Conn) error {
	if s.end == 0 {
		const size = "select pg_relation_size('freshlist.properties_changes') / current_setting('block_size')::integer"
		if err := conn.QueryRow(ctx, size).Scan(&s.end); err != nil {
			return fmt.Errorf("look for applied changes: %w", err)
		}
	}
	if s.next < s.end {
		const query = `
			delete from freshlist.properties_changes
			where ctid >= $2::tid and ctid < $3::tid
			  and xid < pg_snapshot_xmax($1::pg_snapshot) and pg_visible_in_snapshot(xid, $1::pg_snapshot)`
		if err := forceIndexPlans(ctx, conn); err != nil {
			return err
		}
		to := min(s.next+sweepPages, s.end)
		if _, err := conn.Exec(ctx, query, s.seen, startOf(s.next), startOf(to)); err != nil {
			return fmt.Errorf("delete applied changes: %w", err)
		}
		s.next = to
	}
	s.done = s.next >= s.end
	return nil
}

// startOf returns the place before the first row of a page.
func startOf(page int64) pgtype.TID { return pgtype.TID{BlockNumber: uint32(page), Valid: true} }

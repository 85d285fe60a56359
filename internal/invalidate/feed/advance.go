package feed

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// What one statement deletes of a table at most, so that none takes long.
const (
	deleteXids = 5000
	deleteRows = 20_000
)

// deleteApplied deletes at most $2 changes of the transactions $1. Within one
// statement, and so one snapshot, a row's place in the file is its own.
func deleteApplied(changes string) string {
	return `
		delete from ` + changes + `
		where ctid = any(array(
			select ctid from ` + changes + ` where xid = any($1::xid8[]) limit $2))`
}

// Advance stores a position and deletes the changes of the given transactions,
// which it has seen. It returns ErrTerm if another term has begun. What an interruption
// leaves behind, a Sweep removes.
func (f *Feed) Advance(ctx context.Context, conn *pgx.Conn, to Position, xids []uint64) error {
	if err := forceIndexPlans(ctx, conn); err != nil {
		return err
	}
	first := xids[:min(len(xids), deleteXids)]
	var stored bool
	var deleted int // of the table with the most
	err := conn.QueryRow(ctx, f.advance, to.arguments(first, deleteRows)...).Scan(&stored, &deleted)
	if err != nil {
		return fmt.Errorf("store the position: %w", f.explain(ctx, conn, err))
	}
	if !stored {
		return fmt.Errorf("store the position: %w", ErrTerm)
	}
	if deleted == deleteRows {
		if err := f.deleteChanges(ctx, conn, first); err != nil {
			return err
		}
	}
	return f.deleteChanges(ctx, conn, xids[len(first):])
}

func (f *Feed) advanceStatement() string {
	var deletes, counts []string
	for i := range f.tables {
		deletes = append(deletes, fmt.Sprintf(`, deleted%d as (%s and exists (select from stored) returning true)`, i, deleteApplied(f.tables[i].changes)))
		counts = append(counts, fmt.Sprintf(`(select count(*) from deleted%d)`, i))
	}
	return `with stored as (` + storePosition + `)` + strings.Join(deletes, "") + `
		select exists (select from stored), greatest(` + strings.Join(counts, ", ") + `)`
}

// storePosition writes what a position says of the partitions to the marker.
const storePosition = `
	update freshlist.marker
	set revision = revision + 1, generations = $5, positions = $6::text[]::pg_snapshot[], fence_terms = $7, fence_seqs = $8, fence_batches = $9
	where revision = (select max(revision) from freshlist.marker) and epoch = $3 and term = $4
	returning true`

// arguments returns the position behind what a statement deletes and how much of it.
func (p *Position) arguments(what, most any) []any {
	parts := storeParts(p.Parts)
	return []any{what, most, p.Epoch, p.Term, parts.generations, parts.positions, parts.terms, parts.seqs, parts.batches}
}

// Consume deletes the changes that a batch with More has read, once they have been applied:
// the position, which it stores, is still before them. So a large backlog becomes smaller
// with every part of it that is applied, whatever interrupts the rest.
//
// The rows are known by their places in the files. Only a rewrite of a table of changes moves
// them, and that begins a new epoch: its file is in the catalog's fingerprint.
func (f *Feed) Consume(ctx context.Context, conn *pgx.Conn, at Position, batch *Batch) error {
	if err := forceIndexPlans(ctx, conn); err != nil {
		return err
	}
	places, numbers := batch.places, batch.numbers
	if places == nil {
		places, numbers = []pgtype.TID{}, []int32{}
	}
	var stored bool
	if err := conn.QueryRow(ctx, f.consume, at.arguments(places, numbers)...).Scan(&stored); err != nil {
		return fmt.Errorf("consume changes: %w", f.explain(ctx, conn, err))
	}
	if !stored {
		return fmt.Errorf("consume changes: %w", ErrTerm)
	}
	return nil
}

// consumeStatement deletes what stands at the places $1 of the changes of the tables $2.
func (f *Feed) consumeStatement() string {
	var deletes strings.Builder
	for i := range f.tables {
		fmt.Fprintf(&deletes, `, deleted%d as (
			delete from %s
			where ctid = any(array(select place from unnest($1::tid[], $2::integer[]) as read (place, number) where number = %[1]d))
			  and exists (select from stored)
		)`, i, f.tables[i].changes)
	}
	return `with stored as (` + storePosition + `)` + deletes.String() + ` select exists (select from stored)`
}

// deleteChanges deletes the changes of transactions that have been applied.
func (f *Feed) deleteChanges(ctx context.Context, conn *pgx.Conn, xids []uint64) error {
	for i := range f.tables {
		query := deleteApplied(f.tables[i].changes)
		for rest := xids; len(rest) > 0; {
			some := rest[:min(len(rest), deleteXids)]
			done, err := conn.Exec(ctx, query, some, deleteRows)
			if err != nil {
				return fmt.Errorf("delete applied changes: %w", err)
			}
			if done.RowsAffected() < deleteRows {
				rest = rest[len(some):]
			}
		}
	}
	return nil
}

// Sweep is a walk through the files of the changes that deletes those which a position has
// seen: what an interrupted Advance has left, and everything before the beginning of an
// epoch. It walks each file once, a part at each step, so that its cost is that of the files,
// however much stays and however many dead rows an open transaction keeps.
type Sweep struct {
	seen   string  // the position's snapshot
	tables []table // those that are left to walk through
	next   int64   // page of the first of them
	end    int64   // page behind the last, 0 before the first step
}

// NewSweep returns a sweep behind a snapshot that all that is stored has seen.
func (f *Feed) NewSweep(seen string) *Sweep { return &Sweep{seen: seen, tables: f.tables} }

// Done reports whether nothing is left to do. A nil Sweep is done.
func (s *Sweep) Done() bool { return s == nil || len(s.tables) == 0 }

// Step does one part.
func (s *Sweep) Step(ctx context.Context, conn *pgx.Conn) error {
	changes := s.tables[0].changes
	if s.end == 0 {
		const size = "select pg_relation_size($1::text::regclass) / current_setting('block_size')::integer"
		if err := conn.QueryRow(ctx, size, changes).Scan(&s.end); err != nil {
			return fmt.Errorf("look for applied changes: %w", err)
		}
	}
	if s.next < s.end {
		query := `
			delete from ` + changes + `
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
	if s.next >= s.end {
		s.tables, s.next, s.end = s.tables[1:], 0, 0
	}
	return nil
}

// sweepPages is how many pages a step looks at: some thousands of rows.
const sweepPages = 100

// startOf returns the place before the first row of a page.
func startOf(page int64) pgtype.TID { return pgtype.TID{BlockNumber: uint32(page), Valid: true} }

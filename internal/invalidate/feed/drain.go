package feed

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/invalidate/match"
)

// Batch is what one drain read, all in one snapshot.
type Batch struct {
	Snapshot string // sees everything that the batch holds
	Catalog  string // present fingerprint, if it was asked for
	Changes  []match.Change
	Xids     []uint64 // the transactions whose changes were read, in no order
}

// Drain returns the changes after a position, at most most of them: if there are
// more it returns ErrMany, and DrainAll is the one to use. With catalog it reads
// the state of capture in the same snapshot.
//
// It sends everything at once and so takes one round trip. With nothing new it
// reads a handful of index pages, however long ago the oldest transaction began.
func Drain(ctx context.Context, conn *pgx.Conn, after Position, most int, catalog bool) (*Batch, error) {
	batch := new(Batch)
	err := drain(ctx, conn, after, &most, catalog, func(r pgx.Rows) error {
		changes, xids, err := decodeChanges(r, 0)
		batch.Changes, batch.Xids = changes, distinct(batch.Xids, xids)
		return err
	}, batch)
	if err != nil {
		return nil, err
	}
	if len(batch.Changes) > most {
		return nil, ErrMany
	}
	return batch, nil
}

// What a large backlog is read by, and from which size on it is not read at all
// but taken for a change of the whole table.
const (
	ChunkRows    = 5000
	CollapseRows = 2_000_000
)

// DrainAll hands the changes after a position to see, ChunkRows at a time, so that
// memory is bounded; the batch that it returns has no Changes, and Xids only if
// see was given all of them. All are of one snapshot. A backlog of more than
// CollapseRows is one change of the whole table.
func DrainAll(ctx context.Context, conn *pgx.Conn, after Position, catalog bool, see func([]match.Change) error) (*Batch, error) {
	const count = `
		select count(*) from (
			select from freshlist.properties_changes
			where xid >= pg_snapshot_xmax($1::pg_snapshot)
			   or xid = any(array(select pg_snapshot_xip($1::pg_snapshot)))
			limit $2) many`
	var rows int64
	if err := conn.QueryRow(ctx, count, after.Snapshot, CollapseRows+1).Scan(&rows); err != nil {
		return nil, fmt.Errorf("count the backlog: %w", err)
	}
	batch := new(Batch)
	if rows > CollapseRows {
		none := 0
		if err := drain(ctx, conn, after, &none, catalog, discard, batch); err != nil {
			return nil, err
		}
		return batch, see([]match.Change{{Kind: match.WholeTable}})
	}
	err := drain(ctx, conn, after, nil, catalog, func(r pgx.Rows) error {
		for {
			changes, xids, err := decodeChanges(r, ChunkRows)
			if err != nil || len(changes) == 0 {
				return err
			}
			batch.Xids = distinct(batch.Xids, xids)
			if err := see(changes); err != nil {
				return err
			}
		}
	}, batch)
	if err != nil {
		return nil, err
	}
	return batch, nil
}

func discard(r pgx.Rows) error {
	r.Close()
	return r.Err()
}

// drain reads marker, snapshot and changes in one snapshot, and checks that the
// marker is still the caller's. most limits the rows (one more is read); nil does
// not.
func drain(ctx context.Context, conn *pgx.Conn, after Position, most *int, catalog bool, read func(pgx.Rows) error, batch *Batch) error {
	const (
		head = `
			select pg_current_snapshot()::text, coalesce(m.epoch, ''), coalesce(m.term, 0), ''
			from (values (true)) one (row) left join freshlist.properties_marker m on m.only_row`
		headWithCatalog = `
			select pg_current_snapshot()::text, coalesce(m.epoch, ''), coalesce(m.term, 0), freshlist.properties_catalog()
			from (values (true)) one (row) left join freshlist.properties_marker m on m.only_row`
	)
	first := head
	if catalog {
		first = headWithCatalog
	}
	var epoch string
	var term int64
	var limit *int
	if most != nil {
		more := *most + 1
		limit = &more
	}
	send := new(pgx.Batch)
	send.Queue("begin isolation level repeatable read read only")
	send.Queue(first).QueryRow(func(row pgx.Row) error {
		if err := row.Scan(&batch.Snapshot, &epoch, &term, &batch.Catalog); err != nil {
			return err
		}
		switch {
		case epoch != after.Epoch:
			return ErrMarker
		case term != after.Term:
			return ErrTerm
		}
		return nil
	})
	send.Queue(changesAfter, after.Snapshot, limit).Query(func(rows pgx.Rows) error { return read(rows) })
	send.Queue("commit")
	err := conn.SendBatch(ctx, send).Close()
	if err != nil && !errors.Is(err, ErrMarker) && !errors.Is(err, ErrTerm) {
		return fmt.Errorf("drain: %w", err)
	}
	return err
}

// changesAfter selects what is visible now and was not in snapshot $1: rows of
// transactions that began after it, and of those that it saw in progress. Both are
// found by the index. (Asking each row "xid >= xmin and not visible in $1" would
// read everything since the oldest open transaction.)
const changesAfter = `
	select ` + changeColumns + `
	from freshlist.properties_changes
	where xid >= pg_snapshot_xmax($1::pg_snapshot)
	   or xid = any(array(select pg_snapshot_xip($1::pg_snapshot)))
	limit $2`

// distinct adds xids to a list, leaving out runs of the same: a statement's rows
// come together.
func distinct(list, xids []uint64) []uint64 {
	for _, xid := range xids {
		if n := len(list); n == 0 || list[n-1] != xid {
			list = append(list, xid)
		}
	}
	return list
}

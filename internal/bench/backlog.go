package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/rediscache"
)

// The backlog is made by statements that are each small enough to be kept row by
// row, and leaves one city alone.
const (
	backlogRows   = 1_000_000
	backlogChunk  = 9000
	untouchedCity = "GALT"
)

// backlog measures how long an invalidator takes to catch up after it has been away.
func (b *bench) backlog(ctx context.Context) error {
	away, api, err := b.pair(ctx)
	if err != nil {
		return err
	}
	kept := "properties?city=" + untouchedCity
	gone := "properties?city=FOLSOM"
	l, err := dial(api.addr, 1)
	if err != nil {
		return err
	}
	defer l.close()
	for _, query := range []string{kept, gone} {
		if _, err := warm(ctx, l, "/v1/"+query, "freshlist-l1; hit"); err != nil {
			return err
		}
	}
	if err := away.stop(); err != nil {
		return err
	}
	rows, last, err := b.pileUp(ctx, int64(b.times(backlogRows, 20_000)))
	if err != nil {
		return err
	}
	b.say("%d changes are waiting", rows)
	began := time.Now()
	back, err := b.invalidator(ctx)
	if err != nil {
		return err
	}
	if err := b.awaitApplied(ctx, last); err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	applied, err := back.metric(ctx, "freshlist_changes_applied_total")
	if err != nil {
		return err
	}
	there, err := b.rdb.Exists(ctx, space.View("json", kept)).Result()
	if err != nil {
		return err
	}
	stale, err := b.rdb.Exists(ctx, space.View("json", gone)).Result()
	if err != nil {
		return err
	}
	if int64(applied) < rows || there != 1 || stale != 0 {
		return fmt.Errorf("%.0f of %d changes applied, unaffected entry there: %d, affected entry there: %d", applied, rows, there, stale)
	}
	b.add(fmt.Sprintf("backlog of %d changes, from the start of the invalidator", rows), seconds, sample{took}, atMost(40),
		"%.0f changes/s, row by row; the unaffected entry was kept", float64(rows)/took)
	return nil
}

// pileUp makes changes, at least as many as wanted, and returns how many, and the
// last transaction.
func (b *bench) pileUp(ctx context.Context, wanted int64) (rows int64, last uint64, err error) {
	const update = `
		with edited as (
			update properties set price = price + 1 where id >= $1 and id < $2 and city <> '` + untouchedCity + `' returning 1)
		select count(*), pg_current_xact_id() from edited`
	err = b.on(ctx, b.owner(captured), func(conn *pgx.Conn) error {
		for first := 1; rows < wanted; first += backlogChunk {
			if first > b.rows {
				first = 1
			}
			var edited int64
			if err := conn.QueryRow(ctx, update, first, first+backlogChunk).Scan(&edited, &last); err != nil {
				return err
			}
			rows += edited
		}
		return nil
	})
	return rows, last, err
}

// awaitApplied waits for a beat that proves that a transaction has been applied.
func (b *bench) awaitApplied(ctx context.Context, xid uint64) error {
	return await(ctx, 3*time.Minute, "the backlog is applied", func() (bool, error) {
		text, err := b.rdb.Get(ctx, space.Beat(0)).Result()
		if err != nil {
			return false, nil // no beat yet
		}
		beat, err := rediscache.ParseBeat(text)
		return err == nil && beat.Sees(xid), err
	})
}

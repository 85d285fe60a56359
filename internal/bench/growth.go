package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Storage must not grow, and looking must not become dearer, while changes come and
// an open transaction keeps their dead rows from being removed.
const (
	growthTime       = 5 * time.Minute
	growthWindow     = 30 * time.Second // at each end, in which pages are counted
	changesAtOnce    = 10
	statementsSecond = 500
)

// growth measures how many pages a drain reads, at the beginning and at the end.
func (b *bench) growth(ctx context.Context) error {
	if _, err := b.invalidator(ctx); err != nil {
		return err
	}
	total, window := growthTime, growthWindow
	if b.quick {
		total, window = 4*time.Second, time.Second
	}
	script, err := b.script("update-ten.sql", fmt.Sprintf(`\set id random(%d, %d)
update properties set price = price + 1 where id between :id and :id + %d;
`, probed+1, b.rows-changesAtOnce, changesAtOnce-1))
	if err != nil {
		return err
	}
	err = b.on(ctx, b.postgres.SuperuserURL(captured), func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "create extension if not exists pg_stat_statements")
		return err
	})
	if err != nil {
		return fmt.Errorf("%w; growth needs the server to be started with -long", err)
	}
	return b.on(ctx, b.owner(captured), func(open *pgx.Conn) error {
		// A transaction that has written, and holds a snapshot, for all the time.
		_, err := open.Exec(ctx, "begin isolation level repeatable read; update properties set price = price + 1 where id = 1")
		if err != nil {
			return err
		}
		return b.growBeside(ctx, script, total, window)
	})
}

func (b *bench) growBeside(ctx context.Context, script string, total, window time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		rate float64
		err  error
	}
	worked := make(chan result, 1)
	go func() {
		rate, err := b.pgbench(ctx, captured, script, "off",
			fmt.Sprint("--rate=", statementsSecond), fmt.Sprint("--time=", int(total.Seconds())))
		worked <- result{rate, err}
	}()
	start, end, size, err := b.pagesAtBothEnds(ctx, total, window)
	if err != nil {
		cancel()
		return errors.Join(err, (<-worked).err)
	}
	done := <-worked
	if done.err != nil {
		return done.err
	}
	b.add(fmt.Sprintf("pages read per drain after %v, a transaction open / at the start", total), ratio, sample{end / start}, atMost(2),
		"%.1f, %.1f pages; %.0f changes/s; changes table %.0f MB at the end", end, start, done.rate*changesAtOnce, size)
	return nil
}

// pagesAtBothEnds returns pages per drain in the first and in the last window, and
// the size of the changes table at the end in MB.
func (b *bench) pagesAtBothEnds(ctx context.Context, total, window time.Duration) (start, end, size float64, err error) {
	err = b.on(ctx, b.postgres.SuperuserURL(captured), func(conn *pgx.Conn) error {
		began := time.Now()
		var err error
		if start, err = pagesPerDrain(ctx, conn, window); err != nil {
			return err
		}
		if err := pause(ctx, total-window-time.Since(began)-500*time.Millisecond); err != nil {
			return err
		}
		if end, err = pagesPerDrain(ctx, conn, window); err != nil {
			return err
		}
		return conn.QueryRow(ctx, "select pg_total_relation_size('freshlist.properties_changes') / 1048576.0").Scan(&size)
	})
	return start, end, size, err
}

// pagesPerDrain counts for a while.
func pagesPerDrain(ctx context.Context, conn *pgx.Conn, window time.Duration) (float64, error) {
	const query = `
		select coalesce(sum(calls), 0)::float8, coalesce(sum(shared_blks_hit + shared_blks_read), 0)::float8
		from pg_stat_statements
		where query like '%freshlist.marker order by revision desc%' and query like '%properties_changes%'`
	var calls, pages [2]float64
	for i := range calls {
		if i == 1 {
			if err := pause(ctx, window); err != nil {
				return 0, err
			}
		}
		if err := conn.QueryRow(ctx, query).Scan(&calls[i], &pages[i]); err != nil {
			return 0, err
		}
	}
	if calls[1] == calls[0] {
		return 0, errors.New("no drain was seen")
	}
	return (pages[1] - pages[0]) / (calls[1] - calls[0]), nil
}

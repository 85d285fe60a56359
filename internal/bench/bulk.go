package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// timed returns how long statements take, in seconds.
func timed(ctx context.Context, conn *pgx.Conn, sql string) (float64, error) {
	began := time.Now()
	_, err := conn.Exec(ctx, sql)
	return time.Since(began).Seconds(), err
}

// capture measures what a one-row UPDATE spends in the triggers.
func (b *bench) capture(ctx context.Context) error {
	times, err := b.looped(ctx, captured, untriggered)
	if err != nil {
		return err
	}
	b.add("capture of a one-row UPDATE", microseconds, pairs{times[0], times[1]}.less(), atMost(15),
		"%.1f us with, %.1f us without; in a DO loop", times[0].median(), times[1].median())
	return nil
}

// looped measures one-row UPDATEs in a loop inside the server, where nothing else takes
// time, in microseconds each, in several databases in turns. They update a column without
// an index: what ten indexes cost varies by more than capture costs at all.
func (b *bench) looped(ctx context.Context, databases ...string) ([]sample, error) {
	update := fmt.Sprintf("update public.properties set bedrooms = 3 - bedrooms %% 2 where id = 1 + (i::bigint * 7919) %% %d", b.rows)
	var each []func() (float64, error)
	for _, d := range databases {
		conn, err := pgx.Connect(ctx, b.owner(d))
		if err != nil {
			return nil, err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		each = append(each, b.looping(ctx, conn, update))
	}
	return inTurns(b.times(24, 2), each...)
}

// looping returns what measures an UPDATE, of the row that i chooses, in such a loop.
func (b *bench) looping(ctx context.Context, conn *pgx.Conn, update string) func() (float64, error) {
	updates := b.times(5_000, 500)
	loop := fmt.Sprintf("do $$ begin for i in 1..%d loop %s; end loop; end $$", updates, update)
	return func() (float64, error) {
		took, err := timed(ctx, conn, loop)
		return took / float64(updates) * 1e6, err
	}
}

// bulk measures large statements and long transactions.
func (b *bench) bulk(ctx context.Context) error {
	return b.on(ctx, b.owner(captured), func(with *pgx.Conn) error {
		return b.on(ctx, b.owner(untriggered), func(without *pgx.Conn) error {
			if err := b.oneStatement(ctx, with, without); err != nil {
				return err
			}
			return b.oneTransaction(ctx, with, without)
		})
	})
}

// oneStatement updates the whole table at once.
func (b *bench) oneStatement(ctx context.Context, with, without *pgx.Conn) error {
	update := func(conn *pgx.Conn) func() (float64, error) {
		return func() (float64, error) {
			took, err := timed(ctx, conn, "update properties set price = price + 1")
			if err != nil {
				return 0, err
			}
			_, err = conn.Exec(ctx, "vacuum properties")
			return took, err
		}
	}
	p, err := alternate(b.times(3, 2), update(with), update(without))
	if err != nil {
		return err
	}
	b.add(fmt.Sprintf("UPDATE of %d rows, untriggered time / captured", b.rows), ratio, p.inverse().ratio(), atLeast(.80),
		"%.2f s captured, %.2f s untriggered", p.ours.median(), p.theirs.median())
	return nil
}

// oneTransaction updates many rows one by one in one transaction, beside readers.
func (b *bench) oneTransaction(ctx context.Context, with, without *pgx.Conn) error {
	updates := b.times(1000, 100)
	rates := make(map[*pgx.Conn]*pairs)
	update := func(conn *pgx.Conn, database string) func() (float64, error) {
		rates[conn] = &pairs{}
		return func() (float64, error) {
			readers, err := b.startReaders(ctx, database)
			if err != nil {
				return 0, err
			}
			defer readers.stop()
			before, err := readers.during(func() error { return pause(ctx, b.slice()/2) })
			if err != nil {
				return 0, err
			}
			var took sample
			meanwhile, err := readers.during(func() error {
				for range b.times(4, 1) { // so that it takes long enough to count by
					s, err := inOneTransaction(ctx, conn, updates, b.rows)
					if err != nil {
						return err
					}
					took = append(took, s)
				}
				return nil
			})
			rates[conn].ours = append(rates[conn].ours, meanwhile)
			rates[conn].theirs = append(rates[conn].theirs, before)
			return took.median(), errors.Join(err, readers.stop())
		}
	}
	p, err := alternate(b.times(8, 2), update(with, captured), update(without, untriggered))
	if err != nil {
		return err
	}
	b.add(fmt.Sprintf("%d UPDATEs in one transaction, untriggered time / captured", updates), ratio, p.inverse().ratio(), atLeast(.60),
		"%.0f ms captured, %.0f ms untriggered", 1000*p.ours.median(), 1000*p.theirs.median())
	plain := rates[without].ratio()
	b.add("readers beside it, rate meanwhile / before", ratio, rates[with].ratio(), atLeast(.90),
		"%.0f/s, %.0f/s; untriggered %.3f", rates[with].ours.median(), rates[with].theirs.median(), plain.median())
	return nil
}

func inOneTransaction(ctx context.Context, conn *pgx.Conn, updates, rows int) (seconds float64, err error) {
	began := time.Now()
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for i := range updates {
			if _, err := tx.Exec(ctx, "update properties set price = price + 1 where id = $1", 1+i*7919%rows); err != nil {
				return err
			}
		}
		return nil
	})
	return time.Since(began).Seconds(), err
}

// readers read single rows, each with a pause of a millisecond: they leave the
// machine room for the writer, so that what slows them down is not its work but what
// it does to their snapshots.
type readers struct {
	count  atomic.Int64
	cancel context.CancelFunc
	wait   sync.WaitGroup
	failed chan error
}

const readerClients = 4

func (b *bench) startReaders(ctx context.Context, database string) (*readers, error) {
	var conns []*pgx.Conn
	for range readerClients {
		conn, err := pgx.Connect(ctx, b.owner(database))
		if err != nil {
			for _, opened := range conns {
				err = errors.Join(err, opened.Close(ctx))
			}
			return nil, err
		}
		conns = append(conns, conn)
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &readers{cancel: cancel, failed: make(chan error, readerClients)}
	for n, conn := range conns {
		r.wait.Go(func() {
			defer conn.Close(context.WithoutCancel(ctx))
			if err := r.read(ctx, conn, n, b.rows); ctx.Err() == nil {
				r.failed <- err
			}
		})
	}
	return r, nil
}

// read reads until an error, that of ctx or another.
func (r *readers) read(ctx context.Context, conn *pgx.Conn, n, rows int) error {
	for i := n; ; i += readerClients {
		var title string
		if err := conn.QueryRow(ctx, "select title from properties where id = $1", 1+i*104729%rows).Scan(&title); err != nil {
			return err
		}
		r.count.Add(1)
		if err := pause(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}

// during returns how many reads a second there are while something is done.
func (r *readers) during(do func() error) (float64, error) {
	before, began := r.count.Load(), time.Now()
	err := do()
	return float64(r.count.Load()-before) / time.Since(began).Seconds(), err
}

// stop ends the readers and returns the first error. It may be called twice.
func (r *readers) stop() error {
	r.cancel()
	r.wait.Wait()
	select {
	case err := <-r.failed:
		return err
	default:
		return nil
	}
}

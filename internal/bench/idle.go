package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// idle measures what an invalidator costs while nothing changes.
func (b *bench) idle(ctx context.Context) error {
	p, err := b.invalidator(ctx)
	if err != nil {
		return err
	}
	if err := pause(ctx, 3*time.Second); err != nil { // until it sleeps, and what was before has been counted
		return err
	}
	// Asked from another database: the question itself is no cost of the invalidator.
	return b.on(ctx, b.postgres.SuperuserURL("postgres"), func(conn *pgx.Conn) error {
		var statements sample
		began := time.Now()
		share, err := p.shareOfCore(ctx, func() error {
			for range b.times(6, 2) {
				rate, err := transactions(ctx, conn, 4*b.slice())
				if err != nil {
					return err
				}
				statements = append(statements, rate)
			}
			return nil
		})
		if err != nil {
			return err
		}
		b.add("idle invalidator, transactions", perSecond, statements, atMost(6), "as pg_stat_database counts them")
		b.add("idle invalidator, share of one core", percent, sample{share}, atMost(1), "over %.0f s", time.Since(began).Seconds())
		return nil
	})
}

// stopwatch is when something was counted first.
type stopwatch struct {
	began time.Time
	count float64
}

// rate returns by how much a count has grown since, each second.
func (s stopwatch) rate(count float64) float64 {
	return (count - s.count) / time.Since(s.began).Seconds()
}

// shareOfCore returns how much of a core a process takes while something is done, in percent.
func (p *process) shareOfCore(ctx context.Context, do func() error) (float64, error) {
	const counter = "process_cpu_seconds_total"
	watch := stopwatch{began: time.Now()}
	var err error
	if watch.count, err = p.metric(ctx, counter); err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	used, err := p.metric(ctx, counter)
	return 100 * watch.rate(used), err
}

// transactions returns how many transactions a second the database sees during a span.
func transactions(ctx context.Context, conn *pgx.Conn, span time.Duration) (float64, error) {
	look := func() (n float64, err error) {
		const query = "select (xact_commit + xact_rollback)::float8 from pg_stat_database where datname = $1"
		err = conn.QueryRow(ctx, query, captured).Scan(&n)
		return n, err
	}
	s := stopwatch{began: time.Now()}
	var err error
	if s.count, err = look(); err != nil {
		return 0, err
	}
	if err := pause(ctx, span); err != nil {
		return 0, err
	}
	n, err := look()
	return s.rate(n), err
}

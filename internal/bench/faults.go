package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/local"
)

// kept is a page that none of the edits below touches.
const kept = "/v1/properties?city=" + untouchedCity

// faults measures what readers and writers notice while something is wrong.
func (b *bench) faults(ctx context.Context) error {
	for _, measure := range []func(context.Context) error{
		b.openTransaction, b.foreignNotify, b.disabledTriggers, b.largeTransactions, b.largeBacklog, b.starvedTakeover,
	} {
		if err := errors.Join(measure(ctx), b.stopProcesses(), b.rdb.FlushDB(ctx).Err()); err != nil {
			return err
		}
	}
	return nil
}

// openTransaction compares writers beside a transaction that has edited a row and stays
// open with the same writers without it.
func (b *bench) openTransaction(ctx context.Context) error {
	if _, err := b.invalidator(ctx); err != nil {
		return err
	}
	script, err := b.script("update.sql", fmt.Sprintf(updateOne, probed+1, b.rows))
	if err != nil {
		return err
	}
	return b.on(ctx, b.owner(captured), func(conn *pgx.Conn) error {
		beside := func() (float64, error) {
			if _, err := conn.Exec(ctx, "begin; update properties set price = price + 1 where id = 1"); err != nil {
				return 0, err
			}
			rate, err := b.pgbench(ctx, captured, script, "on")
			_, rolledBack := conn.Exec(ctx, "rollback")
			return rate, errors.Join(err, rolledBack)
		}
		p, err := alternate(b.times(12, 1), beside, b.updating(ctx, captured, script, "on"))
		if err != nil {
			return err
		}
		b.add("UPDATE beside a transaction that stays open / without one", ratio, p.ratio(), atLeast(.80),
			"%.0f/s, %.0f/s; 8 clients, invalidator running", p.ours.median(), p.theirs.median())
		return nil
	})
}

// foreignNotify has a NOTIFY of another database hang in its commit, since no standby
// confirms it, and counts the hits of a page meanwhile, beside edits of others.
func (b *bench) foreignNotify(ctx context.Context) error {
	admin, err := pgx.Connect(ctx, b.postgres.SuperuserURL("postgres"))
	if err != nil {
		return err
	}
	defer admin.Close(context.WithoutCancel(ctx))
	// Only the foreign session waits for the standby.
	if err := statements(ctx, admin, "alter database "+captured+" set synchronous_commit = local"); err != nil {
		return err
	}
	_, api, err := b.pair(ctx)
	if err != nil {
		return err
	}
	if err := statements(ctx, admin, "alter system set synchronous_standby_names = 'nobody'", "select pg_reload_conf()"); err != nil {
		return err
	}
	err = b.on(ctx, b.owner(notifying), func(foreign *pgx.Conn) error { return b.whileNotifyHangs(ctx, api, admin, foreign) })
	return errors.Join(err, statements(context.WithoutCancel(ctx), admin, "alter system reset synchronous_standby_names",
		"select pg_reload_conf()", "alter database "+captured+" reset synchronous_commit"))
}

// whileNotifyHangs measures while the commit of a session waits for a standby.
func (b *bench) whileNotifyHangs(ctx context.Context, api *process, admin, foreign *pgx.Conn) error {
	done := make(chan error, 1)
	commit := func() {
		_, err := foreign.Exec(context.WithoutCancel(ctx), "update properties set price = price + 1 where id = 1")
		done <- err
	}
	hangs := func() (there bool, err error) {
		err = admin.QueryRow(ctx, "select wait_event is not distinct from 'SyncRep' from pg_stat_activity where pid = $1",
			foreign.PgConn().PID()).Scan(&there)
		return there, err
	}
	go commit()
	err := await(ctx, 10*time.Second, "the foreign NOTIFY hangs", func() (bool, error) {
		select {
		case err := <-done: // the server has not taken the setting in yet
			go commit()
			return false, err
		default:
			return hangs()
		}
	})
	if err != nil {
		return err
	}
	share, delays, err := b.editing(ctx, api, b.times(10, 1))
	if err != nil {
		return err
	}
	if there, err := hangs(); err != nil || !there {
		return errors.Join(err, errors.New("the foreign NOTIFY has not hung all the while"))
	}
	b.add("hits of a page while a foreign NOTIFY hangs", percent, share, atLeast(95), "in slices of %v, beside edits of other pages", b.slice())
	b.put(Row{What: "commit to gone meanwhile, the slowest", Unit: milliseconds, Value: delays.quantile(1), Target: atMost(1000),
		Detail: fmt.Sprintf("of %d; median %s", len(delays), figure(delays.median(), milliseconds))}, delays)
	_, err = admin.Exec(ctx, "select pg_cancel_backend($1)", foreign.PgConn().PID())
	return errors.Join(err, <-done)
}

// editing reads a page for so many slices, beside edits that purge others, and returns
// which share of the answers of each slice were hits, in percent, and how long the
// purges took, in milliseconds.
func (b *bench) editing(ctx context.Context, api *process, slices int) (shares, delays sample, err error) {
	probe, err := b.newProber(ctx, api)
	if err != nil {
		return nil, nil, err
	}
	defer probe.close()
	l, err := dial(api.addr, 1)
	if err != nil {
		return nil, nil, err
	}
	defer l.close()
	delays, _, err = probe.beside(ctx, 20*time.Millisecond, func() (float64, error) {
		shares, err = b.hitShares(ctx, l, slices)
		return 0, err
	})
	return shares, delays, err
}

// hitShares reads the kept page for so many slices and returns which share of the answers
// of each were hits, in percent.
func (b *bench) hitShares(ctx context.Context, l *load, slices int) (shares sample, err error) {
	if _, err := warm(ctx, l, kept, "freshlist-l1; hit"); err != nil {
		return nil, err
	}
	request := get(kept)
	for range slices {
		t, err := l.run(time.Now().Add(b.slice()), func() []byte { return request })
		if err != nil {
			return nil, err
		}
		shares = append(shares, 100*float64(t.hits)/float64(t.answers))
	}
	return shares, nil
}

// statements executes each statement in a transaction of its own.
func statements(ctx context.Context, conn *pgx.Conn, each ...string) error {
	for _, sql := range each {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// disabledTriggers measures how long after the triggers have been enabled again, as
// pg_restore does it, the cache is used again.
func (b *bench) disabledTriggers(ctx context.Context) error {
	_, api, err := b.pair(ctx)
	if err != nil {
		return err
	}
	l, err := dial(api.addr, 1)
	if err != nil {
		return err
	}
	defer l.close()
	var took sample
	for range b.times(5, 1) {
		if _, err := warm(ctx, l, kept, "freshlist-l1; hit"); err != nil {
			return err
		}
		if err := b.exec(ctx, captured, "alter table public.properties disable trigger all"); err != nil {
			return err
		}
		err := await(ctx, 10*time.Second, "nothing is cached", func() (bool, error) {
			a, err := l.do(get(kept))
			return !a.hit(), err
		})
		if err != nil {
			return err
		}
		if err := pause(ctx, 2*b.slice()); err != nil { // the load of the data
			return err
		}
		if err := b.exec(ctx, captured, "alter table public.properties enable trigger all"); err != nil {
			return err
		}
		began := time.Now()
		err = await(ctx, 30*time.Second, "the cache is used again", func() (bool, error) {
			a, err := l.do(get(kept))
			return a.hit(), err
		})
		if err != nil {
			return err
		}
		took = append(took, time.Since(began).Seconds())
	}
	b.put(Row{What: "ENABLE TRIGGER ALL to the first hit, the slowest", Unit: seconds, Value: took.quantile(1), Target: atMost(2)}, took)
	return nil
}

// The bulk transactions are below the size at which a statement leaves an envelope, so
// that each row of them is matched.
const (
	bulkRows  = 6000
	bulkEvery = time.Second * 2 / 13 // 6.5 a second
)

// largeTransactions counts the hits of an untouched page beside transactions of many
// rows, one after another.
func (b *bench) largeTransactions(ctx context.Context) error {
	invalidator, api, err := b.pair(ctx)
	if err != nil {
		return err
	}
	l, err := dial(api.addr, 1)
	if err != nil {
		return err
	}
	defer l.close()
	over, done := make(chan struct{}), make(chan error, 1)
	var came sample // transactions a second
	go func() {
		rate, err := b.bulkEdits(ctx, over)
		came = append(came, rate)
		done <- err
	}()
	before, err := invalidator.metric(ctx, "freshlist_beats_total")
	began := time.Now()
	var shares sample
	if err == nil {
		shares, err = b.hitShares(ctx, l, b.times(15, 2))
	}
	span := time.Since(began).Seconds()
	close(over)
	if err := errors.Join(err, <-done); err != nil {
		return err
	}
	after, err := invalidator.metric(ctx, "freshlist_beats_total")
	if err != nil {
		return err
	}
	b.add(fmt.Sprintf("hits of an untouched page beside transactions of %d rows", bulkRows), percent, shares, atLeast(95),
		"in slices of %v; %.1f transactions/s", b.slice(), came.median())
	b.add("beats meanwhile", perSecond, sample{(after - before) / span}, atLeast(1), "")
	return nil
}

// bulkEdits updates many rows at a steady pace until over is closed, and returns how many
// times a second it did.
func (b *bench) bulkEdits(ctx context.Context, over <-chan struct{}) (rate float64, err error) {
	// A column without an index: with ten of them, a core does not come to so many rows.
	const update = "update properties set bedrooms = 3 - bedrooms % 2 where id >= $1 and id < $2 and city <> '" + untouchedCity + "'"
	tick := time.NewTicker(bulkEvery)
	defer tick.Stop()
	err = b.on(ctx, b.owner(captured), func(conn *pgx.Conn) error {
		began := time.Now()
		for n, first := 1.0, 1; ; n, first = n+1, first+bulkRows {
			if first+bulkRows > b.rows {
				first = 1
			}
			if _, err := conn.Exec(ctx, update, first, first+bulkRows*11/10); err != nil {
				return err
			}
			rate = n / time.Since(began).Seconds()
			select {
			case <-over:
				return nil
			case <-tick.C:
			}
		}
	})
	return rate, err
}

// largeBacklogRows is more than an invalidator applies row by row.
const largeBacklogRows = 2_500_000

// largeBacklog measures how soon an invalidator that finds more changes than it applies one
// by one has the cache used again, and whether it then works with precision.
func (b *bench) largeBacklog(ctx context.Context) error {
	rows, _, err := b.pileUp(ctx, int64(b.times(largeBacklogRows, 20_000)))
	if err != nil {
		return err
	}
	b.say("%d changes are waiting", rows)
	began := time.Now()
	_, api, err := b.pair(ctx)
	if err != nil {
		return err
	}
	b.add(fmt.Sprintf("backlog of %d changes, from the start of the invalidator to its first beat", rows), seconds,
		sample{time.Since(began).Seconds()}, atMost(10), "")
	err = await(ctx, time.Minute, "the changes are deleted", func() (gone bool, err error) {
		err = b.on(ctx, b.owner(captured), func(conn *pgx.Conn) error {
			return conn.QueryRow(ctx, "select not exists (select from freshlist.properties_changes)").Scan(&gone)
		})
		return gone, err
	})
	if err != nil {
		return err
	}
	shares, _, err := b.editing(ctx, api, b.times(4, 1))
	if err != nil {
		return err
	}
	b.add("hits of an untouched page behind it, beside edits of others", percent, shares, atLeast(95), "")
	return nil
}

// The starved invalidator runs for a fifth of the time.
const (
	starvedQueries = 200_000
	starvedSpan    = 100 * time.Millisecond
	starvedShare   = 5
)

// starvedTakeover measures how long a takeover with many live queries takes a process that
// gets a fifth of the time, and that it reads each registration once.
func (b *bench) starvedTakeover(ctx context.Context) error {
	first, err := b.invalidator(ctx) // makes the epoch
	if err != nil {
		return err
	}
	if err := first.stop(); err != nil {
		return err
	}
	queries := b.times(starvedQueries, 2000)
	if err := b.register(ctx, queries); err != nil {
		return err
	}
	p, err := b.start(ctx, "invalidator", b.programs.invalidator, "INVALIDATOR_ADDR", "/healthz",
		[]string{"DATABASE_URL=" + b.postgres.Roles(captured).Invalidator})
	if err != nil {
		return err
	}
	began := time.Now()
	feed := starve(p.program)
	err = await(ctx, 5*time.Minute, "the starved invalidator beats", func() (bool, error) {
		beats, err := p.metric(ctx, "freshlist_beats_total")
		return beats > 0, err
	})
	cold := time.Since(began).Seconds()
	if err := errors.Join(err, feed()); err != nil {
		return err
	}
	read, err := p.metric(ctx, "freshlist_registrations_total")
	if err != nil {
		return err
	}
	b.add(fmt.Sprintf("takeover of %d live queries with a fifth of the time", queries), seconds, sample{cold}, atMost(120), "")
	b.add("registrations that it read, each live query", ratio, sample{read / float64(queries)}, atMost(1), "")
	return nil
}

// starve stops a process for most of the time, until the function that it returns is
// called, which returns the first error.
func starve(p *local.Program) (feed func() error) {
	over := make(chan struct{})
	var failed error
	var wait sync.WaitGroup
	wait.Go(func() {
		for failed == nil {
			failed = p.Pause()
			time.Sleep(starvedSpan * (starvedShare - 1) / starvedShare)
			failed = errors.Join(failed, p.Resume())
			select {
			case <-over:
				return
			case <-time.After(starvedSpan / starvedShare):
			}
		}
	})
	return func() error { close(over); wait.Wait(); return failed }
}

// registering makes queries live, from one number to another.
var registering = redis.NewScript(`
	for i = ARGV[1], ARGV[2] do
		local query = 'properties?city=CITY_' .. (i % 50) .. '&min_price=' .. i
		redis.call('ZADD', KEYS[2], redis.call('HINCRBY', KEYS[1], 'registered', 1), query)
		redis.call('SET', ARGV[3] .. query, '')
	end
	redis.call('HINCRBY', KEYS[1], 'live', ARGV[2] - ARGV[1] + 1)
	return 1`)

// register makes so many queries live, each with an entry, without an API.
func (b *bench) register(ctx context.Context, queries int) error {
	const each = 1000
	for from := 1; from <= queries; from += each {
		keys := []string{space.Fence(0), space.Live(0)}
		to := strconv.Itoa(min(from+each-1, queries))
		if err := registering.Run(ctx, b.rdb, keys, from, to, space.Queryset("")).Err(); err != nil {
			return fmt.Errorf("register queries: %w", err)
		}
	}
	return nil
}

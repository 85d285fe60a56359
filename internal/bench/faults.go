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
	"github.com/freshlist/freshlist/internal/rediscache"
)

// kept is a page that none of the edits below touches.
const kept = "/v1/properties?city=" + untouchedCity

// faults measures what readers and writers notice while something is wrong.
func (b *bench) faults(ctx context.Context) error {
	for _, measure := range []func(context.Context) error{
		b.openTransaction, b.foreignNotify, b.disabledTriggers, b.largeTransactions, b.largeBacklogs, b.starvedTakeover,
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
			if err := beginSilently(ctx, conn); err != nil {
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

// beginSilently begins a transaction that has edited a row and not rung for it, and so keeps
// the doorbell's lock until it ends. While the invalidator sleeps, every writer rings; so
// it edits until that is awake.
func beginSilently(ctx context.Context, conn *pgx.Conn) error {
	const holds = `select exists (select from pg_locks
		where pid = pg_backend_pid() and locktype = 'advisory' and mode = 'ShareLock' and granted)`
	return await(ctx, 30*time.Second, "a writer is silent", func() (silent bool, err error) {
		if err := statements(ctx, conn, "begin", "update properties set price = price + 1 where id = 1"); err != nil {
			return false, err
		}
		if err := conn.QueryRow(ctx, holds).Scan(&silent); err != nil || silent {
			return silent, err
		}
		return false, statements(ctx, conn, "commit")
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

// readEvery is the pause between two reads of the kept page. It is long beside the edits, so
// that a page which each edit purges is a hit seldom; and it leaves the machine to them.
const readEvery = 10 * time.Millisecond

// hitShares reads the kept page for so many slices and returns which share of the answers
// of each were hits, in percent.
func (b *bench) hitShares(ctx context.Context, l *load, slices int) (shares sample, err error) {
	if _, err := warm(ctx, l, kept, "freshlist-l1; hit"); err != nil {
		return nil, err
	}
	for range slices {
		var hits, answers float64
		for end := time.Now().Add(b.slice()); time.Now().Before(end); answers++ {
			a, err := l.do(get(kept))
			if err != nil {
				return nil, err
			}
			if a.hit() {
				hits++
			}
			if err := pause(ctx, readEvery); err != nil {
				return nil, err
			}
		}
		shares = append(shares, 100*hits/answers)
	}
	return shares, nil
}

// statements executes one statement after another.
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
	return b.on(ctx, b.owner(captured), func(conn *pgx.Conn) error {
		if err := b.recordBulk(ctx, conn); err != nil {
			return err
		}
		return b.besideBulkEdits(ctx, conn)
	})
}

func (b *bench) besideBulkEdits(ctx context.Context, conn *pgx.Conn) error {
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
		rate, err := bulkEdits(ctx, conn, over)
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
	b.add("these transactions", perSecond, came, atLeast(6), "fewer are not what is to be measured")
	b.add("beats meanwhile", perSecond, sample{(after - before) / span}, atLeast(1), "")
	return nil
}

// recordBulk keeps the captured changes of a bulk edit in a table of the session, for bulkEdits.
// No invalidator may run: it would delete them.
func (b *bench) recordBulk(ctx context.Context, conn *pgx.Conn) error {
	_, xid, err := b.pileUp(ctx, 1)
	if err != nil {
		return err
	}
	return statements(ctx, conn, fmt.Sprintf(`create temporary table bulk as
		select old_row, new_row, changed, sets from freshlist.properties_changes where xid = '%d' limit %d`, xid, bulkRows))
}

// bulkEdits commits recorded changes at a steady pace until over is closed, and returns how
// many times a second it did. To edit so many rows takes this machine longer than the pace
// allows; what the invalidator meets is the same. One row is edited, so that it is told.
func bulkEdits(ctx context.Context, conn *pgx.Conn, over <-chan struct{}) (rate float64, err error) {
	const edit = `
		with told as (
			update properties set price = price + 1
			where id = (select id from properties where city <> '` + untouchedCity + `' order by id limit 1))
		insert into freshlist.properties_changes select pg_current_xact_id(), bulk.* from bulk`
	tick := time.NewTicker(bulkEvery)
	defer tick.Stop()
	began := time.Now()
	for n := 1.0; ; n++ {
		if _, err := conn.Exec(ctx, edit); err != nil {
			return rate, fmt.Errorf("edit in bulk: %w", err)
		}
		rate = n / time.Since(began).Seconds()
		select {
		case <-over:
			return rate, nil
		case <-tick.C:
		}
	}
}

// Of two large backlogs an invalidator applies the smaller one row by row, and gives up the
// cache for the larger one.
const (
	appliedRows   = 1_900_000
	collapsedRows = 2_500_000
)

// largeBacklogs measures how soon an invalidator that finds very many changes has the cache
// used again, and whether it then works with precision.
func (b *bench) largeBacklogs(ctx context.Context) error {
	if b.quick { // too few to be given up
		return b.largeBacklog(ctx, 20_000, false)
	}
	return errors.Join(b.largeBacklog(ctx, appliedRows, false), b.largeBacklog(ctx, collapsedRows, true))
}

// largeBacklog measures one of them. Redis stays as the last leader left it: without that, the
// next one would begin a new epoch and not meet the backlog at all.
func (b *bench) largeBacklog(ctx context.Context, wanted int, collapses bool) error {
	away, api, err := b.pair(ctx)
	if err != nil {
		return err
	}
	l, err := dial(api.addr, 1)
	if err != nil {
		return err
	}
	defer l.close()
	if _, err := warm(ctx, l, kept, "freshlist-l1; hit"); err != nil {
		return err
	}
	if err := away.stop(); err != nil {
		return err
	}
	rows, err := b.copyChanges(ctx, wanted)
	if err != nil {
		return err
	}
	b.say("%d changes are waiting", rows)
	began := time.Now()
	back, err := b.starting(ctx)
	if err != nil {
		return err
	}
	if err := b.awaitBeat(ctx, began); err != nil {
		return err
	}
	took := time.Since(began)
	how, err := howApplied(ctx, back, rows, collapses)
	if err != nil {
		return err
	}
	b.add(fmt.Sprintf("backlog of %d changes, from the start of the invalidator to its first beat", rows), seconds,
		sample{took.Seconds()}, atMost(10), "%s", how)
	if !collapses {
		return errors.Join(api.stop(), back.stop())
	}
	if err := b.deletedByOne(ctx, began); err != nil {
		return err
	}
	shares, _, err := b.editing(ctx, api, b.times(8, 1))
	if err != nil {
		return err
	}
	b.add("hits of an untouched page behind it, beside edits of others", percent, shares, atLeast(95), "in slices of %v", b.slice())
	return errors.Join(api.stop(), back.stop())
}

// howApplied says how an invalidator has dealt with a backlog, or returns an error if that is
// not what was to be measured.
func howApplied(ctx context.Context, p *process, rows int, collapses bool) (string, error) {
	applied, err1 := p.metric(ctx, "freshlist_changes_applied_total")
	given, err2 := p.metric(ctx, `freshlist_epochs_total{reason="backlog"}`)
	lost, err3 := p.metric(ctx, `freshlist_epochs_total{reason="redis_lost"}`)
	if err := errors.Join(err1, err2, err3); err != nil {
		return "", err
	}
	switch {
	case lost == 0 && collapses && given == 1:
		return fmt.Sprintf("given up after %.0f", applied), nil
	case lost == 0 && !collapses && given == 0 && int(applied) >= rows:
		return fmt.Sprintf("%.0f applied, row by row", applied), nil
	}
	return "", fmt.Errorf("of %d changes %.0f were applied; epochs begun: %.0f for the backlog, %.0f for Redis", rows, applied, given, lost)
}

// copyChanges has at least so many changes wait: those of one statement, again and again.
func (b *bench) copyChanges(ctx context.Context, wanted int) (rows int, err error) {
	const again = `
		insert into freshlist.properties_changes
		select pg_current_xact_id(), old_row, new_row, changed, sets from freshlist.properties_changes where xid = $1`
	first, xid, err := b.pileUp(ctx, 1)
	if err != nil {
		return 0, err
	}
	rows = int(first)
	err = b.on(ctx, b.owner(captured), func(conn *pgx.Conn) error {
		for rows < wanted {
			tag, err := conn.Exec(ctx, again, xid)
			if err != nil {
				return fmt.Errorf("copy changes: %w", err)
			}
			rows += int(tag.RowsAffected())
		}
		return nil
	})
	return rows, err
}

// deletedByOne reports how long after an instant a backlog that was given up has been deleted.
// It is an error if that took more than one leader.
func (b *bench) deletedByOne(ctx context.Context, began time.Time) error {
	before, err := b.term(ctx)
	if err != nil {
		return err
	}
	err = await(ctx, 2*time.Minute, "the changes are deleted", func() (gone bool, err error) {
		err = b.on(ctx, b.owner(captured), func(conn *pgx.Conn) error {
			return conn.QueryRow(ctx, "select not exists (select from freshlist.properties_changes)").Scan(&gone)
		})
		return gone, err
	})
	if err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	after, err := b.term(ctx)
	if err != nil || after != before {
		return errors.Join(err, fmt.Errorf("term %d has become %d while the backlog was deleted", before, after))
	}
	b.add("the same, until all of it is deleted, by one leader", seconds, sample{took}, atMost(60), "")
	return nil
}

// term returns the number of the present leadership.
func (b *bench) term(ctx context.Context) (term int64, err error) {
	err = b.on(ctx, b.owner(captured), func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "select max(term) from freshlist.marker").Scan(&term)
	})
	return term, err
}

// awaitBeat waits for a beat that was noted after an instant. It asks Redis: to ask the process
// would cost that time.
func (b *bench) awaitBeat(ctx context.Context, after time.Time) error {
	return await(ctx, 5*time.Minute, "the invalidator beats", func() (bool, error) {
		text, err := b.rdb.Get(ctx, space.Beat(0)).Result()
		if errors.Is(err, redis.Nil) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		beat, err := rediscache.ParseBeat(text)
		return err == nil && beat.Noted > after.UnixMicro(), err
	})
}

// The starved invalidator runs for a fifth of the time.
const (
	starvedQueries = 200_000
	starvedSpan    = 100 * time.Millisecond
	starvedShare   = 5
)

// starvedTakeover measures how long a takeover with many live queries takes a process that
// gets a fifth of the time, that it reads each registration once, and how soon it beats again
// after it has lost its lead.
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
	began := time.Now()
	p, err := b.starting(ctx)
	if err != nil {
		return err
	}
	feed := starve(p.program)
	err = b.awaitBeat(ctx, began)
	cold := time.Since(began).Seconds()
	var again sample
	for range b.times(5, 1) {
		if err != nil {
			break
		}
		var took time.Duration
		took, err = b.loseLead(ctx)
		again = append(again, took.Seconds())
	}
	if err := errors.Join(err, feed()); err != nil {
		return err
	}
	read, err := p.metric(ctx, "freshlist_registrations_total")
	if err != nil {
		return err
	}
	b.add(fmt.Sprintf("takeover of %d live queries with a fifth of the time", queries), seconds, sample{cold}, atMost(120), "")
	b.put(Row{What: "the same process, from the loss of its lead to its next beat, the slowest", Unit: seconds,
		Value: again.quantile(1), Target: atMost(2)}, again)
	b.add("registrations that it read in all, each live query", ratio, sample{read / float64(queries)}, atMost(1), "")
	return nil
}

// loseLead ends the session that holds the leader's lock, and returns how long it takes until
// a later leadership beats.
func (b *bench) loseLead(ctx context.Context) (took time.Duration, err error) {
	before, err := b.term(ctx)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	err = b.on(ctx, b.postgres.SuperuserURL(captured), func(conn *pgx.Conn) error {
		return statements(ctx, conn, `select pg_terminate_backend(pid) from pg_stat_activity
			where datname = current_database() and application_name = 'freshlist-invalidator lock'`)
	})
	if err != nil {
		return 0, err
	}
	err = await(ctx, time.Minute, "it leads again", func() (bool, error) {
		now, err := b.term(ctx)
		return now > before, err
	})
	if err != nil {
		return 0, err
	}
	err = b.awaitBeat(ctx, time.Now())
	return time.Since(began), err
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

package explain

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
)

// Statement is what a statement would do to the cache.
type Statement struct {
	Rows    int64            `json:"rows"`    // that it changes, as PostgreSQL counts them
	Changes []Change         `json:"changes"` // what is captured of it; the first ones
	More    int              `json:"more_changes"`
	Live    int              `json:"live"`
	Purged  int              `json:"purged"`
	Spared  int              `json:"spared"`
	Queries []activity.Query `json:"queries"` // all those purged, then some of those spared
	Because map[string]int   `json:"spared_because"`
	Notes   []string         `json:"notes"`
	Took    float64          `json:"seconds"`
}

// Change is one change that is captured of the statement.
type Change struct {
	Table   string   `json:"table"`
	Kind    string   `json:"kind"` // insert, update, delete, bulk, whole
	Key     *string  `json:"key"`
	Columns []string `json:"columns"` // of an update
}

// Limits of a statement's run, and of what is told of it.
const (
	statementTimeout = "10s"
	lockTimeout      = "2s" // and while it counts, no writer rings: see db/triggers/045_doorbell.sql
	mostChanges      = 20
	fewChanges       = 8 // more are looked up in an index
)

// Cache is where the live queries are registered.
type Cache struct {
	Redis redis.UniversalClient
	Space rediskey.Space
}

// SQL runs a statement on a connection, in a transaction that it rolls back, and says what its
// commit would purge of the queries that are live. spared is how many of those that would stay
// are named. The connection's role must be one that may run the statement and read what is
// captured: the tables' owner. The connection is of no use afterwards but to be closed.
func SQL(ctx context.Context, conn *pgx.Conn, site *listing.Site, cache Cache, sql string, spared int) (Statement, error) {
	began := time.Now()
	if err := check(sql); err != nil {
		return Statement{}, err
	}
	type registrations struct {
		all []rediscache.Registration
		err error
	}
	read := make(chan registrations, 1)
	go func() {
		var r registrations
		r.err = rediscache.EachRegistration(ctx, cache.Redis, cache.Space, func(some []rediscache.Registration) error {
			r.all = append(r.all, some...)
			return nil
		})
		read <- r
	}()
	s, changes, err := try(ctx, conn, site, sql)
	live := <-read
	if err = errors.Join(err, live.err); err != nil {
		return Statement{}, err
	}
	s.Live = len(live.all)
	s.decide(site, live.all, changes, spared)
	if len(changes) == 0 {
		s.Notes = append(s.Notes, "nothing of it is captured: it changes no row of a described table, or no column that is described")
	}
	s.Took = time.Since(began).Seconds()
	return s, nil
}

// try runs a statement, reads what is captured of it, and rolls it back.
func try(ctx context.Context, conn *pgx.Conn, site *listing.Site, sql string) (s Statement, changes []match.Change, err error) {
	s = Statement{Queries: []activity.Query{}, Changes: []Change{}, Because: map[string]int{}, Notes: []string{}}
	const begin = `begin isolation level read committed read write;
		set local standard_conforming_strings = on; -- check has read it so
		set local statement_timeout = '` + statementTimeout + `'; set local lock_timeout = '` + lockTimeout + `';
		set local idle_in_transaction_session_timeout = '` + statementTimeout + `'`
	if _, err := conn.Exec(ctx, begin); err != nil {
		return s, nil, fmt.Errorf("begin a transaction: %w", err)
	}
	if _, err := conn.Exec(ctx, usualPath); err != nil {
		return s, nil, fmt.Errorf("set the search path: %w", err)
	}
	defer func() {
		_, failed := conn.Exec(context.WithoutCancel(ctx), "rollback")
		err = errors.Join(err, failed)
		if err == nil && drewNumbers(ctx, conn) {
			s.Notes = append(s.Notes, "it drew a number of a sequence; PostgreSQL does not put those back")
		}
	}()
	// By the extended protocol, which takes one statement only.
	ran := conn.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil).Read()
	if ran.Err != nil {
		return s, nil, hint(fmt.Errorf("run the statement: %w", ran.Err))
	}
	if status := conn.PgConn().TxStatus(); status != 'T' {
		return s, nil, errors.New("the statement has ended its transaction; give one that does not")
	}
	s.Rows = ran.CommandTag.RowsAffected()
	if _, err := conn.Exec(ctx, "set constraints all immediate"); err != nil {
		return s, nil, hint(fmt.Errorf("check the deferred constraints, as a commit would: %w", err))
	}
	changes, err = feed.New(site).Own(ctx, conn)
	if err != nil {
		return s, nil, hint(err)
	}
	for i := range changes {
		if i == mostChanges {
			s.More = len(changes) - i
			break
		}
		s.Changes = append(s.Changes, describe(&changes[i]))
	}
	return s, changes, nil
}

// usualPath sets the search path that the role has by itself: our own sessions have another one.
const usualPath = `
	select set_config('search_path', coalesce((
		select substr(setting, length('search_path=') + 1)
		from pg_db_role_setting as s, unnest(s.setconfig) as setting
		where setting like 'search\_path=%'
		  and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
		  and s.setrole in (0, (select oid from pg_roles where rolname = session_user))
		order by s.setrole <> 0 and s.setdatabase <> 0 desc, s.setrole <> 0 desc, s.setdatabase <> 0 desc limit 1),
		'"$user", public'), true)`

// drewNumbers reports whether the session has taken a number of a sequence.
func drewNumbers(ctx context.Context, conn *pgx.Conn) bool {
	_, err := conn.Exec(ctx, "select lastval()")
	return err == nil
}

// hint names the next step where an error of PostgreSQL has one.
func hint(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	switch pg.Code {
	case pgerrcode.InsufficientPrivilege:
		return fmt.Errorf("%w; set DATABASE_URL to the role that owns the tables", err)
	case pgerrcode.UndefinedTable, pgerrcode.InvalidSchemaName:
		if strings.Contains(pg.Message, "freshlist.") {
			return fmt.Errorf("%w; as the tables' owner run: invalidator install", err)
		}
	case pgerrcode.QueryCanceled:
		return fmt.Errorf("%w; it may take %s here", err, statementTimeout)
	case pgerrcode.LockNotAvailable:
		return fmt.Errorf("%w; another transaction holds what it needs for longer than %s: try again", err, lockTimeout)
	case pgerrcode.ReadOnlySQLTransaction:
		return fmt.Errorf("%w; point DATABASE_URL at the primary", err)
	}
	return err
}

// describe returns what is told of a change.
func describe(c *match.Change) Change {
	told := Change{Kind: c.Name(), Columns: c.Columns()}
	if c.Table != nil {
		told.Table = c.Table.Name
	}
	if key, ok := c.Key(); ok {
		told.Key = &key
	}
	return told
}

// decide finds out what some changes do to the live queries.
func (s *Statement) decide(site *listing.Site, live []rediscache.Registration, changes []match.Change, spared int) {
	registry := match.NewRegistry(site)
	first := affectedBy(site, live, changes)
	parts := runtime.GOMAXPROCS(0)
	if len(live) < 1000 {
		parts = 1
	}
	found := make([]outcome, parts)
	var running sync.WaitGroup
	for i := range found {
		from, to := i*len(live)/parts, (i+1)*len(live)/parts
		running.Go(func() { found[i] = decide(registry, live[from:to], changes, first, spared) })
	}
	running.Wait()
	var stay []activity.Query
	for _, o := range found {
		s.Queries = append(s.Queries, o.purged...)
		stay = append(stay, o.spared...)
		for rule, n := range o.because {
			if n > 0 {
				s.Because[match.Rule(rule).String()] += n
			}
		}
	}
	s.Purged = len(s.Queries)
	s.Spared = len(live) - s.Purged
	byText := func(a, b activity.Query) int { return strings.Compare(a.Query, b.Query) }
	slices.SortFunc(s.Queries, byText)
	s.Queries = append(s.Queries, stay[:min(len(stay), spared)]...)
}

// outcome is what changes do to some queries.
type outcome struct {
	purged, spared []activity.Query
	because        [match.Rules]int
}

// affectedBy returns, where there are many changes, which is the first that affects a query;
// nil where each query is asked about each change.
func affectedBy(site *listing.Site, live []rediscache.Registration, changes []match.Change) map[string]int {
	if len(changes) <= fewChanges {
		return nil
	}
	index := match.NewIndex(site)
	for i := range live {
		index.Set(live[i].Number, live[i].Query, windowOf(&live[i]))
	}
	first := map[string]int{}
	var texts []string
	for i := range changes {
		texts = index.Affected(&changes[i], texts[:0])
		for _, text := range texts {
			if _, known := first[text]; !known {
				first[text] = i
			}
		}
	}
	return first
}

// windowOf returns a registration's window: wide if it is not readable, as for the invalidator.
func windowOf(r *rediscache.Registration) listing.Window {
	w, err := listing.ParseWindow(r.Window)
	if err != nil {
		return listing.Window{}
	}
	return w
}

func decide(registry *match.Registry, live []rediscache.Registration, changes []match.Change, first map[string]int, spared int) (o outcome) {
	if len(changes) == 0 {
		return o
	}
	for i := range live {
		r := &live[i]
		query := registry.Live(r.Query, windowOf(r))
		d := decision(&query, changes, first)
		switch {
		case d.Purged:
			o.purged = append(o.purged, activity.Query{Query: r.Query, Purged: true, Why: d.String()})
		default:
			o.because[d.Rule]++
			if d.Rule != match.OtherTable && d.Rule != match.OtherRow && len(o.spared) < spared {
				o.spared = append(o.spared, activity.Query{Query: r.Query, Why: d.String()})
			}
		}
	}
	return o
}

// decision returns the decision of the first change that purges a query, or else of the first.
func decision(l *match.Live, changes []match.Change, first map[string]int) match.Decision {
	if first != nil {
		return l.Explain(&changes[first[l.Text()]])
	}
	d := l.Explain(&changes[0])
	for i := 1; !d.Purged && i < len(changes); i++ {
		if other := l.Explain(&changes[i]); other.Purged || d.Rule == match.OtherTable || d.Rule == match.OtherRow {
			d = other
		}
	}
	return d
}

// Package deployment gives tests a whole freshlist within one process: a database
// with capture installed, a part of Redis, invalidators, and the caches of as many
// API processes as a test wants, each with sessions and clients of its own.
//
//	d := deployment.New(t, deployment.Options{})
//	d.Seed(0)
//	d.Invalidate()
//	api := d.API()
//	api.Get("properties?city=FOLSOM", render.JSON)
//	d.AwaitApplied(d.Exec("update properties set price = price + 1 where id = 7"))
//
// Nothing in it sleeps to let something happen: a test waits for an event, or
// until a condition holds, and fails if it never does.
//
// A guard of the product has a failing twin where a test runs once more without
// it. The product has no switch for that: Tamper replaces a Lua script on its way
// to Redis by a changed copy, and API takes changes to its configuration.
package deployment

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/invalidate"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/redistest"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// patience is how long a test waits for what must happen. Only a failure takes it.
const patience = 30 * time.Second

// Options say what a deployment is like. The zero value is that of most tests.
type Options struct {
	Bound      time.Duration     // B; 0 = 5 s, which noise on the machine does not use up
	Partitions int               // of Redis; 0 = 1
	Live       int               // most live queries; 0 = 100,000
	Redis      *redistest.Server // a server of the test's own; nil = a part of the shared one
	Log        io.Writer         // where invalidators log besides the test's own output; nil = nowhere
	Postgres   *pgtest.Server    // a server of the test's own; nil = the shared one
}

// Deployment is one freshlist. Its methods may be called concurrently, except
// those that end the test.
type Deployment struct {
	testing.TB
	Options
	Database pgtest.Database
	Site     *listing.Site // as the database describes it
	Space    rediskey.Space
	Redis    *redis.Client // the test's own, untampered

	redisURL string
	owner    *pgxpool.Pool
}

// New makes a deployment with an empty table, without any process. All of it ends
// with the test.
func New(t testing.TB, o Options) *Deployment {
	t.Helper()
	if o.Bound == 0 {
		o.Bound = 5 * time.Second
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.Partitions == 0 {
		o.Partitions = 1
	}
	if o.Live == 0 {
		o.Live = 100_000
	}
	if o.Postgres == nil {
		o.Postgres = pgtest.Shared(t)
	}
	d := &Deployment{TB: t, Options: o, Database: migrated.On(t, o.Postgres)}
	if o.Redis == nil {
		space := redistest.New(t)
		d.redisURL, d.Redis, d.Space.Prefix = space.URL, space.Client, space.Prefix
	} else {
		d.redisURL, d.Redis, d.Space.Prefix = o.Redis.URL(), o.Redis.Client(t), "freshlist"
	}
	d.Space.Partitions = o.Partitions
	owner, err := pgxpool.New(t.Context(), d.Database.Owner)
	d.Must(err)
	d.owner = owner
	t.Cleanup(owner.Close)
	description, err := schema.ReadDescription(t.Context(), d.Connect())
	d.Must(err)
	d.Site = listing.NewSite(description)
	return d
}

// Must ends the test if err is an error.
func (d *Deployment) Must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

// Await waits until done.
func (d *Deployment) Await(what string, done func() bool) {
	d.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !done(); <-tick.C {
		if time.Now().After(end) {
			d.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// Seed fills the table with rows listings, or with the sample if rows is 0.
func (d *Deployment) Seed(rows int) {
	d.Helper()
	conn := d.Connect()
	_, err := schema.Seed(d.Context(), conn, rows)
	d.Must(err)
	_, err = conn.Exec(d.Context(), "vacuum analyze public.properties")
	d.Must(err)
}

// Connect opens a session of the table's owner: any SQL client.
func (d *Deployment) Connect() *pgx.Conn {
	d.Helper()
	conn, err := pgx.Connect(d.Context(), d.Database.Owner)
	d.Must(err)
	d.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// Superuser opens a session of the server's superuser.
func (d *Deployment) Superuser() *pgx.Conn {
	d.Helper()
	conn, err := pgx.Connect(d.Context(), d.Database.Superuser)
	d.Must(err)
	d.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// Exec commits one or more statements as the table's owner, and returns the
// transaction that did it.
func (d *Deployment) Exec(sql string, args ...any) (xid uint64) {
	d.Helper()
	d.Must(pgx.BeginFunc(d.Context(), d.owner, func(tx pgx.Tx) error {
		if err := tx.QueryRow(d.Context(), "select pg_current_xact_id()").Scan(&xid); err != nil {
			return err
		}
		_, err := tx.Exec(d.Context(), sql, args...)
		return err
	}))
	return xid
}

// Beat returns the beat of a partition, nil if there is none.
func (d *Deployment) Beat(partition int) *rediscache.Beat {
	text, err := d.Redis.Get(d.Context(), d.Space.Beat(partition)).Result()
	if err != nil {
		return nil
	}
	beat, err := rediscache.ParseBeat(text)
	d.Must(err)
	return &beat
}

// AwaitApplied waits until beats show that a transaction has been applied in every
// partition.
func (d *Deployment) AwaitApplied(xid uint64) {
	d.Helper()
	for p := range d.Partitions {
		d.Await("a beat that sees transaction "+strconv.FormatUint(xid, 10), func() bool {
			beat := d.Beat(p)
			return beat != nil && beat.Sees(xid)
		})
	}
}

// Client returns a client of Redis like a process's own, with some of the scripts
// tampered with.
func (d *Deployment) Client(budget time.Duration, tampers ...Tamper) redis.UniversalClient {
	d.Helper()
	rdb, err := rediscache.Connect(d.redisURL, budget, nil)
	d.Must(err)
	d.Cleanup(func() { _ = rdb.Close() })
	if len(tampers) > 0 {
		rdb.AddHook(d.swap(tampers))
	}
	return rdb
}

// Invalidator is one running invalidator.
type Invalidator struct {
	*invalidate.Invalidator
	Metrics *telemetry.Invalidator

	cancel context.CancelFunc
	done   chan struct{}
}

// Invalidate starts an invalidator and waits for its first beat.
func (d *Deployment) Invalidate(tampers ...Tamper) *Invalidator {
	d.Helper()
	i := d.Standby(tampers...)
	i.AwaitBeat(d)
	return i
}

// Standby starts an invalidator and does not wait.
func (d *Deployment) Standby(tampers ...Tamper) *Invalidator {
	d.Helper()
	metrics := telemetry.NewInvalidator()
	i := &Invalidator{Metrics: metrics, done: make(chan struct{})}
	i.Invalidator = invalidate.New(invalidate.Config{
		DatabaseURL: d.Database.Invalidator,
		Redis:       d.Client(max(d.Bound/2, time.Second), tampers...),
		Space:       d.Space,
		Bound:       d.Bound,
		Log:         slog.New(slog.NewTextHandler(io.MultiWriter(d.Output(), d.Options.Log), nil)),
		Metrics:     metrics,
	})
	var ctx context.Context
	ctx, i.cancel = context.WithCancel(context.WithoutCancel(d.Context()))
	go func() {
		defer close(i.done)
		_ = i.Run(ctx) // it returns nil when ctx is done
	}()
	d.Cleanup(i.Stop)
	return i
}

// AwaitBeat waits until the invalidator has published a beat.
func (i *Invalidator) AwaitBeat(d *Deployment) {
	d.Helper()
	d.Await("the first beat", func() bool { return i.Metrics.Beats.Value() > 0 })
}

// Stop ends the invalidator and waits for it.
func (i *Invalidator) Stop() {
	i.cancel()
	<-i.done
}

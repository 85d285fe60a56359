package audit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/audit"
	"github.com/freshlist/freshlist/internal/invalidate"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/redistest"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
	"github.com/freshlist/freshlist/internal/telemetry"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var queries = []string{
	"properties",
	"properties?city=FOLSOM&sort=price&limit=3",
	"properties?city=NOWHERE",
	"properties/summary?city=FOLSOM",
	"properties/17",
	"properties/4711", // a 404
}

// world is one deployment, invalidator included.
type world struct {
	*testing.T
	bound  time.Duration
	db     pgtest.Database
	sql    *pgxpool.Pool
	rdb    *redis.Client
	space  rediskey.Space
	reads  *readthrough.Cache
	cached *rediscache.Auditor
	source *database.Reader
	audit  *audit.Auditor
}

func newWorld(t *testing.T, partitions int, bound time.Duration) *world {
	t.Helper()
	r := redistest.New(t)
	w := &world{T: t, bound: bound, db: migrated.New(t), rdb: r.Client, space: rediskey.Space{Prefix: r.Prefix, Partitions: partitions}}
	owner, err := pgx.Connect(t.Context(), w.db.Owner)
	w.must(err)
	_, err = schema.Seed(t.Context(), owner, 0)
	w.must(errors.Join(err, owner.Close(t.Context())))
	w.sql, err = pgxpool.New(t.Context(), w.db.Owner)
	w.must(err)
	t.Cleanup(w.sql.Close)
	w.invalidate()
	w.read(w.db.API)
	w.cached = rediscache.NewAuditor(w.rdb, w.space)
	w.audit, err = audit.Open(w.cached, w.db.Invalidator, bound)
	w.must(err)
	t.Cleanup(w.audit.Close)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// invalidate runs an invalidator until the end of the test.
func (w *world) invalidate() {
	w.Helper()
	daemon := invalidate.New(invalidate.Config{
		DatabaseURL: w.db.Invalidator, Redis: w.rdb, Space: w.space, Bound: w.bound,
		Log: slog.New(slog.DiscardHandler), Metrics: telemetry.NewInvalidator(),
	})
	ctx, stop := context.WithCancel(context.WithoutCancel(w.Context()))
	done := make(chan error, 1)
	go func() { done <- daemon.Run(ctx) }()
	w.Cleanup(func() {
		stop()
		w.must(<-done)
	})
	w.await("a beat", func() bool { return w.rdb.Exists(w.Context(), w.space.Beat(0)).Val() == 1 })
}

// read makes the read path of an API.
func (w *world) read(url string) {
	w.Helper()
	pool, err := database.Open(database.Config{URL: url, Application: "test", MaxConns: 4, Timeout: 10 * time.Second})
	w.must(err)
	w.Cleanup(pool.Close)
	w.source = database.NewReader(pool, func() {})
	w.reads = readthrough.New(readthrough.Config{
		Store: rediscache.NewReader(w.rdb, w.space, render.BuildTag(),
			rediscache.Limits{Lease: 5 * time.Second, View: time.Minute, Queryset: time.Minute, Live: 1000}),
		Source:  w.source,
		Site:    listingtest.Site,
		Render:  render.Body,
		Metrics: telemetry.NewAPI(), Bound: w.bound, Timeout: 10 * time.Second,
	})
}

// get asks for a query in both formats.
func (w *world) get(query string) error {
	q, err := listingtest.Site().Parse(query)
	if err != nil {
		return err
	}
	for _, f := range []render.Format{render.JSON, render.HTML} {
		if _, err := w.reads.Get(w.Context(), readthrough.Request{Query: q, Format: f}); err != nil {
			return err
		}
	}
	return nil
}

// fill has a query cached in both formats.
func (w *world) fill(query string) {
	w.Helper()
	w.await(query+" in the cache", func() bool {
		w.must(w.get(query))
		return w.rdb.Exists(w.Context(), w.space.Queryset(query), w.space.View("json", query), w.space.View("html", query)).Val() == 3
	})
}

// await looks until something holds, for a minute at most.
func (w *world) await(what string, holds func() bool) {
	w.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			w.Fatalf("waited in vain for %s", what)
		}
	}
}

func (w *world) exec(sql string, args ...any) {
	w.Helper()
	_, err := w.sql.Exec(w.Context(), sql, args...)
	w.must(err)
}

func (w *world) check(a *audit.Auditor, query string) audit.Result {
	w.Helper()
	results, err := a.Check(w.Context(), []string{query})
	w.must(err)
	if len(results) != 1 || results[0].Query != query {
		w.Fatalf("the results are %+v", results)
	}
	return results[0]
}

func (w *world) want(r audit.Result, want audit.Outcome) {
	w.Helper()
	if r.Outcome != want {
		w.Fatalf("%s: %v %+v, want %v", r.Query, r.Outcome, r.Differences, want)
	}
}

func (w *world) get1(key string) string {
	w.Helper()
	value, err := w.rdb.Get(w.Context(), key).Result()
	w.must(err)
	return value
}

func (w *world) set(key, value string) {
	w.Helper()
	w.must(w.rdb.Set(w.Context(), key, value, time.Minute).Err())
}

// epoch returns that of the beat, "" if there is none.
func (w *world) epoch() string {
	w.Helper()
	held, err := w.cached.Read(w.Context(), "properties")
	w.must(err)
	if held.Beat == nil {
		return ""
	}
	return held.Beat.Epoch
}

func TestWhatTheCacheHoldsAgrees(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{1, 3} {
		t.Run(fmt.Sprint(partitions, " partitions"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, partitions, 5*time.Second)
			for _, q := range queries {
				w.fill(q)
			}
			for _, sample := range []int{0, len(queries), 2} {
				want := len(queries)
				if sample == 2 {
					want = 2
				}
				var said strings.Builder
				summary, err := w.audit.Verify(t.Context(), sample, &said)
				w.must(err)
				if summary[audit.Agrees] != want || summary.Differ() != 0 || said.Len() > 0 {
					t.Errorf("sample of %d: %v; %s, want %d to agree", sample, summary, said.String(), want)
				}
			}
		})
	}
}

// A wrong value under a right stamp is found, wherever it is wrong.
func TestSeededFaultsAreFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, time.Second)
	const query = "properties/17"
	other := "properties/18"
	w.fill(query)
	w.fill(other)
	const head = 4 + 17 + 33 + 33 // magic, build, epoch, token
	faults := []struct {
		name, says string
		value      func(right, other string) string
	}{
		{"queryset", `byte 7: "{\"id\":18`, func(right, other string) string { return right[:head] + other[head:] }},
		{"queryset", "damaged", func(right, _ string) string { return right[:len(right)-1] }},
		{"json", "byte 7", func(right, other string) string { return right[:head] + other[head:] }},
		{"html", "is right", func(right, other string) string { return right[:head] + other[head:] }},
		{"json", "status 404", func(right, _ string) string { return right[:head] + "404" + right[head+3:] }},
		{"json", "entity tag", func(right, _ string) string { return right[:head+4] + "x" + right[head+5:] }},
		{"html", "compressed body", func(right, other string) string {
			return right[:strings.Index(right, "\x1f\x8b")] + other[strings.Index(other, "\x1f\x8b"):]
		}},
		{"html", "compressed body", func(right, _ string) string { return right[:len(right)-4] }},
		{"json", "damaged", func(right, _ string) string { return right[:head+3] }},
	}
	for _, f := range faults {
		key := func(q string) string {
			if f.name == rediscache.QuerysetName {
				return w.space.Queryset(q)
			}
			return w.space.View(f.name, q)
		}
		right := w.get1(key(query))
		w.set(key(query), f.value(right, w.get1(key(other))))
		r := w.check(w.audit, query)
		w.want(r, audit.Differs)
		if len(r.Differences) != 1 || r.Differences[0].Name != f.name || !strings.Contains(r.Differences[0].Detail, f.says) {
			t.Errorf("differences are %q, want one of the %s that says %s", r.Differences, f.name, f.says)
		}
		var said strings.Builder
		summary, err := w.audit.Verify(t.Context(), 0, &said)
		w.must(err)
		if want := "differs " + query + " " + f.name; summary.Differ() != 1 || !strings.HasPrefix(said.String(), want) {
			t.Errorf("verify: %v; %q, want it to begin with %q", summary, said.String(), want)
		}
		w.set(key(query), right)
		w.want(w.check(w.audit, query), audit.Agrees)
	}
}

// editing is a source that has something happen before it reads, and after.
type editing struct {
	audit.Source
	before func()
	after  func(database.SnapshotRead)
}

func (e editing) ReadWithSnapshot(ctx context.Context, q listing.Query) (database.SnapshotRead, error) {
	e.before()
	seen, err := e.Source.ReadWithSnapshot(ctx, q)
	if e.after != nil {
		e.after(seen)
	}
	return seen, err
}

// invalidatorReads reads as the audit does.
func (w *world) invalidatorReads() *database.Reader {
	w.Helper()
	pool, err := database.Open(database.Config{URL: w.db.Invalidator, Application: "test", MaxConns: 1, Timeout: 10 * time.Second})
	w.must(err)
	w.Cleanup(pool.Close)
	return database.NewReader(pool, func() {})
}

func TestAnEditOnItsWayIsNoFault(t *testing.T) {
	t.Parallel()
	const query = "properties/17"
	w := newWorld(t, 1, 5*time.Second)
	edit := func() { w.exec("update properties set price = price + 1 where id = 17") }
	w.fill(query)
	a := audit.New(w.cached, editing{Source: w.invalidatorReads(), before: edit}, w.bound)
	w.want(w.check(a, query), audit.Replaced)

	// The same, with a purge that does not work.
	w.fill(query)
	var keep string
	a = audit.New(w.cached, editing{Source: w.invalidatorReads(), before: func() {
		keep = w.get1(w.space.Queryset(query))
		edit()
		w.await("the purge", func() bool { return w.rdb.Exists(t.Context(), w.space.Queryset(query)).Val() == 0 })
		w.set(w.space.Queryset(query), keep)
	}}, w.bound)
	w.want(w.check(a, query), audit.Differs)
}

func TestWhatIsNotServedIsNotJudged(t *testing.T) {
	t.Parallel()
	const query = "properties/17"
	w := newWorld(t, 1, time.Second)
	w.want(w.check(w.audit, query), audit.NotServed)
	w.fill(query)
	build := render.BuildTag()
	for _, key := range []string{w.space.Queryset(query), w.space.View("json", query), w.space.View("html", query)} {
		w.set(key, strings.Replace(w.get1(key), build, strings.Repeat("f", len(build)), 1))
	}
	w.want(w.check(w.audit, query), audit.OtherBuild)
	w.set(w.space.Queryset("a query of tomorrow"), "FL2")
	w.want(w.check(w.audit, "a query of tomorrow"), audit.OtherBuild)

	w.fill("properties/18")
	key := w.space.Queryset("properties/18")
	value := w.get1(key)
	w.set(key, value[:4+17]+strings.Repeat("0", 32)+value[4+17+32:])
	w.must(w.rdb.Del(t.Context(), w.space.View("json", "properties/18"), w.space.View("html", "properties/18")).Err())
	w.want(w.check(w.audit, "properties/18"), audit.NotServed)
}

// Row security would have the audit see other rows than the API: it says nothing then.
func TestRowSecurityLeavesItUndecided(t *testing.T) {
	t.Parallel()
	const query = "properties/17"
	w := newWorld(t, 1, 200*time.Millisecond)
	epoch := w.epoch()
	w.exec("create policy api on properties to freshlist_api using (true); alter table properties enable row level security")
	w.await("another epoch", func() bool { now := w.epoch(); return now != "" && now != epoch })
	w.read(w.db.Owner) // whom it does not concern: what others read is not cached
	w.fill(query)
	w.want(w.check(w.audit, query), audit.Undecided)
}

// While everything is edited, nothing is taken for wrong, until many entries have been
// looked at.
func TestNoFalseAlarmUnderEdits(t *testing.T) {
	t.Parallel()
	const enough = 100
	w := newWorld(t, 3, time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var work sync.WaitGroup
	forever := func(do func(r *rand.Rand) error) {
		work.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
			for ctx.Err() == nil {
				if err := do(r); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	edits := []string{
		"update properties set price = price + 1 where id = $1",
		"update properties set city = case city when 'FOLSOM' then 'NOWHERE' else 'FOLSOM' end where id = $1",
		"delete from properties where id = 900 + $1",
		"insert into properties (title, property_type, price, city, bedrooms) values ('new', 'Condo', $1, 'FOLSOM', 2)",
	}
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	forever(func(r *rand.Rand) error {
		<-pace.C
		_, err := w.sql.Exec(ctx, edits[r.IntN(len(edits))], 1+r.IntN(30))
		return err
	})
	forever(func(r *rand.Rand) error { return w.get(queries[r.IntN(len(queries))]) })
	forever(func(r *rand.Rand) error { return w.get(queries[r.IntN(len(queries))]) })
	var all audit.Summary
	var said strings.Builder
	for ctx.Err() == nil && all[audit.Agrees] < enough {
		summary, err := w.audit.Verify(t.Context(), 3, &said)
		w.must(err)
		for o, n := range summary {
			all[o] += n
		}
	}
	cancel()
	work.Wait()
	if all.Differ() > 0 || all[audit.Agrees] < enough || all[audit.Undecided] > 0 {
		t.Errorf("%v, want none to differ and many to agree\n%s", all, said.String())
	}
	t.Log(all)
}

// The running audit counts and logs, and rests unless this process leads.
func TestRunning(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, time.Second)
	metrics := telemetry.NewInvalidator()
	var logged syncBuilder
	log := slog.New(slog.NewTextHandler(&logged, nil))
	ctx, stop := context.WithCancel(t.Context())
	var leads, asked counter
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.audit.Run(ctx, time.Millisecond, func() bool { asked.add(); return leads.value() > 0 }, metrics, log)
	}()
	w.fill("properties/17")
	start := asked.value()
	w.await("some turns", func() bool { return asked.value() > start+10 })
	if n := metrics.AuditChecked.Value(); n != 0 {
		t.Errorf("%d entries were checked without leading", n)
	}
	leads.add()
	w.await("a check", func() bool { return metrics.AuditChecked.Value() > 3 })
	if n := metrics.AuditMismatches.Value(); n != 0 {
		t.Errorf("%d mismatches, want none: %s", n, logged.String())
	}
	key := w.space.View("json", "properties/17")
	w.set(key, strings.Replace(w.get1(key), `"id":17`, `"id":71`, 1))
	w.await("the mismatch", func() bool { return metrics.AuditMismatches.Value() > 0 })
	stop()
	<-done
	if !strings.Contains(logged.String(), "query=properties/17") {
		t.Errorf("the log says %s, want the query", logged.String())
	}
}

type counter struct {
	sync.Mutex
	n int
}

func (c *counter) add() {
	c.Lock()
	defer c.Unlock()
	c.n++
}

func (c *counter) value() int {
	c.Lock()
	defer c.Unlock()
	return c.n
}

type syncBuilder struct {
	sync.Mutex
	b strings.Builder
}

func (s *syncBuilder) Write(p []byte) (int, error) {
	s.Lock()
	defer s.Unlock()
	return s.b.Write(p)
}

func (s *syncBuilder) String() string {
	s.Lock()
	defer s.Unlock()
	return s.b.String()
}

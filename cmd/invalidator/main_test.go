package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/faultproxy"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/redistest"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// environment is what a process is told.
type environment map[string]string

func environmentOf(databaseURL, redisURL, prefix string) environment {
	return environment{
		"DATABASE_URL": databaseURL, "REDIS_URL": redisURL, "REDIS_PREFIX": prefix,
		"INVALIDATOR_ADDR": "127.0.0.1:0", "HTTP_ADDR": "127.0.0.1:0", "LOG_FORMAT": "text",
	}
}

func (e environment) get(name string) string { return e[name] }

// output is what a process has written so far.
type output struct {
	mu sync.Mutex
	b  strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// await looks until something holds, for a minute at most.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// start runs an invalidator until the end of the test, which it must end without an
// error, and returns what it logs.
func start(t *testing.T, e environment) *output {
	t.Helper()
	log := &output{}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- run(ctx, nil, e.get, io.Discard, log) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the invalidator ended with: %v", err)
		}
	})
	return log
}

// addressIn returns the address that an invalidator says it serves on.
func addressIn(t *testing.T, log *output) string {
	t.Helper()
	found := regexp.MustCompile(`address=(\S+)`).FindStringSubmatch(log.String())
	if found == nil {
		t.Fatalf("no address in %s", log)
	}
	return found[1]
}

func command(t *testing.T, e environment, args ...string) (said string, err error) {
	t.Helper()
	var stdout strings.Builder
	err = run(t.Context(), args, e.get, &stdout, io.Discard)
	return stdout.String(), err
}

// A server that is there and not fit is waited for: the log says why and what to do, and the
// invalidator goes on by itself.
func TestRunWaitsForFitServers(t *testing.T) {
	t.Parallel()
	policy := func(server *redistest.Server, policy string) {
		t.Helper()
		if err := server.Client(t).ConfigSet(t.Context(), "maxmemory-policy", policy).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		spoil, mend func(db pgtest.Database, server *redistest.Server)
		says        []string
	}{
		"eviction policy": {
			func(_ pgtest.Database, server *redistest.Server) { policy(server, "allkeys-lru") },
			func(_ pgtest.Database, server *redistest.Server) { policy(server, "volatile-lru") },
			[]string{"REDIS_URL", "allkeys-lru", "volatile-lfu"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, server := migrated.New(t), redistest.Start(t)
			test.spoil(db, server)
			log := start(t, environmentOf(db.Invalidator, server.URL(), "freshlist"))
			await(t, "the wait", func() bool { return strings.Contains(log.String(), "the cache is not used") })
			for _, says := range test.says {
				if !strings.Contains(log.String(), says) {
					t.Errorf("it says %s, want %s in it", log, says)
				}
			}
			if strings.Contains(log.String(), "leading") {
				t.Errorf("it leads: %s", log)
			}
			test.mend(db, server)
			await(t, "the lead", func() bool { return strings.Contains(log.String(), "leading") })
		})
	}
}

// A standby is waited for until it is the primary.
func TestRunWaitsForAPrimary(t *testing.T) {
	t.Parallel()
	primary, redis := pgtest.Start(t), redistest.Start(t)
	db := migrated.On(t, primary)
	standby := primary.Standby(t)
	log := start(t, environmentOf(standby.At(t, db).Invalidator, redis.URL(), "freshlist"))
	await(t, "the wait", func() bool { return strings.Contains(log.String(), "the cache is not used") })
	if text := log.String(); !strings.Contains(text, "DATABASE_URL") || !strings.Contains(text, "standby") || strings.Contains(text, "leading") {
		t.Errorf("it says %s, want that it waits for a primary", text)
	}
	standby.Promote(t)
	await(t, "the lead", func() bool { return strings.Contains(log.String(), "leading") })
}

// What can heal is waited for.
func TestRunWaits(t *testing.T) {
	t.Parallel()
	url, r := migrated.New(t).Invalidator, redistest.New(t)
	proxy := faultproxy.New(t, url)
	proxy.Refuse()
	log := start(t, environmentOf(proxy.URL(url), r.URL, r.Prefix))
	await(t, "the wait", func() bool { return strings.Contains(log.String(), "the cache is not used") })
	proxy.Resume()
	await(t, "the lead", func() bool { return strings.Contains(log.String(), "leading") })
}

// Triggers of another version are reported by an invalidator that may not replace them,
// and replaced by one that may.
func TestTriggersOfAnotherVersion(t *testing.T) {
	t.Parallel()
	db, r := migrated.New(t), redistest.New(t)
	conn, err := pgx.Connect(t.Context(), db.Owner)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "comment on schema freshlist is 'of another version'"); err != nil {
		t.Fatal(err)
	}
	log := start(t, environmentOf(db.Invalidator, r.URL, r.Prefix))
	await(t, "the warning", func() bool { return strings.Contains(log.String(), "run: invalidator install") })
	log = start(t, environmentOf(db.Owner, r.URL, r.Prefix))
	await(t, "the installation", func() bool { return strings.Contains(log.String(), "triggers installed") })
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	db, r := migrated.New(t), redistest.New(t)
	said, err := command(t, environmentOf(db.Invalidator, r.URL, r.Prefix), "doctor")
	if err == nil || !strings.Contains(said, "FAIL  beat             no-beat: ") {
		t.Errorf("doctor without an invalidator: %v\n%s", err, said)
	}
	log := start(t, environmentOf(db.Invalidator, r.URL, r.Prefix))
	await(t, "a beat", func() bool { return strings.Contains(log.String(), "the cache is used") })
	said, err = command(t, environmentOf(db.Invalidator, r.URL, r.Prefix), "doctor")
	if err != nil {
		t.Errorf("doctor: %v\n%s", err, said)
	}
	said, err = command(t, environmentOf(db.API, r.URL, r.Prefix), "doctor")
	if err == nil || !strings.Contains(said, "FAIL  rights") {
		t.Errorf("doctor as another role: %v\n%s", err, said)
	}
}

func TestVerifyAndTheRunningAudit(t *testing.T) {
	t.Parallel()
	db, r := migrated.New(t), redistest.New(t)
	e := environmentOf(db.Invalidator, r.URL, r.Prefix)
	e["STALENESS_BOUND"] = "5s"
	log := start(t, e)
	await(t, "the lead", func() bool { return strings.Contains(log.String(), "leading") })
	key := fill(t, db.API, r)

	await(t, "a beat", func() bool { said, err := command(t, e, "verify"); return err == nil && said == "1 agree, 0 differ\n" })
	metrics := "http://" + addressIn(t, log) + "/metrics"
	await(t, "an audit", func() bool { return metric(t, metrics, "freshlist_audit_checked_total") > 0 })
	if n := metric(t, metrics, "freshlist_audit_mismatches_total"); n != 0 {
		t.Errorf("%v mismatches, want none", n)
	}

	value, err := r.Client.Get(t.Context(), key).Result()
	if err == nil {
		err = r.Client.Set(t.Context(), key, strings.Replace(value, "property 17", "property 71", 1), redis.KeepTTL).Err()
	}
	if err != nil {
		t.Fatal(err)
	}
	said, err := command(t, e, "verify", "--sample", "1")
	if err == nil || !strings.Contains(said, "differs properties/17 json: byte") || !strings.HasSuffix(said, "0 agree, 1 differ\n") {
		t.Errorf("verify: %v\n%s", err, said)
	}
	await(t, "a mismatch", func() bool { return metric(t, metrics, "freshlist_audit_mismatches_total") > 0 })
	if !strings.Contains(log.String(), "query=properties/17") {
		t.Errorf("the log does not name the query:\n%s", log)
	}
}

// siteOf returns the site that a database describes.
func siteOf(t *testing.T, databaseURL string) *listing.Site {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	described, err := schema.ReadDescription(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	return listing.NewSite(described)
}

// fill caches the 404 of property 17, as an API would, and returns its view's key.
func fill(t *testing.T, databaseURL string, r redistest.Space) string {
	t.Helper()
	pool, err := database.Open(database.Config{URL: databaseURL, Application: "test", MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	q := siteOf(t, databaseURL).Table("properties").RowQuery(listing.Value{Number: 17})
	space := rediskey.Space{Prefix: r.Prefix, Partitions: 1}
	store := rediscache.NewReader(r.Client, space, render.BuildTag(), rediscache.Limits{
		Lease: time.Second, View: time.Minute, Queryset: time.Minute, Live: 10,
	})
	lease, _, err := store.Acquire(t.Context(), q.String())
	if err != nil {
		t.Fatal(err)
	}
	qs, origin, err := database.NewReader(pool, func() {}).ReadWithOrigin(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	data := origin[:strings.LastIndexByte(origin, ' ')] // without the description
	status, body := render.Body(render.JSON, qs)
	view := rediscache.View{Status: status, ETag: readthrough.ETag(body), Body: string(body)}
	err = store.Fill(t.Context(), lease, rediscache.Entry{Origin: data, Queryset: qs.Encode(), Format: "json", View: view})
	if err != nil {
		t.Fatal(err)
	}
	return space.View("json", q.String())
}

// metric reads one value of /metrics.
func metric(t *testing.T, url, name string) (value float64) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindSubmatch(text)
	if line == nil {
		t.Fatalf("%s has no %s", url, name)
	}
	if _, err := fmt.Sscan(string(line[1]), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

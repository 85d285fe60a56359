package readthrough_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/faultproxy"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/redistest"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
	"github.com/freshlist/freshlist/internal/telemetry"
)

func bypassFor(reason string) string { return "freshlist-view; fwd=bypass; detail=" + reason }

// Two deployments have one Redis and one prefix, and a database each. The second one's API
// never shows the first one's rows, and stores nothing for it; its invalidator leaves the
// other in peace, and takes the cache over once the other has ended.
func TestTwoDatabasesUnderOnePrefix(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	one := listing100(t, deployment.Options{Redis: server, Bound: 6 * time.Second})
	two := listing100(t, deployment.Options{Redis: server, Bound: 6 * time.Second})
	two.Exec("update properties set title = 'Of the other database'")
	first := one.Invalidate()
	second := two.Standby()
	api1, api2 := one.API(), two.API()
	wantStatus(one, api1.Get(folsom, render.JSON), stored)
	two.Await("the second invalidator to find the proofs of another database", func() bool {
		return second.Report().Reason == cachestate.OtherDeployment.String()
	})
	for range 30 {
		answer := api2.Get(folsom, render.JSON)
		wantStatus(two, answer, bypassFor("other-deployment"))
		if answer.Body != api2.Fresh(folsom, render.JSON) {
			t.Fatalf("the second deployment shows the first one's rows: %s", answer.Body)
		}
		wantStatus(one, api1.Get(folsom, render.JSON), hit)
	}
	if epochs := first.Metrics.Fenced.Value() + second.Metrics.Beats.Value(); epochs != 0 {
		t.Error("the second invalidator has taken the cache from the first one")
	}
	first.Stop()
	two.Await("a hit of the second deployment", func() bool {
		answer := api2.Get(folsom, render.JSON)
		if answer.Body != api2.Fresh(folsom, render.JSON) {
			t.Fatalf("the second deployment shows the first one's rows: %s", answer.Body)
		}
		return answer.CacheStatus == hit
	})
	wantStatus(one, api1.Get(folsom, render.JSON), bypassFor("other-deployment"))
}

// A database that was copied with its marker has the same epoch and the same start: only
// its identity tells.
func TestACopiedDatabaseIsAnother(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{})
	d.Invalidate()
	api, copied := d.API(), d.API(func(p *deployment.Process) { p.Source = copySource{p.Source} })
	wantStatus(d, api.Get(folsom, render.JSON), stored)
	wantStatus(d, copied.Get(folsom, render.JSON), bypassFor("other-deployment"))
}

// copySource is a Source whose database is a copy.
type copySource struct{ readthrough.Source }

func (s copySource) ServerState(ctx context.Context, site *listing.Site) (database.ServerState, error) {
	stamp, err := s.Source.ServerState(ctx, site)
	stamp.Database += "0"
	return stamp, err
}

// Processes with another bound or number of partitions do not use the cache, and those that
// agree go on.
func TestProcessesThatDisagree(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{})
	d.Invalidate()
	agrees := d.API()
	wantStatus(d, agrees.Get(folsom, render.JSON), stored)
	for _, bound := range []time.Duration{d.Bound / 5, 6 * d.Bound} {
		api := d.API(func(p *deployment.Process) { p.Bound = bound })
		wantStatus(d, api.Get(folsom, render.JSON), bypassFor("bound"))
	}
	more := *d
	more.Space.Partitions = 4
	api := more.API()
	for id := range 20 { // in all partitions: the first has a beat
		want := bypassFor("no-beat")
		if query := fmt.Sprint("properties/", 1+id); more.Space.Partition(query) == 0 {
			want = bypassFor("other-deployment")
		}
		wantStatus(d, api.Get(fmt.Sprint("properties/", 1+id), render.JSON), want)
	}
	wantStatus(d, agrees.Get(folsom, render.JSON), hit)
}

// switched is a Source that leads to another server from some moment on.
type switched struct {
	readthrough.Source
	then   readthrough.Source
	itIs   atomic.Bool
	stamps atomic.Int64
}

func (s *switched) ServerState(ctx context.Context, site *listing.Site) (database.ServerState, error) {
	s.stamps.Add(1)
	if s.itIs.Load() {
		return s.then.ServerState(ctx, site)
	}
	return s.Source.ServerState(ctx, site)
}

func (s *switched) AgreedState(ctx context.Context, site *listing.Site) (database.ServerState, error) {
	return s.ServerState(ctx, site)
}

// A standby is promoted while the invalidator still reaches the old primary, and beats. A
// process that finds everything in the cache reads nothing of its database but the stamp,
// and ceases to serve within B.
func TestAProcessThatOnlyHitsNoticesItsNewDatabase(t *testing.T) {
	t.Parallel()
	d, promoted := listing100(t, deployment.Options{Bound: 2 * time.Second}), deployment.New(t, deployment.Options{})
	d.Invalidate()
	source := &switched{then: promoted.API().Reader}
	api := d.API(func(p *deployment.Process) { source.Source, p.Source = p.Source, source })
	wantStatus(d, api.Get(folsom, render.JSON), stored)
	answer := api.Get(folsom, render.JSON)
	wantStatus(d, answer, hit)
	if !api.StillValid(answer.Origin, time.Now()) {
		t.Error("what has just been proved does not stand")
	}
	source.itIs.Store(true)
	began := time.Now()
	d.Await("the end of the hits", func() bool {
		begun := time.Now()
		status := api.Get(folsom, render.JSON).CacheStatus
		if status == hit && begun.Sub(began) > d.Bound {
			t.Fatalf("a hit %v after the database became another", begun.Sub(began))
		}
		return status == bypassFor("other-deployment")
	})
	if api.StillValid(answer.Origin, time.Now()) {
		t.Error("what was proved of the other database still stands")
	}
	if reads := source.stamps.Load(); reads > 100 {
		t.Errorf("the stamp was read %d times", reads)
	}
}

// A read is answered by another server than the one that said the stamp, or says that nothing
// may be cached. From then on there is no hit, though the stamp is not old, until new sessions
// agree.
func TestAReadThatContradictsTheStampEndsTheHits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change, back func(d *deployment.Deployment, proxy *faultproxy.Proxy)
		miss, reason string
	}{
		"of a promoted standby": {
			change: func(d *deployment.Deployment, proxy *faultproxy.Proxy) {
				standby := d.Postgres.Standby(d.TB)
				standby.Promote(d.TB)
				proxy.Redirect(d.TB, standby.URL("postgres"))
				endReads(d)
			},
			back: func(d *deployment.Deployment, proxy *faultproxy.Proxy) {
				proxy.Redirect(d.TB, d.Postgres.URL("postgres"))
				proxy.Cut()
			},
			miss: notStored, reason: "other-deployment",
		},
		"of a standby": {
			change: func(d *deployment.Deployment, proxy *faultproxy.Proxy) {
				proxy.Redirect(d.TB, d.Postgres.Standby(d.TB).URL("postgres"))
				endReads(d)
			},
			reason: "in-recovery",
		},
		"under row security": {
			change: func(d *deployment.Deployment, _ *faultproxy.Proxy) {
				d.Exec("create policy cheap on properties using (price < 1000); alter table properties enable row level security")
			},
			miss: notStored, reason: "row-security",
		},
		"without an epoch": {
			change: func(d *deployment.Deployment, _ *faultproxy.Proxy) {
				d.Exec("revoke execute on function freshlist.epoch() from freshlist_api")
			},
			back: func(d *deployment.Deployment, _ *faultproxy.Proxy) {
				d.Exec("grant execute on function freshlist.epoch() to freshlist_api")
			},
			miss: bypassFor("no-rights"), reason: "no-rights",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := listing100(t, deployment.Options{Postgres: pgtest.Start(t), Bound: time.Minute})
			d.Invalidate()
			proxy := faultproxy.New(t, d.Database.API)
			d.Database.API = proxy.URL(d.Database.API)
			api := d.API()
			wantStatus(d, api.Get(folsom, render.JSON), stored)
			kept := api.Get(folsom, render.JSON)
			wantStatus(d, kept, hit)
			c.change(d, proxy)
			miss, err := api.Cache.Get(t.Context(), readthrough.Request{Query: d.Query("properties/1"), Format: render.JSON})
			if err == nil {
				wantStatus(d, miss, c.miss)
			} else if c.miss != "" {
				t.Errorf("the miss: %v", err)
			}
			if api.StillValid(kept.Origin, time.Now()) {
				t.Error("what was kept in the process still stands")
			}
			hits := api.Metrics.Cache(telemetry.View, telemetry.Hit).Value()
			if why, detail := api.Examine(t.Context()); why.String() != c.reason {
				t.Errorf("the reason is %v (%s), want %s", why, detail, c.reason)
			}
			answer, err := api.Cache.Get(t.Context(), readthrough.Request{Query: d.Query(folsom), Format: render.JSON})
			if err == nil && answer.CacheStatus == hit || api.Metrics.Cache(telemetry.View, telemetry.Hit).Value() != hits {
				t.Error("a hit on the stamp of before")
			}
			if c.back == nil {
				return
			}
			c.back(d, proxy)
			d.Await("hits again", func() bool {
				_, _ = api.Examine(t.Context()) // as the process does all the time
				return api.Get(folsom, render.JSON).CacheStatus == hit
			})
		})
	}
}

// endReads ends the sessions of API processes but those that have last been asked for a stamp.
func endReads(d *deployment.Deployment) {
	d.Helper()
	_, err := d.Superuser().Exec(d.Context(), `select pg_terminate_backend(pid, 10000) from pg_stat_activity
		where application_name = 'freshlist-api' and query not like '%getdatabaseencoding%'`)
	d.Must(err)
}

// divided is a Source whose sessions lead to two servers from some moment on, until those that
// are begun by the second renewal all lead to the first.
type divided struct {
	readthrough.Source
	itIs     atomic.Bool
	renewals atomic.Int64
}

func (s *divided) ServerState(ctx context.Context, site *listing.Site) (database.ServerState, error) {
	got, err := s.Source.ServerState(ctx, site)
	if s.itIs.Load() {
		got.Started = "another"
	}
	return got, err
}

func (s *divided) AgreedState(ctx context.Context, site *listing.Site) (database.ServerState, error) {
	if s.itIs.Load() {
		return database.ServerState{}, database.ErrDivided
	}
	return s.Source.AgreedState(ctx, site)
}

func (s *divided) Renew() {
	if s.renewals.Add(1) == 2 {
		s.itIs.Store(false)
	}
	s.Source.Renew()
}

// While an address leads to an old primary and to its successor, new sessions may be divided
// too. Those are renewed again, and not kept for as long as sessions live.
func TestDividedSessionsAreRenewedUntilTheyAgree(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{Bound: 2 * time.Second})
	d.Invalidate()
	source := &divided{}
	api := d.API(func(p *deployment.Process) { source.Source, p.Source = p.Source, source })
	wantStatus(d, api.Get(folsom, render.JSON), stored)
	wantStatus(d, api.Get(folsom, render.JSON), hit)
	source.itIs.Store(true)
	d.Await("no hit", func() bool { return api.Get(folsom, render.JSON).CacheStatus == bypassFor("other-deployment") })
	d.Await("hits again", func() bool { return api.Get(folsom, render.JSON).CacheStatus == hit })
	if renewals := source.renewals.Load(); renewals != 2 {
		t.Errorf("sessions were renewed %d times, want 2: for the doubt, and since they were divided", renewals)
	}
}

// silent is a Source that does not answer for its stamp from some moment on.
type silent struct {
	readthrough.Source
	itIs atomic.Bool
}

func (s *silent) ServerState(ctx context.Context, site *listing.Site) (database.ServerState, error) {
	if s.itIs.Load() {
		return database.ServerState{}, database.ErrUnavailable
	}
	return s.Source.ServerState(ctx, site)
}

// Who cannot ask his database which one it is believes no proof for longer than B.
func TestNoHitWithoutAStamp(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{Bound: 2 * time.Second})
	d.Invalidate()
	source := &silent{}
	api := d.API(func(p *deployment.Process) { source.Source, p.Source = p.Source, source })
	wantStatus(d, api.Get(folsom, render.JSON), stored)
	answer := api.Get(folsom, render.JSON)
	wantStatus(d, answer, hit)
	source.itIs.Store(true)
	d.Await("the end of the hits", func() bool { return api.Get(folsom, render.JSON).CacheStatus == bypassFor("database-down") })
	if api.StillValid(answer.Origin, time.Now()) {
		t.Error("what was proved stands without a stamp")
	}
	source.itIs.Store(false)
	wantStatus(d, api.Get(folsom, render.JSON), hit)
}

// What policies let a role see is not everybody's, and ends with more than the table.
func TestRowSecurityIsNotCached(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{Bound: time.Second})
	d.Invalidate()
	api := d.API()
	d.Exec("create policy cheap on properties using (price < 1000); alter table properties enable row level security")
	d.Await("the reason", func() bool { return api.Get(folsom, render.JSON).CacheStatus == bypassFor("row-security") })
	if keys := d.Redis.Exists(d.Context(), d.Space.Queryset(folsom)).Val(); keys != 0 {
		t.Error("the rows of one role are stored")
	}
}

// A load found a queryset under a beat that is nearly B old, and is slow. A request that
// begins under a newer beat, more than B after the old one, does not take its answer.
func TestARequestTakesNoAnswerOfBeforeItsBound(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{Bound: 10 * time.Second})
	invalidator := d.Invalidate()
	paused := pausedRender{make(chan struct{}, 2), make(chan struct{})}
	api := d.API(paused.install)
	wantStatus(d, api.Get(folsom, render.JSON), stored)
	invalidator.Stop()
	noted := time.UnixMicro(d.Beat(0).Noted)
	d.Await("a beat of some age", func() bool { return time.Since(noted) > d.Bound/2 })
	slow := ask(d, api, folsom, render.HTML)
	<-paused.made
	d.Invalidate()
	raise(d)
	d.Await("the age that the test is about", func() bool { return time.Since(noted) > d.Bound+d.Bound/10 })
	joiner := ask(d, api, folsom, render.HTML)
	d.Await("the second request to miss", func() bool { return api.Metrics.Cache(telemetry.View, telemetry.Miss).Value() == 3 })
	close(paused.resume)
	slow.wait()
	if answer := joiner.wait(); !strings.Contains(answer.Body, "101") {
		t.Errorf("a request is answered with what was so more than %v before it began", d.Bound)
	}
}

// Who shares a load does not keep its answer in the process: the purges that came before he
// asked are not held against it.
func TestWhoJoinsKeepsNothing(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{})
	d.Invalidate()
	gate := deployment.NewGate()
	api := d.API(gate.Install)
	for id := range 50 { // until one has come in time to share
		query := fmt.Sprint("properties/", 1+id)
		first := ask(d, api, query, render.JSON)
		read := <-gate.Reads
		second := ask(d, api, query, render.JSON)
		d.Await("the second request to miss", func() bool {
			return api.Metrics.Cache(telemetry.View, telemetry.Miss).Value() == uint64(2*(1+id))
		})
		read.Resume()
		leads, joins := first.wait(), second.wait()
		if leads.Until.IsZero() {
			t.Fatal("the leader may not keep its answer")
		}
		if joins.CacheStatus == collapsed {
			if !joins.Until.IsZero() || joins.Origin != nil {
				t.Error("who joined may keep the answer")
			}
			return
		}
	}
	t.Error("nobody has shared a load")
}

// lateAnswers is a client of Redis whose answers come late.
type lateAnswers struct{ by time.Duration }

func (l lateAnswers) DialHook(next redis.DialHook) redis.DialHook { return next }
func (l lateAnswers) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return next
}
func (l lateAnswers) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		<-time.After(l.by)
		return err
	}
}

// However late the answers of Redis come, nothing is kept in the process past the end of
// the beat that proved it: a hit, a queryset that was found, what was filled.
func TestWhatIsKeptEndsWithItsProof(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{Bound: time.Minute}) // long enough for all of it on a busy machine
	i := d.Invalidate()
	late := func(p *deployment.Process) { p.Hooks = []redis.Hook{lateAnswers{100 * time.Millisecond}} }
	api := d.API(late)
	wantStatus(d, d.API().Get("properties/1", render.JSON), stored)
	wantStatus(d, d.API().Get(folsom, render.JSON), stored)
	i.Stop() // so that the beat is the last one
	end := time.UnixMicro(d.Beat(0).End())
	for _, c := range []struct {
		query  string
		format render.Format
		status string
	}{{folsom, render.JSON, hit}, {folsom, render.HTML, queryset}, {"properties/2", render.JSON, stored}} {
		answer := api.Get(c.query, c.format)
		wantStatus(d, answer, c.status)
		if answer.Until.IsZero() || answer.Until.After(end) {
			t.Errorf("%s is kept until %v after the end of its proof", c.status, answer.Until.Sub(end))
		}
	}
}

// Redis is full of what it may not evict: the beat stays, every answer is right and told to
// be past the cache, and Redis is not taken for broken: once there is room, the next is stored.
func TestRedisIsFull(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{Redis: redistest.Start(t)})
	d.Invalidate()
	api := d.API()
	for i := range 4 {
		d.Must(d.Redis.Set(d.Context(), fmt.Sprint("foreign", i), strings.Repeat("x", 1<<20), 0).Err())
	}
	d.Must(d.Redis.ConfigSet(d.Context(), "maxmemory-policy", "volatile-lfu").Err())
	d.Must(d.Redis.ConfigSet(d.Context(), "maxmemory", "2mb").Err())
	for range 10 {
		wantStatus(d, api.Get(folsom, render.JSON), bypassFor("redis-full"))
	}
	d.AwaitApplied(d.Exec("update properties set price = 101 where id = 1"))
	d.Must(d.Redis.ConfigSet(d.Context(), "maxmemory", "0").Err())
	wantStatus(d, api.Get(folsom, render.JSON), stored)
	wantStatus(d, api.Get(folsom, render.JSON), hit)
}

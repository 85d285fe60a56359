package coherence

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/coherence/fleet"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/local"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/redistest"
	"github.com/freshlist/freshlist/internal/schema"
)

// told is one deployment of the tests of states.
type told struct {
	*testing.T
	fleet.Config
	db               pgtest.Database
	postgres         *pgtest.Server // its own, if a test needs one
	redis            *redistest.Server
	rdb              *redis.Client
	api, invalidator *fleet.Process
	marks            map[*fleet.Process]int // how much of the log has been looked at
}

// own says which servers a test breaks.
type own uint8

const (
	ownRedis own = 1 << iota
	ownPostgres
)

func newTold(t *testing.T, servers own) *told {
	d := &told{T: t, Config: fleet.Config{Bound: 3 * time.Second, Prefix: "freshlist"}, marks: map[*fleet.Process]int{}}
	if servers&ownPostgres != 0 {
		d.postgres = pgtest.Start(t)
		d.db = migrated.On(t, d.postgres)
	} else {
		d.db = migrated.New(t)
	}
	d.Database = d.db.Roles
	if servers&ownRedis != 0 {
		d.redis = redistest.Start(t)
		d.Redis, d.rdb = d.redis.URL(), d.redis.Client(t)
	} else {
		space := redistest.New(t)
		d.Redis, d.Prefix, d.rdb = space.URL, space.Prefix, space.Client
	}
	return d
}

// start starts both programs and waits until both say that the cache is used.
func (d *told) start() {
	d.Helper()
	d.invalidator = d.Config.Invalidator(d)
	d.api = d.Config.API(d)
	d.used()
}

// used waits until both say that the cache is used, in each place where they say it. One
// that has never said otherwise need not log it.
func (d *told) used() {
	d.Helper()
	for _, p := range []*fleet.Process{d.invalidator, d.api} {
		fleet.Await(d, "the cache is used", func() bool { return p.State().Caching })
		fleet.Await(d, "the log says so", func() bool {
			news := d.news(p)
			return d.marks[p] > 0 && !strings.Contains(news, `msg="the cache is not used"`) || strings.Contains(news, `msg="the cache is used"`)
		})
		fleet.Await(d, "the metric says so", func() bool { return p.Metric(`freshlist_caching{reason="ok"}`) == 1 })
	}
	d.doctor("the cache is used", func(said string, well bool) bool { return well })
	d.mark()
}

// mark has news begin here.
func (d *told) mark() {
	for _, p := range []*fleet.Process{d.invalidator, d.api} {
		if p != nil {
			d.marks[p] = len(p.Log())
		}
	}
}

// news is what a process has logged since mark.
func (d *told) news(p *fleet.Process) string { return p.Log()[d.marks[p]:] }

// exec runs SQL as the superuser.
func (d *told) exec(sql string) {
	d.Helper()
	conn, err := pgx.Connect(d.Context(), d.db.Superuser)
	d.must(err)
	_, err = conn.Exec(d.Context(), sql)
	d.must(err)
	d.must(conn.Close(d.Context()))
}

func (d *told) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

// says makes sure that a process is in a state, and that /readyz, /status, the metric and
// the log say the same; the log once. ready makes sure that it counts as ready all the same.
func (d *told) says(p *fleet.Process, why cachestate.Reason, ready bool) {
	d.Helper()
	var said cachestate.Report
	fleet.Await(d, fmt.Sprintf("/readyz of %s says %s", p.URL, why), func() bool {
		said = p.State()
		return said.Reason == why.String()
	})
	if said.Caching || said.Remedy != why.Remedy() || said.Since.IsZero() || ready && !said.Ready {
		d.Errorf("/readyz says %+v", said)
	}
	if p == d.invalidator {
		fleet.Await(d, "/status says the same", func() bool { s := p.Status(); return s.Reason == why.String() && !s.Caching })
	}
	fleet.Await(d, "the metric says the same", func() bool {
		return p.Metric(fmt.Sprintf("freshlist_caching{reason=%q}", why)) == 1 && p.Metric(`freshlist_caching{reason="ok"}`) == 0
	})
	line := fmt.Sprintf(`msg="the cache is not used" reason=%s `, why)
	fleet.Await(d, "the log says it", func() bool { return strings.Contains(d.news(p), line) })
	if news := d.news(p); repeats(news) || !strings.Contains(news, "remedy=") {
		d.Errorf("the log is to say it once, with the remedy:\n%s", news)
	}
}

// repeats reports whether a log says the same state twice in a row. (A state may come again:
// a process that gets no time loses the lead.)
func repeats(log string) bool {
	last := ""
	for line := range strings.Lines(log) {
		_, state, found := strings.Cut(line, `msg="the cache is `)
		if !found {
			continue
		}
		state, _, _ = strings.Cut(state, " meaning=")
		if strings.HasPrefix(state, "used") {
			state = "used"
		}
		if state == last {
			return true
		}
		last = state
	}
	return false
}

// doctorSays makes sure that the doctor fails, in the words of a reason.
func (d *told) doctorSays(why cachestate.Reason) {
	d.Helper()
	d.doctor("the reason is "+why.String(), func(said string, well bool) bool {
		return !well && strings.Contains(said, " "+why.String()+": ") && strings.Contains(said, why.Remedy())
	})
}

// doctor asks until the doctor says what he must.
func (d *told) doctor(what string, must func(said string, well bool) bool) {
	d.Helper()
	for end := time.Now().Add(time.Minute); ; {
		said, well := d.Doctor(d, d.api, d.invalidator)
		if must(said, well) {
			return
		}
		if time.Now().After(end) {
			d.Fatalf("%s, and the doctor says:\n%s", what, said)
		}
	}
}

// bypasses makes sure that an answer of the API says why it went past the cache, and that
// it is counted.
func (d *told) bypasses(why cachestate.Reason) {
	d.Helper()
	counter := fmt.Sprintf(`freshlist_bypass_total{reason=%q}`, why)
	before := d.api.Metric(counter)
	fleet.Await(d, "an answer says "+why.String(), func() bool {
		return strings.Contains(d.api.Header("/v1/properties", "Cache-Status"), "fwd=bypass; detail="+why.String())
	})
	fleet.Await(d, "it is counted", func() bool { return d.api.Metric(counter) > before })
}

// A state that both processes, the doctor and the answers tell alike, and that ends.
func TestStates(t *testing.T) {
	t.Parallel()
	const none = cachestate.OK
	for name, test := range map[string]struct {
		servers          own
		api, invalidator cachestate.Reason // none: it says nothing
		doctor           cachestate.Reason
		notReady         bool // the invalidator need not be ready in this state
		answers          bool // the API answers
		begin, end       func(d *told)
	}{
		"no invalidator": {
			api: cachestate.NoBeat, doctor: cachestate.NoBeat, answers: true,
			begin: func(d *told) { d.invalidator.Kill(d) },
			end:   func(d *told) { d.invalidator.Start(d); d.marks[d.invalidator] = 0 },
		},
		"redis is down": {
			servers: ownRedis, api: cachestate.RedisDown, invalidator: cachestate.RedisDown, doctor: cachestate.RedisDown, notReady: true, answers: true,
			begin: func(d *told) { d.redis.Stop(d) },
			end:   func(d *told) { d.redis.Start(d, "") },
		},
		"eviction policy": {
			servers: ownRedis, api: cachestate.RedisPolicy, invalidator: cachestate.RedisPolicy, doctor: cachestate.RedisPolicy, notReady: true,
			begin: func(d *told) { d.must(d.rdb.ConfigSet(d.Context(), "maxmemory-policy", "allkeys-lru").Err()) },
			end:   func(d *told) { d.must(d.rdb.ConfigSet(d.Context(), "maxmemory-policy", "volatile-lfu").Err()) },
		},
		"redis is full": {
			servers: ownRedis, api: cachestate.RedisFull, invalidator: cachestate.RedisFull, doctor: cachestate.RedisFull, answers: true,
			begin: func(d *told) {
				for i := range 4 {
					d.must(d.rdb.Set(d.Context(), fmt.Sprint("foreign", i), strings.Repeat("x", 1<<20), 0).Err())
				}
				d.must(d.rdb.ConfigSet(d.Context(), "maxmemory", "2mb").Err())
			},
			end: func(d *told) { d.must(d.rdb.ConfigSet(d.Context(), "maxmemory", "0").Err()) },
		},
		"a trigger is disabled": {
			api: cachestate.NoBeat, invalidator: cachestate.Capture, doctor: cachestate.Capture, answers: true,
			begin: func(d *told) { d.exec("alter table properties disable trigger freshlist_update") },
			end:   func(d *told) { d.exec("alter table properties enable always trigger freshlist_update") },
		},
		"capture is not installed": {
			api: cachestate.NotInstalled, invalidator: cachestate.NotInstalled, doctor: cachestate.Capture,
			begin: func(d *told) { d.schema(schema.Uninstall) },
			end: func(d *told) {
				d.schema(func(ctx context.Context, conn *pgx.Conn) error {
					_, err := schema.InstallFile(ctx, conn, schema.File{Name: "properties.yaml", Text: listingtest.PropertiesListings})
					return err
				})
			},
		},
		"no right to the epoch": {
			api: cachestate.NoRights, doctor: cachestate.NoRights, answers: true,
			begin: func(d *told) { d.exec("revoke execute on function freshlist.epoch() from freshlist_api") },
			end:   func(d *told) { d.exec("grant execute on function freshlist.epoch() to freshlist_api") },
		},
		"no right to the changes": {
			api: cachestate.NoBeat, invalidator: cachestate.NoRights, doctor: cachestate.NoRights, notReady: true, answers: true,
			begin: func(d *told) { d.exec("revoke select on freshlist.properties_changes from freshlist_invalidator") },
			end:   func(d *told) { d.exec("grant select on freshlist.properties_changes to freshlist_invalidator") },
		},
		"row security": {
			api: cachestate.RowSecurity, doctor: cachestate.RowSecurity, answers: true,
			begin: func(d *told) {
				d.exec("create policy everything on properties using (true); alter table properties enable row level security")
			},
			end: func(d *told) { d.exec("alter table properties disable row level security") },
		},
		"postgres is down": {
			servers: ownPostgres, api: cachestate.DatabaseDown, invalidator: cachestate.DatabaseDown, doctor: cachestate.DatabaseDown, notReady: true,
			begin: func(d *told) { d.postgres.Stop(d, local.Fast) },
			end:   func(d *told) { d.postgres.Start(d) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newTold(t, test.servers)
			d.start()
			test.begin(d)
			if test.api != none {
				d.says(d.api, test.api, test.api != cachestate.DatabaseDown)
				if test.answers {
					d.bypasses(test.api)
				}
			}
			if test.invalidator != none {
				d.says(d.invalidator, test.invalidator, !test.notReady)
			}
			d.doctorSays(test.doctor)
			test.end(d)
			d.used()
		})
	}
}

// schema does something to the schema as the table's owner.
func (d *told) schema(do func(context.Context, *pgx.Conn) error) {
	d.Helper()
	conn, err := pgx.Connect(d.Context(), d.db.Owner)
	d.must(err)
	d.must(do(d.Context(), conn))
	d.must(conn.Close(d.Context()))
}

// A process that is configured otherwise than the leader says in what.
func TestStatesOfDisagreement(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*fleet.Config)
		want   cachestate.Reason
	}{
		"off":        {func(c *fleet.Config) { c.Env = append(c.Env, "CACHE=off") }, cachestate.Off},
		"bound":      {func(c *fleet.Config) { c.Bound = 2 * time.Second }, cachestate.Bound},
		"partitions": {func(c *fleet.Config) { c.Env = append(c.Env, "REDIS_PARTITIONS=3") }, cachestate.OtherDeployment},
		"prefix":     {func(c *fleet.Config) { c.Prefix += "-other" }, cachestate.NoBeat},
		"database":   {func(c *fleet.Config) { c.Database = migrated.New(t).Roles }, cachestate.OtherDeployment},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newTold(t, 0)
			d.start()
			other := *d
			test.change(&other.Config)
			other.api = other.Config.API(t)
			other.says(other.api, test.want, true)
			other.bypasses(test.want)
			if said, well := d.Doctor(d, other.api, d.invalidator); well || !strings.Contains(said, " "+test.want.String()+": ") {
				t.Errorf("the doctor does not say %s:\n%s", test.want, said)
			}
			if name != "off" {
				said, well := other.Doctor(t, nil, nil)
				if well {
					t.Errorf("the doctor that is configured so says:\n%s", said)
				}
			}
		})
	}
}

// A second invalidator stands by: the cache is used. One of another deployment, on the same
// database, says so.
func TestStatesOfAStandby(t *testing.T) {
	t.Parallel()
	d := newTold(t, 0)
	d.start()
	standby := d.Config.Invalidator(t)
	fleet.Await(t, "the standby sees the leader's proofs", func() bool { return standby.State().Caching })
	other := *d
	other.Prefix += "-other"
	other.invalidator, other.api = other.Config.Invalidator(t), nil
	other.says(other.invalidator, cachestate.OtherDeployment, true)
	other.doctorSays(cachestate.OtherDeployment)
}

// Somebody has the leader lock and proves nothing.
func TestStateOfAnotherLeader(t *testing.T) {
	t.Parallel()
	d := newTold(t, 0)
	conn, err := pgx.Connect(t.Context(), d.db.Owner)
	d.must(err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	_, err = conn.Exec(t.Context(), "select pg_advisory_lock($1)", schema.LeaderLock)
	d.must(err)
	d.invalidator = d.Config.StartInvalidator(t)
	d.says(d.invalidator, cachestate.OtherLeader, true)
	d.doctorSays(cachestate.OtherLeader)
	d.must(conn.Close(t.Context()))
	fleet.Await(t, "the lead", func() bool { return d.invalidator.State().Caching })
}

// An invalidator behind a connection pooler must not work, says so, and begins once it is
// given the server's own address.
func TestStateOfAnUnfitServer(t *testing.T) {
	t.Parallel()
	d := newTold(t, ownPostgres)
	behind := *d
	behind.Database.Invalidator = d.postgres.Pooler(t, "transaction", 5)(d.db.Invalidator)
	behind.invalidator = behind.Config.StartInvalidator(t)
	behind.says(behind.invalidator, cachestate.Unfit, false)
	behind.doctorSays(cachestate.Unfit)
	behind.invalidator.Set("DATABASE_URL", d.db.Invalidator)
	behind.invalidator.Restart(t)
	fleet.Await(t, "the lead", func() bool { return behind.invalidator.State().Caching })
}

// A process that waits for the first answer of PostgreSQL does not know yet. How long that
// lasts is up to its limits of time, so one that was asked too late is started again.
func TestStateOfAStart(t *testing.T) {
	t.Parallel()
	d := newTold(t, ownPostgres)
	d.postgres.Pause(t)
	for _, start := range []func(testing.TB) *fleet.Process{d.Config.StartInvalidator, d.Config.StartAPI} {
		p := start(t)
		is := func(r cachestate.Reason) bool { return p.Metric(fmt.Sprintf("freshlist_caching{reason=%q}", r)) == 1 }
		fleet.Await(t, "it says that it has just started", func() bool {
			if is(cachestate.DatabaseDown) {
				p.Restart(t)
			}
			return is(cachestate.Starting)
		})
		p.Kill(t)
	}
	d.postgres.Resume(t)
}

// Both programs on a standby of PostgreSQL, until it is promoted.
func TestStatesOnAStandbyServer(t *testing.T) {
	t.Parallel()
	d := newTold(t, ownPostgres)
	server := d.postgres.Standby(t)
	d.db = server.At(t, d.db)
	d.Database = d.db.Roles
	d.invalidator, d.api = d.Config.StartInvalidator(t), d.Config.StartAPI(t)
	d.says(d.invalidator, cachestate.InRecovery, false)
	d.says(d.api, cachestate.InRecovery, false)
	d.doctorSays(cachestate.InRecovery)
	server.Promote(t)
	d.used()
}

// Whoever takes over a backlog says so until it has been applied.
func TestStateOfABacklog(t *testing.T) {
	t.Parallel()
	d := newTold(t, 0)
	d.exec(`insert into properties (title, property_type, price, city) select 't', 'Condo', 1, 'c' from generate_series(1, 10)`)
	d.start()
	d.invalidator.Kill(t)
	d.exec(`do $$ begin for n in 1..3000 loop update properties set price = price + 1; end loop; end $$`)
	d.mark()
	d.invalidator.Start(t)
	fleet.Await(t, "the cache is used", func() bool { return d.invalidator.State().Caching })
	if news := d.news(d.invalidator); !strings.Contains(news, "reason=catching-up ") || !strings.Contains(news, "after=catching-up") {
		t.Errorf("the log does not say that it caught up:\n%s", news)
	}
}

package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/doctor"
	"github.com/freshlist/freshlist/internal/faultproxy"
	"github.com/freshlist/freshlist/internal/invalidate"
	"github.com/freshlist/freshlist/internal/local"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/redistest"
	"github.com/freshlist/freshlist/internal/telemetry"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const bound = time.Second

// patient is one deployment.
type patient struct {
	*testing.T
	db pgtest.Database
	doctor.Config
}

func newPatient(t *testing.T) *patient {
	t.Helper()
	r := redistest.New(t)
	return patientOf(t, migrated.New(t), r.Client, r.Prefix)
}

func patientOf(t *testing.T, db pgtest.Database, rdb *redis.Client, prefix string) *patient {
	return &patient{t, db, doctor.Config{
		DatabaseURL: db.Invalidator, Redis: rdb, Space: rediskey.Space{Prefix: prefix, Partitions: 1},
		Bound: bound, LiveMax: 1000, Open: time.Minute, Now: time.Now,
	}}
}

func (p *patient) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// exec runs SQL as the superuser.
func (p *patient) exec(sql string) {
	p.Helper()
	conn, err := pgx.Connect(p.Context(), p.db.Superuser)
	p.must(err)
	_, err = conn.Exec(p.Context(), sql)
	p.must(errors.Join(err, conn.Close(p.Context())))
}

// invalidate runs an invalidator until stop is called or the test ends.
func (p *patient) invalidate() (stop func()) {
	p.Helper()
	daemon := invalidate.New(invalidate.Config{
		DatabaseURL: p.db.Invalidator, Redis: p.Redis, Space: p.Space, Bound: p.Bound,
		Log: slog.New(slog.DiscardHandler), Metrics: telemetry.NewInvalidator(),
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(p.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = daemon.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	p.Cleanup(stop)
	p.await("a beat", func() bool { return p.Redis.Exists(p.Context(), p.Space.Beat(p.Space.Partitions-1)).Val() == 1 })
	return stop
}

// await looks until something holds, for a minute at most.
func (p *patient) await(what string, holds func() bool) {
	p.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			p.Fatalf("waited in vain for %s", what)
		}
	}
}

// want makes sure that one check ends with a verdict and says something.
func (p *patient) want(check string, verdict doctor.Verdict, says string) {
	p.Helper()
	findings := p.Examine(p.Context())
	i := slices.IndexFunc(findings, func(f doctor.Finding) bool { return f.Check == check })
	if i < 0 {
		p.Fatalf("there is no check %q in %v", check, findings)
	}
	wantFinding(p.T, findings[i], verdict, says)
}

func wantFinding(t *testing.T, f doctor.Finding, verdict doctor.Verdict, says string) {
	t.Helper()
	if f.Verdict != verdict || !strings.Contains(f.Said, says) {
		t.Errorf("%v, want %v that says %q", f, verdict, says)
	}
	if (f.Remedy == "") != (f.Verdict == doctor.OK) {
		t.Errorf("%v: a remedy belongs to whatever is not ok", f)
	}
}

func TestAHealthyDeployment(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{1, 3} {
		t.Run(fmt.Sprint(partitions, " partitions"), func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			p.Space.Partitions = partitions
			p.invalidate()
			var said strings.Builder
			findings := p.Examine(t.Context())
			failed, err := doctor.Print(&said, findings)
			p.must(err)
			if failed {
				t.Errorf("it fails:\n%s", said.String())
			}
			for _, f := range findings {
				if f.Verdict != doctor.OK && f.Check != "redis memory" { // the tests' Redis has no limit
					t.Error(f)
				}
			}
			if n := strings.Count(said.String(), "\n"); n != len(findings) {
				t.Errorf("%d lines for %d findings", n, len(findings))
			}
			warnings, err := p.Ready(t.Context())
			if len(warnings) > 0 || err != nil {
				t.Errorf("Ready: %v %v, want nothing", warnings, err)
			}
		})
	}
}

// What is wrong with a database shows in one line, and only there.
func TestDatabases(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		check   string
		verdict doctor.Verdict
		says    string
		sql     string
	}{
		{"capture", doctor.Fail, "freshlist_update is not ENABLE ALWAYS", "alter table properties disable trigger freshlist_update"},
		{"capture", doctor.Fail, "freshlist_insert is missing", "drop trigger freshlist_insert on properties"},
		{"capture", doctor.Fail, "not installed", "drop schema freshlist cascade"},
		{"capture", doctor.Fail, "no table", "drop schema freshlist cascade; drop table properties"},
		{"tables", doctor.Fail, "no table", "drop schema freshlist cascade; drop table properties"},
		{"tables", doctor.Fail, "inherit", "create table more () inherits (properties)"},
		{"tables", doctor.Fail, "logical replication", "set allow_system_table_mods = on; insert into pg_subscription_rel values (1, 'properties'::regclass, 'r', null)"},
		{"tables", doctor.Fail, "row security", "alter table properties enable row level security"},
		{"rights", doctor.Fail, "DELETE on freshlist.properties_changes", "revoke delete on freshlist.properties_changes from freshlist_invalidator"},
		{"rights", doctor.Fail, "USAGE on schema freshlist", "revoke usage on schema freshlist from freshlist_invalidator"},
		{"rights", doctor.Fail, "EXECUTE on freshlist.catalog()", "revoke execute on function freshlist.catalog() from freshlist_invalidator"},
		{"api's rights", doctor.Fail, "EXECUTE on freshlist.epoch()", "revoke execute on function freshlist.epoch() from freshlist_api"},
		{"api's rights", doctor.Fail, "USAGE on schema freshlist", "revoke usage on schema freshlist from freshlist_api"},
		{"role", doctor.Warn, "may write", "grant update on properties to freshlist_invalidator"},
		{"backlog", doctor.Warn, "100000 changes", "insert into freshlist.properties_changes select '3'::xid8 from generate_series(1, 100000)"},
	} {
		t.Run(c.check+" "+c.says, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			p.exec(c.sql)
			p.want(c.check, c.verdict, c.says)
		})
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	p.DatabaseURL = p.db.Superuser
	p.want("role", doctor.Warn, "superuser")
	p.DatabaseURL = p.db.API
	p.want("rights", doctor.Fail, "SELECT on freshlist.marker")
}

func TestOpenTransactions(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	p.DatabaseURL = p.db.Superuser // sees into other sessions
	conn, err := pgx.Connect(t.Context(), p.db.Owner)
	p.must(err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	tx, err := conn.Begin(t.Context())
	p.must(err)
	_, err = tx.Exec(t.Context(), "insert into properties (title, property_type, price, city) values ('t', 'Condo', 1, 'c')")
	p.must(err)
	p.want("transactions", doctor.OK, "none")
	p.Open = time.Millisecond
	p.want("transactions", doctor.Warn, "has been open")
	p.DatabaseURL = p.db.Invalidator
	p.want("transactions", doctor.OK, "does not see into")
}

func TestClocks(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	p.Now = func() time.Time { return time.Now().Add(5 * time.Second) }
	p.want("clock", doctor.Warn, "apart")
	p.want("redis clock", doctor.Warn, "apart")
	p.Now = func() time.Time { return time.Now().Add(-5 * time.Second) }
	p.want("clock", doctor.Warn, "apart")
}

func TestVersionsAndTheQueue(t *testing.T) {
	t.Parallel()
	wantFinding(t, doctor.JudgeVersion(140022), doctor.Fail, "14.22")
	wantFinding(t, doctor.JudgeVersion(150000), doctor.OK, "15.0")
	wantFinding(t, doctor.JudgeRedisVersion("6.2.14"), doctor.Fail, "6.2.14")
	wantFinding(t, doctor.JudgeRedisVersion(""), doctor.Fail, "version")
	wantFinding(t, doctor.JudgeRedisVersion("7.0.0"), doctor.OK, "7.0.0")
	wantFinding(t, doctor.JudgeRedisVersion("10.0.1"), doctor.OK, "10.0.1")
	wantFinding(t, doctor.JudgeQueue(0.04), doctor.OK, "4 %")
	wantFinding(t, doctor.JudgeQueue(0.05), doctor.Warn, "5 %")
	wantFinding(t, doctor.JudgeQueue(0.5), doctor.Fail, "50 %")
}

// A pooler is found out by the backends that it mixes, or, if there is but one, by the
// notifications that it swallows.
func TestPoolers(t *testing.T) {
	t.Parallel()
	for backends, says := range map[int]string{2: "another backend", 1: "notifications do not come through"} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			p.DatabaseURL = startPooler(t, p.db.Invalidator, backends)
			p.want("connection", doctor.Fail, says)
			p.refuses("DATABASE_URL", says)
		})
	}
}

// refuses makes sure that an invalidator would not start, and is told why.
func (p *patient) refuses(variable, says string) {
	p.Helper()
	_, err := p.Ready(p.Context())
	if !errors.Is(err, doctor.ErrRefused) || !strings.Contains(err.Error(), variable) || !strings.Contains(err.Error(), says) {
		p.Errorf("Ready: %v, want a refusal that names %s and says %q", err, variable, says)
	}
}

// What a database says of transactions does not reach our sessions; what the address says does.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	p.exec(`do $$ begin execute format('alter database %I set default_transaction_read_only = on', current_database()); end $$`)
	p.want("primary", doctor.OK, "primary")
	p.DatabaseURL += "&default_transaction_read_only=on"
	p.want("primary", doctor.Fail, "read_only")
}

// A server in recovery, and one with prepared transactions.
func TestServersOfAnotherKind(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, "max_prepared_transactions=5")
	r := redistest.New(t)
	p := patientOf(t, migrated.On(t, server), r.Client, r.Prefix)
	p.want("prepared", doctor.Warn, "is 5")

	conn, err := pgx.Connect(t.Context(), p.db.Superuser)
	p.must(err)
	var data string
	p.must(conn.QueryRow(t.Context(), "show data_directory").Scan(&data))
	p.must(conn.Close(t.Context()))
	server.Stop(t, local.Fast)
	standby := filepath.Join(data, "standby.signal")
	p.must(os.WriteFile(standby, nil, 0o644))
	server.Start(t)
	p.want("primary", doctor.Fail, "standby")
	p.refuses("DATABASE_URL", "standby")
	server.Stop(t, local.Fast)
	p.must(os.Remove(standby))
	server.Start(t)
	p.want("primary", doctor.OK, "primary")
}

// The address of standbys leads to one of this primary, or to something else.
func TestStandbys(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	r := redistest.New(t)
	p := patientOf(t, migrated.On(t, server), r.Client, r.Prefix)
	if slices.ContainsFunc(p.Examine(t.Context()), func(f doctor.Finding) bool { return f.Check == "standby" }) {
		t.Error("without an address a standby is looked at")
	}
	standby := server.Standby(t)
	p.ReadURL = standby.At(t, p.db).API
	p.want("standby", doctor.OK, "a standby of this primary")
	standby.Stop(t, local.Fast)
	p.want("standby", doctor.Warn, "cannot be reached")
	p.ReadURL = p.db.API
	p.want("standby", doctor.Warn, "leads to a primary")
}

func TestRedisServers(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client(t)
	p := patientOf(t, migrated.New(t), rdb, "freshlist")
	config := func(name, value string) { p.must(rdb.ConfigSet(t.Context(), name, value).Err()) }

	p.want("redis memory", doctor.Warn, "not set")
	config("maxmemory", "64mb")
	p.want("redis memory", doctor.OK, "64 MiB")

	config("maxmemory-policy", "allkeys-lru")
	p.want("eviction policy", doctor.Fail, "allkeys-lru")
	p.refuses("REDIS_URL", "allkeys-lru")
	config("maxmemory-policy", "noeviction")
	p.want("eviction policy", doctor.Warn, "noeviction")
	warnings, err := p.Ready(t.Context())
	p.must(err)
	if len(warnings) != 1 || warnings[0].Check != "eviction policy" {
		t.Errorf("warnings are %v, want one of the policy", warnings)
	}
	config("maxmemory-policy", "volatile-lfu")

	p.must(rdb.Do(t.Context(), "ACL", "SETUSER", "weak", "on", ">secret", "~*", "&*", "+@all", "-evalsha", "-eval").Err())
	options, err := redis.ParseURL(server.URL())
	p.must(err)
	options.Username, options.Password = "weak", "secret"
	p.Redis = redis.NewClient(options)
	p.want("redis rights", doctor.Fail, "NOPERM")
	p.must(p.Redis.Close())
	p.Redis = rdb
	p.want("redis rights", doctor.OK, "scripts")

	p.must(rdb.Do(t.Context(), "REPLICAOF", "127.0.0.1", "1").Err())
	p.want("redis role", doctor.Fail, "replica")
	p.must(rdb.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err())
	p.want("redis role", doctor.OK, "primary")
}

func TestEpochsAndBeats(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	p.want("epoch", doctor.Fail, "no invalidator")
	p.want("beat", doctor.Fail, "partition 0 has none")

	stop := p.invalidate()
	p.want("epoch", doctor.OK, "in PostgreSQL and all of Redis")
	p.want("beat", doctor.OK, "ago")
	p.Bound = 2 * time.Second
	p.want("beat", doctor.Fail, "STALENESS_BOUND")
	p.Bound = bound
	p.Space.Partitions = 3
	p.want("epoch", doctor.Fail, "REDIS_PARTITIONS is 3 here, 1 for")
	p.Space.Partitions = 1

	// The other deployment's beats stand under this one's prefix.
	other := patientOf(t, migrated.New(t), redistest.New(t).Client, p.Space.Prefix)
	other.want("epoch", doctor.Fail, "another database")
	stop()

	p.must(p.Redis.Del(t.Context(), p.Space.Beat(0)).Err()) // as time ends it
	p.want("epoch", doctor.OK, "")
	fence := p.Redis.HGetAll(t.Context(), p.Space.Fence(0)).Val()
	p.must(p.Redis.HSet(t.Context(), p.Space.Fence(0), "origin", rediscache.NewEpoch()).Err())
	p.want("epoch", doctor.Fail, "partition 0 of Redis is not of the epoch")
	p.must(p.Redis.HSet(t.Context(), p.Space.Fence(0), "origin", fence["origin"]).Err())

	p.Bound = time.Minute
	p.setBeat(strings.Fields(fence["origin"])[0], time.Now().Add(-p.Bound*8/10))
	p.want("beat", doctor.Warn, "certifies")
	p.exec("update freshlist.marker set database_oid = 1")
	p.Bound = bound // how long the doctor waits for an epoch to begin
	p.must(p.Redis.Del(t.Context(), p.Space.Beat(0)).Err())
	p.want("epoch", doctor.Fail, "another database or cluster")
}

func (p *patient) setBeat(epoch string, noted time.Time) {
	p.Helper()
	beat := rediscache.Beat{
		Noted: noted.UnixMicro(), Bound: p.Bound, Epoch: epoch, Server: "1", Database: "1/1", Partitions: 1,
		Generation: rediscache.NewEpoch(), Applied: "10:10:",
	}
	p.must(p.Redis.Set(p.Context(), p.Space.Beat(0), beat.Encode(), 0).Err())
}

func TestLiveQueries(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	for i := range 10 {
		p.must(p.Redis.ZAdd(t.Context(), p.Space.Live(0), redis.Z{Score: float64(i), Member: fmt.Sprint("properties/", i)}).Err())
	}
	p.LiveMax = 12
	p.want("live queries", doctor.OK, "10 of at most 12")
	p.LiveMax = 11
	p.want("live queries", doctor.Warn, "10 of at most 11")
}

// A server that is not there is a failure for the doctor, and a reason to wait for an
// invalidator that starts.
func TestServersThatAreNotThere(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	direct := p.DatabaseURL
	proxy := faultproxy.New(t, direct)
	proxy.Refuse()
	p.DatabaseURL = proxy.URL(direct)
	p.want("postgres", doctor.Fail, "cannot be reached")
	if _, err := p.Ready(t.Context()); err == nil || errors.Is(err, doctor.ErrRefused) {
		t.Errorf("Ready: %v, want an error that says to wait", err)
	}
	p.DatabaseURL = direct
	p.Redis = redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1})
	defer p.Redis.Close()
	p.want("redis", doctor.Fail, "cannot be reached")
	if _, err := p.Ready(t.Context()); err == nil || errors.Is(err, doctor.ErrRefused) {
		t.Errorf("Ready: %v, want an error that says to wait", err)
	}
}

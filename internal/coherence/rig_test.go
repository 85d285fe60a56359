package coherence

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/coherence/fleet"
	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/faultproxy"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/redistest"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/serve/render"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// rig is a whole freshlist of one test, on servers that it may break, and the
// checker on it.
type rig struct {
	testing.TB
	bound        time.Duration
	postgres     *pgtest.Server
	standby      *pgtest.Server // nil: there is none
	redisServer  *redistest.Server
	redis        *redis.Client
	database     pgtest.Database
	config       fleet.Config
	apis         []*fleet.Process
	invalidators []*fleet.Process
	links        []*faultproxy.Proxy // between each invalidator and PostgreSQL
	readLinks    []*faultproxy.Proxy // between each API process and PostgreSQL
	journal      *journal
	variant      int // of the description that is installed
	tally        *tally

	running sync.WaitGroup
	cancel  context.CancelFunc
}

// options say what a rig is made of.
type options struct {
	bound              time.Duration
	apis, invalidators int
	programs           fleet.Programs
	env                []string
	redis              []string // further lines of redis.conf
	redisURL           string   // of servers of the test's own; "" = one that the rig starts
	postgres           []string // further settings of PostgreSQL
	standby            bool     // the API processes read a standby
}

// newRig starts everything and waits for the first beat.
func newRig(t testing.TB, o options) *rig {
	t.Helper()
	// Somebody's COMMIT is made to wait for a standby that is not there: for nobody else.
	settings := append([]string{"synchronous_commit=local"}, o.postgres...)
	r := &rig{TB: t, bound: o.bound, postgres: pgtest.Start(t, settings...)}
	if o.redisURL == "" {
		r.redisServer = redistest.Start(t, o.redis...)
		r.redis, o.redisURL = r.redisServer.Client(t), r.redisServer.URL()
	}
	r.database = migrated.On(t, r.postgres)
	r.database.Owner, r.database.Superuser = steady(r.database.Owner), steady(r.database.Superuser)
	r.exec(setup)
	sites := r.sites()
	topics, views, err := allViews(sites)
	r.check(err)
	r.check(r.install(usual))
	r.journal = &journal{url: r.database.Owner}
	first, err := r.journal.readOnce(t.Context(), sites[more])
	r.check(err)
	r.journal.history = newHistory(sites, topics, views, first)
	r.tally = &tally{bound: o.bound}
	r.config = fleet.Config{
		Database: r.database.Roles, Redis: o.redisURL, Prefix: "freshlist", Bound: o.bound,
		Programs: o.programs, Env: append([]string{"DATABASE_MAX_CONNS=20"}, o.env...),
	}
	if o.standby {
		r.standby = r.postgres.Standby(t)
		r.config.Env = append(r.config.Env, "DATABASE_READ_URL="+r.standby.At(t, r.database).API)
	}
	for range o.invalidators {
		c := r.config
		r.links = append(r.links, r.interpose(&c.Database.Invalidator))
		r.invalidators = append(r.invalidators, c.Invalidator(t))
	}
	for range o.apis {
		c := r.config
		r.readLinks = append(r.readLinks, r.interpose(&c.Database.API))
		r.apis = append(r.apis, c.API(t))
	}
	r.cancel = func() {}
	t.Cleanup(r.finish)
	r.awaitHit(patience)
	return r
}

// sites returns the sites of the variants, now that the tables' checks are gone.
func (r *rig) sites() []*listing.Site {
	r.Helper()
	conn := r.connect()
	defer conn.Close(context.Background())
	sites, err := resolveVariants(func(names []description.RelationName) (*description.Catalog, error) {
		return schema.ReadCatalog(r.Context(), conn, names)
	})
	r.check(err)
	return sites
}

// install installs a variant of the description.
func (r *rig) install(variant int) error {
	r.Helper()
	conn := r.connect()
	defer conn.Close(context.Background())
	_, err := schema.InstallFile(context.Background(), conn, fileOf(variant))
	return err
}

// describe installs another variant while everybody works. B after that, no answer may be by the former
// one; describe waits until none is on its way.
func (r *rig) describe(variant int) {
	r.Helper()
	if variant == r.variant {
		return
	}
	r.check(r.journal.expect(context.Background(), variant))
	r.check(r.install(variant))
	installed := r.journal.history.now()
	want := string(render.OpenAPI(r.journal.history.sites[variant], true))
	for _, api := range r.apis {
		fleet.Within(r, patience, "the description at "+api.URL, func() bool {
			_, body := r.get(api, "/openapi.json")
			return body == want
		})
	}
	r.until(r.journal.history.now() + instant(r.bound))
	r.journal.forget(r.variant, installed)
	r.variant = variant
}

// steady returns an address whose sessions are what the checker relies on, whatever
// settings a database or a role is given.
func steady(address string) string {
	for name, value := range map[string]string{
		"client_encoding": "UTF8", "search_path": "public", "standard_conforming_strings": "on", "transform_null_equals": "off",
		"default_transaction_isolation": "read committed", "default_transaction_read_only": "off", "statement_timeout": "0",
		"lock_timeout": "0", "idle_session_timeout": "0", "idle_in_transaction_session_timeout": "0",
	} {
		address += "&" + url.PathEscape(name) + "=" + url.PathEscape(value)
	}
	return address
}

// interpose puts a proxy in front of the server at an address, which becomes the proxy's.
func (r *rig) interpose(address *string) *faultproxy.Proxy {
	r.Helper()
	link := faultproxy.New(r, *address)
	*address = link.URL(*address)
	return link
}

// patience is for what must happen at some time: only a failure takes it.
const patience = time.Minute

func (r *rig) check(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// exec runs SQL as the table's owner, outside the history.
func (r *rig) exec(sql string) {
	r.Helper()
	conn := r.connect()
	defer conn.Close(context.Background())
	_, err := conn.Exec(context.Background(), sql)
	r.check(err)
}

func (r *rig) connect() *pgx.Conn {
	r.Helper()
	conn, err := pgx.Connect(context.Background(), r.database.Owner)
	r.check(err)
	return conn
}

// edit commits SQL, as part of the history, and returns the commit. A deadlock with
// the random writers is no news, nor is a lock that the SQL waits for no longer.
func (r *rig) edit(sql string) write {
	r.Helper()
	return r.editBy(r.journal.run, sql)
}

// define is edit for DDL, which keeps readers out until it commits. It gives up a lock
// that it cannot have soon, and tries again.
func (r *rig) define(sql string) write {
	r.Helper()
	return r.editBy(r.journal.runAlone, "set local lock_timeout = '300ms'; "+sql)
}

func (r *rig) editBy(run func(context.Context, *pgx.Conn, func(pgx.Tx) error) error, sql string) write {
	r.Helper()
	conn := r.connect()
	defer conn.Close(context.Background())
	for {
		err := run(context.Background(), conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(context.Background(), sql)
			return err
		})
		var refused *pgconn.PgError
		if errors.As(err, &refused) && (refused.Code == pgerrcode.DeadlockDetected || refused.Code == pgerrcode.LockNotAvailable) {
			continue
		}
		r.check(err)
		return *r.journal.last.Load()
	}
}

// work begins random reads and edits, until the end of the test or a call of
// finish.
func (r *rig) work(readers, writers int, between time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	var servers []string
	for _, a := range r.apis {
		servers = append(servers, a.URL)
	}
	for n := range readers {
		reader := newReader(r.journal, r.tally, rand.New(rand.NewPCG(seed(), uint64(n))), servers)
		r.running.Go(func() { reader.read(ctx, between) })
	}
	for n := range writers {
		random := rand.New(rand.NewPCG(seed(), uint64(100+n)))
		settings := "set synchronous_commit = local"
		if n%2 == 0 {
			settings = "set synchronous_commit = off"
		}
		// Edits come in bursts: in the rest between them an answer that was missed shows
		// its age.
		rest := func() time.Duration {
			if random.IntN(25) == 0 {
				return r.bound + r.bound/2
			}
			return time.Duration(random.IntN(10)) * time.Millisecond
		}
		r.running.Go(func() { r.journal.write(ctx, random, settings, rest) })
	}
	if writers > 0 {
		r.running.Go(func() { r.makeNoise(ctx) })
	}
}

func seed() uint64 { return uint64(time.Now().UnixNano()) }

// makeNoise commits at the same time as the writers, in rows that nobody checks.
func (r *rig) makeNoise(ctx context.Context) {
	for ctx.Err() == nil {
		conn, err := pgx.Connect(ctx, r.database.Owner)
		for err == nil {
			_, err = conn.Exec(ctx, `update public.properties set price = (price + 1) % 1000 where id = 1000000 + $1`, rand.IntN(50))
			if pauseErr := pause(ctx, time.Duration(rand.IntN(20))*time.Millisecond); err == nil {
				err = pauseErr
			}
		}
		if conn != nil {
			_ = conn.Close(context.Background())
		}
		_ = pause(ctx, 5*time.Millisecond)
	}
}

// finish ends the work and reports what the checker has found.
func (r *rig) finish() {
	r.Helper()
	r.rest()
	for i, v := range r.tally.violations {
		if i == 10 {
			r.Errorf("and %d more", len(r.tally.violations)-i)
			break
		}
		r.Error(v)
	}
	for i, e := range r.tally.errors {
		if i == 10 {
			r.Errorf("and %d more", len(r.tally.errors)-i)
			break
		}
		r.Errorf("not answered while the database was up: %s", e)
	}
	r.Logf("%d commits, %d rolled back, %d refused, %d unanswered\n%s", r.journal.history.commits,
		r.journal.rolledBack.Load(), r.journal.failed.Load(), r.journal.unanswered.Load(), r.tally)
}

// rest ends the random reads and edits.
func (r *rig) rest() {
	r.cancel()
	r.running.Wait()
}

// get asks one API process. Without an answer both results are zero.
func (r *rig) get(api *fleet.Process, path string, header ...string) (*http.Response, string) {
	r.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, api.URL+path, nil)
	r.check(err)
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	response, err := client.Do(request)
	if err != nil {
		return nil, ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, ""
	}
	return response, string(body)
}

// probe is a view that no random edit touches.
const probe = "/v1/properties/summary?city=ATLANTIS"

// awaitHit waits until every API process answers from the cache.
func (r *rig) awaitHit(limit time.Duration) time.Duration {
	r.Helper()
	began := time.Now()
	for _, api := range r.apis {
		fleet.Within(r, limit, "a hit at "+api.URL, func() bool {
			response, _ := r.get(api, probe)
			return response != nil && fleet.Hit(response)
		})
	}
	return time.Since(began)
}

// awaitBypass waits until no API process answers from the cache.
func (r *rig) awaitBypass(limit time.Duration) {
	r.Helper()
	for _, api := range r.apis {
		fleet.Within(r, limit, "a bypass at "+api.URL, func() bool {
			response, _ := r.get(api, probe)
			return response != nil && strings.Contains(response.Header.Get("Cache-Status"), "fwd=bypass")
		})
	}
}

// leader returns the invalidator that leads, and the number of another one, if any.
func (r *rig) leader() (leader, standby int) {
	r.Helper()
	leader = -1
	fleet.Await(r, "one of the invalidators leads", func() bool {
		for i, p := range r.invalidators {
			if p.Status().Role == "leader" && p.Status().BeatAge != nil {
				leader = i
			}
		}
		return leader >= 0
	})
	return leader, (leader + 1) % len(r.invalidators)
}

// epoch returns what names the present content of Redis: a new one is begun with each epoch.
func (r *rig) epoch() string {
	return r.redis.HGet(context.Background(), "freshlist:{00}:fence", "generation").Val()
}

package explain_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/invalidate"
	"github.com/freshlist/freshlist/internal/invalidate/explain"
	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/serve/render"
	"github.com/freshlist/freshlist/internal/telemetry"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// registered returns the live queries.
func registered(d *deployment.Deployment) (queries []string) {
	d.Helper()
	d.Must(rediscache.EachRegistration(d.Context(), d.Redis, d.Space, func(some []rediscache.Registration) error {
		for _, r := range some {
			queries = append(queries, r.Query)
		}
		return nil
	}))
	slices.Sort(queries)
	return queries
}

// awaitBeats waits until the invalidator has read what is registered now: what it has not read
// yet it may purge without need. It reads registrations before the time that a beat bears, so
// only the second beat from now says so.
func awaitBeats(d *deployment.Deployment) {
	d.Helper()
	for range 2 {
		now, err := d.Redis.Time(d.Context()).Result()
		d.Must(err)
		d.Await("a beat", func() bool { b := d.Beat(0); return b != nil && b.Noted > now.UnixMicro() })
	}
}

// statement returns a random statement.
func statement(random *rand.Rand) string {
	cities := []string{"FOLSOM", "GALT", "ELK_GROVE", "SACRAMENTO", "Málaga"}
	city := func() string { return "'" + cities[random.IntN(len(cities))] + "'" }
	set := []string{
		"price = price + 1000", "price = 250000", "city = " + city(), "title = title || '.'", "status = 'sold'", "status = 'for_sale'",
		"bedrooms = null", "bedrooms = bedrooms + 1", "latitude = latitude + 0.01", "description = description || ' garden'",
		"created_at = now()", "created_at = '2007-01-01Z', price = price * 0.9", "updated_at = now()", "living_area = living_area",
	}
	where := []string{
		fmt.Sprint("id = ", 1+random.IntN(940)), fmt.Sprint("id = ", 925+random.IntN(10)), "city = " + city() + " and price < 200000",
		fmt.Sprintf("id between %d and %d", 900+random.IntN(20), 925), "id % 100 = 7", "id < 0",
	}
	condition := where[random.IntN(len(where))]
	switch random.IntN(8) {
	case 0:
		return "delete from properties where " + condition
	case 1:
		return fmt.Sprintf("insert into properties (id, title, property_type, price, city) values (%d, 'new', 'Condo', %d, %s)",
			random.IntN(1<<30)+1000, random.IntN(900_000), city())
	case 2:
		return fmt.Sprintf("with gone as (delete from properties where id = %d returning *) update properties set price = 1 where id = %d",
			1+random.IntN(932), 1+random.IntN(932))
	}
	return "update properties set " + set[random.IntN(len(set))] + " where " + condition
}

// What is said of a statement is what happens when it is committed; and asking leaves nothing.
func TestSQLSaysWhatHappens(t *testing.T) {
	t.Parallel()
	seed := [2]uint64{rand.Uint64(), rand.Uint64()}
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed[0], seed[1]))
	d := deployment.New(t, deployment.Options{Partitions: 2, Bound: 2 * time.Second})
	d.Seed(0)
	leader := explain.Leader(d.Invalidate().WithIndex)
	api, conn := d.API(), d.Connect()
	cache := explain.Cache{Redis: d.Redis, Space: d.Space}
	var queries []string
	for _, filter := range []string{"", "city=FOLSOM", "city=GALT", "min_price=200000", "max_price=250000", "min_bedrooms=3", "status=sold", "q=garden", "bbox=-121.5,38.4,-121.2,38.7"} {
		queries = append(queries, strings.TrimSuffix("properties/summary?"+filter, "?"))
		for _, more := range []string{"", "sort=price", "sort=-price", "sort=area", "limit=3"} {
			queries = append(queries, strings.TrimSuffix("properties?"+strings.Trim(filter+"&"+more, "&"), "?"))
		}
	}
	for _, id := range []int{1, 7, 107, 907, 925, 930, 931, 932} {
		queries = append(queries, fmt.Sprint("properties/", id))
	}
	for i, text := range queries { // in their canonical spelling
		q, _, err := d.Site.ParseAddress("/v1/" + text)
		d.Must(err)
		queries[i] = q.String()
	}
	purged := 0
	const statements = 12
	for i := range statements {
		for _, q := range queries {
			api.Get(q, render.JSON)
		}
		awaitBeats(d)
		before := registered(d)
		sql := statement(random)
		if i == statements-1 {
			sql = "truncate properties"
		}
		said, err := explain.SQL(t.Context(), conn, d.Site, sql, 5, explain.Registrations(cache))
		d.Must(err)
		asked, err := explain.SQL(t.Context(), conn, d.Site, sql, 5, leader)
		d.Must(err)
		if !slices.EqualFunc(asked.Queries[:asked.Purged], said.Queries[:said.Purged], func(a, b activity.Query) bool { return a.Query == b.Query }) ||
			asked.Live != said.Live || asked.Spared != said.Spared || len(asked.Queries) != len(said.Queries) {
			t.Fatalf("%s:\n the leader says  %+v\n registrations say %+v", sql, asked, said)
		}
		if len(said.Changes) == 1 && !maps.Equal(asked.Because, said.Because) { // of several changes, which is the first depends on the run
			t.Fatalf("%s: the leader says %v, registrations %v", sql, asked.Because, said.Because)
		}
		if now := registered(d); !slices.Equal(now, before) {
			t.Fatalf("%s: asking purged something", sql)
		}
		d.AwaitApplied(d.Exec(sql))
		after := registered(d)
		want := difference(before, after)
		var got []string
		for _, q := range said.Queries {
			if q.Purged {
				got = append(got, q.Query)
			}
			if q.Why == "" {
				t.Errorf("%s: nothing says why of %s", sql, q.Query)
			}
		}
		if !slices.Equal(got, want) || said.Purged != len(want) || said.Live != len(before) || said.Spared != len(before)-len(want) {
			t.Fatalf("%s:\n said %q\n was  %q\n%+v", sql, got, want, said)
		}
		purged += len(want)
	}
	if purged < 60 {
		t.Errorf("only %d queries were purged: the statements say little", purged)
	}
}

// register makes queries live, with their windows, as fills do.
var register = redis.NewScript(`
	for i = 2, #ARGV do
		redis.call('ZADD', KEYS[2], redis.call('HINCRBY', KEYS[1], 'registered', 1), ARGV[i])
		redis.call('HSET', KEYS[3], ARGV[i], '35000000/17/35100000/9')
		redis.call('SET', ARGV[1] .. ARGV[i], '')
	end
	redis.call('HINCRBY', KEYS[1], 'live', #ARGV - 1)
	return 1`)

// With very many live queries the leader explains a statement of one row soon, and what it says is
// what happens. The time is logged, and compared with none: the machine may be busy.
func TestSQLWithManyLiveQueries(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{Bound: 10 * time.Second})
	d.Seed(0)
	i := d.Invalidate()
	const live, each = 100_000, 2000
	cities := []string{"FOLSOM", "GALT", "ELK_GROVE", "SACRAMENTO"}
	for from := 0; from < live; from += each {
		arguments := []any{d.Space.Queryset("")}
		for n := from; n < from+each; n++ {
			q, _, err := d.Site.ParseAddress(fmt.Sprintf("/v1/properties?city=%s&min_price=%d&sort=price", cities[n%len(cities)], 250_000+n))
			d.Must(err)
			arguments = append(arguments, q.String())
		}
		d.Must(register.Run(t.Context(), d.Redis, []string{d.Space.Fence(0), d.Space.Live(0), d.Space.Windows(0)}, arguments...).Err())
	}
	beats := i.Metrics.Beats.Value()
	d.Await("the leader to read the registrations", func() bool { return i.Metrics.Registrations.Value() == live && i.Metrics.Beats.Value() > beats })
	sql := "update properties set price = 300000 where id = (select min(id) from properties where city = 'FOLSOM')"
	conn := d.Connect()
	var said explain.Statement
	var held time.Duration
	leader := explain.Leader(func(ctx context.Context, ask func(*listing.Site, *match.Index)) error {
		return i.WithIndex(ctx, func(site *listing.Site, index *match.Index) {
			began := time.Now()
			ask(site, index)
			held = time.Since(began)
		})
	})
	for range 3 {
		began := time.Now()
		var err error
		said, err = explain.SQL(t.Context(), conn, d.Site, sql, 10, leader)
		d.Must(err)
		t.Logf("%d of %d live queries would be purged, said after %v; the leader was held up for %v", said.Purged, said.Live, time.Since(began), held)
	}
	before := registered(d)
	d.AwaitApplied(d.Exec(sql))
	gone := difference(before, registered(d))
	if said.Live != live || len(gone) == 0 || said.Spared != live-len(gone) {
		t.Fatalf("%d live, %d purged, %d spared; %d were purged", said.Live, said.Purged, said.Spared, len(gone))
	}
	for n, q := range said.Queries[:said.Purged] {
		if q.Query != gone[n] {
			t.Fatalf("it says %s, and %s was purged", q.Query, gone[n])
		}
	}
}

// difference returns which texts of some, both in order, are not among others.
func difference(some, others []string) (gone []string) {
	for _, s := range some {
		if _, still := slices.BinarySearch(others, s); !still {
			gone = append(gone, s)
		}
	}
	return gone
}

// Without a leader every registration is read, and a note says why.
func TestSQLWithoutALeader(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{})
	d.Seed(0)
	idle := invalidate.New(invalidate.Config{Redis: d.Redis, Space: d.Space, Bound: time.Second, Log: slog.New(slog.DiscardHandler), Metrics: telemetry.NewInvalidator()})
	const sql = "update properties set price = 1 where id = 7"
	leader := explain.Leader(idle.WithIndex)
	said, err := explain.SQL(t.Context(), d.Connect(), d.Site, sql, 5, leader, explain.Registrations(explain.Cache{Redis: d.Redis, Space: d.Space}))
	if err != nil || said.Rows != 1 || len(said.Notes) != 1 || !strings.Contains(said.Notes[0], "does not lead") {
		t.Errorf("%+v, %v", said, err)
	}
	if _, err := explain.SQL(t.Context(), d.Connect(), d.Site, sql, 5, leader); !errors.Is(err, invalidate.ErrNotLeading) {
		t.Errorf("with nobody else to ask: %v", err)
	}
}

// What cannot be rolled back is refused, wherever it stands; what only looks like it is not.
func TestSQLRefuses(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{})
	d.Seed(0)
	conn := d.Connect()
	count := func() (title string, changes int) {
		d.Must(conn.QueryRow(t.Context(), "select (select title from properties where id = 7), (select count(*) from freshlist.properties_changes)").Scan(&title, &changes))
		return title, changes
	}
	title, changes := count()
	ask := func(sql string) error {
		_, err := explain.SQL(t.Context(), conn, d.Site, sql, 0, explain.Registrations(explain.Cache{Redis: d.Redis, Space: d.Space}))
		return err
	}
	for sql, want := range map[string]string{
		"commit": "COMMIT", "/* update */ rollback": "ROLLBACK", "-- update\nbegin": "BEGIN", "prepare transaction 'x'": "PREPARE",
		"copy properties to program 'true'": "COPY", "do $$ begin commit; end $$": "DO", "notify freshlist": "NOTIFY", "listen freshlist": "LISTEN",
		"alter table properties add x int": "ALTER", "explain analyze update properties set price = 1": "EXPLAIN",
		"update properties set price = 1; commit": "multiple commands", "select setval('properties_id_seq', 1)": "setval",
		`select "setval"('properties_id_seq', 1)`: "setval", `select pg_catalog . "setval" ('properties_id_seq', 1)`: "setval",
		`select 1 as "don't", setval('properties_id_seq', 5)`: "setval", `select U&"s\0065tval"('properties_id_seq', 1)`: "U&",
		"select 1 as a$x$, setval('properties_id_seq', 5) as b$x$": "setval", "select $é$'$é$, setval('properties_id_seq', 5)": "setval",
		"select 1 -- a line\r, setval('properties_id_seq', 5)": "setval", `select name'\', setval('properties_id_seq', 5), name'x'`: "setval",
		"select e'a'\n'b\\'', setval('properties_id_seq', 5), 'c'": "setval", "select pg_create_restore_point('x')": "pg_create_restore_point",
		"select pg_replication_slot_advance('s', '0/0')": "pg_replication_slot_advance", "select pg_logical_slot_get_changes('s', null, null)": "pg_logical_slot_get_changes",
		"select pg_copy_physical_replication_slot('a', 'b')": "pg_copy_physical_replication_slot", "select pg_replication_origin_drop('o')": "pg_replication_origin_drop",
		"with x as (select pg_advisory_lock(1)) select * from x": "pg_advisory_lock", "": "no statement", "  -- nothing": "no statement",
		"update properties set price = -1 where id = 7": "check", "update properties set nothing = 1": "nothing",
	} {
		if err := ask(sql); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", sql, err, want)
		}
	}
	for _, sql := range []string{
		"update properties set title = 'setval(1)' where id = 7", "/* commit */ update properties set title = $x$commit; setval($x$ where id = 7",
		"select 1", `select 1 as "don't"`, `select e'it\'s setval(1)', 'a\'`, `select "title" from properties -- don't`, "WITH a AS (SELECT 1) UPDATE properties SET price = 1 WHERE id = 7", "(select 1)",
	} {
		if err := ask(sql); err != nil {
			t.Errorf("%q: %v", sql, err)
		}
	}
	if now, more := count(); now != title || more != changes {
		t.Errorf("something is left: %q, %d changes; before: %q, %d", now, more, title, changes)
	}
}

package explain_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/invalidate/explain"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/serve/render"
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
	d.Invalidate()
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
		said, err := explain.SQL(t.Context(), conn, d.Site, cache, sql, 5)
		d.Must(err)
		if now := registered(d); !slices.Equal(now, before) {
			t.Fatalf("%s: asking purged something", sql)
		}
		d.AwaitApplied(d.Exec(sql))
		after := registered(d)
		var want, got []string
		for _, q := range before {
			if _, still := slices.BinarySearch(after, q); !still {
				want = append(want, q)
			}
		}
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

// With very many live queries a statement of one row is explained soon. The time is logged, and
// compared with none: the machine may be busy.
func TestSQLWithManyLiveQueries(t *testing.T) {
	if testing.Short() {
		t.Skip("100,000 registrations")
	}
	t.Parallel()
	d := deployment.New(t, deployment.Options{})
	d.Seed(0)
	const live = 100_000
	pipe := d.Redis.Pipeline()
	for i := range live {
		q, _, err := d.Site.ParseAddress(fmt.Sprintf("/v1/properties?city=%s&min_price=%d&sort=price", []string{"FOLSOM", "GALT", "ELK_GROVE"}[i%3], 100_000+i))
		d.Must(err)
		pipe.Do(t.Context(), "zadd", d.Space.Live(0), i+1, q.String())
		pipe.HSet(t.Context(), d.Space.Windows(0), q.String(), "35000000/17/35100000/9")
		if pipe.Len() >= 2000 {
			_, err := pipe.Exec(t.Context())
			d.Must(err)
		}
	}
	_, err := pipe.Exec(t.Context())
	d.Must(err)
	conn := d.Connect()
	var best time.Duration
	for range 3 {
		began := time.Now()
		said, err := explain.SQL(t.Context(), conn, d.Site, explain.Cache{Redis: d.Redis, Space: d.Space}, "update properties set price = 300000 where id = (select min(id) from properties where city = 'FOLSOM')", 10)
		d.Must(err)
		took := time.Since(began)
		if best == 0 || took < best {
			best = took
		}
		if said.Live != live || said.Purged == 0 || said.Purged+said.Spared != live {
			t.Fatalf("%d live, %d purged, %d spared", said.Live, said.Purged, said.Spared)
		}
	}
	t.Logf("best of 3: %v", best)
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
		_, err := explain.SQL(t.Context(), conn, d.Site, explain.Cache{Redis: d.Redis, Space: d.Space}, sql, 0)
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

package coherence

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/coherence/fleet"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/schema"
)

// disagreements are faults in which processes, or sessions, are configured otherwise
// than they expect of each other.
var disagreements = []fault{
	{name: "another number of partitions", do: func(r *rig, random *rand.Rand) {
		r.roll(random, "REDIS_PARTITIONS", fmt.Sprint(2+random.IntN(3)), "1")
	}},
	{name: "another bound", do: func(r *rig, random *rand.Rand) {
		r.roll(random, "STALENESS_BOUND", (r.bound / 2).String(), r.bound.String())
	}},
	{name: "invalidators of a larger bound stopped", do: (*rig).promiseMore},
	{name: "settings of the database or a role", do: (*rig).alterSettings},
	{name: "another deployment on the same Redis", do: (*rig).foreign},
	{name: "another description", do: func(r *rig, random *rand.Rand) {
		r.describe(usual + 1 + random.IntN(len(variants)-1))
		r.hold(random)
		r.describe(usual)
	}},
}

// roll gives all processes another value of a variable, one after the other in any
// order, waits until the cache is in use with it, and puts the former value back.
func (r *rig) roll(random *rand.Rand, name, value, former string) {
	r.Helper()
	for _, v := range []string{value, former} {
		all := append(append([]*fleet.Process{}, r.apis...), r.invalidators...)
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, p := range all {
			p.Set(name, v)
			r.outage(func() {
				p.Restart(r)
				p.AwaitReady(r)
			})
			r.hold(random)
		}
		r.awaitHit(patience)
	}
}

// promiseMore has the invalidators work for a bound four times that of the API, and
// stops them: the API's own bound still holds.
func (r *rig) promiseMore(random *rand.Rand) {
	r.Helper()
	restart := func(bound time.Duration) {
		for _, p := range r.invalidators {
			p.Set("STALENESS_BOUND", bound.String())
			p.Restart(r)
			p.AwaitReady(r)
		}
	}
	restart(4 * r.bound)
	r.hold(random)
	for _, p := range r.invalidators {
		p.Stop(r)
	}
	r.until(r.journal.history.now() + instant(3*r.bound))
	for _, p := range r.invalidators {
		p.Continue(r)
	}
	restart(r.bound)
}

// altered are settings that somebody may give to a database or a role, and that change
// what a session reads or for how long it may.
var altered = []string{
	"client_encoding = 'LATIN1'", "client_encoding = 'SQL_ASCII'", "DateStyle = 'German, DMY'", "IntervalStyle = 'sql_standard'",
	"TimeZone = 'Asia/Kathmandu'", "extra_float_digits = -15", "bytea_output = 'escape'", "search_path = 'nowhere'",
	"standard_conforming_strings = off", "array_nulls = off", "transform_null_equals = on", "quote_all_identifiers = on",
	"statement_timeout = '5ms'", "lock_timeout = '1ms'", "idle_session_timeout = '20ms'", "idle_in_transaction_session_timeout = '5ms'",
	"default_transaction_isolation = 'serializable'", "default_transaction_isolation = 'repeatable read'",
	"default_transaction_read_only = on", "default_transaction_deferrable = on", "row_security = off", "jit = on",
	"plan_cache_mode = 'force_generic_plan'", "stats_fetch_consistency = 'none'", "default_text_search_config = 'pg_catalog.simple'",
	"gin_fuzzy_search_limit = 1", "enable_indexscan = off", "session_replication_role = 'replica'",
}

// alterSettings gives the database, or the role of one program, another setting, which
// new sessions have, and takes it back.
func (r *rig) alterSettings(random *rand.Rand) {
	r.Helper()
	conn := r.superuser()
	defer conn.Close(context.Background())
	var database string
	r.check(conn.QueryRow(context.Background(), "select current_database()").Scan(&database))
	target := "database " + pgx.Identifier{database}.Sanitize()
	if random.IntN(2) == 0 {
		target = []string{"role freshlist_api", "role freshlist_invalidator"}[random.IntN(2)]
	}
	setting := altered[random.IntN(len(altered))]
	r.Logf("alter %s set %s", target, setting)
	for _, change := range []string{" set " + setting, " reset all"} {
		_, err := conn.Exec(context.Background(), "alter "+target+change)
		r.check(err)
		r.outage(func() {
			_, err := conn.Exec(context.Background(), `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'freshlist-%'`)
			r.check(err)
		})
		r.hold(random)
		r.hold(random)
	}
}

// superuser returns a session that may do everything.
func (r *rig) superuser() *pgx.Conn {
	r.Helper()
	conn, err := pgx.Connect(context.Background(), r.database.Superuser)
	r.check(err)
	return conn
}

// titles are those of an answer.
var titles = regexp.MustCompile(`"title":"([^"]*)"`)

// foreign has another deployment, of another database, work on the same Redis with the
// same prefix for a while: neither ever shows the other's rows.
func (r *rig) foreign(random *rand.Rand) {
	r.Helper()
	c := r.config
	database := migrated.On(r, r.postgres)
	c.Database = database.Roles
	conn, err := pgx.Connect(context.Background(), database.Owner)
	r.check(err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(context.Background(), setup+"; update public.properties set title = 'Foreign ' || id")
	r.check(err)
	_, err = schema.InstallFile(context.Background(), conn, fileOf(usual))
	r.check(err)
	invalidator := c.StartInvalidator(r)
	defer invalidator.Kill(r)
	api := c.API(r)
	defer api.Kill(r)
	for end := r.journal.history.now() + instant(6*r.bound); r.journal.history.now() < end; {
		v := r.journal.history.views[random.IntN(len(r.journal.history.views))]
		if topic := v.topics[usual]; topic.refused || topic.query.Table.Name != "properties" || topic.query.Key.Number > 90 { // setup has no such row
			continue
		}
		if response, body := r.get(api, v.path); response != nil && response.StatusCode < 500 {
			for _, title := range titles.FindAllStringSubmatch(body, -1) {
				if len(title[1]) < 8 || title[1][:8] != "Foreign " {
					r.tally.fail(fmt.Sprintf("another deployment shows %q at %s (%s)", title[1], v.path, response.Header.Get("Cache-Status")))
					return
				}
			}
		}
	}
}

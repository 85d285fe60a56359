package coherence

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/coherence/fleet"
	"github.com/freshlist/freshlist/internal/faultproxy"
)

// mutant is the product with one of its guards taken out, and a story in which the
// guard matters. The story must leave a stale answer in the mutant and none in the
// product.
type mutant struct {
	name     string
	programs []string // that the changes are in
	changes  []fleet.Change
	story    func(r *rig) (api *fleet.Process, path, want string)
	tries    int // of the story, where it needs luck; else 0

	faults string // that the random search needs, as COHERENCE_FAULTS has them; "" = any
}

const scripts = "internal/rediscache/scripts/"

// mutants are the guards of the protocol.
var mutants = []mutant{
	{
		name: "no lease check at fill", programs: []string{"api"},
		changes: []fleet.Change{{
			File: scripts + "fill.lua", Old: "if redis.call('GET', KEYS[4]) ~= ARGV[1] .. ARGV[2] then", New: "if false then",
		}},
		story: staleFill,
	},
	{
		name: "no registration before the read", programs: []string{"api"},
		changes: []fleet.Change{{
			File: scripts + "acquire.lua",
			Old:  "redis.call('ZADD', KEYS[2], redis.call('HINCRBY', KEYS[1], 'registered', 1), ARGV[3])", New: "0",
		}},
		story: staleFill,
	},
	{
		name: "no beat check on hit", programs: []string{"api"},
		changes: []fleet.Change{{
			File: "internal/rediscache/beat.go", Old: " || !beat.validAt(now.UnixMicro())", New: "",
		}},
		story: outlivedInvalidator,
	},
	{
		name: "beat before drain and purge", programs: []string{"invalidator"},
		changes: []fleet.Change{{
			File: "internal/invalidate/round.go",
			Old:  "	defer func() { l.endTrace(err) }()\n",
			New:  "	defer func() { l.endTrace(err) }()\n	if err := l.readClock(ctx); err != nil {\n		return false, err\n	}\n	if err := l.publishBeat(ctx); err != nil {\n		return false, err\n	}\n",
		}},
		story: beatWithoutPurge,
		tries: 30, // the invalidator may be stopped anywhere, also behind its beat
	},
	{
		name: "seq ignored in check.lua", programs: []string{"invalidator"},
		changes: []fleet.Change{{File: scripts + "check.lua", Old: " or fence[3] ~= ARGV[3]", New: ""}},
		story:   forgottenPurge,
	},
	{
		name: "old window kept at refill", programs: []string{"api", "invalidator"},
		changes: []fleet.Change{
			{File: scripts + "acquire.lua", Old: "redis.call('HDEL', KEYS[3], ARGV[3])", New: ""},
			{File: scripts + "purge.lua", Old: "redis.call('HDEL', KEYS[3], unpack(queries))", New: ""},
			{File: scripts + "fill.lua", Old: "redis.call('HSET', KEYS[3]", New: "redis.call('HSETNX', KEYS[3]"},
		},
		story: refilledPage,
	},
}

const (
	seekers     = "internal/invalidate/match/seekers.go"
	readthrough = "internal/serve/readthrough/"
)

// innerMutants are guards of what shows rows inside rows, and of descriptions that change. They have no story
// here: package mutants has tests for each. The random search needs no fault for the first of them.
var innerMutants = []mutant{
	{
		name: "an inner row's old key is not looked up", programs: []string{"invalidator"}, faults: "off",
		changes: []fleet.Change{{File: seekers, Old: "	if before.Valid {\n", New: "	if false {\n"}},
	},
	{
		name: "an inner row's new key is not looked up", programs: []string{"invalidator"}, faults: "off",
		changes: []fleet.Change{{File: seekers, Old: "after.Valid && after != before", New: "after.Valid && !before.Valid"}},
	},
	{
		name: "what joins inner rows is not shown", programs: []string{"invalidator"}, faults: "off",
		changes: []fleet.Change{{File: "internal/listing/join.go", Old: "ColumnSet(d.By, d.Order)\n", New: "ColumnSet(d.Order)\n"}},
	},
	{
		name: "what orders inner rows is not shown", programs: []string{"invalidator"}, faults: "off",
		changes: []fleet.Change{{File: "internal/listing/join.go", Old: "ColumnSet(d.By, d.Order)\n", New: "ColumnSet(d.By)\n"}},
	},
	{
		name: "what joins a list's rows is not shown", programs: []string{"invalidator"}, faults: "off",
		changes: []fleet.Change{{File: "internal/listing/query.go", Old: "q.Table.ListColumns | q.Table.listJoining |", New: "q.Table.ListColumns |"}},
	},
	{
		name: "what joins a row is not shown", programs: []string{"invalidator"}, faults: "off",
		changes: []fleet.Change{{File: "internal/invalidate/match/space.go", Old: "s.item = own.Columns()", New: "_, s.item = own, t.ItemColumns|listing.ColumnSet(t.Key)"}},
	},
	{
		name: "a cover has the keys that were found", programs: []string{"api"}, faults: "off",
		changes: []fleet.Change{{File: "internal/listing/join.go", Old: "key := j.Sought(&qs.Items[i]); key.Valid {", New: "key := j.Sought(&qs.Items[i]); key.Valid && len(qs.Items[i].InnerOf(j)) > 0 {"}},
	},
	{
		name: "hit by another description", programs: []string{"api"}, faults: "another description",
		changes: []fleet.Change{{
			File: readthrough + "origin.go",
			Old:  "	case !s.origin.describedBy(site):\n		c.OtherDescription()\n		return nil, cachestate.OtherDescription\n", New: "",
		}},
	},
}

// A story is over after caughtWithin: what is stale then, stays so. A mutant whose story
// needs no luck is waited for.
const caughtWithin = 2 * time.Second

func TestMutants(t *testing.T) {
	t.Parallel()
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			within := patience
			if m.tries > 0 {
				within = caughtWithin
			}
			if _, stale := m.run(t, fleet.Mutant(t, m.programs, m.changes...), within); !stale {
				t.Errorf("not caught within %v", within)
			}
		})
	}
	for _, m := range mutants[1:] { // the first two have one story
		t.Run("product, "+m.name, func(t *testing.T) {
			t.Parallel()
			m.tries = 1
			if age, stale := m.run(t, fleet.Build(t), caughtWithin); stale {
				t.Errorf("the product answers %v old", age)
			}
		})
	}
}

// foundWithin is how long the random checker may take to find a mutant: time for
// each fault to come three times or more. Most take less than half a minute.
const foundWithin = 3 * time.Minute

// The random edits, reads and faults of TestCoherence find every mutant without being
// told where to look. What a random search finds in a given time is a matter of chance,
// so this is no part of the usual tests: COHERENCE_SEARCH=on runs it, as make mutants does.
func TestCheckerFindsMutants(t *testing.T) {
	if os.Getenv("COHERENCE_SEARCH") != "on" {
		t.Skip("COHERENCE_SEARCH is not on")
	}
	for _, m := range slices.Concat(mutants, innerMutants) {
		t.Run(m.name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed(), 0))
			r := newRig(t, options{
				bound: 500 * time.Millisecond, apis: 2, invalidators: 1,
				programs: fleet.Mutant(t, m.programs, m.changes...), env: []string{"L1_MAX_BYTES=0"},
			})
			r.work(3, 3, time.Millisecond)
			began := r.journal.history.now()
			chosen := slices.DeleteFunc(chooseFaults(t, m.faults, false), func(f fault) bool { return f.prepares })
			var deck []int // each fault once, in any order, before any comes again: some mutants need one of them
			for r.tally.stale() == 0 && r.journal.history.now() < began+instant(foundWithin) {
				if len(deck) == 0 {
					deck = random.Perm(len(chosen))
				}
				if len(chosen) > 0 {
					chosen[deck[0]].do(r, random)
					deck = deck[1:]
				}
				r.until(r.journal.history.now() + instant(3*r.bound))
			}
			took := time.Duration(r.journal.history.now() - began)
			r.rest()
			found := r.tally.takeViolations()
			if len(found) == 0 {
				t.Fatalf("not found within %v", foundWithin)
			}
			t.Logf("found after %v: %s", took.Round(time.Second), found[0])
		})
	}
}

// takeViolations returns what was found against a mutant, which is no failure of its test.
func (c *tally) takeViolations() (violations []string) {
	violations, c.violations, c.errors = c.violations, nil, nil
	return violations
}

// run plays the mutant's story and asks again and again: is there an answer that
// does not show what was wanted more than B before it was asked for?
func (m mutant) run(t *testing.T, programs fleet.Programs, within time.Duration) (age time.Duration, stale bool) {
	r := newRig(t, options{bound: time.Second, apis: 1, invalidators: 1, programs: programs, env: []string{"L1_MAX_BYTES=0"}})
	for range max(1, m.tries) {
		if age, stale = m.runOnce(r, within); stale {
			break
		}
	}
	return age, stale
}

func (m mutant) runOnce(r *rig, within time.Duration) (age time.Duration, stale bool) {
	api, path, want := m.story(r)
	began := r.journal.last.Load().done
	for end := r.journal.history.now() + instant(within); r.journal.history.now() < end; {
		sent := r.journal.history.now()
		age := time.Duration(sent - began)
		if response, body := r.get(api, path); response != nil && age > r.bound && !strings.Contains(body, want) {
			r.Logf("caught: %v old (%s)", age, response.Header.Get("Cache-Status"))
			return age, true
		}
	}
	return 0, false
}

// cached waits until the API answers path from the cache.
func (r *rig) cached(path string) {
	r.Helper()
	fleet.Await(r, path+" is cached", func() bool {
		response, _ := r.get(r.apis[0], path)
		return response != nil && fleet.Hit(response)
	})
}

// staleFill: a miss has read the row, and its answer is held up on the way; the
// row is changed, and the change purged; then comes the fill.
func staleFill(r *rig) (api *fleet.Process, path, want string) {
	api, path, want = r.apis[0], "/v1/properties/3", `"after"`
	r.get(api, "/v1/properties/5") // so that the pool has a connection, and the statement is prepared
	r.readLinks[0].Silence(faultproxy.ToClient)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		r.get(api, path)
	}()
	fleet.Await(r, "the row has been read", func() bool {
		return r.redis.Exists(context.Background(), "freshlist:{00}:lease:properties/3").Val() == 1 && r.haveRead()
	})
	r.edit("update public.properties set title = 'after' where id = 3")
	r.awaitApplied()
	r.readLinks[0].Resume()
	<-answered
	return api, path, want
}

// haveRead tells whether PostgreSQL has answered a read that is meant to be stored.
func (r *rig) haveRead() bool {
	conn, err := pgx.Connect(context.Background(), r.database.Superuser)
	r.check(err)
	defer conn.Close(context.Background())
	var n int
	err = conn.QueryRow(context.Background(), `select count(*) from pg_stat_activity
		where application_name = 'freshlist-api' and state like 'idle%' and query like '%epoch%'`).Scan(&n)
	r.check(err)
	return n > 0
}

// outlivedInvalidator: the invalidator dies, the row is changed.
func outlivedInvalidator(r *rig) (api *fleet.Process, path, want string) {
	path, want = "/v1/properties/3", `"after"`
	r.cached(path)
	r.invalidators[0].Kill(r)
	r.edit("update public.properties set title = 'after' where id = 3")
	return r.apis[0], path, want
}

// beatWithoutPurge: the invalidator is stopped, the row is changed, and when the
// invalidator goes on it reaches Redis and not PostgreSQL.
func beatWithoutPurge(r *rig) (api *fleet.Process, path, want string) {
	path, want = "/v1/properties/3", `"after"`
	r.links[0].Resume()
	r.edit("update public.properties set title = 'before' where id = 3")
	r.awaitApplied()
	r.cached(path)
	r.invalidators[0].Stop(r)
	r.edit("update public.properties set title = 'after' where id = 3")
	r.until(r.journal.history.now() + instant(r.bound))
	r.links[0].Silence(faultproxy.Both)
	r.invalidators[0].Continue(r)
	return r.apis[0], path, want
}

// forgottenPurge: Redis goes back to before a purge, without a connection's end.
func forgottenPurge(r *rig) (api *fleet.Process, path, want string) {
	path, want = "/v1/properties/3", `"after"`
	r.cached(path)
	r.check(r.redis.Save(context.Background()).Err())
	r.edit("update public.properties set title = 'after' where id = 3")
	r.awaitApplied()
	r.goBack()
	return r.apis[0], path, want
}

// refilledPage: the page's first rows go, it is filled again with later ones, and
// one of those is changed.
func refilledPage(r *rig) (api *fleet.Process, path, want string) {
	path, want = "/v1/properties?city=WINDOW&limit=2&sort=price", `"after"`
	r.edit(`insert into public.properties (id, title, property_type, price, city)
		select n, 'Window', 'Condo', n, 'WINDOW' from generate_series(301, 306) as n`)
	r.awaitApplied()
	r.cached(path)
	r.edit("delete from public.properties where id in (301, 302)")
	r.awaitApplied()
	r.cached(path)
	r.edit("update public.properties set title = 'after' where id = 304")
	return r.apis[0], path, want
}

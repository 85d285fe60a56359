package coherence

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/coherence/fleet"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/redistest"
)

// site is one configuration of the processes, with the database that it leads to.
type site struct {
	fleet.Config
	name string // in the titles of the database's only listing
	conn *pgx.Conn
}

// newSite puts one listing into an empty database.
func newSite(t *testing.T, name string, redis redistest.Space, bound time.Duration) *site {
	t.Helper()
	db := migrated.New(t)
	s := &site{name: name, conn: connectTo(t, db)}
	s.Config = fleet.Config{Database: db.Roles, Redis: redis.URL, Prefix: redis.Prefix, Bound: bound}
	s.exec(t, "insert into properties (id, title, property_type, price, city) values (1, $1, 'Condo', 1, 'FOLSOM')", name+" 0")
	return s
}

func connectTo(t *testing.T, db pgtest.Database) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db.Owner)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (s *site) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := s.conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// running is an API process and what it is configured for.
type running struct {
	*fleet.Process
	site *site
}

// read returns the answer of an API process, and whether it was a hit.
func (r running) read(t *testing.T) (body string, hit bool) {
	t.Helper()
	response, err := http.Get(r.URL + "/v1/properties/1")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), fleet.Hit(response)
}

// slack is what may come on top of B in a test.
const slack = 250 * time.Millisecond

// edit edits the listing of every database, and asks every process until it shows its own
// database's edit. None may show another database's, or an older one after B.
func edit(t *testing.T, n int, bound time.Duration, sites []*site, apis []running) {
	t.Helper()
	for _, s := range sites {
		s.exec(t, "update properties set title = $1 where id = 1", fmt.Sprint(s.name, " ", n))
	}
	committed := time.Now()
	for _, api := range apis {
		want := fmt.Sprintf("%q", fmt.Sprint(api.site.name, " ", n))
		fleet.Await(t, "the edit", func() bool {
			begun := time.Now()
			body, _ := api.read(t)
			if !strings.Contains(body, `"`+api.site.name+" ") {
				t.Fatalf("a foreign answer: %s", body)
			}
			if !strings.Contains(body, want) && begun.Sub(committed) > bound+slack {
				t.Fatalf("%v after the commit: %s, want %s", begun.Sub(committed), body, want)
			}
			return strings.Contains(body, want)
		})
	}
}

// Whatever processes must agree on is changed one process after the other, the API processes
// first or the invalidator first: nothing is stale, nothing foreign, and once all agree the
// cache is in use again.
func TestRollingChanges(t *testing.T) {
	t.Parallel()
	const bound = time.Second
	changes := map[string]func(t *testing.T, old *site, redis redistest.Space) *site{
		"bound": func(_ *testing.T, old *site, _ redistest.Space) *site {
			changed := *old
			changed.Bound = 2 * bound
			return &changed
		},
		"partitions": func(_ *testing.T, old *site, _ redistest.Space) *site {
			changed := *old
			changed.Env = []string{"REDIS_PARTITIONS=3"}
			return &changed
		},
		"prefix": func(_ *testing.T, old *site, _ redistest.Space) *site {
			changed := *old
			changed.Prefix += "-new"
			return &changed
		},
		"database": func(t *testing.T, _ *site, redis redistest.Space) *site {
			return newSite(t, "two", redis, bound)
		},
	}
	for name, change := range changes {
		for _, apiFirst := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", API first: ", apiFirst), func(t *testing.T) {
				t.Parallel()
				redis := redistest.New(t)
				before := newSite(t, "one", redis, bound)
				after := change(t, before, redis)
				edits := 0
				for _, back := range []bool{false, true} { // and back again: an old value must not revive
					from, to := before, after
					if back {
						from, to = after, before
					}
					roll(t, from, to, apiFirst, &edits)
				}
			})
		}
	}
}

// roll starts everything as from says, changes one process after the other to what to says,
// and ends everything.
func roll(t *testing.T, from, to *site, apiFirst bool, edits *int) {
	t.Helper()
	sites, longest := []*site{from}, max(from.Bound, to.Bound)
	if to.conn != from.conn {
		sites = append(sites, to)
	}
	invalidator := from.Invalidator(t)
	apis := []running{{from.API(t), from}, {from.API(t), from}}
	step := func() {
		*edits++
		edit(t, *edits, longest, sites, apis)
	}
	awaitHits := func() {
		for _, api := range apis {
			fleet.Await(t, "a hit", func() bool { _, hit := api.read(t); return hit })
		}
	}
	changeInvalidator := func() {
		invalidator.Kill(t)
		invalidator = to.Invalidator(t)
		step()
	}
	awaitHits()
	step()
	if !apiFirst {
		changeInvalidator()
	}
	for i := range apis {
		apis[i].Kill(t)
		apis[i] = running{to.API(t), to}
		step()
	}
	if apiFirst {
		changeInvalidator()
	}
	awaitHits()
	step()
	awaitHits()
	invalidator.Kill(t)
	for _, api := range apis {
		api.Kill(t)
	}
}

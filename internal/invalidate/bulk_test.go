package invalidate_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/redistest"
)

// holdUp is for how long a script may keep Redis, which does nothing else meanwhile.
const holdUp = 5 * time.Millisecond

// One statement over 100,000 rows is one envelope: it empties what it may touch,
// thousands of queries, keeps what it cannot, and no script holds Redis up.
func TestBulkStatement(t *testing.T) {
	t.Parallel()
	const each = 3000
	server := redistest.Start(t, "slowlog-log-slower-than 100", "slowlog-max-len 10000") // 100 us: not the commands within
	d := deployment.New(t, deployment.Options{Redis: server, Bound: time.Minute})
	invalidator := d.Invalidate()
	d.AwaitApplied(d.Exec(`insert into properties (title, property_type, price, city)
		select 'House ' || n, 'Condo', n, case when n % 2 = 0 then 'FOLSOM' else 'SACRAMENTO' end from generate_series(1, 100000) as n;
		insert into properties (title, property_type, price, city) values ('House', 'Condo', 1, 'GALT')`))
	touched, others := views("properties?city=FOLSOM&min_price=%d", each), views("properties?city=GALT&min_price=%d", each)
	fill(d, others)
	fill(d, touched)
	before := invalidator.Metrics.ChangesApplied.Value()
	update := func() map[string][]time.Duration {
		d.Must(d.Redis.Do(t.Context(), "slowlog", "reset").Err())
		d.AwaitApplied(d.Exec("update properties set price = price + 1 where city in ('FOLSOM', 'SACRAMENTO')"))
		return scripts(d)
	}
	took := update()

	applied := invalidator.Metrics.ChangesApplied.Value
	d.Await("the change to be counted", func() bool { return applied() > before })
	if n := applied() - before; n != 1 {
		t.Errorf("the statement is %d changes, want one envelope", n)
	}
	if n := present(d, touched); n != 0 {
		t.Errorf("%d of the touched queries are still there", n)
	}
	if n := present(d, others); n != each {
		t.Errorf("%d of %d other queries are still there", n, each)
	}
	if len(took) < 2 {
		t.Errorf("calls of %d scripts were logged, want registrations and purge", len(took))
	}
	// A script that holds Redis up does so each time. One that is called once may have been
	// held up by the machine.
	slow := slowScripts(t, took)
	for n := 1; n < tries && len(slow) > 0; n++ {
		fill(d, touched)
		again := slowScripts(t, update())
		maps.DeleteFunc(slow, func(hash string, _ time.Duration) bool { return again[hash] == 0 })
	}
	for hash, quickest := range slow {
		t.Errorf("script %.8s holds Redis up for %v", hash, quickest)
	}
}

// slowScripts returns the scripts that took longer than holdUp. A script's calls are of one
// size: what the script takes, the quickest of them shows. The machine may have held up the
// others.
func slowScripts(t *testing.T, took map[string][]time.Duration) map[string]time.Duration {
	t.Helper()
	slow := map[string]time.Duration{}
	for hash, durations := range took {
		quickest, longest := slices.Min(durations), slices.Max(durations)
		t.Logf("script %.8s: %d calls, quickest %v, longest %v", hash, len(durations), quickest, longest)
		if quickest > holdUp {
			slow[hash] = quickest
		}
	}
	return slow
}

// views returns n queries.
func views(format string, n int) []string {
	queries := make([]string, n)
	for i := range queries {
		queries[i] = fmt.Sprintf(format, i+1)
	}
	return queries
}

// fill stores something for each query, as the read path does.
func fill(d *deployment.Deployment, queries []string) {
	d.Helper()
	const writers = 8
	limits := rediscache.Limits{Lease: time.Minute, View: time.Hour, Queryset: time.Hour, Live: d.Live}
	reader := rediscache.NewReader(d.Redis, d.Space, strings.Repeat("0", 16), limits)
	stamp := d.Redis.HGet(d.Context(), d.Space.Fence(0), "origin").Val()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := w; i < len(queries); i += writers {
				lease, _, err := reader.Acquire(d.Context(), queries[i])
				if err == nil {
					err = reader.Fill(d.Context(), lease, rediscache.Entry{Origin: stamp, Format: "json", View: rediscache.View{
						Status: 200, ETag: strings.Repeat("0", 22), Body: strings.Repeat("body", 100),
					}})
				}
				if err != nil {
					d.Errorf("fill %s: %v", queries[i], err)
				}
			}
		})
	}
	wg.Wait()
}

// present counts the queries that have a view.
func present(d *deployment.Deployment, queries []string) int {
	d.Helper()
	names := make([]string, len(queries))
	for i, q := range queries {
		names[i] = d.Space.View("json", q)
	}
	n, err := d.Redis.Exists(d.Context(), names...).Result()
	d.Must(err)
	return int(n)
}

// scripts returns how long each call of each script took, by the slow log.
func scripts(d *deployment.Deployment) map[string][]time.Duration {
	d.Helper()
	log, err := d.Redis.SlowLogGet(d.Context(), -1).Result()
	d.Must(err)
	took := map[string][]time.Duration{}
	for _, entry := range log {
		if len(entry.Args) > 1 && strings.EqualFold(entry.Args[0], "evalsha") {
			took[entry.Args[1]] = append(took[entry.Args[1]], entry.Duration)
		}
	}
	return took
}

// What a change of few queries makes stale does not wait for what one of very many
// does, though that came first; and all of it goes.
func TestFewFirst(t *testing.T) {
	t.Parallel()
	const each = 1000
	d := deployment.New(t, deployment.Options{Bound: time.Minute})
	d.Invalidate()
	d.AwaitApplied(d.Exec(`insert into properties (id, title, property_type, price, city) values
		(1, 'House', 'Condo', 2000, 'FOLSOM'), (2, 'House', 'Condo', 2000, 'GALT')`))
	many, few := views("properties?city=FOLSOM&min_price=%d", each), "properties?city=GALT"
	fill(d, append(many, few))
	heard := d.Listen()
	token := d.Exec("update properties set price = price + 1 where id = 1; update properties set price = price + 1 where id = 2")
	for n := range many {
		m := <-heard.C
		if m.Query == few {
			break
		}
		if n == each/2 {
			t.Errorf("%s was not among the first %d to be purged", few, n)
		}
	}
	d.AwaitApplied(token)
	if n := present(d, many); n != 0 {
		t.Errorf("%d of %d queries are still there", n, each)
	}
}

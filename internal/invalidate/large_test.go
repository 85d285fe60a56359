package invalidate_test

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
)

// register makes queries live: of each there is something, and its number and window.
var register = redis.NewScript(`
	for i = ARGV[1], ARGV[2] do
		local query = 'properties?city=CITY_' .. (i % 50) .. '&min_price=' .. i
		redis.call('ZADD', KEYS[2], redis.call('HINCRBY', KEYS[1], 'registered', 1), query)
		redis.call('SET', ARGV[3] .. query, '')
	end
	redis.call('HINCRBY', KEYS[1], 'live', ARGV[2] - ARGV[1] + 1)
	return 1`)

// How long it takes from a takeover to the next beat, with very many live queries: by a process
// that knows none of them, and by one that has led before. FRESHLIST_LARGE says how many.
//
//	FRESHLIST_LARGE=1000000 go test -run TestTakeoverOfVeryMany -v -timeout 30m ./internal/invalidate
func TestTakeoverOfVeryMany(t *testing.T) {
	t.Parallel()
	many, large := uint64(20_000), false
	if text := os.Getenv("FRESHLIST_LARGE"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		many, large = n, true
	}
	bound := 10 * time.Second // a busy machine must not end the test
	if large {
		bound = time.Second
	}
	d := deployment.New(t, deployment.Options{Bound: bound})
	first := d.Invalidate()
	first.Stop()
	const each = uint64(1000)
	for from := uint64(1); from <= many; from += each {
		keys := []string{d.Space.Fence(0), d.Space.Live(0)}
		d.Must(register.Run(t.Context(), d.Redis, keys, from, from+each-1, d.Space.Queryset("")).Err())
	}

	began := time.Now()
	i := d.Standby()
	awaitLong(d, "the first beat", func() bool { return i.Metrics.Beats.Value() > 0 })
	t.Logf("cold: %d queries, first beat after %v, %d read, term %d", many, time.Since(began), i.Metrics.Registrations.Value(), term(d))
	if learned := i.Metrics.Registrations.Value(); learned != many {
		t.Errorf("%d registrations were read, want each of %d once", learned, many)
	}

	before, beats := term(d), i.Metrics.Beats.Value()
	began = time.Now()
	_, err := d.Superuser().Exec(t.Context(), `
		select pg_terminate_backend(pid) from pg_stat_activity
		where datname = current_database() and application_name = 'freshlist-invalidator lock'`)
	d.Must(err)
	awaitTerm(d, before)
	beats = i.Metrics.Beats.Value()
	awaitLong(d, "a beat of it", func() bool { return i.Metrics.Beats.Value() > beats })
	t.Logf("warm: next beat after %v", time.Since(began))
	if learned := i.Metrics.Registrations.Value(); learned != many {
		t.Errorf("%d registrations were read, want none again", learned-many)
	}
	if live := uint64(i.Report().Live); live < many*9/10 {
		t.Errorf("%d queries are known, want about %d", live, many)
	}
}

// awaitLong waits for what may take minutes.
func awaitLong(d *deployment.Deployment, what string, done func() bool) {
	d.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Minute); !done(); <-tick.C {
		if time.Now().After(end) {
			d.Fatalf("waited in vain: %s", what)
		}
	}
}

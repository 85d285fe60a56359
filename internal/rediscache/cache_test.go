package rediscache_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/redistest"
)

func TestMain(m *testing.M) { redistest.Main(m) }

const (
	build = "0123456789abcdef"
	query = "properties?city=FOLSOM"
	tag   = "0123456789abcdefghijkl"
	bound = 5 * time.Second
)

// world is one deployment's cache: a reader, and a daemon that has begun an epoch.
type world struct {
	*testing.T
	ctx    context.Context
	rdb    redis.UniversalClient
	space  rediskey.Space
	limits rediscache.Limits
	reader *rediscache.Reader
	daemon *rediscache.Purger
	leader rediscache.Leader
	noted  int64
}

func newWorld(t *testing.T, partitions int) *world {
	t.Helper()
	shared := redistest.New(t)
	return newWorldOn(t, shared.Client, rediskey.Space{Prefix: shared.Prefix, Partitions: partitions})
}

func newWorldOn(t *testing.T, rdb redis.UniversalClient, space rediskey.Space) *world {
	t.Helper()
	w := &world{
		T: t, ctx: t.Context(), rdb: rdb, space: space,
		limits: rediscache.Limits{Lease: 5 * time.Second, View: time.Minute, Queryset: time.Hour, Live: 1000},
		leader: rediscache.Leader{Term: 1, Epoch: rediscache.NewEpoch(), Server: "first-start", Database: "7/5"},
	}
	w.reader = rediscache.NewReader(w.rdb, w.space, build, w.limits)
	w.daemon = w.newPurger()
	w.must(w.begin(w.daemon, w.leader))
	return w
}

// newPurger returns a Purger that leaves no room where numbers could be equal.
func (w *world) newPurger() *rediscache.Purger {
	d := rediscache.NewPurger(w.rdb, w.space, bound, func(context.Context) error { return nil })
	d.SetStride(1)
	return d
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) want(err, want error) {
	w.Helper()
	if !errors.Is(err, want) {
		w.Fatalf("error is %v, want %v", err, want)
	}
}

// begin has a daemon begin an epoch.
func (w *world) begin(d *rediscache.Purger, l rediscache.Leader) error {
	return d.BeginEpoch(w.ctx, l, rediscache.NewGenerations(w.space.Partitions))
}

// beat makes the daemon certify the present.
func (w *world) beat() {
	w.Helper()
	clock, err := w.daemon.ReadClock(w.ctx)
	w.must(err)
	w.noted = clock.Noted
	w.must(w.daemon.PublishBeat(w.ctx, rediscache.Proof{Noted: clock.Noted, Applied: "10:20:12,15"}))
}

func (w *world) acquire(q string) *rediscache.Lease {
	w.Helper()
	lease, stored, err := w.reader.Acquire(w.ctx, q)
	w.must(err)
	if stored != nil || lease == nil {
		w.Fatalf("Acquire(%q) found a queryset", q)
	}
	return lease
}

func (w *world) fill(l *rediscache.Lease, body string) error {
	return w.reader.Fill(w.ctx, l, rediscache.Entry{
		Origin: w.leader.Epoch + " " + w.leader.Server + " " + w.leader.Database, Window: "1/1/2/2|,4|*", Queryset: []byte("rows of " + body), Format: "json",
		View: rediscache.View{Status: 200, ETag: tag, Body: body, Gzip: "zip"},
	})
}

// store fills a query and fails the test if that is refused.
func (w *world) store(q, body string) {
	w.Helper()
	w.must(w.fill(w.acquire(q), body))
}

// body returns what a hit shows, "" on a miss.
func (w *world) body(q string) string {
	w.Helper()
	result, err := w.reader.Lookup(w.ctx, "json", q)
	w.must(err)
	if result.View == nil {
		return ""
	}
	return result.View.Body
}

func (w *world) wantBody(q, want string) {
	w.Helper()
	if got := w.body(q); got != want {
		w.Fatalf("%s shows %q, want %q", q, got, want)
	}
}

// ignore is who wants to know of no registration.
func ignore(rediscache.Registration) {}

// registrations returns what the daemon learns, as "number query window".
func (w *world) registrations() []string {
	w.Helper()
	var seen []string
	w.must(w.daemon.Registrations(w.ctx, func(r rediscache.Registration) {
		seen = append(seen, fmt.Sprintf("%d %s %s", r.Number, r.Query, r.Window))
	}))
	return seen
}

func TestHitNeedsABeatOfItsEpoch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.store(query, "old")
	w.wantBody(query, "")
	w.beat()
	w.wantBody(query, "old")
	w.leader.Epoch, w.leader.Term = rediscache.NewEpoch(), 2
	w.must(w.begin(w.daemon, w.leader))
	w.wantBody(query, "")
	w.beat()
	w.wantBody(query, "")
}

func TestLookTellsHowOldItsProofIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.store(query, "old")
	w.beat()
	result, err := w.reader.Lookup(w.ctx, "json", query)
	w.must(err)
	if result.Age <= 0 || result.Age >= bound {
		t.Errorf("the proof is %v old, want more than 0 and less than %v", result.Age, bound)
	}
	if result.View == nil || result.View.Status != 200 || result.View.ETag != tag || result.View.Gzip != "zip" {
		t.Errorf("the view is %+v", result.View)
	}
}

func TestAnotherBuildsValuesAreMisses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.store(query, "old")
	w.beat()
	other := rediscache.NewReader(w.rdb, w.space, strings.Repeat("f", 16), w.limits)
	result, err := other.Lookup(w.ctx, "json", query)
	w.must(err)
	if result.View != nil {
		t.Errorf("the other build sees %+v", result.View)
	}
	lease, stored, err := other.Acquire(w.ctx, query)
	w.must(err)
	if lease == nil || stored != nil {
		t.Error("the other build gets no lease of its own")
	}
}

func TestPurgeDisownsTheFillUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.beat()
	stale := w.acquire(query)
	w.registrations()
	w.must(w.daemon.Purge(w.ctx, []string{query}, ignore))
	fresh := w.acquire(query)
	w.want(w.fill(stale, "stale"), rediscache.ErrLeaseLost)
	w.must(w.fill(fresh, "fresh"))
	w.wantBody(query, "fresh")
}

func TestPurgeRemovesEverythingOfItsQueriesAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{1, 3} {
		t.Run(fmt.Sprint(partitions, " partitions"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, partitions)
			var queries []string
			for i := range 500 {
				queries = append(queries, fmt.Sprintf("properties/%d", i))
				w.store(queries[i], queries[i])
			}
			w.registrations()
			w.beat()
			heard := w.subscribe()
			w.must(w.daemon.Purge(w.ctx, queries[:450], ignore))
			w.must(w.daemon.PublishBeat(w.ctx, rediscache.Proof{Noted: w.noted, Applied: "30:30:"}))
			for i, q := range queries {
				want := q
				if i < 450 {
					want = ""
				}
				w.wantBody(q, want)
			}
			for len(heard.names) < 450 {
				heard.next(w)
			}
			for _, q := range queries[:450] {
				if !heard.names[q] {
					t.Errorf("the purge of %s was not published", q)
				}
			}
			live, err := w.daemon.Live(w.ctx)
			w.must(err)
			if live != 50 {
				t.Errorf("%d queries are live, want 50", live)
			}
			result, err := w.reader.Lookup(w.ctx, "json", queries[470])
			w.must(err)
			if result.Beat == nil || result.Beat.Applied != "30:30:" {
				t.Errorf("the beat is %+v, want it renewed behind the purge", result.Beat)
			}
		})
	}
}

// channel is a subscription to every partition's channel, and the names heard.
type channel struct {
	messages *redis.PubSub
	names    map[string]bool
}

func (w *world) subscribe() *channel {
	w.Helper()
	var channels []string
	for p := range w.space.Partitions {
		channels = append(channels, w.space.Purged(p))
	}
	c := &channel{w.rdb.Subscribe(w.ctx, channels...), make(map[string]bool)}
	w.Cleanup(func() { _ = c.messages.Close() })
	for range channels {
		_, err := c.messages.Receive(w.ctx)
		w.must(err)
	}
	return c
}

// next waits for a message and returns its text.
func (c *channel) next(w *world) string {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	m, err := c.messages.ReceiveMessage(ctx)
	w.must(err)
	for name := range strings.SplitSeq(m.Payload, "\n") {
		c.names[name] = true
	}
	return m.Payload
}

func TestRegistrationsAreSeenOnceWithTheirWindows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	lease := w.acquire(query)
	if got, want := fmt.Sprint(w.registrations()), "[1 "+query+" ]"; got != want {
		t.Errorf("registrations are %s, want %s", got, want)
	}
	w.must(w.fill(lease, "x"))
	if got, want := fmt.Sprint(w.registrations()), "[2 "+query+" 1/1/2/2|,4|*]"; got != want {
		t.Errorf("registrations are %s, want %s", got, want)
	}
	if got := w.registrations(); len(got) != 0 {
		t.Errorf("registrations come again: %v", got)
	}
}

func TestAnEntryFilledAgainIsRegisteredWideBeforeItsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.store(query, "x")
	w.registrations()
	w.must(w.rdb.Del(w.ctx, w.space.Queryset(query)).Err()) // as if it had expired
	w.acquire(query)
	if got, want := fmt.Sprint(w.registrations()), "[3 "+query+" ]"; got != want {
		t.Errorf("registrations are %s, want %s", got, want)
	}
}

func TestManyRegistrationsComeInParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	for i := range 1700 {
		w.limits.Live = 10000
		w.reader = rediscache.NewReader(w.rdb, w.space, build, w.limits)
		w.acquire(fmt.Sprintf("properties/%d", i))
	}
	if got := len(w.registrations()); got != 1700 {
		t.Errorf("%d registrations are seen, want 1700", got)
	}
	w.beat()
}

func TestFillIsRefused(t *testing.T) {
	t.Parallel()
	t.Run("after FLUSHALL", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1)
		lease := w.acquire(query)
		w.flush()
		w.want(w.fill(lease, "x"), rediscache.ErrLeaseLost)
	})
	t.Run("after its lease has ended", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1)
		lease := w.acquire(query)
		w.must(w.rdb.Del(w.ctx, w.space.Lease(query)).Err())
		w.want(w.fill(lease, "x"), rediscache.ErrLeaseLost)
	})
	t.Run("when an epoch began after its lease", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1)
		lease := w.acquire(query)
		w.leader.Epoch, w.leader.Term = rediscache.NewEpoch(), 2
		w.must(w.begin(w.daemon, w.leader))
		w.want(w.fill(lease, "x"), rediscache.ErrEpoch)
	})
	for name, read := range map[string]func(*rediscache.Leader){
		"of another epoch":                   func(l *rediscache.Leader) { l.Epoch = rediscache.NewEpoch() },
		"of a start that nobody took over":   func(l *rediscache.Leader) { l.Server = "second-start" },
		"another one with a copied marker":   func(l *rediscache.Leader) { l.Database = "7/6" },
		"without a marker, as after a crash": func(l *rediscache.Leader) { *l = rediscache.Leader{} },
	} {
		t.Run("when the database is "+name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			lease := w.acquire(query)
			read(&w.leader)
			w.want(w.fill(lease, "x"), rediscache.ErrEpoch)
		})
	}
}

// flush removes every key of this test, as FLUSHALL would.
func (w *world) flush() {
	w.Helper()
	keys, err := w.rdb.Keys(w.ctx, w.space.Prefix+":*").Result()
	w.must(err)
	if len(keys) > 0 {
		w.must(w.rdb.Del(w.ctx, keys...).Err())
	}
}

// Whoever holds a lease of an epoch that has ended can store nothing under it: nobody waits for
// him, and he disturbs nobody.
func TestLeaseOfAnEndedEpochIsNobodys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	old := w.acquire(query)
	before := w.leader
	w.leader.Epoch, w.leader.Term = rediscache.NewEpoch(), 2
	w.must(w.begin(w.daemon, w.leader))
	lease := w.acquire(query)
	now := w.leader
	w.leader = before
	w.want(w.fill(old, "old"), rediscache.ErrLeaseLost)
	w.leader = now
	w.must(w.reader.Release(w.ctx, old))
	_, _, err := w.reader.Acquire(w.ctx, query)
	w.want(err, rediscache.ErrHeld)
	w.must(w.fill(lease, "new"))
	w.beat()
	if got := w.body(query); got != "new" {
		t.Errorf("a hit shows %q, want what was filled in this epoch", got)
	}
}

func TestOneLeaseAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	lease := w.acquire(query)
	_, _, err := w.reader.Acquire(w.ctx, query)
	w.want(err, rediscache.ErrHeld)
	w.must(w.reader.Release(w.ctx, lease))
	other := w.acquire(query)
	w.must(w.reader.Release(w.ctx, lease)) // not its lease any more
	_, _, err = w.reader.Acquire(w.ctx, query)
	w.want(err, rediscache.ErrHeld)
	w.must(w.fill(other, "x"))
}

func TestNoLeaseWithoutFenceOrRoom(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.limits.Live = 2
	w.reader = rediscache.NewReader(w.rdb, w.space, build, w.limits)
	w.store("properties/1", "1")
	w.store("properties/2", "2")
	_, _, err := w.reader.Acquire(w.ctx, "properties/3")
	w.want(err, rediscache.ErrFull)
	w.must(w.rdb.Del(w.ctx, w.space.Queryset("properties/1")).Err())
	w.acquire("properties/1") // is live already
	w.flush()
	_, _, err = w.reader.Acquire(w.ctx, query)
	w.want(err, rediscache.ErrNoFence)
}

func TestViewIsStoredOnlyFromTheQuerysetInRedis(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.store(query, "x")
	w.beat()
	_, stored, err := w.reader.Acquire(w.ctx, query)
	w.must(err)
	if stored == nil || stored.Value != "rows of x" {
		t.Fatalf("the queryset is %+v", stored)
	}
	html := rediscache.View{Status: 200, ETag: tag, Body: "<p>x"}
	w.must(w.reader.StoreView(w.ctx, query, stored, "html", html))
	result, err := w.reader.Lookup(w.ctx, "html", query)
	w.must(err)
	if result.View == nil || result.View.Body != "<p>x" {
		t.Fatalf("the page is %+v", result.View)
	}

	w.registrations()
	w.must(w.daemon.Purge(w.ctx, []string{query}, ignore))
	w.want(w.reader.StoreView(w.ctx, query, stored, "html", html), rediscache.ErrLeaseLost)
	w.store(query, "y")
	w.want(w.reader.StoreView(w.ctx, query, stored, "html", html), rediscache.ErrLeaseLost)
}

func TestAFillRemovesViewsOfEarlierContent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.store(query, "x")
	w.beat()
	_, stored, err := w.reader.Acquire(w.ctx, query)
	w.must(err)
	w.must(w.reader.StoreView(w.ctx, query, stored, "html", rediscache.View{Status: 200, ETag: tag, Body: "<p>x"}))
	w.must(w.rdb.Del(w.ctx, w.space.Queryset(query)).Err())
	w.store(query, "y")
	result, err := w.reader.Lookup(w.ctx, "html", query)
	w.must(err)
	if result.View != nil {
		t.Errorf("the page of the earlier content is still there: %+v", result.View)
	}
}

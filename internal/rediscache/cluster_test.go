package rediscache_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/redistest"
)

// told notes what a subscription passes on.
type told struct {
	mu        sync.Mutex
	connected bool
	purged    map[string]int
}

func (h *told) Connected(connected bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.connected = connected
}

func (h *told) Purge(query string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.purged[query]++
}

func (h *told) Clear() {}

func (h *told) await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		h.mu.Lock()
		is := done()
		h.mu.Unlock()
		if is {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// newCluster returns a world on a cluster of three masters, and another client of it.
func newCluster(t *testing.T, partitions int) (*world, *redistest.Cluster) {
	t.Helper()
	c := redistest.StartCluster(t, 3, false)
	rdb, err := rediscache.Connect(c.URL(), 10*time.Second, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	w := newWorldOn(t, rdb, rediskey.Space{Prefix: "freshlist", Partitions: partitions, Cluster: true})
	return w, c
}

// queriesOf returns a query of each partition.
func queriesOf(space rediskey.Space) []string {
	queries := make([]string, space.Partitions)
	for n, left := 0, space.Partitions; left > 0; n++ {
		q := fmt.Sprint("properties?city=C", n)
		if p := space.Partition(q); queries[p] == "" {
			queries[p] = q
			left--
		}
	}
	return queries
}

// Nodes that take connections and answer nothing hold a request up for no longer than one does.
func TestAStoppedCluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 3, false)
	for _, s := range c.Nodes {
		s.Pause(t)
		defer s.Resume(t)
	}
	rdb, err := rediscache.Connect(c.URL(), 50*time.Millisecond, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	space := rediskey.Space{Prefix: "freshlist", Partitions: 16, Cluster: true}
	reader := rediscache.NewReader(rdb, space, build, rediscache.Limits{Live: 10})
	if _, err := reader.Lookup(t.Context(), "json", query); err == nil {
		t.Error("a lookup without an answer has no error")
	}
	if _, _, err := reader.Acquire(t.Context(), query); err == nil {
		t.Error("an acquire without an answer has no error")
	}
}

// Everything that both programs ask of Redis works with partitions on several servers.
func TestCluster(t *testing.T) {
	t.Parallel()
	w, c := newCluster(t, 16)
	heard := &told{purged: map[string]int{}}
	ctx, cancel := context.WithCancel(w.ctx)
	var following sync.WaitGroup
	following.Go(func() { rediscache.Subscribe(ctx, w.rdb, w.space, heard) })
	t.Cleanup(following.Wait)
	t.Cleanup(cancel)
	heard.await(t, "the subscription", func() bool { return heard.connected })

	queries := queriesOf(w.space)
	for _, q := range queries {
		w.store(q, "body of "+q)
	}
	if n := len(w.registrations()); n != len(queries) {
		t.Errorf("%d registrations, want %d", n, len(queries))
	}
	w.beat()
	var reading sync.WaitGroup
	for _, q := range queries {
		reading.Go(func() {
			result, err := w.reader.Lookup(w.ctx, "json", q)
			if err != nil || result.View == nil || result.View.Body != "body of "+q {
				t.Errorf("%s shows %+v (%v)", q, result.View, err)
			}
			if _, stored, err := w.reader.Acquire(w.ctx, q); err != nil || stored == nil {
				t.Errorf("%s: no queryset (%v)", q, err)
			}
		})
	}
	reading.Wait()
	for reader, counts := range w.readers() {
		if reader == "look" || reader == "acquire" {
			continue // they ask for another query
		}
		if !counts() {
			t.Errorf("%s takes the beat for none", reader)
		}
	}

	if warning, err := rediscache.CheckServer(w.ctx, w.rdb, w.space); warning != "" || err != nil {
		t.Errorf("%s, %v", warning, err)
	}
	if counts, err := rediscache.ReadKeyspaceStats(w.ctx, w.rdb); err != nil || counts.Hits < uint64(len(queries)) {
		t.Errorf("%+v, %v", counts, err)
	}
	w.must(rediscache.CheckScripts(w.ctx, w.rdb, w.space))
	state, err := rediscache.Inspect(w.ctx, w.rdb, w.space)
	if err != nil || len(state.Servers) != 3 || len(state.Partitions) != 16 {
		t.Fatalf("%+v, %v", state, err)
	}
	for p, part := range state.Partitions {
		if part.Beat == nil || part.Live != 1 || part.Epoch != w.leader.Epoch {
			t.Errorf("partition %d: %+v", p, part)
		}
	}
	if n, err := w.daemon.Live(w.ctx); err != nil || n != 16 {
		t.Errorf("%d live, %v", n, err)
	}
	auditor := rediscache.NewAuditor(w.rdb, w.space)
	sample, err := auditor.Sample(w.ctx, 16, 0)
	var walked []string
	err = errors.Join(err, auditor.Walk(w.ctx, func(some []string) error { walked = append(walked, some...); return nil }))
	if len(sample) != 16 || len(walked) != 16 || err != nil {
		t.Errorf("sample %v, walk %v, %v", sample, walked, err)
	}

	// A server that does not know the scripts, as after a failover, is taught them.
	for i := range c.Nodes {
		w.must(c.Client(i).ScriptFlush(w.ctx).Err())
	}
	w.must(w.daemon.Purge(w.ctx, queries[:8], ignore))
	for p, q := range queries {
		want := ""
		if p >= 8 {
			want = "body of " + q
		}
		w.wantBody(q, want)
	}
	heard.await(t, "all that was purged", func() bool { return len(heard.purged) == 8 })
	for i := range c.Nodes {
		w.must(c.Client(i).ScriptFlush(w.ctx).Err())
	}
	w.beat()
	gone, err := w.daemon.Cleanup(w.ctx, 100)
	if err != nil || len(gone) != 0 {
		t.Errorf("cleanup: %v, %v", gone, err)
	}
}

// A server that forgets the scripts in the middle of a leadership ends nothing and costs
// nothing that is cached.
func TestForgottenScriptsAreLoadedAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client(t)
	w := newWorldOn(t, rdb, rediskey.Space{Prefix: "freshlist", Partitions: 3})
	queries := queriesOf(w.space)
	for _, q := range queries {
		w.store(q, q)
	}
	for _, step := range []func() error{
		func() error { w.registrations(); return nil },
		func() error { return w.daemon.Purge(w.ctx, queries[:2], ignore) },
		func() error { _, err := w.daemon.Cleanup(w.ctx, 10); return err },
		func() error { w.beat(); return nil },
	} {
		w.must(rdb.ScriptFlush(w.ctx).Err())
		w.must(step())
	}
	w.wantBody(queries[2], queries[2])
	w.wantBody(queries[0], "")
}

// While a slot moves, its partition is refused, and nothing is lost: once it has moved, the
// same leader takes up what it left, and all that was cached is there.
func TestAMovedSlot(t *testing.T) {
	t.Parallel()
	w, c := newCluster(t, 3)
	queries := queriesOf(w.space)
	heard := &told{purged: map[string]int{}}
	ctx, cancel := context.WithCancel(w.ctx)
	var following sync.WaitGroup
	following.Go(func() { rediscache.Subscribe(ctx, w.rdb, w.space, heard) })
	t.Cleanup(following.Wait)
	t.Cleanup(cancel)
	for _, q := range queries {
		w.store(q, q)
	}
	w.registrations()
	w.beat()
	slot := c.SlotOf(t, w.space.Fence(1))
	from := c.Owner(slot)
	if moved := c.Move(t, slot, (from+1)%3, 0); moved < 5 {
		t.Errorf("%d keys moved", moved)
	}
	stored := w.daemon.Fences()
	var refused error
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		leader := w.leader
		leader.Term++
		w.leader = leader
		changed, err := w.daemon.TakeOver(w.ctx, leader, stored)
		if err == nil && !w.daemon.AnyDark() {
			break
		}
		if errors.Is(err, rediscache.ErrStateLost) || time.Now().After(end) {
			t.Fatal(changed, err)
		}
		refused = w.daemon.Dark(1)
	}
	t.Log("before that:", refused)
	w.beat()
	for _, q := range queries {
		w.wantBody(q, q)
	}
	heard.await(t, "the subscription after the move", func() bool {
		w.must(w.daemon.Purge(w.ctx, queries[1:2], ignore))
		time.Sleep(20 * time.Millisecond)
		return heard.purged[queries[1]] > 0
	})
	w.wantBody(queries[1], "")
}

// A replica that has missed a purge is promoted: the fence's seq tells, and the cache begins
// empty.
func TestAFailoverThatLosesAPurge(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 3, true)
	rdb, err := rediscache.Connect(c.URL(), 10*time.Second, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	w := newWorldOn(t, rdb, rediskey.Space{Prefix: "freshlist", Partitions: 3, Cluster: true})
	queries := queriesOf(w.space)
	for _, q := range queries {
		w.store(q, q)
	}
	w.registrations()
	w.beat()
	slot := c.SlotOf(t, w.space.Fence(1))
	master := c.Owner(slot)
	replica := c.Partner(master)
	if n, err := c.Client(master).Wait(w.ctx, 1, time.Minute).Result(); err != nil || n != 1 {
		t.Fatalf("%d replicas have all of it, %v", n, err)
	}
	w.must(c.Client(replica).ConfigSet(w.ctx, "masterauth", "another").Err())
	w.must(c.Client(master).Do(w.ctx, "client", "kill", "type", "replica").Err())
	w.must(w.daemon.Purge(w.ctx, queries, ignore))
	stored := w.daemon.Fences()
	c.Nodes[master].Kill(t)
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		w.leader.Term++
		_, err := w.daemon.TakeOver(w.ctx, w.leader, stored)
		dark := w.daemon.Dark(1)
		if errors.Is(dark, rediscache.ErrStateLost) {
			break
		}
		if err != nil || dark == nil || time.Now().After(end) {
			t.Fatalf("takeover of a replica that has missed a purge: %v, %v", dark, err)
		}
	}
	if owner := c.Owner(slot); owner != replica {
		t.Errorf("node %d holds the slot, want %d", owner, replica)
	}
	generation := rediscache.NewEpoch()
	w.daemon.Adopt(1, w.leader, w.daemon.Begin(w.ctx, 1, w.leader, generation))
	w.must(w.daemon.Dark(1))
	w.beat()
	w.wantBody(queries[1], "") // it has lost something; the others were purged of theirs
	w.store(queries[1], "new")
	w.wantBody(queries[1], "new")
}

// A beat that MIGRATE holds up on its way ends with the original: its end is in its value.
func TestAMigratedBeatEndsInTime(t *testing.T) {
	t.Parallel()
	from, to := redistest.Start(t), redistest.Start(t)
	w := newWorldOn(t, from.Client(t), rediskey.Space{Prefix: "freshlist", Partitions: 1})
	w.store(query, "x")
	w.beat()
	address := strings.Split(strings.SplitAfter(to.URL(), "@")[1], "/")[0]
	host, port, _ := strings.Cut(address, ":")
	w.must(w.rdb.PExpire(w.ctx, w.space.Beat(0), time.Hour).Err()) // whoever gave it one
	keys, err := w.rdb.Keys(w.ctx, "*").Result()
	w.must(err)
	words := []any{"migrate", host, port, "", 0, 5000, "auth", password(to.URL()), "keys"}
	for _, key := range keys {
		words = append(words, key)
	}
	w.must(w.rdb.Do(w.ctx, words...).Err())
	w.rdb = to.Client(t)
	w.reader = rediscache.NewReader(w.rdb, w.space, build, w.limits)
	w.wantBody(query, "x")
	w.setBeatAt(func(b *rediscache.Beat) { b.Noted -= bound.Microseconds() })
	for reader, counts := range w.readers() {
		if counts() {
			t.Errorf("%s takes it for a proof", reader)
		}
	}
}

// password returns the password in an address.
func password(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	word, _ := u.User.Password()
	return word
}

// setBeatAt changes the beat that is there.
func (w *world) setBeatAt(change func(*rediscache.Beat)) {
	w.Helper()
	text, err := w.rdb.Get(w.ctx, w.space.Beat(0)).Result()
	w.must(err)
	beat, err := rediscache.ParseBeat(text)
	w.must(err)
	change(&beat)
	w.must(w.rdb.Set(w.ctx, w.space.Beat(0), beat.Encode(), redis.KeepTTL).Err())
}

// What the address leads to is named when it is not what the address says, and what to write.
func TestMisfits(t *testing.T) {
	t.Parallel()
	c, s := redistest.StartCluster(t, 3, false), redistest.StartSentinels(t)
	plain := redistest.Start(t)
	host := func(address string) string { return strings.Split(strings.SplitAfter(address, "@")[1], "/")[0] }
	for name, test := range map[string]struct {
		address string
		says    []string
	}{
		"a node as a server":        {c.Nodes[0].URL(), []string{"one node of a cluster", "redis+cluster://"}},
		"a server as a cluster":     {"redis+cluster://" + strings.TrimPrefix(strings.TrimSuffix(plain.URL(), "/0"), "redis://"), []string{"not in cluster mode", "redis://"}},
		"a server as a sentinel":    {"redis+sentinel://" + strings.TrimPrefix(strings.TrimSuffix(plain.URL(), "/0"), "redis://") + "/x?sentinel_password=" + password(plain.URL()), []string{"no sentinels"}},
		"sentinels with a password": {strings.Split(s.URL(), "?")[0], []string{"sentinel_password"}},
		"a sentinel as a server":    {strings.Replace(s.Servers[0].URL(), host(s.Servers[0].URL()), strings.Split(host(s.URL()), ",")[0], 1), []string{"sentinel", "redis+sentinel://"}},
		"an unknown master":         {strings.Replace(s.URL(), "/listings", "/others", 1), []string{"no master of the name"}},
		"a replica":                 {s.Servers[1].URL(), nil},
	} {
		rdb, err := rediscache.Connect(test.address, 10*time.Second, nil)
		if err != nil {
			t.Fatal(err)
		}
		state, err := rediscache.Inspect(t.Context(), rdb, rediskey.Space{Prefix: "freshlist", Partitions: 16})
		if test.says == nil && (err != nil || !state.Servers[0].Replica) {
			t.Errorf("%s: %+v, %v", name, state, err)
		}
		if test.says != nil {
			var m *rediscache.Misfit
			if !errors.As(err, &m) || slices.ContainsFunc(test.says, func(word string) bool { return !strings.Contains(m.Error(), word) }) {
				t.Errorf("%s: %v, want %q in it", name, err, test.says)
			}
		}
		_ = rdb.Close()
	}
	rdb, err := rediscache.Connect(s.URL(), 10*time.Second, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	w := newWorldOn(t, rdb, rediskey.Space{Prefix: "freshlist", Partitions: 1})
	w.store(query, "x")
	w.beat()
	w.wantBody(query, "x")
}

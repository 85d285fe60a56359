package rediscache_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/redistest"
)

func wantReason(t *testing.T, w *rediscache.BeatReader, want cachestate.Reason) {
	t.Helper()
	beats, err := w.Beats(t.Context())
	if got, _ := cachestate.ReasonOf(err); got != want {
		t.Errorf("reason %q (%v, %v), want %q", got, beats, err, want)
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	space := rediskey.Space{Prefix: "freshlist", Partitions: 2}
	w := rediscache.NewBeatReader(rdb, space)
	wantReason(t, w, cachestate.NoBeat)
	now, err := rdb.Time(t.Context()).Result()
	must(err)
	beat := func(p int, until time.Time) {
		text := rediscache.Beat{
			Noted: until.Add(-24 * time.Hour).UnixMicro(), Bound: 24 * time.Hour, Epoch: rediscache.NewEpoch(), Generation: rediscache.NewEpoch(),
			Server: "1", Database: "1/1", Partitions: 2, Applied: "1:1:",
		}.Encode()
		must(rdb.Set(t.Context(), space.Beat(p), text, 0).Err())
	}
	beat(0, now.Add(-time.Second)) // has ended
	wantReason(t, w, cachestate.NoBeat)
	beat(1, now.Add(time.Hour))
	wantReason(t, w, cachestate.OK)
	if beats, err := w.Beats(t.Context()); len(beats) != 1 {
		t.Errorf("%d beats, want that of one partition (%v)", len(beats), err)
	}
	beat(0, now.Add(time.Hour))
	wantReason(t, w, cachestate.OK)

	// Full of what may not be evicted, under a policy that evicts and one that does not.
	for i := range 4 {
		must(rdb.Set(t.Context(), strings.Repeat("x", i+1), strings.Repeat("y", 1<<20), 0).Err())
	}
	for _, policy := range []string{"volatile-lfu", "noeviction"} {
		must(rdb.ConfigSet(t.Context(), "maxmemory-policy", policy).Err())
		must(rdb.ConfigSet(t.Context(), "maxmemory", "2mb").Err())
		wantReason(t, w, cachestate.RedisFull)
		must(rdb.ConfigSet(t.Context(), "maxmemory", "64mb").Err())
		wantReason(t, w, cachestate.OK)
	}
	// At its limit, but with something to evict, it is not full.
	must(rdb.ConfigSet(t.Context(), "maxmemory-policy", "volatile-lfu").Err())
	must(rdb.ConfigSet(t.Context(), "maxmemory", "16mb").Err())
	for i := range 400 {
		must(rdb.Set(t.Context(), "cached"+strings.Repeat("x", i), strings.Repeat("y", 1<<16), time.Hour).Err())
		if i%50 == 0 {
			wantReason(t, w, cachestate.OK)
		}
	}
	must(rdb.ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err())
	wantReason(t, w, cachestate.RedisPolicy)
	must(rdb.ConfigSet(t.Context(), "maxmemory-policy", "volatile-lfu").Err())

	must(rdb.Do(t.Context(), "ACL", "SETUSER", "weak", "on", ">secret", "~other:*", "+@all").Err())
	options, err := redis.ParseURL(server.URL())
	must(err)
	options.Username, options.Password = "weak", "secret"
	weak := redis.NewClient(options)
	defer weak.Close()
	wantReason(t, rediscache.NewBeatReader(weak, space), cachestate.NoRights)
	down := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1})
	defer down.Close()
	wantReason(t, rediscache.NewBeatReader(down, space), cachestate.RedisDown)
}

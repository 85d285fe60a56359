package rediscache_test

import (
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/redistest"
)

func TestProcesses(t *testing.T) {
	t.Parallel()
	r := redistest.New(t)
	space := rediskey.Space{Prefix: r.Prefix, Partitions: 3}
	if none, err := rediscache.ReadProcesses(t.Context(), r.Client, space); err != nil || len(none) > 0 {
		t.Fatalf("%+v, %v before the first", none, err)
	}
	write := func(id string, requests uint64, at time.Time) {
		t.Helper()
		if err := rediscache.WriteProcess(t.Context(), r.Client, space, activity.Process{ID: id, At: at, Requests: requests}); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	write("a", 1, now)
	write("b", 2, now)
	write("a", 3, now)
	write("old", 4, now.Add(-2*time.Hour))
	if life := r.Client.PTTL(t.Context(), space.Process("a")).Val(); life <= 0 || life > time.Minute {
		t.Errorf("a row stays for %v", life)
	}
	for _, gone := range []string{"b", "old"} { // as if they had ended
		if err := r.Client.Del(t.Context(), space.Process(gone)).Err(); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := rediscache.ReadProcesses(t.Context(), r.Client, space)
	if err != nil || len(rows) != 1 || rows[0].ID != "a" || rows[0].Requests != 3 {
		t.Errorf("%+v, %v", rows, err)
	}
	listed := r.Client.ZRangeArgs(t.Context(), redis.ZRangeArgs{Key: space.Processes(), Start: 0, Stop: -1}).Val()
	if slices.Sort(listed); !slices.Equal(listed, []string{"a", "b"}) {
		t.Errorf("%q are listed; who has written nothing for hours is not", listed)
	}
}

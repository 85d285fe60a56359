package invalidate_test

import (
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/redistest"
)

// A Redis that is told to evict what the cache rests on is not beaten for, until it is told
// otherwise.
func TestPolicyThatEvictsAnythingEndsTheBeats(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	d := deployment.New(t, deployment.Options{Redis: server, Bound: 2 * time.Second})
	d.Invalidate()
	beaten := func() bool {
		now, err := d.Redis.Time(t.Context()).Result()
		d.Must(err)
		beat := d.Beat(0)
		return beat != nil && now.UnixMicro() < beat.End()
	}
	policy := func(name string) { d.Must(d.Redis.ConfigSet(t.Context(), "maxmemory-policy", name).Err()) }
	for _, evicting := range []string{"allkeys-lru", "volatile-ttl"} {
		policy(evicting)
		d.Await("the end of the beats under "+evicting, func() bool { return !beaten() })
		policy("volatile-lru")
		d.Await("a beat again", beaten)
	}
}

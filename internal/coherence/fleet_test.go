package coherence

import (
	"net/http"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/coherence/fleet"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/redistest"
)

// The fleet itself: processes are killed, stopped, and come back.
func TestFleet(t *testing.T) {
	t.Parallel()
	db, rd := migrated.New(t), redistest.New(t)
	c := fleet.Config{Database: db.Roles, Redis: rd.URL, Prefix: rd.Prefix, Bound: 5 * time.Second}
	invalidator, api := c.Invalidator(t), c.API(t)
	fleet.Await(t, "the invalidator leads", func() bool { return invalidator.Status().Role == "leader" })
	hit := func() bool {
		response, err := http.Get(api.URL + "/v1/properties")
		if err != nil {
			return false
		}
		defer http.DefaultClient.CloseIdleConnections()
		defer response.Body.Close()
		return fleet.Hit(response)
	}
	fleet.Await(t, "a hit", hit)
	if n := api.Metric(`freshlist_cache_requests_total{level="l1",result="miss"}`); n < 1 {
		t.Errorf("the API counts %v misses", n)
	}

	api.Restart(t)
	api.AwaitReady(t)
	fleet.Await(t, "a hit", hit)

	invalidator.Stop(t)
	if role := invalidator.Status().Role; role != "" {
		t.Errorf("a stopped process answers %q", role)
	}
	invalidator.Continue(t)
	fleet.Await(t, "the invalidator answers", func() bool { return invalidator.Status().Role != "" })
	invalidator.Kill(t)
	invalidator.Start(t)
	invalidator.AwaitReady(t)
}

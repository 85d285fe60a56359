package coherence

import (
	"strings"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/coherence/fleet"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/redistest"
)

// probeQuery is the canonical text of probe.
const probeQuery = "properties/summary?city=ATLANTIS"

// awaitPurge edits what the probe counts, before anybody else edits, and waits until every API
// process serves the edit from the cache.
func (r *rig) awaitPurge() {
	r.Helper()
	for _, step := range []struct{ city, count string }{{"ATLANTIS", "1"}, {"FOLSOM", "0"}} {
		r.edit("update public.properties set city = '" + step.city + "' where id = 5")
		for _, api := range r.apis {
			fleet.Await(r, "the probe shows "+step.count, func() bool {
				response, body := r.get(api, probe)
				return response != nil && fleet.Hit(response) && strings.Contains(body, `"count":`+step.count)
			})
		}
	}
}

// usedAgain waits until the cache is used after a fault, and then for B, in which what is stale
// would show its age.
func (r *rig) usedAgain(after string) {
	r.Helper()
	r.Logf("%s: in use again after %v", after, r.awaitHit(patience).Round(time.Millisecond))
	r.until(r.journal.history.now() + instant(r.bound+r.bound/4))
	if r.tally.stale() > 0 {
		r.Fatalf("after: %s", after)
	}
}

// A Redis Cluster of three masters and their replicas, with 16 partitions, while readers and
// writers work and every answer is held against the history: a master that dies, a failover in
// order, and a slot that moves key by key.
func TestRedisCluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 3, true)
	r := newRig(t, options{bound: time.Second, apis: 2, invalidators: 1, redisURL: c.URL()})
	r.awaitPurge()
	r.work(2, 2, 2*time.Millisecond)
	space := rediskey.Space{Prefix: "freshlist", Partitions: 16, Cluster: true}
	slot := c.SlotOf(t, space.Queryset(probeQuery))

	r.tally.window(true)
	master := c.Owner(slot)
	c.Nodes[master].Kill(t)
	took := fleet.Within(t, patience, "the replica has taken over", func() bool { return c.Owner(slot) == c.Partner(master) })
	t.Logf("a master killed: the cluster's own failover takes %v", took.Round(time.Millisecond))
	r.usedAgain("a master killed")

	c.Nodes[master].Start(t, "")
	other := c.Owner((slot + 8192) % 16384) // of another shard
	replica := c.Partner(other)
	c.Failover(t, replica, (slot+8192)%16384)
	r.usedAgain("failover in order")

	moved := c.Move(t, slot, replica, 5*time.Millisecond)
	if owner := c.Owner(slot); owner != replica {
		t.Errorf("the slot is with node %d, not %d", owner, replica)
	}
	r.usedAgain("a slot moved")
	t.Logf("%d keys moved", moved)
	r.tally.window(false)
}

// A Redis behind sentinels: a failover in order, and one by the master's death.
func TestSentinels(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinels(t)
	r := newRig(t, options{bound: time.Second, apis: 2, invalidators: 1, redisURL: s.URL()})
	r.awaitPurge()
	r.work(2, 2, 2*time.Millisecond)
	r.tally.window(true)
	s.Failover(t)
	r.usedAgain("failover in order")

	s.AwaitReplica(t)
	before := s.Master()
	s.Servers[before].Kill(t)
	took := fleet.Within(t, patience, "the sentinels name the other server", func() bool { return s.Master() == 1-before })
	t.Logf("the master killed: the sentinels' own failover takes %v", took.Round(time.Millisecond))
	r.usedAgain("the master killed")
	r.tally.window(false)
}

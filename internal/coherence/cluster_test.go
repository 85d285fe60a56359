package coherence

import (
	"context"
	"fmt"
	"slices"
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

// shards watches what is answered of partitions on each master of a cluster.
type shards struct {
	*rig
	cluster *redistest.Cluster
	space   rediskey.Space
	homes   []int       // of each partition, the master that holds it at first
	paths   [3][]string // by the master that holds the partition at first: views that no random edit touches
}

// watchShards warms some views of each shard.
func (r *rig) watchShards(c *redistest.Cluster, space rediskey.Space) *shards {
	r.Helper()
	s := &shards{rig: r, cluster: c, space: space, homes: make([]int, space.Partitions)}
	for p := range s.homes {
		s.homes[p] = c.Owner(c.SlotOf(r, space.Fence(p)))
	}
	for n, left := 1, 12; left > 0; n++ {
		query := fmt.Sprint("properties/summary?city=ATLANTIS&min_price=", n)
		owner := s.homes[space.Partition(query)]
		if owner >= 0 && len(s.paths[owner]) < 4 {
			s.paths[owner] = append(s.paths[owner], "/v1/"+query)
			left--
		}
	}
	for _, paths := range s.paths {
		for _, path := range paths {
			r.awaitHitOf(path)
		}
	}
	return s
}

// awaitHitOf waits until every API process answers a view from the cache.
func (r *rig) awaitHitOf(path string) {
	r.Helper()
	for _, api := range r.apis {
		fleet.Within(r, patience, "a hit of "+path, func() bool {
			response, _ := r.get(api, path)
			return response != nil && fleet.Hit(response)
		})
	}
}

// generations returns those of the partitions, by partition.
func (s *shards) generations() []string {
	all := make([]string, s.space.Partitions)
	for p := range all {
		fence := s.space.Fence(p)
		if owner := s.cluster.Owner(s.cluster.SlotOf(s, fence)); owner >= 0 {
			all[p] = s.cluster.Client(owner).HGet(context.Background(), fence, "generation").Val()
		}
	}
	return all
}

// seqs returns the seq of each partition of a shard, by its master; 0 of the others.
func (s *shards) seqs(shard int) []int64 {
	all := make([]int64, s.space.Partitions)
	for p := range all {
		if s.homes[p] == shard {
			all[p], _ = s.cluster.Client(shard).HGet(context.Background(), s.space.Fence(p), "seq").Int64()
		}
	}
	return all
}

// awaitStored waits until PostgreSQL has stored a seq above those for each partition of a shard.
func (s *shards) awaitStored(shard int, above []int64) {
	s.Helper()
	conn := s.superuser()
	defer conn.Close(context.Background())
	fleet.Await(s, "the position is stored", func() bool {
		var stored []int64
		s.check(conn.QueryRow(context.Background(), "select fence_seqs from freshlist.marker order by revision desc limit 1").Scan(&stored))
		for p, seq := range stored {
			if s.homes[p] == shard && seq <= above[p] {
				return false
			}
		}
		return true
	})
}

// hitsOfOthers asks for the views of the shards but one until what is done, and returns which
// part of the answers came from the cache.
func (s *shards) hitsOfOthers(dark int, done func() bool) float64 {
	asked, hits := 0, 0
	for asked < 100 || !done() {
		for shard, paths := range s.paths {
			for _, path := range paths {
				if shard == dark {
					continue
				}
				response, _ := s.get(s.apis[asked%len(s.apis)], path)
				asked++
				if response != nil && fleet.Hit(response) {
					hits++
				}
			}
		}
	}
	return float64(hits) / float64(asked)
}

// While one shard of a cluster is dark the others go on serving from the cache. It comes back warm
// if its replica has all that it had, and alone begins anew if it has not.
func TestOneShardDark(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 3, true)
	// A call that hangs takes B/4; the rest is for a busy machine.
	r := newRig(t, options{bound: 4 * time.Second, apis: 2, invalidators: 1, redisURL: c.URL()})
	space := rediskey.Space{Prefix: "freshlist", Partitions: 16, Cluster: true}
	s := r.watchShards(c, space)
	r.work(2, 2, 5*time.Millisecond)
	r.tally.window(true)
	usual := s.hitsOfOthers(-1, func() bool { return true })
	fault := func(name string, dark int, begin, end func(), again func() bool) {
		before := s.generations()
		begin()
		until := time.Now().Add(2 * r.bound)
		got := s.hitsOfOthers(dark, func() bool { return time.Now().After(until) && again() })
		end()
		t.Logf("%s: %.1f %% hits in the other shards, usually %.1f %%", name, 100*got, 100*usual)
		if got < 0.95*usual {
			t.Errorf("%s: the others' hits fall to %.1f %% from %.1f %%", name, 100*got, 100*usual)
		}
		for _, path := range s.paths[dark] {
			r.awaitHitOf(path)
		}
		for p, generation := range s.generations() {
			if generation != before[p] && s.homes[p] != dark {
				t.Errorf("%s: partition %d, of another shard, has begun anew", name, p)
			}
		}
		r.usedAgain(name)
	}

	nothing := func() {}
	leads := func(node int) func() bool {
		return func() bool {
			role, err := c.Client(node).Do(context.Background(), "role").Slice()
			return err == nil && role[0] == "master"
		}
	}

	// Stopped: its replica takes over, and it comes back as a replica.
	fault("a master stopped", 0, func() { c.Nodes[0].Pause(t) }, func() { c.Nodes[0].Resume(t) }, leads(c.Partner(0)))

	// Killed with purges lost: the replica has been cut off before. That shard alone begins anew.
	cut := c.Partner(1)
	r.check(c.Client(cut).ConfigSet(context.Background(), "masterauth", "another").Err())
	replication := func(node int) string { return c.Client(node).Info(context.Background(), "replication").Val() }
	fleet.Await(t, "the replica is cut off", func() bool {
		r.check(c.Client(1).Do(context.Background(), "client", "kill", "type", "replica").Err())
		return strings.Contains(replication(cut), "master_link_status:down")
	})
	r.edit("update public.properties set city = 'ATLANTIS', price = 5 where id = 5")
	r.edit("update public.properties set city = 'FOLSOM' where id = 5")
	for shard := range s.paths {
		for _, path := range s.paths[shard] {
			r.awaitHitOf(path)
		}
	}
	// What PostgreSQL has stored of the shard is later than what the replica has: else that is simply gone on from.
	s.awaitStored(1, s.seqs(1))
	before, lost := s.generations(), replication(1)+replication(cut)
	fault("a master killed with purges lost", 1, func() { c.Nodes[1].Kill(t) }, nothing, leads(cut))
	renewed := 0
	for p, generation := range s.generations() {
		if generation != before[p] {
			renewed++
		}
	}
	if renewed == 0 {
		t.Errorf("no partition has begun anew, though its purges were lost:\n%s", lost)
	}

	// The third shard's scripts are forgotten: that costs nothing.
	kept := s.generations()
	fault("NOSCRIPT", 2, nothing, nothing, func() bool { return c.Client(2).ScriptFlush(context.Background()).Err() == nil })
	if now := s.generations(); !slices.Equal(now, kept) {
		t.Errorf("forgotten scripts: generations %v, then %v", kept, now)
	}
	r.tally.window(false)
}

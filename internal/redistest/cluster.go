package redistest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/local"
)

const slots = 16384

// Cluster is a private Redis Cluster of one test: masters with even runs of the slots, in their
// order, and then a replica of each, likewise.
type Cluster struct {
	Nodes   []*Server
	masters int
	clients []*redis.Client
}

// nodeTimeout is after how long a node that does not answer passes for gone.
const nodeTimeout = 1000 * time.Millisecond

// startAll starts servers at the same time, all with one password.
func startAll(t testing.TB, n int, password string, settings func(n int) []string) []*Server {
	t.Helper()
	servers, errs := make([]*Server, n), make([]error, n)
	var starting sync.WaitGroup
	for i := range n {
		starting.Go(func() {
			servers[i], errs[i] = startWith(local.RedisOptions{Password: password, Settings: settings(i)})
		})
	}
	starting.Wait()
	for i, s := range servers {
		if errs[i] == nil {
			t.Cleanup(func() { check(t, "remove redis", s.remove()) })
		}
	}
	for _, err := range errs {
		check(t, "start redis", err)
	}
	return servers
}

// StartCluster starts a cluster, with a replica for each master if replicas is set, and returns
// when all nodes agree that it is whole.
func StartCluster(t testing.TB, masters int, replicas bool) *Cluster {
	t.Helper()
	c, password := &Cluster{masters: masters}, rand.Text()
	n := masters
	if replicas {
		n *= 2
	}
	buses := make([]int, n)
	for i := range buses {
		var err error
		buses[i], err = local.FreePort(0)
		check(t, "find a port", err)
	}
	c.Nodes = startAll(t, n, password, func(i int) []string {
		return []string{
			"cluster-enabled yes", fmt.Sprint("cluster-port ", buses[i]), "masterauth " + password,
			fmt.Sprint("cluster-node-timeout ", nodeTimeout.Milliseconds()),
			"cluster-require-full-coverage no", "cluster-replica-validity-factor 0", "repl-diskless-sync-delay 0",
			"enable-debug-command local",
		}
	})
	for _, s := range c.Nodes {
		c.clients = append(c.clients, s.Client(t))
	}
	for i := range c.Nodes {
		check(t, "set epoch", c.do(i, "cluster", "set-config-epoch", i+1).Err())
		if i > 0 {
			check(t, "meet", c.do(0, "cluster", "meet", "127.0.0.1", c.Nodes[i].redis.Port(), buses[i]).Err())
		}
	}
	for i := range masters {
		check(t, "add slots", c.do(i, "cluster", "addslotsrange", i*slots/masters, (i+1)*slots/masters-1).Err())
	}
	for i := masters; i < n; i++ {
		id := c.id(t, i-masters)
		await(t, "a replica knows its master", func() bool { return c.do(i, "cluster", "replicate", id).Err() == nil })
	}
	await(t, "the cluster is whole", func() bool {
		for i := range c.Nodes {
			info, _ := c.do(i, "cluster", "info").Text()
			nodes, _ := c.do(i, "cluster", "nodes").Text()
			replication, _ := c.do(i, "info", "replication").Text()
			if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, fmt.Sprint("cluster_size:", masters, "\r")) ||
				strings.Count(nodes, "slave") != n-masters || strings.Contains(replication, "master_link_status:down") {
				return false
			}
		}
		return true
	})
	return c
}

// await waits until done.
func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(startTimeout); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain: %s", startTimeout, what)
		}
	}
}

func (c *Cluster) do(node int, words ...any) *redis.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return c.clients[node].Do(ctx, words...)
}

func (c *Cluster) id(t testing.TB, node int) string {
	t.Helper()
	id, err := c.do(node, "cluster", "myid").Text()
	check(t, "ask for the id", err)
	return id
}

// URL returns the address of the cluster, by some of its nodes.
func (c *Cluster) URL() string {
	var hosts []string
	first, err := url.Parse(c.Nodes[0].URL())
	if err != nil {
		panic(err) // it is made from its parts
	}
	for _, s := range c.Nodes[:min(3, len(c.Nodes))] {
		hosts = append(hosts, "127.0.0.1:"+strconv.Itoa(s.redis.Port()))
	}
	return "redis+cluster://" + first.User.String() + "@" + strings.Join(hosts, ",")
}

// Client returns a client of one node, which is closed at the end of the test.
func (c *Cluster) Client(node int) *redis.Client { return c.clients[node] }

// Owner returns the node that says of itself that it is the master of a slot, -1 if none does.
func (c *Cluster) Owner(slot int) int {
	for i := range c.Nodes {
		nodes, err := c.do(i, "cluster", "nodes").Text()
		if err != nil {
			continue
		}
		for line := range strings.Lines(nodes) {
			words := strings.Fields(line)
			if len(words) < 8 || !strings.Contains(words[2], "myself") || !strings.Contains(words[2], "master") {
				continue
			}
			for _, run := range words[8:] {
				first, last, many := strings.Cut(run, "-")
				a, err := strconv.Atoi(first)
				b := a
				if many {
					b, _ = strconv.Atoi(last)
				}
				if err == nil && a <= slot && slot <= b {
					return i
				}
			}
		}
	}
	return -1
}

// SlotOf returns the slot of a key.
func (c *Cluster) SlotOf(t testing.TB, key string) int {
	t.Helper()
	slot, err := c.do(c.alive(), "cluster", "keyslot", key).Int()
	check(t, "ask for the slot", err)
	return slot
}

func (c *Cluster) alive() int {
	return max(0, slices.IndexFunc(c.clients, func(rdb *redis.Client) bool { return rdb.Ping(context.Background()).Err() == nil }))
}

// Failover has the replica of a node's shard take over in order, and returns when it has.
func (c *Cluster) Failover(t testing.TB, replica, slot int) {
	t.Helper()
	await(t, "a failover in order", func() bool {
		if c.Owner(slot) == replica {
			return true
		}
		_ = c.do(replica, "cluster", "failover").Err()
		time.Sleep(100 * time.Millisecond)
		return c.Owner(slot) == replica
	})
}

// Partner returns the other node of a shard.
func (c *Cluster) Partner(node int) int { return (node + c.masters) % (2 * c.masters) }

// Move moves a slot to another master key by key, as redis-cli does, with a pause behind each
// key. It returns how many keys were moved.
func (c *Cluster) Move(t testing.TB, slot, to int, pause time.Duration) (moved int) {
	t.Helper()
	from := c.Owner(slot)
	password, _ := c.Nodes[to].password()
	check(t, "import", c.do(to, "cluster", "setslot", slot, "importing", c.id(t, from)).Err())
	check(t, "migrate", c.do(from, "cluster", "setslot", slot, "migrating", c.id(t, to)).Err())
	for {
		keys, err := c.do(from, "cluster", "getkeysinslot", slot, 1).StringSlice()
		check(t, "list keys", err)
		if len(keys) == 0 {
			break
		}
		err = c.do(from, "migrate", "127.0.0.1", c.Nodes[to].redis.Port(), keys[0], 0, 5000, "replace", "auth", password).Err()
		check(t, "move a key", err)
		moved++
		time.Sleep(pause)
	}
	id := c.id(t, to)
	check(t, "give the slot", c.do(to, "cluster", "setslot", slot, "node", id).Err())
	check(t, "give the slot away", c.do(from, "cluster", "setslot", slot, "node", id).Err())
	return moved
}

// password returns what the server asks for.
func (s *Server) password() (string, bool) {
	u, err := url.Parse(s.URL())
	if err != nil {
		return "", false
	}
	return u.User.Password()
}

// Sentinels are a master with a replica, and three sentinels that watch them.
type Sentinels struct {
	Servers   []*Server
	sentinels []*redis.SentinelClient
	hosts     []string
}

// master is the name that the sentinels know the master by.
const master = "listings"

// StartSentinels starts all of it and returns when the sentinels know one another and the
// replica follows.
func StartSentinels(t testing.TB) *Sentinels {
	t.Helper()
	s, password := &Sentinels{}, rand.Text()
	settings := []string{"masterauth " + password, "repl-diskless-sync-delay 0", "enable-debug-command local"}
	first := startAll(t, 1, password, func(int) []string { return settings })
	settings = append(settings, fmt.Sprint("replicaof 127.0.0.1 ", first[0].redis.Port()))
	s.Servers = append(first, startAll(t, 1, password, func(int) []string { return settings })...)
	for range 3 {
		sentinel, err := startWith(local.RedisOptions{Sentinel: true, Password: password, Settings: []string{
			fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d 2", master, first[0].redis.Port()),
			"sentinel auth-pass " + master + " " + password,
			"sentinel down-after-milliseconds " + master + " 1000",
			"sentinel failover-timeout " + master + " 3000",
			"sentinel sentinel-pass " + password,
		}})
		check(t, "start a sentinel", err)
		t.Cleanup(func() { check(t, "remove a sentinel", sentinel.remove()) })
		host := "127.0.0.1:" + strconv.Itoa(sentinel.redis.Port())
		client := redis.NewSentinelClient(&redis.Options{Addr: host, Password: password, DisableIdentity: true})
		t.Cleanup(func() { check(t, "close a client", client.Close()) })
		s.hosts, s.sentinels = append(s.hosts, host), append(s.sentinels, client)
	}
	await(t, "the sentinels know one another and the replica", func() bool {
		for _, sentinel := range s.sentinels {
			m, err := sentinel.Master(context.Background(), master).Result()
			if err != nil || m["num-other-sentinels"] != "2" || m["num-slaves"] != "1" || m["flags"] != "master" {
				return false
			}
		}
		replication, _ := s.Servers[1].Client(t).Info(context.Background(), "replication").Result()
		return strings.Contains(replication, "master_link_status:up")
	})
	return s
}

// URL returns the address of the master, by the sentinels. They ask for the same password.
func (s *Sentinels) URL() string {
	password, _ := s.Servers[0].password()
	return "redis+sentinel://:" + password + "@" + strings.Join(s.hosts, ",") + "/" + master + "?sentinel_password=" + password
}

// Master returns which of the servers the sentinels name, -1 if they do not agree.
func (s *Sentinels) Master() int {
	named := -1
	for i, sentinel := range s.sentinels {
		at, err := sentinel.GetMasterAddrByName(context.Background(), master).Result()
		if err != nil || len(at) != 2 {
			return -1
		}
		n := slices.IndexFunc(s.Servers, func(s *Server) bool { return strconv.Itoa(s.redis.Port()) == at[1] })
		if i > 0 && n != named {
			return -1
		}
		named = n
	}
	return named
}

// Failover has the sentinels promote the replica in order, and returns when all name it.
func (s *Sentinels) Failover(t testing.TB) {
	t.Helper()
	before := s.Master()
	await(t, "a failover in order", func() bool {
		_ = s.sentinels[0].Failover(context.Background(), master).Err() // refused soon after another
		time.Sleep(100 * time.Millisecond)
		now := s.Master()
		return now >= 0 && now != before
	})
}

// AwaitReplica waits until the server that is not the master follows it, and every sentinel
// knows it.
func (s *Sentinels) AwaitReplica(t testing.TB) {
	t.Helper()
	await(t, "the replica follows", func() bool {
		for _, sentinel := range s.sentinels {
			replicas, err := sentinel.Replicas(context.Background(), master).Result()
			if err != nil || len(replicas) != 1 || replicas[0]["master-link-status"] != "ok" || replicas[0]["flags"] != "slave" {
				return false
			}
		}
		return true
	})
}

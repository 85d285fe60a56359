package doctor_test

import (
	"strings"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/doctor"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/redistest"
)

// pointAt points a patient at another Redis, by its address.
func (p *patient) pointAt(address string) {
	p.Helper()
	rdb, err := rediscache.Connect(address, 10*time.Second, nil)
	p.must(err)
	p.Cleanup(func() { _ = rdb.Close() })
	p.Redis = rdb
}

// What an address leads to is named for what it is, with what to write instead.
func TestKindsOfRedis(t *testing.T) {
	t.Parallel()
	p := patientOf(t, migrated.New(t), redistest.New(t).Client, "kinds")
	cluster := redistest.StartCluster(t, 3, false)

	p.pointAt(cluster.Nodes[0].URL())
	p.Space.Partitions = 16
	p.want("redis", doctor.Fail, "one node of a cluster")
	p.refuses("REDIS_URL", "redis+cluster://n1,n2")

	p.pointAt(cluster.URL())
	p.Space.Cluster = true
	p.want("redis version", doctor.OK, "so with all masters: 3")
	p.want("redis role", doctor.OK, "primary")
	p.must(cluster.Client(2).ConfigSet(p.Context(), "maxmemory-policy", "noeviction").Err())
	p.want("eviction policy", doctor.Warn, "node 127.0.0.1:")
	p.must(cluster.Client(1).ConfigSet(p.Context(), "maxmemory-policy", "allkeys-lru").Err())
	p.want("eviction policy", doctor.Fail, "allkeys-lru")
	p.refuses("REDIS_URL", "allkeys-lru")
	p.Space.Cluster, p.Space.Partitions = false, 1

	plain := redistest.Start(t)
	p.pointAt("redis+cluster://" + strings.TrimPrefix(plain.URL(), "redis://"))
	p.want("redis", doctor.Fail, "not in cluster mode")
	replica := redistest.Start(t, "replicaof 127.0.0.1 1")
	p.pointAt(replica.URL())
	p.want("redis role", doctor.Fail, "replica")
	p.refuses("REDIS_URL", "redis+sentinel://")
}

// Services refuse commands that others have.
func TestManagedRedis(t *testing.T) {
	t.Parallel()
	p := patientOf(t, migrated.New(t), redistest.New(t).Client, "managed")
	p.pointAt(redistest.Start(t, `rename-command CONFIG ""`, `rename-command DEBUG ""`, `rename-command CLIENT ""`).URL())
	p.want("redis version", doctor.OK, "Redis 7")
	p.want("redis rights", doctor.OK, "scripts")
	p.pointAt(redistest.Start(t, `rename-command INFO ""`).URL())
	p.want("redis", doctor.Fail, "refuses INFO")
	p.refuses("REDIS_URL", "what it may evict")
	p.pointAt(redistest.Start(t, `rename-command EVALSHA ""`, `rename-command EVAL ""`, `rename-command SCRIPT ""`).URL())
	p.want("redis rights", doctor.Fail, "no Lua scripts")
}

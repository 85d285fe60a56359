package rediscache

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/redisurl"
)

// Connect returns a client of one server (*redis.Client), also of the master that sentinels
// name, or of a cluster (*redis.ClusterClient). Its every call ends within budget, without a
// retry: the API serves the page without Redis rather than wait for it, and the invalidator
// must notice at once. It does not connect yet. certificates is nil for the system's own
// authorities and no client certificate. The error never shows the address, which may hold a
// password.
func Connect(address string, budget time.Duration, certificates *tls.Config) (redis.UniversalClient, error) {
	a, err := redisurl.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("the address of Redis %w", err)
	}
	logging.Disable() // it would print to stderr, past the log, what the errors of its calls say
	switch a.Kind {
	case redisurl.Cluster:
		return connectCluster(a, budget, &redis.ClusterOptions{TLSConfig: tlsOf(a, certificates)}), nil
	case redisurl.Sentinel:
		return connectBySentinels(a, budget, tlsOf(a, certificates)), nil
	}
	o, err := redis.ParseURL(address)
	if err != nil {
		return nil, errors.New("the address of Redis has a parameter behind the ? that is not known, or not well written")
	}
	if certificates != nil && o.TLSConfig != nil {
		o.TLSConfig.RootCAs, o.TLSConfig.Certificates = certificates.RootCAs, certificates.Certificates
	}
	o.DialTimeout = dialTimeout(budget)
	o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = budget, budget, budget
	o.MaxRetries = -1
	o.DialerRetries = 1 // attempts in all
	o.ContextTimeoutEnabled = true
	// No commands that need rights of their own and do nothing for us.
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(o), nil
}

// dialTimeout bounds the making of a connection.
func dialTimeout(budget time.Duration) time.Duration { return max(budget, 250*time.Millisecond) }

// connectBySentinels returns a client of the master that sentinels name. When they name
// another one, the client closes its connections to the old one.
func connectBySentinels(a redisurl.Address, budget time.Duration, config *tls.Config) *redis.Client {
	return redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: a.Master, SentinelAddrs: a.Hosts, DB: a.DB,
		Username: a.User, Password: a.Password, SentinelUsername: a.SentinelUser, SentinelPassword: a.SentinelPassword,
		Protocol: a.Protocol, TLSConfig: config,
		DialTimeout: dialTimeout(budget), ReadTimeout: budget, WriteTimeout: budget, PoolTimeout: budget,
		MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true, DisableIdentity: true,
		OnConnect: refuseReplica, ConnMaxLifetime: connectionLife,
	})
}

// connectionLife is for how long a connection to the master is kept. A master that has become
// a replica closes its connections as a rule, and the client closes them too when a sentinel
// says so; what is left is one that nobody closed.
const connectionLife = time.Minute

// refuseReplica gives up a new connection that leads to a replica. It may show what is past,
// and takes no writes. Connections to sentinels come here, too.
func refuseReplica(ctx context.Context, conn *redis.Conn) error {
	role, err := conn.Do(ctx, "role").Slice()
	if err != nil {
		return fmt.Errorf("ask a server for its role: %w", err)
	}
	if len(role) > 0 && role[0] == "slave" {
		return errors.New("the sentinels name a server that is not the master any more")
	}
	return nil
}

// tlsOf returns how connections to an address are encrypted, nil if they are not. Each server
// must have a certificate for the name or number by which it is reached.
func tlsOf(a redisurl.Address, certificates *tls.Config) *tls.Config {
	if !a.TLS {
		return nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: a.SkipVerify}
	if certificates != nil {
		config.RootCAs, config.Certificates = certificates.RootCAs, certificates.Certificates
	}
	return config
}

// CheckServer refuses a Redis that the guarantee cannot rest on: older than 7, or
// with an eviction policy that may remove beats and registrations at will. The
// warning is for one that works until it is full. Of a cluster all masters that hold a
// partition are asked, and those that do not answer passed over, unless none does.
func CheckServer(ctx context.Context, rdb redis.UniversalClient, space rediskey.Space) (warning string, err error) {
	var mu sync.Mutex
	s := serversOf(rdb, space)
	err = s.eachThatAnswers(ctx, func(ctx context.Context, at server) error {
		info, err := at.rdb.Info(ctx, "server", "memory").Result()
		if err != nil {
			return failed("ask Redis about itself", err)
		}
		if err := CheckVersion(infoField(info, "redis_version")); err != nil {
			return cachestate.Wrap(cachestate.Unfit, err)
		}
		said, err := CheckPolicy(infoField(info, "maxmemory_policy"))
		if said != "" {
			mu.Lock()
			defer mu.Unlock()
			warning = said
		}
		return err
	})
	return warning, err
}

// CheckPolicy judges a maxmemory-policy.
func CheckPolicy(policy string) (warning string, err error) {
	switch policy {
	case "volatile-lru", "volatile-lfu":
		return "", nil
	case "noeviction":
		return "maxmemory-policy is noeviction: once Redis is full nothing more is cached; set volatile-lfu", nil
	}
	return "", cachestate.Wrap(cachestate.RedisPolicy,
		fmt.Errorf("maxmemory-policy is %q, which may evict what the cache's correctness rests on; set volatile-lru or volatile-lfu", policy))
}

// PoolStats returns how many connections a client uses and keeps idle, of a cluster's nodes together,
// how many it may have to each server, and how often none was free at once.
func PoolStats(rdb redis.UniversalClient) (used, idle, limit int, waits uint64) {
	s := rdb.PoolStats()
	switch c := rdb.(type) {
	case *redis.Client:
		limit = c.Options().PoolSize
	case *redis.ClusterClient:
		limit = c.Options().PoolSize
	}
	return max(0, int(s.TotalConns)-int(s.IdleConns)), int(s.IdleConns), limit, uint64(s.WaitCount)
}

// KeyspaceStats is what Redis counts of all look-ups of keys by all its clients.
type KeyspaceStats struct{ Hits, Misses uint64 }

// ReadKeyspaceStats asks Redis for its counts. Those of a cluster's masters are added up.
func ReadKeyspaceStats(ctx context.Context, rdb redis.UniversalClient) (KeyspaceStats, error) {
	var mu sync.Mutex
	var all KeyspaceStats
	err := masters(ctx, rdb, func(ctx context.Context, rdb *redis.Client) error {
		info, err := rdb.Info(ctx, "stats").Result()
		if err != nil {
			return fmt.Errorf("ask Redis for its counts: %w", err)
		}
		hits, err1 := strconv.ParseUint(infoField(info, "keyspace_hits"), 10, 64)
		misses, err2 := strconv.ParseUint(infoField(info, "keyspace_misses"), 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return fmt.Errorf("read the counts of Redis: %w", err)
		}
		mu.Lock()
		defer mu.Unlock()
		all.Hits, all.Misses = all.Hits+hits, all.Misses+misses
		return nil
	})
	if err != nil {
		return KeyspaceStats{}, err
	}
	return all, nil
}

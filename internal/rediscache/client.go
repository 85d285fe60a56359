package rediscache

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/freshlist/freshlist/internal/cachestate"
)

// Connect returns a client whose every call ends within budget, without a retry:
// the API serves the page without Redis rather than wait for it, and the invalidator
// must notice at once. It does not connect yet. The error never
// shows the address, which may hold a password.
func Connect(address string, budget time.Duration) (*redis.Client, error) {
	o, err := redis.ParseURL(address)
	if err != nil {
		return nil, errors.New("the address of Redis is malformed; write redis://[:password@]host:port[/db] or rediss:// for TLS")
	}
	logging.Disable() // it would print to stderr, past the log, what the errors of its calls say
	o.DialTimeout = max(budget, 250*time.Millisecond)
	o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = budget, budget, budget
	o.MaxRetries = -1
	o.DialerRetries = 1 // attempts in all
	o.ContextTimeoutEnabled = true
	// No commands that need rights of their own and do nothing for us.
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(o), nil
}

// CheckServer refuses a Redis that the guarantee cannot rest on: older than 7, or
// with an eviction policy that may remove beats and registrations at will. The
// warning is for one that works until it is full.
func CheckServer(ctx context.Context, rdb *redis.Client) (warning string, err error) {
	info, err := rdb.Info(ctx, "server", "memory").Result()
	if err != nil {
		return "", failed("ask Redis about itself", err)
	}
	if err := CheckVersion(infoField(info, "redis_version")); err != nil {
		return "", cachestate.Wrap(cachestate.Unfit, err)
	}
	return CheckPolicy(infoField(info, "maxmemory_policy"))
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

// KeyspaceStats is what Redis counts of all look-ups of keys by all its clients.
type KeyspaceStats struct{ Hits, Misses uint64 }

// ReadKeyspaceStats asks Redis for its counts.
func ReadKeyspaceStats(ctx context.Context, rdb *redis.Client) (KeyspaceStats, error) {
	info, err := rdb.Info(ctx, "stats").Result()
	if err != nil {
		return KeyspaceStats{}, fmt.Errorf("ask Redis for its counts: %w", err)
	}
	hits, err1 := strconv.ParseUint(infoField(info, "keyspace_hits"), 10, 64)
	misses, err2 := strconv.ParseUint(infoField(info, "keyspace_misses"), 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return KeyspaceStats{}, fmt.Errorf("read the counts of Redis: %w", err)
	}
	return KeyspaceStats{Hits: hits, Misses: misses}, nil
}

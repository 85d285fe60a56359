package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/rediscache"
)

func (c Config) inspect(ctx context.Context) (rediscache.Inspection, error) {
	return rediscache.Inspect(ctx, c.Redis, c.Space)
}

func (c Config) examineRedis(ctx context.Context) []Finding {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout+2*c.Bound)
	defer cancel()
	before := c.Now()
	state, err := c.inspect(ctx)
	if err != nil {
		return []Finding{redisUnreachable(err)}
	}
	after := c.Now()
	return []Finding{
		named("redis version", ofAll(state, redisVersion)),
		named("redis role", ofAll(state, redisRole)),
		named("eviction policy", ofAll(state, redisPolicy)),
		named("redis memory", c.redisMemory(ctx, state)),
		named("redis rights", c.redisRights(ctx)),
		named("redis clock", ofAll(state, func(s rediscache.ServerState) Finding { return judgeClock("Redis", s.Clock, before, after) })),
		named("epoch", c.epoch(ctx)),
		named("beat", c.beat(state)),
		named("live queries", c.live(state)),
	}
}

// redisUnreachable tells a server that is not one to work with from one that does not answer.
func redisUnreachable(err error) Finding {
	var m *rediscache.Misfit
	if errors.As(err, &m) {
		return named("redis", fail(fmt.Sprintf("%s (%v)", m.Said, m.Err), m.Remedy))
	}
	why, known := cachestate.ReasonOf(err)
	if !known {
		why = cachestate.RedisDown
	}
	return unreachable("redis", why, err)
}

// ofAll judges each server, and returns the worst finding; of a cluster with the node's address.
func ofAll(state rediscache.Inspection, judge func(rediscache.ServerState) Finding) Finding {
	worst := judge(state.Servers[0])
	at := state.Servers[0].Address
	for _, s := range state.Servers[1:] {
		if f := judge(s); f.Verdict > worst.Verdict {
			worst, at = f, s.Address
		}
	}
	switch {
	case at == "":
	case worst.Verdict == OK:
		worst.Said += fmt.Sprintf(", and so with all masters: %d", len(state.Servers))
	default:
		worst.Said = "node " + at + ": " + worst.Said
	}
	return worst
}

func redisVersion(s rediscache.ServerState) Finding {
	if err := rediscache.CheckVersion(s.Version); err != nil {
		return fail(err.Error(), "upgrade it, or point REDIS_URL at another")
	}
	return ok("%s %s", s.Name, s.Version)
}

func redisRole(s rediscache.ServerState) Finding {
	switch {
	case s.Replica:
		return fail("the server is a replica, which takes no writes", "point REDIS_URL at the primary, or at the sentinels: redis+sentinel://s1,s2,s3/NAME")
	case s.Node && s.Address == "":
		return warn("primary, and a node of a cluster: once it gives slots away nothing is cached", "write redis+cluster://n1,n2 with some of its nodes")
	}
	return ok("primary")
}

func redisPolicy(state rediscache.ServerState) Finding {
	switch warning, err := rediscache.CheckPolicy(state.Policy); {
	case err != nil:
		return uncached(cachestate.RedisPolicy, err.Error())
	case warning != "":
		return warn(warning, "in redis.conf, by CONFIG SET maxmemory-policy volatile-lfu, or, where CONFIG is refused, in the parameters of the service")
	}
	return ok("%s", state.Policy)
}

func (c Config) redisMemory(ctx context.Context, state rediscache.Inspection) Finding {
	least := state.Servers[0]
	for _, s := range state.Servers {
		if s.MaxMemory == 0 {
			return warn("maxmemory is not set: nothing is evicted until the machine has no memory left", "set maxmemory")
		}
		if s.MaxMemory < least.MaxMemory {
			least = s
		}
	}
	_, err := rediscache.NewBeatReader(c.Redis, c.Space).Beats(ctx)
	if why, _ := cachestate.ReasonOf(err); why == cachestate.RedisFull {
		return uncached(why, fmt.Sprintf("maxmemory is %d MiB, and nothing in it may be evicted", least.MaxMemory>>20))
	}
	return ok("maxmemory is %d MiB", least.MaxMemory>>20)
}

func (c Config) redisRights(ctx context.Context) Finding {
	if err := rediscache.CheckScripts(ctx, c.Redis, c.Space); err != nil {
		var m *rediscache.Misfit
		if errors.As(err, &m) {
			return fail(fmt.Sprintf("%s (%v)", m.Said, m.Err), m.Remedy)
		}
		return fail(err.Error(), "give the user in REDIS_URL the commands and keys that the documentation lists")
	}
	return ok("scripts may be loaded and called")
}

// marker is what the last leader left in PostgreSQL.
type marker struct {
	epoch      string
	partitions int
	ours       bool // written in this database of this cluster
}

// readMarker returns nil if there is none.
func (c Config) readMarker(ctx context.Context) (*marker, error) {
	conn, err := connect(ctx, c.DatabaseURL)
	if err != nil {
		return nil, err
	}
	defer hangUp(conn)
	var m marker
	err = conn.QueryRow(ctx, `
		select epoch, cardinality(fence_terms), system_identifier = (select system_identifier from pg_control_system())
			and database_oid = (select oid from pg_database where datname = current_database())
		from freshlist.marker order by revision desc limit 1`).Scan(&m.epoch, &m.partitions, &m.ours)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return &m, err
}

// epoch checks that Redis and PostgreSQL are of one epoch. One may be beginning, and
// the last beat of another is there for B at most.
func (c Config) epoch(ctx context.Context) (f Finding) {
	for end := c.Now().Add(c.Bound + c.Bound/5); ; {
		m, err := c.readMarker(ctx)
		if err != nil {
			return unchecked(err)
		}
		state, err := c.inspect(ctx)
		if err != nil {
			return unchecked(err)
		}
		if f = c.judgeEpoch(m, state.Partitions); f.Verdict != Fail || c.Now().After(end) {
			return f
		}
		select {
		case <-ctx.Done():
			return unchecked(ctx.Err())
		case <-time.After(c.Bound / 5):
		}
	}
}

func (c Config) judgeEpoch(m *marker, partitions []rediscache.PartitionState) Finding {
	switch {
	case m == nil:
		return c.foreignBeat("", partitions, uncached(cachestate.NoBeat, "no invalidator has begun an epoch since PostgreSQL last lost its unlogged tables"))
	case !m.ours:
		return c.foreignBeat("", partitions, uncached(cachestate.NoBeat, "the marker was written in another database or cluster"))
	case m.partitions != c.Space.Partitions:
		return uncached(cachestate.OtherDeployment, fmt.Sprintf("REDIS_PARTITIONS is %d here, %d for the last leader", c.Space.Partitions, m.partitions))
	}
	for p, state := range partitions {
		if state.Epoch != m.epoch {
			said := fmt.Sprintf("partition %d of Redis is not of the epoch in PostgreSQL", p)
			return c.foreignBeat(m.epoch, partitions, uncached(cachestate.NoBeat, said))
		}
	}
	return ok("%s in PostgreSQL and all of Redis", m.epoch)
}

// foreignBeat returns otherwise, unless there is a beat of another epoch than that in
// PostgreSQL: then somebody certifies another database's listings under our names.
func (c Config) foreignBeat(epoch string, partitions []rediscache.PartitionState, otherwise Finding) Finding {
	for _, state := range partitions {
		if state.Beat != nil && state.Beat.Epoch != epoch {
			return uncached(cachestate.OtherDeployment, "a beat in Redis certifies another database than DATABASE_URL's")
		}
	}
	return otherwise
}

func (c Config) beat(state rediscache.Inspection) Finding {
	oldest := time.Duration(0)
	for p, part := range state.Partitions {
		if part.Beat == nil {
			return uncached(cachestate.NoBeat, fmt.Sprintf("partition %d has none: nothing of it is served from the cache", p))
		}
		if b := part.Beat.Bound; b != c.Bound {
			return uncached(cachestate.Bound, fmt.Sprintf("STALENESS_BOUND is %v here, %v for the leader", c.Bound, b))
		}
		oldest = max(oldest, part.Age)
	}
	said := fmt.Sprintf("the oldest certifies %v ago", oldest.Round(time.Millisecond))
	if oldest > c.Bound*3/4 {
		return warn(said, fmt.Sprintf("one comes every %v: see what the invalidator logs, and how busy both servers are", c.Bound/5))
	}
	return ok("%s", said)
}

func (c Config) live(state rediscache.Inspection) Finding {
	var n int64
	for _, part := range state.Partitions {
		n += part.Live
	}
	said := fmt.Sprintf("%d of at most %d", n, c.LiveMax)
	if n > int64(c.LiveMax)*9/10 {
		return warn(said, "new queries are soon answered without being stored: raise LIVE_MAX, or shorten QUERYSET_TTL")
	}
	return ok("%s", said)
}

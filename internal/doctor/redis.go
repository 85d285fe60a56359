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
		return []Finding{unreachable("redis", cachestate.RedisDown, err)}
	}
	after := c.Now()
	return []Finding{
		named("redis version", redisVersion(state)),
		named("redis role", redisRole(state)),
		named("eviction policy", redisPolicy(state)),
		named("redis memory", c.redisMemory(ctx, state)),
		named("redis rights", c.redisRights(ctx)),
		named("redis clock", judgeClock("Redis", state.Clock, before, after)),
		named("epoch", c.epoch(ctx)),
		named("beat", c.beat(state)),
		named("live queries", c.live(state)),
	}
}

func redisVersion(state rediscache.Inspection) Finding {
	if err := rediscache.CheckVersion(state.Version); err != nil {
		return fail(err.Error(), "upgrade it, or point REDIS_URL at another")
	}
	return ok("Redis %s", state.Version)
}

func redisRole(state rediscache.Inspection) Finding {
	if state.Replica {
		return fail("the server is a replica, which takes no writes", "point REDIS_URL at the primary")
	}
	return ok("primary")
}

func redisPolicy(state rediscache.Inspection) Finding {
	switch warning, err := rediscache.CheckPolicy(state.Policy); {
	case err != nil:
		return uncached(cachestate.RedisPolicy, err.Error())
	case warning != "":
		return warn(warning, "in redis.conf, or by CONFIG SET maxmemory-policy volatile-lfu")
	}
	return ok("%s", state.Policy)
}

func (c Config) redisMemory(ctx context.Context, state rediscache.Inspection) Finding {
	if state.MaxMemory == 0 {
		return warn("maxmemory is not set: nothing is evicted until the machine has no memory left", "set maxmemory")
	}
	_, err := rediscache.NewBeatReader(c.Redis, c.Space).Beats(ctx)
	if why, _ := cachestate.ReasonOf(err); why == cachestate.RedisFull {
		return uncached(why, fmt.Sprintf("maxmemory is %d MiB, and nothing in it may be evicted", state.MaxMemory>>20))
	}
	return ok("maxmemory is %d MiB", state.MaxMemory>>20)
}

func (c Config) redisRights(ctx context.Context) Finding {
	if err := rediscache.CheckScripts(ctx, c.Redis, c.Space); err != nil {
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
		from freshlist.properties_marker order by revision desc limit 1`).Scan(&m.epoch, &m.partitions, &m.ours)
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
		oldest = max(oldest, state.Clock.Sub(time.UnixMicro(part.Beat.Noted)))
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

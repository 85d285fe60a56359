package rediscache

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/rediskey"
)

// Remover removes what is cached because somebody asks for it, not since something changed. It
// does no more than eviction may do at any time, so it needs no part in the invalidator's
// protocol, and works while no invalidator does; the script says why. It reaches the caches
// inside the API processes, too. It is safe for concurrent use.
type Remover struct {
	servers servers
	space   rediskey.Space
	script  script
}

// NewRemover returns a Remover of one deployment's cache.
func NewRemover(rdb redis.UniversalClient, space rediskey.Space) *Remover {
	return &Remover{serversOf(rdb, space), space, plain("remove")}
}

// Remove removes all that is cached of some queries, by their canonical texts. It returns of how
// many of them something was cached in Redis.
func (r *Remover) Remove(ctx context.Context, queries ...string) (removed int, err error) {
	byPartition := make([][]string, r.space.Partitions)
	for _, q := range queries {
		p := r.space.Partition(q)
		byPartition[p] = append(byPartition[p], q)
	}
	for p, some := range byPartition {
		for len(some) > 0 {
			n := min(len(some), purgesPerCall)
			more, err := r.remove(ctx, p, some[:n])
			removed += more
			if err != nil {
				return removed, err
			}
			some = some[n:]
		}
	}
	return removed, nil
}

func (r *Remover) remove(ctx context.Context, p int, queries []string) (removed int, err error) {
	rdb, err := r.servers.of(ctx, p)
	if err != nil {
		return 0, err
	}
	stems := append(r.space.EntryStems(p), r.space.MomentStems(p)...)
	args := []any{r.servers.publish(), r.space.Purged(p), len(stems)}
	for _, stem := range stems {
		args = append(args, stem)
	}
	for _, q := range queries {
		args = append(args, q)
	}
	values, err := r.script.run(ctx, rdb, []string{r.space.Live(p)}, args...)
	if err == nil && len(values) > 0 {
		removed, err = strconv.Atoi(fmt.Sprint(values[0]))
	}
	if err != nil {
		return 0, fmt.Errorf("remove queries of partition %d: %w", p, err)
	}
	return removed, nil
}

// RemoveAll removes all live queries that the function names, as they were when it began and
// those that were being filled then. It calls progress, if that is not nil, with how many
// queries it has looked at of how many.
func (r *Remover) RemoveAll(ctx context.Context, is func(query string) bool, progress func(done, of int)) (removed int, err error) {
	done, of := 0, 0
	for p := range r.space.Partitions {
		rdb, err := r.servers.of(ctx, p)
		if err != nil {
			return removed, err
		}
		n, err := rdb.ZCard(ctx, r.space.Live(p)).Result()
		if err != nil {
			return removed, failed("count the live queries", err)
		}
		of += int(n)
	}
	for p := range r.space.Partitions {
		// A fill that had begun before may end behind the first pass, under a new number. Its
		// lease was there in that pass if it ends behind it, so two are enough.
		after := int64(0)
		for range 2 {
			upTo, err := r.registered(ctx, p)
			if err != nil {
				return removed, err
			}
			err = r.servers.walk(ctx, p, after, upTo, scansPerCall, func(found []redis.Z) error {
				var some []string
				for _, q := range queriesOf(found) {
					if is(q) {
						some = append(some, q)
					}
				}
				more, err := r.Remove(ctx, some...)
				removed += more
				if done += len(found); progress != nil {
					progress(min(done, of), of)
				}
				return err
			})
			if err != nil {
				return removed, err
			}
			after = upTo
		}
	}
	return removed, nil
}

// registered returns the last registration number of a partition, 0 if there is none.
func (r *Remover) registered(ctx context.Context, p int) (int64, error) {
	rdb, err := r.servers.of(ctx, p)
	if err != nil {
		return 0, err
	}
	n, err := rdb.HGet(ctx, r.space.Fence(p), "registered").Int64()
	if errors.Is(err, redis.Nil) || isWrongType(err) {
		return 0, nil
	}
	if err != nil {
		return 0, failed("read the last registration", err)
	}
	return n, nil
}

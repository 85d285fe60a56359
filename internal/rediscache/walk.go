package rediscache

import (
	"context"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/rediskey"
)

// walk calls visit with the live queries of a partition that are registered behind one number and up
// to another, in the order of their numbers, which come with them; at most count at a time.
func (s *servers) walk(ctx context.Context, p int, after, upTo int64, count int, visit func([]redis.Z) error) error {
	for after < upTo {
		rdb, err := s.of(ctx, p)
		if err != nil {
			return err
		}
		found, err := rdb.ZRangeArgsWithScores(ctx, redis.ZRangeArgs{
			Key: s.space.Live(p), Start: "(" + strconv.FormatInt(after, 10), Stop: upTo, ByScore: true, Count: int64(count),
		}).Result()
		if err != nil {
			return failed("list the live queries", err)
		}
		if len(found) == 0 {
			return nil
		}
		if err := visit(found); err != nil {
			return err
		}
		if len(found) < count {
			return nil
		}
		after = int64(found[len(found)-1].Score)
	}
	return nil
}

// queriesOf returns the queries that walk has found.
func queriesOf(found []redis.Z) []string {
	queries := make([]string, len(found))
	for i, z := range found {
		queries[i], _ = z.Member.(string)
	}
	return queries
}

// entryValues returns what a query's values are called, and their keys.
func entryValues(space rediskey.Space, query string) (names, keys []string) {
	names, keys = []string{QuerysetName}, []string{space.Queryset(query)}
	for _, format := range rediskey.Formats {
		names, keys = append(names, format), append(keys, space.View(format, query))
	}
	return names, keys
}

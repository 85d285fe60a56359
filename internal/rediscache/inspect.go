package rediscache

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/rediskey"
)

// CheckVersion judges a version of Redis.
func CheckVersion(version string) error {
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < 7 {
		return fmt.Errorf("redis is version %q; version 7.0 or newer is needed", version)
	}
	return nil
}

// Inspection is what Redis says of itself and of the cache in it.
type Inspection struct {
	Version   string
	Replica   bool      // it follows another Redis and takes no writes
	Policy    string    // maxmemory-policy
	MaxMemory int64     // bytes, 0 = no limit
	Clock     time.Time // as of some instant during the call

	Partitions []PartitionState
}

// PartitionState is where one partition stands.
type PartitionState struct {
	Term  int64  // of the fence; 0 without one
	Epoch string // of the fence; "" without one
	Beat  *Beat  // nil: there is none, or it has ended; nothing of the partition is served
	Live  int64  // live queries
}

// Inspect asks Redis about itself and about every partition. It changes nothing.
func Inspect(ctx context.Context, rdb *redis.Client, space rediskey.Space) (Inspection, error) {
	pipe := rdb.Pipeline()
	info := pipe.Info(ctx, "server", "memory", "replication")
	fences := make([]*redis.SliceCmd, space.Partitions)
	beats := make([]*redis.StringCmd, space.Partitions)
	live := make([]*redis.IntCmd, space.Partitions)
	for p := range space.Partitions {
		fences[p] = pipe.HMGet(ctx, space.Fence(p), "term", "epoch")
		beats[p] = pipe.Get(ctx, space.Beat(p))
		live[p] = pipe.ZCard(ctx, space.Live(p))
	}
	now := pipe.Time(ctx)
	answers, _ := pipe.Exec(ctx) // its error is the first of theirs
	for _, answer := range answers {
		if err := answer.Err(); err != nil && !errors.Is(err, redis.Nil) && !isWrongType(err) {
			return Inspection{}, failed("ask Redis about itself", err)
		}
	}
	limit, err := strconv.ParseInt(infoField(info.Val(), "maxmemory"), 10, 64)
	if err != nil {
		return Inspection{}, fmt.Errorf("read maxmemory: %w", err)
	}
	i := Inspection{
		Version: infoField(info.Val(), "redis_version"),
		Replica: infoField(info.Val(), "role") == "slave",
		Policy:  infoField(info.Val(), "maxmemory_policy"), MaxMemory: limit, Clock: now.Val(),
	}
	for p := range space.Partitions {
		state := PartitionState{Live: live[p].Val()}
		if fence := fences[p].Val(); len(fence) == 2 && fence[0] != nil {
			state.Term, _ = number(fence[0])
			state.Epoch, _ = fence[1].(string)
		}
		if beats[p].Err() == nil {
			state.Beat = validBeat(beats[p].Val(), now.Val())
		}
		i.Partitions = append(i.Partitions, state)
	}
	return i, nil
}

// CheckOtherDatabase returns ErrOtherDatabase while there is a living beat of another database than the
// caller's: two deployments that have one prefix would take the cache from each other for
// ever. A beat that has run out is that of a database which has been replaced.
func CheckOtherDatabase(ctx context.Context, rdb *redis.Client, space rediskey.Space, database string) error {
	state, err := Inspect(ctx, rdb, space)
	if err != nil {
		return err
	}
	for p, part := range state.Partitions {
		if part.Beat != nil && part.Beat.Database != database {
			return cachestate.Wrap(cachestate.OtherDeployment, fmt.Errorf("partition %d: %w", p, ErrOtherDatabase))
		}
	}
	return nil
}

// CheckScripts makes sure that this client may load and call scripts: it has each
// partition answer a call whose term is too low for it to change anything.
func CheckScripts(ctx context.Context, rdb *redis.Client, space rediskey.Space) error {
	beat := checked("beat")
	for p := range space.Partitions {
		_, err := beat.run(ctx, rdb, []string{space.Fence(p), space.Live(p), space.Beat(p)}, -1, "", 0, 0, 0, "")
		if !errors.Is(err, ErrFenced) && !errors.Is(err, ErrStateLost) {
			return fmt.Errorf("call a script on partition %d: %w", p, err)
		}
	}
	return nil
}

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
	Servers    []ServerState // one, or the masters of a cluster that hold a partition
	Partitions []PartitionState
}

// ServerState is what one server says of itself.
type ServerState struct {
	Address   string // host:port in a cluster, else ""
	Name      string // "Redis", or another that says so
	Version   string // of Redis, or the one that it is compatible with
	Node      bool   // it is a node of a cluster
	Replica   bool   // it follows another server and takes no writes
	Policy    string // maxmemory-policy
	MaxMemory int64  // bytes, 0 = no limit
	Clock     time.Time
}

// PartitionState is where one partition stands.
type PartitionState struct {
	Term  int64         // of the fence; 0 without one
	Epoch string        // of the fence; "" without one
	Beat  *Beat         // nil: there is none, or it has ended; nothing of the partition is served
	Age   time.Duration // of the beat
	Live  int64         // live queries
}

// Inspect asks Redis about itself and about every partition. It changes nothing. The error is
// a Misfit if what answers is not a server to work with.
func Inspect(ctx context.Context, rdb redis.UniversalClient, space rediskey.Space) (Inspection, error) {
	s := serversOf(rdb, space)
	all, err := s.all(ctx)
	if err != nil {
		return Inspection{}, err
	}
	state := Inspection{Servers: make([]ServerState, len(all)), Partitions: make([]PartitionState, space.Partitions)}
	index := make([]int, len(all))
	for i := range index {
		index[i] = i
	}
	return state, atOnce(index, func(i int) (err error) {
		state.Servers[i], err = s.inspect(ctx, all[i], state.Partitions)
		if s.cluster != nil {
			state.Servers[i].Address = all[i].rdb.Options().Addr
		}
		return err
	})
}

// inspect asks one server, and fills in the states of the partitions that it holds.
func (s *servers) inspect(ctx context.Context, at server, states []PartitionState) (ServerState, error) {
	pipe := at.rdb.Pipeline()
	info := pipe.Info(ctx, "server", "memory", "replication")
	fences := make([]*redis.SliceCmd, len(at.partitions))
	beats := make([]*redis.StringCmd, len(at.partitions))
	live := make([]*redis.IntCmd, len(at.partitions))
	for i, p := range at.partitions {
		fences[i] = pipe.HMGet(ctx, s.space.Fence(p), "term", "origin")
		beats[i] = pipe.Get(ctx, s.space.Beat(p))
		live[i] = pipe.ZCard(ctx, s.space.Live(p))
	}
	now := pipe.Time(ctx)
	answers := exec(ctx, pipe)
	mode := infoField(info.Val(), "redis_mode")
	for _, answer := range answers {
		err := answer.Err()
		switch {
		case err == nil, err == redis.Nil, isWrongType(err): // the sentinels' answer may wrap a Nil
		case mode == "sentinel":
			return ServerState{}, unfit("the address leads to a sentinel", "write redis+sentinel://s1,s2,s3/NAME, with the name of the master", err)
		case redis.HasErrorPrefix(err, "MOVED") && s.cluster == nil:
			return ServerState{}, unfit("the address names one node of a cluster", "write redis+cluster://n1,n2 with some of its nodes", err)
		default:
			return ServerState{}, failed("ask Redis about itself", err)
		}
	}
	limit, err := strconv.ParseInt(infoField(info.Val(), "maxmemory"), 10, 64)
	if err != nil {
		return ServerState{}, unfit("the server does not say by INFO how much memory it may use", remedyOfInfo, err)
	}
	for i, p := range at.partitions {
		state := PartitionState{Live: live[i].Val()}
		if fence := fences[i].Val(); len(fence) == 2 && fence[0] != nil {
			state.Term, _ = number(fence[0])
			origin, _ := fence[1].(string)
			state.Epoch, _, _ = strings.Cut(origin, " ")
		}
		if beats[i].Err() == nil {
			if state.Beat = validBeat(beats[i].Val(), now.Val()); state.Beat != nil {
				state.Age = state.Beat.age(now.Val())
			}
		}
		states[p] = state
	}
	name, version := "Redis", infoField(info.Val(), "redis_version")
	if valkey := infoField(info.Val(), "valkey_version"); valkey != "" {
		name = "Valkey " + valkey + ", which is compatible with Redis"
	}
	return ServerState{
		Name: name, Version: version, Node: mode == "cluster",
		Replica: infoField(info.Val(), "role") == "slave",
		Policy:  infoField(info.Val(), "maxmemory_policy"), MaxMemory: limit, Clock: now.Val(),
	}, nil
}

// CheckOtherDatabase returns ErrOtherDatabase while there is a living beat of another database than the
// caller's: two deployments that have one prefix would take the cache from each other for
// ever. A beat that has run out is that of a database which has been replaced. Partitions
// that do not answer are passed over, unless none does.
func CheckOtherDatabase(ctx context.Context, rdb redis.UniversalClient, space rediskey.Space, database string) error {
	s := serversOf(rdb, space)
	errs := make([]error, space.Partitions)
	s.eachPartition(func(p int) {
		at, err := s.of(ctx, p)
		if err == nil {
			err = s.checkOtherDatabase(ctx, at, p, database)
		}
		errs[p] = err
	})
	return worstOf(errs)
}

// checkOtherDatabase is CheckOtherDatabase of one partition.
func (s *servers) checkOtherDatabase(ctx context.Context, rdb *redis.Client, p int, database string) error {
	pipe := rdb.Pipeline()
	value := pipe.Get(ctx, s.space.Beat(p))
	now := pipe.Time(ctx)
	exec(ctx, pipe)
	for _, err := range []error{value.Err(), now.Err()} {
		if err != nil && !errors.Is(err, redis.Nil) && !isWrongType(err) {
			return failed("look for the beat of another database", err)
		}
	}
	if beat := validBeat(value.Val(), now.Val()); beat != nil && beat.Database != database {
		return cachestate.Wrap(cachestate.OtherDeployment, fmt.Errorf("partition %d: %w", p, ErrOtherDatabase))
	}
	return nil
}

// CheckScripts makes sure that this client may load and call scripts: it has each
// partition answer a call whose term is too low for it to change anything.
func CheckScripts(ctx context.Context, rdb redis.UniversalClient, space rediskey.Space) error {
	s, beat := serversOf(rdb, space), checked("beat")
	for p := range space.Partitions {
		at, err := s.of(ctx, p)
		if err != nil {
			return err
		}
		_, err = beat.run(ctx, at, []string{space.Fence(p), space.Live(p), space.Beat(p)}, -1, "", 0, 0, 0, "")
		if !errors.Is(err, ErrFenced) && !errors.Is(err, ErrStateLost) {
			return fmt.Errorf("call a script on partition %d: %w", p, err)
		}
	}
	return nil
}

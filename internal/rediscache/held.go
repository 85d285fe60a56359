package rediscache

import (
	"context"
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/rediskey"
)

// Held is all that Redis knows of one query at about one instant.
type Held struct {
	Now        time.Time // by Redis' clock
	Generation string    // of the fence, "" without one
	Beat       *Beat     // nil: there is none that counts, so nobody is served the values
	Values     []HeldValue
	Live       bool          // it is registered
	Window     string        // that its rows cover, as listing.ParseWindow reads it; "" is wide
	Lease      time.Duration // how long its fill may still take; 0 if none is under way
}

// HeldValue is one cached value of a query.
type HeldValue struct {
	Name  string        // QuerysetName, or the format of a view
	Bytes int           //
	TTL   time.Duration // how long it stays at most; 0 for ever
	Head  ValueHead     // the zero one if it is unreadable
	Valid bool          // it is of the fence's generation
}

// ReadHeld reads what Redis knows of a query. It changes nothing.
func ReadHeld(ctx context.Context, rdb redis.UniversalClient, space rediskey.Space, query string) (Held, error) {
	servers, p := serversOf(rdb, space), space.Partition(query)
	at, err := servers.of(ctx, p)
	if err != nil {
		return Held{}, err
	}
	names, keys := entryValues(space, query)
	pipe := at.Pipeline()
	fence := pipe.HGet(ctx, space.Fence(p), "generation")
	number := pipe.ZScore(ctx, space.Live(p), query)
	window := pipe.HGet(ctx, space.Windows(p), query)
	lease := pipe.PTTL(ctx, space.Lease(query))
	values := pipe.MGet(ctx, keys...)
	lives := make([]*redis.DurationCmd, len(keys))
	for i, key := range keys {
		lives[i] = pipe.PTTL(ctx, key)
	}
	beat := pipe.Get(ctx, space.Beat(p))
	now := pipe.Time(ctx)
	for _, cmd := range exec(ctx, pipe) {
		if err := cmd.Err(); err != nil && !errors.Is(err, redis.Nil) && !isWrongType(err) {
			return Held{}, failed("read what is cached of "+query, err)
		}
	}
	e := Held{
		Now: now.Val(), Live: number.Err() == nil, Window: window.Val(),
		Lease: max(0, lease.Val()), Generation: fence.Val(),
	}
	if beat.Err() == nil {
		e.Beat = validBeat(beat.Val(), e.Now)
	}
	for i, name := range names {
		raw, ok := values.Val()[i].(string)
		if !ok {
			continue
		}
		head, _ := parseHead(raw)
		e.Values = append(e.Values, HeldValue{
			Name: name, Bytes: len(raw), TTL: max(0, lives[i].Val()), Head: head, Valid: e.Generation != "" && head.Generation == e.Generation,
		})
	}
	return e, nil
}

// Since returns when the rows of the value began to be read, by the clock of the process that
// read them; false if the value does not say so.
func (v HeldValue) Since(now time.Time) (time.Time, bool) {
	const digits = 2 * tokenTime
	if len(v.Head.Token) < digits {
		return time.Time{}, false
	}
	ms, err := strconv.ParseInt(string(v.Head.Token[:digits]), 16, 64)
	at := time.UnixMilli(ms)
	if err != nil || at.After(now.Add(time.Minute)) || now.Sub(at) > oldest {
		return time.Time{}, false // of a program from before tokens had a time
	}
	return at, true
}

// oldest is more than any value is kept.
const oldest = 40 * 24 * time.Hour

// EachRegistration calls visit with all live queries of all partitions and their windows, some
// thousands at a time and in no order. It changes nothing, and does not see what is registered
// meanwhile for certain.
func EachRegistration(ctx context.Context, rdb redis.UniversalClient, space rediskey.Space, visit func([]Registration) error) error {
	servers := serversOf(rdb, space)
	for p := range space.Partitions {
		err := servers.walk(ctx, p, 0, math.MaxInt64, registrationsRead, func(found []redis.Z) error {
			queries := queriesOf(found)
			at, err := servers.of(ctx, p)
			if err != nil {
				return err
			}
			windows, err := at.HMGet(ctx, space.Windows(p), queries...).Result()
			if err != nil {
				return failed("read the windows of live queries", err)
			}
			some := make([]Registration, len(found))
			for i, z := range found {
				some[i] = Registration{Number: int64(z.Score), Query: queries[i]}
				some[i].Window, _ = windows[i].(string)
			}
			return visit(some)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// registrationsRead is how many registrations one reading takes.
const registrationsRead = 5000

// Unreachable reports whether an error says that Redis does not answer, or refuses commands.
func Unreachable(err error) bool {
	why, found := cachestate.ReasonOf(err)
	return found && (why == cachestate.RedisDown || why == cachestate.NoRights)
}

package rediscache

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/rediskey"
)

// BeatReader reads the valid beats without a request at hand. A process uses it to learn its
// own state.
type BeatReader struct {
	rdb   *redis.Client
	space rediskey.Space
	probe script
}

// NewBeatReader returns a Watch on the partitions of a deployment.
func NewBeatReader(rdb *redis.Client, space rediskey.Space) *BeatReader {
	return &BeatReader{rdb, space, plain("probe")}
}

// BeatReader returns a Watch on what the reader reads.
func (r *Reader) BeatReader() *BeatReader { return NewBeatReader(r.rdb, r.space) }

// Beats returns the valid beats. If a partition has none, or Redis would store nothing, the
// error is a cachestate.Fault.
func (w *BeatReader) Beats(ctx context.Context) ([]Beat, error) {
	if _, err := w.probe.run(ctx, w.rdb, nil); err != nil {
		return nil, err
	}
	pipe := w.rdb.Pipeline()
	info := pipe.Info(ctx, "memory")
	reads := make([]*redis.SliceCmd, w.space.Partitions)
	for p := range reads {
		reads[p] = pipe.MGet(ctx, w.space.Beat(p))
	}
	now := pipe.Time(ctx)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, failed("read the beats", err)
	}
	if _, err := CheckPolicy(infoField(info.Val(), "maxmemory_policy")); err != nil {
		return nil, err
	}
	var beats []Beat
	var missing error
	for p, read := range reads {
		if beat := validBeat(read.Val()[0], now.Val()); beat != nil {
			beats = append(beats, *beat)
		} else if missing == nil {
			missing = cachestate.Wrap(cachestate.NoBeat, fmt.Errorf("partition %d has no beat", p))
		}
	}
	return beats, missing
}

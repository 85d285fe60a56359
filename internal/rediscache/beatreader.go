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
	servers servers
	probe   script
}

// NewBeatReader returns a BeatReader on the partitions of a deployment.
func NewBeatReader(rdb redis.UniversalClient, space rediskey.Space) *BeatReader {
	return &BeatReader{serversOf(rdb, space), plain("probe")}
}

// BeatReader returns a BeatReader on what the reader reads.
func (r *Reader) BeatReader() *BeatReader { return &BeatReader{r.servers, plain("probe")} }

// Beats returns the valid beats. If a partition has none, or Redis would store nothing, the
// error is a cachestate.Fault.
func (w *BeatReader) Beats(ctx context.Context) ([]Beat, error) {
	found := make([]*Beat, w.servers.space.Partitions)
	err := w.servers.each(ctx, func(ctx context.Context, at server) error { return w.read(ctx, at, found) })
	if err != nil {
		return nil, err
	}
	var beats []Beat
	var missing error
	for p, beat := range found {
		if beat != nil {
			beats = append(beats, *beat)
		} else if missing == nil {
			missing = cachestate.Wrap(cachestate.NoBeat, fmt.Errorf("partition %d has no beat", p))
		}
	}
	return beats, missing
}

// read reads the beats that one server holds.
func (w *BeatReader) read(ctx context.Context, at server, found []*Beat) error {
	if _, err := w.probe.run(ctx, at.rdb, nil); err != nil {
		return err
	}
	pipe := at.rdb.Pipeline()
	info := pipe.Info(ctx, "memory")
	reads := make([]*redis.SliceCmd, len(at.partitions))
	for i, p := range at.partitions {
		reads[i] = pipe.MGet(ctx, w.servers.space.Beat(p))
	}
	now := pipe.Time(ctx)
	if _, err := pipe.Exec(ctx); err != nil {
		return failed("read the beats", err)
	}
	if _, err := CheckPolicy(infoField(info.Val(), "maxmemory_policy")); err != nil {
		return err
	}
	for i, p := range at.partitions {
		found[p] = validBeat(reads[i].Val()[0], now.Val())
	}
	return nil
}
